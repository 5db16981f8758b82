"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...ops.ctc import CtcLoss
from ...ops.elementwise import Where
from ...ops.families import Sizes
from ...ops.op import whole_number
from ...trace import Handle
from .common import Tensor
from .loss import _reduced

__all__ = ["ctc_loss"]


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor | Sizes, target_lengths: Tensor | Sizes,
    blank: int = 0, reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """−log of the probability that a path through *log_probs* writes the target.

    *log_probs* [T, N, C] (or [T, C]) are logarithms of probabilities; *targets* [N, U],
    or all labels in a row; lengths are those of each sequence. "mean" divides each loss
    by the length of its target first. Infinite losses (a target too long for its input)
    become 0 with *zero_infinity*.

    The derivative is that with respect to *log_probs* as independent numbers. (PyTorch's
    has exp(log_probs) added, which makes no difference before a log_softmax.)

    >>> import retrograd as rg
    >>> x = rg.zeros(3, 1, 2).log_softmax(-1)
    >>> loss = rg.nn.functional.ctc_loss(x, rg.tensor([[1]]), (3,), (1,))
    >>> loss.exp().item()  # of 8 paths 6 write "1"
    1.3333...
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    if x.ndim != 3:
        raise RuntimeError(
            f"ctc_loss: log_probs has 3 dimensions [T, N, C], or 2, not {list(x.shape)}"
        )
    if not x.dtype.is_floating_point or x.dtype.itemsize < 4:
        raise NotImplementedError(
            f"ctc_loss is not implemented for {x.dtype.name}: use log_probs.float()"
        )
    T, N, C = x.shape
    if not 0 <= blank < C:
        raise RuntimeError(f"blank must be in label range [0, {C}), but is {blank}")
    steps = _numbers(input_lengths, "input_lengths", N)
    lengths = _numbers(target_lengths, "target_lengths", N)
    if steps.size and (steps.max() > T or steps.min() < 0):
        raise RuntimeError(
            f"Expected input_lengths to have value at most {T} and none below 0, but got "
            f"{steps.tolist()}"
        )
    rows = _rows(targets, lengths, single)
    if rows.size and lengths.size:
        used = rows[np.arange(rows.shape[1]) < lengths[:, None]]
        if used.size and (used.min() < 0 or used.max() >= C):
            raise RuntimeError(
                f"ctc_loss: the labels lie in [0, {C}), but got {used.tolist()}"
            )
    given = [constant(a) for a in (rows, steps, lengths)]
    out = _ctc(x, *given, blank, reduction, zero_infinity)
    return out.squeeze(0) if single and reduction == "none" else out


@composite
def _ctc(
    x: Tensor, targets: Tensor, steps: Tensor, lengths: Tensor, blank: int, reduction: str,
    zero_infinity: bool,
) -> Tensor:  # fmt: skip
    loss: Tensor = apply(CtcLoss, x, targets, steps, lengths, blank=blank)
    if zero_infinity:
        loss = apply(Where, loss == float("inf"), 0, loss)
    if reduction == "mean":
        return (loss / lengths.clamp(min=1).to(x.dtype)).mean()
    return _reduced(loss, reduction)


def _numbers(lengths: Any, name: str, n: int) -> Any:
    """Lengths as an array of *n* whole numbers."""
    if isinstance(lengths, Handle):
        lengths = cast(Any, lengths)
        if lengths.dtype.is_floating_point or lengths.dtype is dtypes.bool_:
            raise RuntimeError(f"{name} must be integral, not {lengths.dtype.name}")
        lengths = lengths.detach().numpy()
    elif isinstance(lengths, (list, tuple)):
        lengths = [whole_number(n, f"ctc_loss(): argument '{name}'") for n in lengths]
    array = np.asarray(lengths).reshape(-1).astype(np.int64)
    if array.size != n:
        raise RuntimeError(f"{name} must be of size batch_size: {array.size} for {n}")
    return array


def _rows(targets: Tensor, lengths: Any, single: bool) -> Any:
    """[N, U]: the labels of each sequence."""
    if targets.dtype.is_floating_point or targets.dtype is dtypes.bool_:
        raise RuntimeError(
            f"ctc_loss: targets are whole numbers, not {targets.dtype.name}"
        )
    labels = targets.detach().numpy().astype(np.int64)
    if lengths.size and lengths.min() < 0:
        raise RuntimeError(f"Expected target_lengths of at least 0: {lengths.tolist()}")
    longest = int(lengths.max()) if lengths.size else 0
    if labels.ndim == 2:
        if labels.shape[0] != lengths.size or labels.shape[1] < longest:
            raise RuntimeError(
                f"Expected targets of at least shape {[lengths.size, longest]}, but got "
                f"{list(labels.shape)}"
            )
        return labels
    if labels.ndim != 1 or labels.size < lengths.sum():
        raise RuntimeError(
            f"Expected targets in a row to have the size of the sum of target_lengths, "
            f"{int(lengths.sum())}, but got {list(labels.shape)}"
        )
    rows = np.zeros((lengths.size, longest), np.int64)
    start = 0
    for i, n in enumerate(lengths):
        rows[i, :n] = labels[start : start + n]
        start += n
    return rows
