"""Compares a disturbed run with an undisturbed one: compare.py PROGRAM REFERENCE RUN."""

import json
import subprocess
import sys
from pathlib import Path


def rows(path):
    """The rows of a JSON Lines file, without the columns that depend on speed."""
    with open(path, encoding="utf-8") as file:
        values = [json.loads(line) for line in file]
    return [{key: row[key] for key in row if not depends_on_speed(key)} for row in values]


def depends_on_speed(key):
    return key.startswith("time_") or key.endswith("_per_second")


def result(folder):
    """The result of a run, without the machine and the time."""
    found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return {k: v for k, v in found.items() if k not in ("environment", "time_total")}


def hash_of(program, file):
    """The hash of a checkpoint's tensors, which `inspect` verifies and prints."""
    done = subprocess.run([program, "checkpoint", "inspect", file], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return next(line.split()[1] for line in done.stdout.splitlines() if "sha256:" in line)


def expect(name, reference, run):
    if reference != run:
        sys.exit(f"{name} differ: {first_difference(reference, run)}")


def first_difference(reference, run):
    if not (isinstance(reference, list) and isinstance(run, list)):
        return f"{run} instead of {reference}"
    for number, (expected, found) in enumerate(zip(reference, run)):
        if expected != found:
            keys = [key for key in expected if expected[key] != found.get(key)]
            facts = [f"{key} {found.get(key)} instead of {expected[key]}" for key in keys]
            return f"row {number + 1} has {', '.join(facts)}"
    return f"{len(run)} rows instead of {len(reference)}"


def expect_rising(steps):
    """One row a step, in rising order."""
    for before, after in zip(steps, steps[1:]):
        if after <= before:
            sys.exit(f"step {after} follows step {before}")


def main(program, reference, run):
    for name in ("metrics.jsonl", "samples.jsonl"):
        expect(f"the rows of {name}", rows(reference / name), rows(run / name))
    metrics = rows(run / "metrics.jsonl")
    for event in ("train", "validation", "test"):
        expect_rising([row["step"] for row in metrics if row["event"] == event])
    expect_rising([row["step"] for row in rows(run / "samples.jsonl")])
    expect("the results", result(reference), result(run))
    newest = sorted((reference / "checkpoints").iterdir())[-1].name
    for name in (f"checkpoints/{newest}", "best.safetensors.zst"):
        hashes = [hash_of(program, folder / name) for folder in (reference, run)]
        expect(f"the tensors of {name}", *hashes)


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
