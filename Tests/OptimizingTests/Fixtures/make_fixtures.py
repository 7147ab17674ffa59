"""Writes the golden files of the optimizer: torch.optim.AdamW and clip_grad_norm_ over a few steps.

    python make_fixtures.py

Parameters and gradients are float32 values; PyTorch computes in float64 and results are rounded
once, to float32. `matrix` decays, `bias` does not, `encoder` decays and has a learning rate of its
own.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

FOLDER = Path(__file__).parent
STEPS = 8
SHAPES = {"matrix": (9, 7), "bias": (9,), "encoder": (3, 5)}
LEARNING_RATES = {"matrix": 1e-2, "bias": 1e-2, "encoder": 1e-4}
DECAYS = {"matrix": 0.01, "bias": 0.0, "encoder": 0.01}
BETAS, EPSILON, CLIP_NORM = (0.9, 0.999), 1e-8, 1.0
WARMUP_STEPS = 3
VERSIONS = {
    "python": platform.python_version(),
    "torch": torch.__version__,
    "numpy": np.__version__,
}


def schedule(step: int, warmup_steps: int, total_steps: int) -> float:
    """Factor of the learning rate: linear warm-up, then linear decay that ends above zero."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    return (torch.randn(*shape) * scale).float().double()


def float32(value: Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().float().numpy())


def draw_gradients() -> list[dict[str, Tensor]]:
    """Gradients whose norm is on both sides of the clipping norm, with zeros and tiny values."""
    all_steps = []
    for step in range(STEPS):
        scale = 0.02 if step % 3 == 0 else 2.0
        gradients = {name: normal(*shape, scale=scale) for name, shape in SHAPES.items()}
        gradients["matrix"][0] = 0.0  # never has a gradient: only decay moves it
        gradients["matrix"][1] *= 1e-9  # as small as epsilon
        gradients["matrix"] = gradients["matrix"].float().double()
        all_steps.append(gradients)
    return all_steps


def make_adamw(name: str, clips: bool) -> None:
    """A few steps with the warm-up and decay of a real run; all state after every step."""
    parameters = {
        name: torch.nn.Parameter(normal(*shape, scale=0.5)) for name, shape in SHAPES.items()
    }
    optimizer = torch.optim.AdamW(
        [
            {"params": [value], "lr": LEARNING_RATES[key], "weight_decay": DECAYS[key]}
            for key, value in parameters.items()
        ],
        betas=BETAS,
        eps=EPSILON,
    )
    tensors = {f"parameter.{key}": float32(value) for key, value in parameters.items()}
    norms, factors = [], []
    for step, gradients in enumerate(draw_gradients()):
        factors.append(schedule(step, WARMUP_STEPS, STEPS))
        for group, base in zip(optimizer.param_groups, LEARNING_RATES.values(), strict=True):
            group["lr"] = base * factors[-1]
        for key, gradient in gradients.items():
            tensors[f"gradient.{step}.{key}"] = float32(gradient)
            parameters[key].grad = gradient.clone()
        limit = CLIP_NORM if clips else float("inf")
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), limit)))
        optimizer.step()
        for key, value in parameters.items():
            state = optimizer.state[value]
            tensors[f"expected.{step}.parameter.{key}"] = float32(value)
            tensors[f"expected.{step}.exp_avg.{key}"] = float32(state["exp_avg"])
            tensors[f"expected.{step}.exp_avg_sq.{key}"] = float32(state["exp_avg_sq"])
    assert min(norms) < CLIP_NORM < max(norms)
    tensors["expected.gradient_norms"] = np.array(norms)
    tensors["expected.learning_rate_factors"] = np.array(factors)
    options = {
        "steps": STEPS,
        "learningRates": LEARNING_RATES,
        "weightDecays": DECAYS,
        "betas": BETAS,
        "epsilon": EPSILON,
        "clipNorm": CLIP_NORM if clips else None,
        "warmupSteps": WARMUP_STEPS,
        "versions": VERSIONS,
    }
    path = FOLDER / f"{name}.safetensors"
    # A single metadata key keeps the file's bytes the same every time.
    save_file(tensors, path, {"options": json.dumps(options)})
    path.chmod(0o644)


def make_schedule() -> None:
    """Whole runs, among them ones without warm-up and ones that end inside it."""
    runs = [
        {
            "warmupSteps": warmup,
            "steps": total,
            "factors": [schedule(step, warmup, total) for step in range(total)],
        }
        for warmup, total in ((100, 130), (3, 10), (0, 7), (1, 1), (5, 5), (100, 20), (4, 5))
    ]
    (FOLDER / "schedule.json").write_text(json.dumps(runs) + "\n")


def main() -> None:
    torch.manual_seed(20231029)
    make_adamw("adamw", clips=False)
    make_adamw("adamw-clipped", clips=True)
    make_schedule()


if __name__ == "__main__":
    main()
