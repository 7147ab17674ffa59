"""Writes the golden files of the baselines: values and gradients of bc-LSTM in PyTorch.

    python make_fixtures.py [case ...]

Inputs and parameters are float32 values; everything expected is computed from them in float64 and
rounded once, to float32, when it is stored. The loss stays float64, as JSON in the metadata.
README.md beside this file says what a file holds.
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
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent.parent / "DFERCModelTests" / "Fixtures"))

from philox import dropout_keeps  # noqa: E402

LENGTHS, INDICES = (4, 1, 3), (5, 2, 11)
# Nearer to zero, rounding could change the sign of a ReLU's input and with it the gradient.
SMALLEST_RELU_INPUT = 1e-3


@dataclass(frozen=True)
class Options:
    """Everything that selects a model. All widths differ, so that an exchange of two shows."""

    modalities: tuple[str, ...] = ("text", "audio", "visual")
    raw_widths: tuple[tuple[str, int], ...] = (("text", 7), ("audio", 4), ("visual", 5))
    hidden: int = 6
    dense_width: int = 5
    emotions: int = 3
    dropout: float = 0.0
    seed: int = 0
    step: int = 0

    @property
    def input_width(self) -> int:
        """Width of the concatenated features."""
        return sum(dict(self.raw_widths)[m] for m in self.modalities)


@dataclass(frozen=True)
class Dialogue:
    """One dialogue: its index in file order, raw features [n, raw width] and labels [n]."""

    index: int
    features: dict[str, Tensor]
    labels: Tensor


def dropout(x: Tensor, place: str, dialogue: Dialogue, options: Options) -> Tensor:
    """Drops elements of x [n, width]; the mask is a function of seed, step, place and dialogue."""
    if options.dropout == 0:
        return x
    keeps = dropout_keeps(
        x.numel(), options.dropout, options.seed, f"dropout.{place}", options.step, dialogue.index
    )
    return x * torch.from_numpy(keeps).reshape(x.shape) / (1 - options.dropout)


class BCLSTM(nn.Module):
    """A bidirectional LSTM over the utterances of a dialogue, a dense layer, and a classifier.

    S. Poria et al., "Context-Dependent Sentiment Analysis in User-Generated Videos", ACL 2017,
    doi 10.18653/v1/P17-1081. All modalities are concatenated before the LSTM.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.lstm = nn.LSTM(options.input_width, options.hidden, bidirectional=True)
        self.dense = nn.Linear(2 * options.hidden, options.dense_width)
        self.classifier = nn.Linear(options.dense_width, options.emotions)

    def relu_inputs(self, dialogue: Dialogue) -> Tensor:
        """What enters the ReLU, [n, dense width], of one dialogue."""
        x = torch.cat([dialogue.features[m] for m in self.options.modalities], dim=1).double()
        h, _ = self.lstm(dropout(x, "input", dialogue, self.options))
        return self.dense(dropout(h, "lstm", dialogue, self.options))

    def forward(self, dialogue: Dialogue) -> Tensor:
        """Logits [n, K] of one dialogue."""
        d = torch.relu(self.relu_inputs(dialogue))
        return self.classifier(dropout(d, "dense", dialogue, self.options))


def all_cases() -> dict[str, Options]:
    """Name and options of every golden file."""
    full = Options()
    return {
        "bc-lstm.full": full,
        "bc-lstm.full.dropout": replace(full, dropout=0.4, seed=2**40 + 20170730, step=17),
        "bc-lstm.text": replace(full, modalities=("text",)),
        "bc-lstm.audio-visual": replace(full, modalities=("audio", "visual")),
    }


def draw_model(options: Options, random: np.random.Generator) -> BCLSTM:
    """A model in float64 with uniform parameters, biases included, all exact in float32."""
    model = BCLSTM(options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            bound = 2 / np.sqrt(parameter.shape[-1]) if parameter.ndim == 2 else 0.5
            values = random.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
            parameter.copy_(torch.from_numpy(values))
    return model


def draw_dialogues(options: Options, random: np.random.Generator) -> list[Dialogue]:
    """Normal features and uniform labels."""
    widths, dialogues = dict(options.raw_widths), []
    for index, length in zip(INDICES, LENGTHS, strict=True):
        features = {
            m: torch.from_numpy(random.normal(size=(length, widths[m])).astype(np.float32))
            for m in options.modalities
        }
        labels = torch.from_numpy(random.integers(0, options.emotions, length))
        dialogues.append(Dialogue(index, features, labels))
    return dialogues


def exercises_relu(model: BCLSTM, dialogues: list[Dialogue]) -> bool:
    """Whether each dense unit is on in some rows and off in others, none near the kink."""
    with torch.no_grad():
        inputs = torch.cat([model.relu_inputs(dialogue) for dialogue in dialogues])
    on = inputs > 0
    mixed = on.any(dim=0) & ~on.all(dim=0)
    return bool(mixed.all()) and bool(inputs.abs().min() > SMALLEST_RELU_INPUT)


def describe(options: Options) -> str:
    """The options as JSON."""
    return json.dumps(
        {
            "modalities": options.modalities,
            "dropout": options.dropout,
            "seed": options.seed,
            "step": options.step,
            "rawWidths": dict(options.raw_widths),
            "hidden": options.hidden,
            "denseWidth": options.dense_width,
            "emotions": options.emotions,
        }
    )


def versions() -> str:
    """What the file was made with, as JSON."""
    return json.dumps(
        {
            "python": platform.python_version(),
            "torch": torch.__version__.partition("+")[0],
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        }
    )


def float32(value: Tensor) -> np.ndarray:
    """The value rounded once, to float32."""
    return np.ascontiguousarray(value.detach().float().numpy())


def write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Saves one golden file, keys of the header in order: the library shuffles metadata."""
    for name, values in tensors.items():
        assert np.isfinite(values).all(), (path, name)
    contents = save(tensors, {**metadata, "versions": versions()})
    length = int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + contents[8 + length :])


def make_case(name: str, options: Options) -> None:
    """Writes one golden file and prints its loss."""
    # A generator of its own for each case, so that adding a case changes no other.
    random = np.random.default_rng(zlib.crc32(name.encode()))
    dialogues = draw_dialogues(options, random)
    model = draw_model(options, random)
    while not exercises_relu(model, dialogues):
        model = draw_model(options, random)

    labels = torch.cat([dialogue.labels for dialogue in dialogues])
    logits = torch.cat([model(dialogue) for dialogue in dialogues])
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()

    tensors = {
        f"input.{m}": float32(torch.cat([dialogue.features[m] for dialogue in dialogues]))
        for m in options.modalities
    }
    tensors["labels"] = labels.numpy()
    tensors["offsets"] = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    tensors["dialogues"] = np.array(INDICES, dtype=np.int64)
    tensors["expected.logits"] = float32(logits)
    for parameter_name, parameter in model.named_parameters():
        tensors[f"parameter.{parameter_name}"] = float32(parameter)
        tensors[f"expected.gradient.{parameter_name}"] = float32(parameter.grad)
    losses = {"loss": loss.item(), "emotion": loss.item()}
    metadata = {"options": describe(options), "losses": json.dumps(losses)}
    write(FOLDER / f"{name}.safetensors", tensors, metadata)
    print(f"{name}: loss={loss.item():.4f} labels={labels.tolist()}")


def main() -> None:
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    for name, options in all_cases().items():
        if not wanted or name in wanted:
            make_case(name, options)


if __name__ == "__main__":
    main()
