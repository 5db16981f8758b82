"""Two modules with the same weights, one of each library, and what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import retrograd as rg


def twins(torch: Any, make: Callable[[Any], Any], seed: int = 1) -> tuple[Any, Any]:
    """``make(lib)`` in both libraries, in float64: ours loads what theirs saves."""
    ours, theirs = make(rg).double(), make(torch).double()
    assert repr(ours) == repr(theirs)
    numbers = np.random.default_rng(seed)
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(numbers.normal(size=tuple(p.shape)) * 0.5))
    saved = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(saved)
    assert not any(ours.load_state_dict(saved))
    return ours, theirs


def flat(value: Any) -> list[Any]:
    """The tensors of a nest of tuples and None, in order."""
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in flat(v)]
    return [value] if hasattr(value, "dtype") else []


def follow(
    torch: Any,
    pair: tuple[Any, Any],
    *arrays: Any,
    call: Callable[..., Any] = lambda lib, module, *xs: module(*xs),
    rtol: float = 1e-10,
) -> None:
    """``call(lib, module, *tensors)`` gives the same values, and the same gradients of
    floating inputs and of all parameters."""
    found = []
    for lib, module in zip((rg, torch), pair, strict=True):
        module.zero_grad()
        inputs = []
        for a in arrays:
            t = lib.tensor(np.asarray(a))
            inputs.append(t.requires_grad_() if t.is_floating_point() else t)
        outs = flat(call(lib, module, *inputs))
        total: Any = 0.0
        for k, o in enumerate(outs):
            if o.requires_grad:
                weights = np.cos(np.arange(o.numel()) + k).reshape(tuple(o.shape))
                total = total + (o * lib.tensor(weights)).sum()
        if not isinstance(total, float):
            total.backward()
        leaves = [(f"input {i}", t) for i, t in enumerate(inputs)]
        leaves += list(module.named_parameters())
        values = [o.detach().numpy() for o in outs]
        grads = {n: t.grad for n, t in leaves}
        found.append(
            (values, {n: g if g is None else g.numpy() for n, g in grads.items()})
        )
    (mine, grads), (theirs, expected) = found
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)
    assert grads.keys() == expected.keys()
    for name, g in grads.items():
        h = expected[name]
        if g is None or h is None:
            assert all(v is None or not v.any() for v in (g, h)), name
        else:
            np.testing.assert_allclose(g, h, rtol=rtol, atol=1e-11, err_msg=name)


def raises_alike(torch: Any, function: Callable[[Any], Any]) -> None:
    """``function(lib)`` raises in both libraries, exceptions of the same class."""
    kinds = []
    for lib in (rg, torch):
        try:
            for t in flat(function(lib)):
                t.tolist()
        except Exception as error:
            kinds.append(type(error))
        else:
            kinds.append(None)
    assert kinds[0] is not None and kinds[1] is not None, kinds
    assert issubclass(kinds[0], kinds[1]), kinds
