"""Finding places in what is sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from .op import Array, Op, Sample, Spec


class Searchsorted(Op):
    """out[…, j] = how many of sequence[…, :] come before values[…, j]: those smaller,
    with *right* those not larger. NaN counts as the largest."""

    formula, promotion = "searchsorted(sequence, values)", "same"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        sequence, values = specs
        a, b = sequence.shape, values.shape
        if not a:
            raise RuntimeError(
                "searchsorted(): boundaries tensor should have at least one dimension"
            )
        if len(a) > 1 and a[:-1] != b[:-1]:
            raise RuntimeError(
                "searchsorted(): boundaries tensor should be 1 dimension or the first "
                "N-1 dimensions of boundaries tensor and input value tensor must match, "
                f"but we got boundaries tensor {list(a)} and input value tensor {list(b)}"
            )
        return Spec(b, dtypes.int32 if attrs["small"] else dtypes.int64)

    @staticmethod
    def forward(sequence: Array, values: Array, *, right: bool, small: bool) -> Array:
        side: Any = "right" if right else "left"
        kind = np.int32 if small else np.int64
        if sequence.ndim == 1 and not np.isnan(sequence).any():
            return np.asarray(np.searchsorted(sequence, values, side)).astype(kind)
        # PyTorch's bisection, for all values at once: NaN in it decides as it does there.
        n = sequence.shape[-1]
        low, high = np.zeros(values.shape, np.int64), np.full(values.shape, n, np.int64)
        before = np.greater if right else np.greater_equal
        for _ in range(n.bit_length()):
            middle = (low + high) // 2
            at = np.minimum(middle, n - 1)
            if sequence.ndim == 1:
                found = sequence[at]
            else:
                found = np.take_along_axis(sequence, at, -1)
            later = ~before(found, values) & (low < high)
            high = np.where(later | (low >= high), high, middle)
            low = np.where(later, middle + 1, low)
        return low.astype(kind)

    @staticmethod
    def samples() -> list[Sample]:
        sequence = np.array([[-1.0, 0.0, 0.0, 2.0], [0.5, 1.0, 1.5, 1.5]])
        values = np.array([[0.0, 3.0, -4.0], [1.5, 0.75, 1.0]])
        return [
            Sample(sequence, values, right=False, small=False),
            Sample(sequence, values, right=True, small=True),
            Sample(sequence[0], values, right=False, small=False),
        ]
