"""Writes the golden files of the whole model: one .safetensors file a case.

    python make_fixtures.py [case ...]

Inputs and parameters are float32 values; everything expected is computed from them in float64 by
`reference.py` and rounded once, to float32, when it is stored. Losses stay float64, as JSON in the
metadata. README.md beside this file says what a file holds.
"""

from __future__ import annotations

import json
import platform
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.numpy import save
from torch import Tensor

from reference import (
    Dialogue,
    Options,
    Parameters,
    Prototypes,
    batch_losses,
    gradients,
    parameter_shapes,
)

FOLDER = Path(__file__).parent
LENGTHS, INDICES = (1, 5, 3, 2), (7, 2, 30, 4)
LOSS_NAMES = (
    "loss",
    "emotion",
    "contrastive_modality",
    "contrastive_utterance",
    "tcp_classification",
    "tcp_regression",
    "prototype",
)


@dataclass(frozen=True)
class Case:
    """A golden file: options, dialogue lengths and indices, and whether prototypes start warm."""

    name: str
    options: Options
    warm: bool = False
    lengths: tuple[int, ...] = LENGTHS
    indices: tuple[int, ...] = INDICES


def all_cases() -> list[Case]:
    """Every case but the training run."""
    base, cases = Options(), []
    for reduction in ("mean", "sum"):
        options = replace(base, reduction=reduction)
        cases.append(Case(f"full.cold.{reduction}", options))
        cases.append(Case(f"full.warm.{reduction}", options, warm=True))
    for subset in (
        ("text", "audio"),
        ("text", "visual"),
        ("audio", "visual"),
        ("text",),
        ("audio",),
        ("visual",),
    ):
        cases.append(Case("-".join(subset), replace(base, modalities=subset), warm=True))
    cases.append(Case("one-utterance", base, lengths=(1,), indices=(9,)))
    one_row = replace(base, modalities=("text",))
    cases.append(Case("one-utterance.text", one_row, lengths=(1,), indices=(9,), warm=True))
    for ablations in (
        ("no-ddm",),
        ("no-utterance",),
        ("no-modality",),
        ("no-cfm",),
        ("cfm-attention",),
        ("crm-full",),
        ("crm-zero",),
        ("crm-attention",),
        ("no-ddm", "no-cfm", "crm-attention"),
    ):
        options = replace(base, ablations=ablations)
        cases.append(Case("+".join(ablations), options, warm=options.has_alignment))
    random = replace(base, dropout=0.2, seed=2**40 + 20231029, step=17)
    cases.append(Case("full.dropout", random, warm=True))
    attention = replace(random, ablations=("cfm-attention", "crm-attention"))
    cases.append(Case("cfm-attention+crm-attention.dropout", attention))
    return cases


