"""Writes metrics.json: scikit-learn's figures for predictions of many shapes.

python make_fixtures.py
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

FOLDER = Path(__file__).parent
MELD_SHARES = (0.472, 0.121, 0.027, 0.068, 0.174, 0.027, 0.111)


def score(
    name: str, emotions: int, labels: np.ndarray, predictions: np.ndarray
) -> dict[str, object]:
    """All figures of one case; rows of the confusion matrix are labels, columns predictions."""
    classes = list(range(emotions))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    weighted = f1_score(labels, predictions, labels=classes, average="weighted", zero_division=0)
    return {
        "name": name,
        "emotions": emotions,
        "labels": labels.tolist(),
        "predictions": predictions.tolist(),
        "accuracy": float(accuracy_score(labels, predictions)),
        "weighted_f1": float(weighted),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "confusion": confusion_matrix(labels, predictions, labels=classes).tolist(),
    }


def imitate(
    labels: np.ndarray, emotions: int, skill: float, random: np.random.Generator
) -> np.ndarray:
    """Predictions that are right with probability `skill`, else random."""
    guesses = random.integers(0, emotions, len(labels))
    return np.where(random.random(len(labels)) < skill, labels, guesses)


def all_cases() -> list[dict[str, object]]:
    random = np.random.default_rng(20231029)
    cases = []
    for emotions, count, skill in ((2, 50, 0.6), (4, 17, 0.2), (6, 120, 0.5), (7, 200, 0.9)):
        labels = random.integers(0, emotions, count)
        predictions = imitate(labels, emotions, skill, random)
        cases.append(score(f"random-{emotions}", emotions, labels, predictions))

    shares = np.array(MELD_SHARES) / sum(MELD_SHARES)
    labels = random.choice(7, 300, p=shares)
    cases.append(score("meld-shares", 7, labels, imitate(labels, 7, 0.5, random)))
    cases.append(score("always-the-majority", 7, labels, np.zeros_like(labels)))

    labels = random.integers(0, 5, 40)
    cases.append(score("perfect", 5, labels, labels))
    cases.append(score("always-wrong", 5, labels, (labels + 1) % 5))
    predictions = imitate(labels, 5, 0.5, random)
    predictions[predictions == 3] = 2
    cases.append(score("never-predicted", 5, labels, predictions))
    without = np.where(labels == 1, 0, labels)
    predictions = imitate(without, 5, 0.5, random)
    predictions[0] = 1
    cases.append(score("absent-but-predicted", 5, without, predictions))
    absent = np.where(predictions == 1, 0, predictions)
    cases.append(score("absent-and-never-predicted", 5, without, absent))
    cases.append(score("one-utterance-right", 3, np.array([2]), np.array([2])))
    cases.append(score("one-utterance-wrong", 3, np.array([2]), np.array([0])))
    return cases


def main() -> None:
    versions = {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }
    cases = ",\n".join(json.dumps(case) for case in all_cases())
    text = f'{{"versions": {json.dumps(versions)},\n"cases": [\n{cases}\n]}}\n'
    json.loads(text)
    (FOLDER / "metrics.json").write_text(text)


if __name__ == "__main__":
    main()
