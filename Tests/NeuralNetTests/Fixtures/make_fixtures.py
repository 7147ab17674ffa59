"""Writes the golden files of the layers: values and gradients of PyTorch's own modules.

    python make_fixtures.py

Inputs and parameters are float32 values; PyTorch computes in float64, and results are rounded once,
to float32, when they are stored. `upstream` is the gradient that flows into the layer's output.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from safetensors.numpy import save_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent
LENGTHS = (1, 5, 3, 2, 4)
VERSIONS = {
    "python": platform.python_version(),
    "torch": torch.__version__,
    "numpy": np.__version__,
}


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    """Normal values that float32 holds exactly, as float64."""
    return (torch.randn(*shape) * scale).float().double()


def float32(value: Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().float().numpy())


def exact_parameters(module: nn.Module) -> nn.Module:
    """The module in float64, its parameters random float32 values (biases included)."""
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(normal(*parameter.shape, scale=0.4))
    return module


def write(name: str, tensors: dict[str, np.ndarray], **options: object) -> None:
    """Saves one golden file; a single metadata key keeps the file's bytes the same every time."""
    path = FOLDER / f"{name}.safetensors"
    save_file(tensors, path, {"options": json.dumps({**options, "versions": VERSIONS})})
    path.chmod(0o644)


def offsets(lengths: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def per_group(rows: Tensor, lengths: tuple[int, ...]) -> Iterator[Tensor]:
    yield from torch.split(rows, list(lengths))


def record(
    name: str,
    module: nn.Module,
    function: Callable[[Tensor], Tensor],
    rows: Tensor,
    extra: dict[str, np.ndarray] | None = None,
    **options: object,
) -> None:
    """Runs rows through a function of the module and stores values and all gradients."""
    rows = rows.requires_grad_()
    output = function(rows)
    upstream = normal(*output.shape)
    output.backward(upstream)
    tensors = {"input": float32(rows), "upstream": float32(upstream), **(extra or {})}
    tensors["expected.output"] = float32(output)
    tensors["expected.gradient.input"] = float32(rows.grad)
    for parameter_name, parameter in module.named_parameters():
        tensors[f"parameter.{parameter_name}"] = float32(parameter)
        tensors[f"expected.gradient.{parameter_name}"] = float32(parameter.grad)
    write(name, tensors, **options)


def make_linear() -> None:
    layer = exact_parameters(nn.Linear(13, 9))
    record("linear", layer, layer, normal(7, 13))


def make_layer_norm() -> None:
    layer = exact_parameters(nn.LayerNorm(19, eps=1e-5))
    rows = normal(6, 19, scale=2.0) + 3
    rows[1] = 1.5  # a row without variance: only epsilon keeps it finite
    record("layer-norm", layer, layer, rows, epsilon=1e-5)


def make_gelu() -> None:
    values = torch.cat([torch.linspace(-12, 12, 97), torch.tensor([0.0, 1e-6, -1e-6, 40.0, -40.0])])
    record("gelu", nn.Module(), functional.gelu, values.float().double())


def make_recurrence(name: str, kind: type[nn.RNNBase], width: int, hidden: int, both: bool) -> None:
    """Each group of rows by itself through nn.LSTM or nn.GRU, states starting at zero."""
    layer = exact_parameters(kind(width, hidden, bidirectional=both))

    def run(rows: Tensor) -> Tensor:
        return torch.cat([layer(group)[0] for group in per_group(rows, LENGTHS)])

    extra = {"offsets": offsets(LENGTHS)}
    record(name, layer, run, normal(sum(LENGTHS), width), extra, hidden=hidden)


def make_attention() -> None:
    """Single-head self-attention inside each group of rows, without a mask."""
    width, attention_width = 11, 10
    layer = exact_parameters(
        nn.ModuleDict(
            {role: nn.Linear(width, attention_width) for role in ("query", "key", "value")}
        )
    )

    def run(rows: Tensor) -> Tensor:
        groups = per_group(rows, LENGTHS)
        return torch.cat(
            [
                functional.scaled_dot_product_attention(
                    layer["query"](group), layer["key"](group), layer["value"](group)
                )
                for group in groups
            ]
        )

    extra = {"offsets": offsets(LENGTHS)}
    record("attention", layer, run, normal(sum(LENGTHS), width), extra)


def make_cross_entropy() -> None:
    """Rows with gaps up to 200 between logits show whether the softmax is shifted."""
    logits = normal(9, 5, scale=2.0)
    logits[2] += torch.tensor([100.0, 0.0, -100.0, 0.0, 50.0], dtype=torch.float64)
    logits[3] += 1000.0
    labels = torch.tensor([0, 4, 2, 1, 3, 3, 0, 1, 2])
    logits = logits.float().double().requires_grad_()
    losses = functional.cross_entropy(logits, labels, reduction="none")
    losses.mean().backward()
    tensors = {
        "input": float32(logits),
        "labels": labels.numpy(),
        "expected.output": float32(losses),
        "expected.gradient.input": float32(logits.grad),
    }
    write("cross-entropy", tensors, mean=float(losses.mean().detach()))


def main() -> None:
    torch.manual_seed(20231029)
    make_linear()
    make_layer_norm()
    make_gelu()
    make_recurrence("lstm", nn.LSTM, width=7, hidden=5, both=True)
    make_recurrence("lstm-wide", nn.LSTM, width=9, hidden=16, both=True)
    make_attention()
    make_cross_entropy()
    make_recurrence("gru", nn.GRU, width=7, hidden=9, both=False)
    make_recurrence("gru-bidirectional", nn.GRU, width=7, hidden=9, both=True)


if __name__ == "__main__":
    main()