def generator(name: str) -> np.random.Generator:
    """A generator of its own for each case, so that adding a case changes no other."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def draw_parameters(options: Options, random: np.random.Generator) -> Parameters:
    """Uniform values, biases included, all of them exact in float32."""
    parameters = {}
    for name, shape in parameter_shapes(options).items():
        bound = 1.5 / np.sqrt(shape[-1] if len(shape) == 2 else options.width)
        values = random.uniform(-bound, bound, shape).astype(np.float32)
        parameters[name] = torch.from_numpy(values).double().requires_grad_()
    return parameters


def draw_dialogues(
    options: Options,
    lengths: tuple[int, ...],
    indices: tuple[int, ...],
    label_count: int,
    random: np.random.Generator,
) -> list[Dialogue]:
    """Normal features and uniform labels below label_count."""
    widths = dict(options.raw_widths)
    dialogues = []
    for index, length in zip(indices, lengths, strict=True):
        features = {
            m: torch.from_numpy(random.normal(size=(length, widths[m])).astype(np.float32))
            for m in options.modalities
        }
        labels = torch.from_numpy(random.integers(0, label_count, length))
        dialogues.append(Dialogue(index, features, labels))
    return dialogues


def draw_prototypes(options: Options, random: np.random.Generator) -> Prototypes:
    """As after some training; the last emotion has not been seen yet."""
    counts = random.integers(5, 40, options.emotions)
    counts[-1] = 0
    means = random.normal(scale=0.6, size=(options.emotions, options.alignment_width))
    return Prototypes(torch.from_numpy(means * counts[:, None]), torch.from_numpy(counts))


def margin_inside(errors: Tensor) -> float:
    """A margin that splits the distances to the prototypes, at the widest gap near the middle."""
    ordered = errors.sort().values
    first, last = len(ordered) // 4, max(3 * len(ordered) // 4, len(ordered) // 4 + 1)
    gaps = ordered[first + 1 : last + 1] - ordered[first:last]
    place = first + int(gaps.argmax())
    margin = float(f"{float(ordered[place] + ordered[place + 1]) / 2:.3g}")
    assert (errors - margin).abs().min() > 1e-3 * margin, "a term lies on the margin"
    assert (errors > margin).any() and (errors < margin).any()
    return margin


def describe(options: Options) -> str:
    """The options as JSON, with the names of the run configuration."""
    return json.dumps(
        {
            "modalities": options.modalities,
            "ablations": options.ablations,
            "reduction": options.reduction,
            "dropout": options.dropout,
            "seed": options.seed,
            "step": options.step,
            "rawWidths": dict(options.raw_widths),
            "width": options.width,
            "alignmentWidth": options.alignment_width,
            "contextHidden": options.context_hidden,
            "emotions": options.emotions,
            "contrastive": options.contrastive_weight,
            "contribution": options.contribution_weight,
            "prototype": options.prototype_weight,
            "modalityTemperature": options.modality_temperature,
            "utteranceTemperature": options.utterance_temperature,
            "margin": options.margin,
        }
    )


def versions() -> str:
    """What the file was made with, as JSON."""
    return json.dumps(
        {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        }
    )


def batch_tensors(dialogues: list[Dialogue], options: Options) -> dict[str, np.ndarray]:
    """The packed inputs: utterances of all dialogues one after another."""
    tensors = {
        f"input.{m}": torch.cat([dialogue.features[m] for dialogue in dialogues]).numpy()
        for m in options.modalities
    }
    lengths = [len(dialogue.labels) for dialogue in dialogues]
    tensors["labels"] = torch.cat([dialogue.labels for dialogue in dialogues]).numpy()
    tensors["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tensors["dialogues"] = np.array([dialogue.index for dialogue in dialogues], dtype=np.int64)
    return tensors


def float32(value: Tensor) -> np.ndarray:
    """The value rounded once, to float32."""
    return value.detach().float().numpy()


def write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Saves one golden file; refuses values that are not finite."""
    for name, values in tensors.items():
        assert np.isfinite(values).all(), (path, name)
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    path.write_bytes(with_sorted_header(save(contiguous, {**metadata, "versions": versions()})))


def with_sorted_header(contents: bytes) -> bytes:
    """The same safetensors file with its header's keys in order; the library shuffles metadata."""
    length = int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + contents[8 + length :]


def make_case(case: Case) -> None:
    """Writes one golden file and prints its losses."""
    random = generator(case.name)
    options = case.options
    parameters = draw_parameters(options, random)
    # Cold cases leave the last emotion out, so that a prototype stays at zero.
    label_count = options.emotions if case.warm else options.emotions - 1
    dialogues = draw_dialogues(options, case.lengths, case.indices, label_count, random)
    prototypes = draw_prototypes(options, random) if case.warm else Prototypes.empty(options)

    errors = batch_losses(dialogues, parameters, options, prototypes).alignment_errors
    if len(errors) > 1:
        options = replace(options, margin=margin_inside(errors))
    result = batch_losses(dialogues, parameters, options, prototypes)
    found = gradients(result.losses["loss"], parameters)

    tensors = batch_tensors(dialogues, options)
    tensors |= {f"parameter.{name}": float32(value) for name, value in parameters.items()}
    tensors["prototype_sums"] = prototypes.sums.numpy()
    tensors["counts"] = prototypes.counts.numpy()
    utterances = result.utterances
    tensors["expected.logits"] = float32(torch.cat([u.logits for u in utterances]))
    tensors["expected.consistency"] = float32(torch.cat([u.consistency for u in utterances]))
    for m in options.modalities:
        contributions = torch.cat([u.contributions[m] for u in utterances])
        tensors[f"expected.contribution.{m}"] = float32(contributions)
    tensors["expected.prototype_sums"] = result.prototypes.sums.numpy()
    tensors["expected.prototypes"] = float32(result.prototypes.means())
    tensors["expected.counts"] = result.prototypes.counts.numpy()
    tensors |= {f"expected.gradient.{name}": float32(value) for name, value in found.items()}

    losses = {name: float(result.losses[name].detach()) for name in LOSS_NAMES}
    metadata = {"options": describe(options), "losses": json.dumps(losses)}
    write(FOLDER / f"{case.name}.safetensors", tensors, metadata)

    active = int((errors > options.margin).sum())
    summary = " ".join(f"{name}={value:.4f}" for name, value in losses.items())
    print(f"{case.name}: {summary} margin={options.margin} active={active}/{len(errors)}")


