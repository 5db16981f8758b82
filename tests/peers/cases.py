"""Comparing one expression in both libraries: value, type, and every gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import retrograd as rg


def number(*shape: int, seed: int = 0, positive: bool = False) -> np.ndarray[Any, Any]:
    """Distinct float64 numbers around 0, or in (0.1, 1.1)."""
    made = np.random.default_rng(seed + 17 * len(shape)).normal(size=shape)
    return np.abs(made) % 1 + 0.1 if positive else made


def compare(
    torch: Any,
    function: Callable[..., Any],
    *arrays: np.ndarray[Any, Any],
    rtol: float = 1e-10,
) -> None:
    """``function(lib, *tensors)`` in both: floating arrays want their gradients."""
    found = []
    for lib in (rg, torch):
        tensors = []
        for a in arrays:
            t = lib.tensor(np.asarray(a))
            if t.dtype == lib.float64:
                t.requires_grad_()
            tensors.append(t)
        outs = function(lib, *tensors)
        outs = outs if isinstance(outs, (tuple, list)) else (outs,)
        outs = [o for o in outs if o is not None]
        total: Any = 0
        for k, o in enumerate(outs):
            if o.is_floating_point() and o.requires_grad:
                weights = np.cos(np.arange(o.numel()) + k).reshape(tuple(o.shape))
                total = total + (o * lib.tensor(weights)).sum()
        if not isinstance(total, int):
            total.backward()
        found.append((
            [o.detach().numpy() for o in outs],
            [str(o.dtype).split(".")[-1] for o in outs],
            [None if t.grad is None else t.grad.numpy() for t in tensors],
        ))  # fmt: skip
    (mine, types, grads), (theirs, wanted, expected) = found
    assert types == wanted
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    for a, b in zip(grads, expected, strict=True):
        if a is None or b is None:
            assert all(g is None or not g.any() for g in (a, b))
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def refused(torch: Any, function: Callable[..., Any], *arrays: Any) -> None:
    """Both libraries refuse, with the same class of exception."""
    kinds = []
    for lib in (rg, torch):
        try:
            out = function(lib, *(lib.tensor(np.asarray(a)) for a in arrays))
            outs = out if isinstance(out, (tuple, list)) else (out,)
            for o in outs:
                o.tolist()
        except Exception as error:
            kinds.append(type(error))
        else:
            kinds.append(None)
    assert kinds[0] is not None, f"retrograd accepts it; PyTorch: {kinds[1]}"
    assert kinds[1] is not None and issubclass(kinds[0], kinds[1]), kinds
