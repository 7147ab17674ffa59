"""Times dferc-dist and the PyTorch program side by side and prints the ratios.

Each round runs every configuration once, so that a change in the machine's load affects all of
them; ratios are taken within a round, and the median of the rounds is printed.

    python compare.py --program .build/release/dferc-dist --rounds 5

The Python that runs this script must have torch; see pytorch_dferc.py for the version.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

PYTORCH = Path(__file__).with_name("pytorch_dferc.py")


def utterances_per_second(command: list[str], environment: dict[str, str]) -> tuple[float, dict]:
    """Runs one program and returns its speed and all its figures."""
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr}")
    figures = json.loads(result.stdout)
    return figures["utterances_per_second"], figures


def commands(program: str, steps: int) -> dict[str, list[str]]:
    """The configurations, one thread a rank where nothing else is said."""

    def ours(ranks: int, dialogues: int, threads: int = 1) -> list[str]:
        launcher = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
        arguments = ["bench", "--json", "--threads", str(threads), "--dialogues", str(dialogues)]
        return [*launcher, program, *arguments, "--steps", str(steps)]

    def pytorch(ranks: int, threads: int) -> list[str]:
        arguments = ["--json", "--threads", str(threads), "--ranks", str(ranks)]
        return [sys.executable, str(PYTORCH), *arguments, "--dialogues", "8", "--steps", str(steps)]

    return {
        "dferc-dist np 1": ours(1, 8),
        "PyTorch 1 thread": pytorch(1, 1),
        "dferc-dist np 2": ours(2, 8),
        "PyTorch 2 ranks": pytorch(2, 1),
        "dferc-dist np 2, 16 dialogues": ours(2, 16),
        "PyTorch 2 threads": pytorch(1, 2),
        "dferc-dist 2 threads": ours(1, 8, threads=2),
    }


RATIOS = [
    ("np 1 against PyTorch", "dferc-dist np 1", "PyTorch 1 thread"),
    ("np 2 against PyTorch", "dferc-dist np 2", "PyTorch 2 ranks"),
    ("np 1 to np 2, 8 dialogues a rank", "dferc-dist np 2, 16 dialogues", "dferc-dist np 1"),
    ("2 threads against PyTorch", "dferc-dist 2 threads", "PyTorch 2 threads"),
]


def spread(values: list[float], digits: int) -> str:
    """The median and the range of some values."""
    ordered = sorted(values)
    middle = statistics.median(ordered)
    return f"{middle:.{digits}f} ({ordered[0]:.{digits}f} to {ordered[-1]:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the dferc-dist binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="measured steps of each run")
    arguments = parser.parse_args()
    environment = dict(os.environ)
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    speeds: dict[str, list[float]] = {}
    shares: list[float] = []
    memory: list[float] = []
    for number in range(1, arguments.rounds + 1):
        for name, command in commands(arguments.program, arguments.steps).items():
            speed, figures = utterances_per_second(command, environment)
            speeds.setdefault(name, []).append(speed)
            if name == "dferc-dist np 1":
                shares.append(100 * figures["model_flop_rate"] / figures["sgemm_flop_rate"])
            if name.startswith("dferc-dist"):
                memory.append(figures["peak_memory_mb"])
            print(f"round {number}: {name}: {speed:.0f} utterances/s", file=sys.stderr)

    print("utterances/s, median and range of the rounds")
    for name, values in speeds.items():
        print(f"  {name:32} {spread(values, 0)}")
    print("ratios within a round")
    for name, upper, lower in RATIOS:
        ratios = [a / b for a, b in zip(speeds[upper], speeds[lower])]
        print(f"  {name:32} {spread(ratios, 2)}")
    print(f"forward and backward at np 1: {spread(shares, 0)} % of the sgemm peak")
    print(f"peak memory of a rank: at most {max(memory):.0f} MB")


if __name__ == "__main__":
    main()