def make_training() -> None:
    """Ten steps of AdamW with clipping, warm-up and linear decay; prototypes are carried along."""
    options = Options(margin=0.02)
    random = generator("training")
    step_count, warmup_steps, learning_rate, clip_norm, weight_decay = 10, 3, 1e-2, 1.4, 0.01
    parameters = draw_parameters(options, random)
    initial = {name: float32(value) for name, value in parameters.items()}
    dialogues = draw_dialogues(options, (4, 1, 6, 3, 2, 5), tuple(range(6)), 4, random)
    batches = np.stack([random.permutation(6)[:3] for _ in range(step_count)]).astype(np.int64)

    matrices = [value for value in parameters.values() if value.ndim == 2]
    biases = [value for value in parameters.values() if value.ndim == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
    )
    prototypes = Prototypes.empty(options)
    factors, norms, losses, distances = [], [], [], []
    for step in range(step_count):
        warming = step < warmup_steps
        ramp = (step + 1) / warmup_steps
        decay = (step_count - step) / (step_count - warmup_steps)
        factors.append(ramp if warming else decay)
        batch = [dialogues[int(index)] for index in batches[step]]
        result = batch_losses(batch, parameters, options, prototypes)
        optimizer.zero_grad()
        result.losses["loss"].backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), clip_norm)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * factors[-1]
        optimizer.step()
        prototypes = result.prototypes
        losses.append({name: float(result.losses[name].detach()) for name in LOSS_NAMES})
        distances.append(float((result.alignment_errors - options.margin).abs().min()))
    assert min(norms) < clip_norm < max(norms), norms
    assert min(distances) > 1e-5, distances

    tensors = batch_tensors(dialogues, options)
    tensors["batches"] = batches
    tensors |= {f"parameter.{name}": value for name, value in initial.items()}
    tensors["expected.learning_rate_factors"] = np.array(factors)
    tensors["expected.gradient_norms"] = np.array(norms)
    tensors |= {f"expected.parameter.{name}": float32(value) for name, value in parameters.items()}
    tensors["expected.prototype_sums"] = prototypes.sums.numpy()
    tensors["expected.prototypes"] = float32(prototypes.means())
    tensors["expected.counts"] = prototypes.counts.numpy()
    optimizer_options = {
        "learningRate": learning_rate,
        "weightDecay": weight_decay,
        "betas": [0.9, 0.999],
        "epsilon": 1e-8,
        "warmupSteps": warmup_steps,
        "steps": step_count,
        "clipNorm": clip_norm,
    }
    metadata = {
        "options": describe(options),
        "optimizer": json.dumps(optimizer_options),
        "losses": json.dumps(losses),
    }
    write(FOLDER / "training.safetensors", tensors, metadata)
    print("training: losses", " ".join(f"{loss['loss']:.4f}" for loss in losses))
    print("training: norms", " ".join(f"{norm:.3f}" for norm in norms))
    print("training: nearest term to the margin", min(distances))


def main() -> None:
    wanted = sys.argv[1:]
    for case in all_cases():
        if not wanted or case.name in wanted:
            make_case(case)
    if not wanted or "training" in wanted:
        make_training()


if __name__ == "__main__":
    main()
