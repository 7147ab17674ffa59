"""Trains DF-ERC and its ablations over several seeds and prints mean and spread of the test score.

    python ablations.py --program .build/release/dferc-dist --jobs 2
    python ablations.py --program dferc-dist -- --config configs/mosi.yaml --data /shared/mosi

Without a dataset it trains on the built-in corpus. The score is the weighted F1 on the test split
of the epoch that validation chooses. The spread is the standard deviation over seeds; the margin is
what the whole model gains over the ablation with the same seed, mean and standard error.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WHOLE = "whole model"
VARIANTS = [WHOLE, "no-ddm", "no-cfm", "crm-full", "crm-zero"]


def weighted_f1(program: str, variant: str, seed: int, extra: list[str]) -> float:
    """Trains once, in a temporary folder, and returns the score."""
    ablations = "[]" if variant == WHOLE else f"[{variant}]"
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", "--threads", "1", "--output", f"{folder}/run", *extra]
        settings = [f"train.seed={seed}", f"model.ablations={ablations}"]
        for setting in settings:
            command += ["--set", setting]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {run.returncode}:\n{run.stderr}")
        result = json.loads(Path(folder, "run", "result.json").read_text())
    score = result["test"]["weighted_f1"]
    print(f"{variant}, seed {seed}: {score:.4f}", file=sys.stderr, flush=True)
    return score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the dferc-dist binary")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("train", nargs="*", help="more arguments of train, after --")
    arguments = parser.parse_args()

    seeds = range(1, arguments.seeds + 1)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {
            (variant, seed): pool.submit(
                weighted_f1, arguments.program, variant, seed, arguments.train
            )
            for seed in seeds
            for variant in VARIANTS
        }
        scores = {key: future.result() for key, future in futures.items()}

    print(f"{'model':14} {'mean':>7} {'spread':>7} {'margin':>8} {'error':>7}")
    for variant in VARIANTS:
        values = [scores[variant, seed] for seed in seeds]
        gains = [scores[WHOLE, seed] - scores[variant, seed] for seed in seeds]
        line = f"{variant:14} {statistics.mean(values):7.4f} {statistics.stdev(values):7.4f}"
        if variant != WHOLE:
            error = statistics.stdev(gains) / len(gains) ** 0.5
            line += f" {statistics.mean(gains):+8.4f} {error:7.4f}"
        print(line)


if __name__ == "__main__":
    main()
