"""PyTorch's own tables of sample modules, as pairs of modules of both libraries.

Each entry constructs a module and calls it; here the same is done with both libraries,
from PyTorch's weights: names, values and gradients of inputs and weights are compared,
and refusals by their class.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg


@functools.cache
def table() -> dict[str, Any]:
    """Name → entry."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest", reason="PyTorch's sample tables need expecttest")
    from torch.testing._internal.common_modules import module_db

    return {entry.module_cls.__name__: entry for entry in module_db}


def translated(value: Any) -> Any:
    """A tree of PyTorch's tensors, modules and functions as this library's."""
    import torch

    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        parts = [None if v is None else translated(v) for v in value]
        return rg.nn.utils.rnn.PackedSequence(*parts)
    name = getattr(value, "__name__", "")
    if name and getattr(torch.nn.functional, name, None) is value:
        return getattr(rg.nn.functional, name)
    if isinstance(value, (list, tuple)):
        found = [translated(v) for v in value]
        return found if isinstance(value, list) else tuple(found)
    if isinstance(value, dict):
        return {k: translated(v) for k, v in value.items() if k != "device"}
    return op_tables.translated(value)


def tensors(value: Any) -> list[Any]:
    """The tensors of a nest, in order."""
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in tensors(v)]
    return [value] if hasattr(value, "requires_grad") else []


def pair(name: str, args: Any, kwargs: Any, training: bool = True) -> tuple[Any, Any]:
    """The module in both libraries, with PyTorch's weights."""
    import torch

    theirs = getattr(torch.nn, name)(*args, **kwargs)
    ours = getattr(rg.nn, name)(*translated(args), **translated(kwargs))
    saved = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(saved)
    assert not any(ours.load_state_dict(saved))
    assert repr(ours) == repr(theirs)
    return ours.train(training), theirs.train(training)


def follow(ours: Any, theirs: Any, args: Any, kwargs: Any, rtol: float = 1e-9) -> None:
    """Calls give the same values and gradients (twice: once recorded, once known)."""
    for _ in range(2):
        mine, given = (translated(args), translated(kwargs)), (args, kwargs)
        sides = []
        for lib, module, (a, k) in ((rg, ours, mine), (None, theirs, given)):
            if lib is None:
                import torch as lib  # type: ignore[no-redef]
            outs = tensors(module(*a, **k))
            leaves = [t for t in tensors([a, k]) if t.requires_grad]
            leaves += [p for p in module.parameters() if p.requires_grad]
            loss: Any = 0.0
            for n, o in enumerate(outs):
                if o.requires_grad:
                    w = np.cos(np.arange(o.numel()) + n).reshape(tuple(o.shape))
                    loss = loss + (o * lib.tensor(w, dtype=o.dtype)).sum()
            grads = []
            if not isinstance(loss, float):
                grads = lib.autograd.grad(loss, leaves, allow_unused=True)
            sides.append((outs, grads))
        (xs, gs), (ys, hs) = sides
        assert len(xs) == len(ys) and len(gs) == len(hs)
        for n, (x, y) in enumerate(zip(xs, ys, strict=True)):
            op_tables.same(x, y, rtol, rtol / 100, f"result {n}")
        for n, (g, h) in enumerate(zip(gs, hs, strict=True)):
            if g is None or h is None:
                assert all(v is None or not v.any() for v in (g, h)), f"gradient {n}"
            else:
                op_tables.same(g, h, rtol, rtol / 10, f"gradient {n}")


def check(name: str, training: bool = True, most: int = 40) -> None:
    """The samples of a module's entry, in float64."""
    import torch

    entry = table()[name]
    every = entry.module_inputs_func(
        entry, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )
    step = max(1, len(every) // most)
    for sample in every[::step]:
        made, called = sample.constructor_input, sample.forward_input
        how = {**made.kwargs, "dtype": torch.float64}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours, theirs = pair(name, made.args, how, training)
            follow(ours, theirs, called.args, called.kwargs)


def check_refusals(name: str) -> int:
    """What the entry says is refused, is, with the same class of exception."""
    import torch

    entry = table()[name]
    if entry.module_error_inputs_func is None:
        return 0
    count = 0
    for bad in entry.module_error_inputs_func(
        entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    ):
        sample = bad.module_error_input
        made, called = sample.constructor_input, sample.forward_input
        with pytest.raises(bad.error_type), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = getattr(rg.nn, name)(*translated(made.args),
                                          **translated(made.kwargs))  # fmt: skip
            for t in tensors(module(*translated(called.args),
                                    **translated(called.kwargs))):  # fmt: skip
                t.tolist()
        count += 1
    return count
