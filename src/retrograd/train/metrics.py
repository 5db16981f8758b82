"""How good predictions are, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(logits: Any) -> Any:
    """exp(zᵢ)/Σⱼ exp(zⱼ) along the last dimension, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def rmse(predicted: Any, truth: Any) -> float:
    """√ mean (ŷ − y)²."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def r2(predicted: Any, truth: Any) -> float:
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)²: the share of the variance that is explained."""
    total = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / total if total else 0.0


def confusion(predicted: Any, truth: Any, classes: int) -> Any:
    """counts[i, j]: rows of class i that were taken for class j."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def precision_recall(counts: Any) -> tuple[Any, Any]:
    """Of what was taken for a class, the share that was; of what was, the share found."""
    hits = np.diag(counts).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return hits / counts.sum(0), hits / counts.sum(1)
