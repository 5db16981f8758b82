"""PyTorch's own tables of sample inputs, as programs for both libraries.

Where PyTorch is installed, its test suite's tables come with it: for each function
arguments of every kind, and arguments that are refused. Here they are translated and
both libraries run them: values, types, gradients and second derivatives are compared,
and refusals by their class.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import operator
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import retrograd as rg


@functools.cache
def table() -> dict[str, list[Any]]:
    """Name → entries (a function can have several variants)."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest", reason="PyTorch's sample tables need expecttest")
    from torch.testing._internal.common_methods_invocations import op_db

    found: dict[str, list[Any]] = {}
    for entry in op_db:
        found.setdefault(entry.name, []).append(entry)
    return found


#: functions whose entry takes its arguments in another order
_ORDER: dict[str, Callable[..., Any]] = {
    "polygamma": lambda x, n, **k: rg.polygamma(n, x, **k),
    "special.polygamma": lambda x, n, **k: rg.special.polygamma(n, x, **k),
    "einsum": lambda xs, equation: rg.einsum(equation, *xs),
    "linalg.lstsq.grad_oriented": lambda *a, **k: rg.linalg.lstsq(*a, **k)[:2],
    "linalg.pinv.singular": lambda a, b: rg.linalg.pinv(a @ b.mT),
    "where": lambda x, condition, other, **k: rg.where(condition, x, other, **k),
}


def ours(name: str, variant: str = "") -> Callable[..., Any]:
    """The function of this library with that name."""
    for known in (f"{name}.{variant}", name):
        if known in _ORDER:
            return _ORDER[known]
    return operator.attrgetter(name)(rg)


def translated(value: Any) -> Any:
    """A tree of PyTorch's tensors and types as this library's."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.is_complex():
            pytest.skip("complex numbers")
        if value.is_meta or value.ndim > 64:
            pytest.skip("no NumPy array is like this")
        array = (
            value.detach().to(torch.float64)
            if value.dtype is torch.bfloat16
            else value.detach()
        )
        out = rg.from_numpy(np.array(array.resolve_neg().resolve_conj().numpy()))
        if value.dtype is torch.bfloat16:
            out = out.to(rg.bfloat16)
        return out.requires_grad_() if value.requires_grad else out
    if isinstance(value, torch.dtype):
        return getattr(rg, str(value).removeprefix("torch."))
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, slice):
        return slice(*[translated(v) for v in (value.start, value.stop, value.step)])
    if isinstance(value, (list, tuple)):
        parts = [translated(v) for v in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {k: translated(v) for k, v in value.items() if k != "device"}
    return value


def leaves(value: Any, kind: type) -> Iterator[Any]:
    """The tensors of a tree that want a gradient."""
    if isinstance(value, kind):
        if value.requires_grad:  # type: ignore[attr-defined]
            yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v, kind)
    elif isinstance(value, dict):
        for v in value.values():
            yield from leaves(v, kind)


def flat(value: Any) -> list[Any]:
    """The outputs in a row."""
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in flat(v)]
    return [value]


#: what the digits of a type allow
COARSE = {"float32": 1e-5, "float16": 3e-3, "bfloat16": 3e-2}


class Sample:
    """Arguments for :func:`compare`, of our own making."""

    def __init__(self, input: Any, *args: Any, **kwargs: Any) -> None:
        self.input, self.args, self.kwargs = input, args, kwargs


def filled(b: Any) -> Any:
    """Without PyTorch's lazy zeros, which have no memory to show."""
    b = b.detach().resolve_neg().resolve_conj()
    return b + 0 if b.is_floating_point() else b


def same(a: Any, b: Any, rtol: float, atol: float, what: str) -> None:
    """Equal shape, type and values."""
    import torch

    if not isinstance(b, torch.Tensor):
        assert a == b or (a != a and b != b), what
        return
    b = filled(b)
    name = str(b.dtype).removeprefix("torch.")
    assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {a.shape} and {b.shape}"
    assert a.dtype.name == name, f"{what}: {a.dtype} and {b.dtype}"
    if name in COARSE:
        rtol = max(rtol, COARSE[name])
        atol = max(atol, rtol * min(1.0, scale(b)))
    b = b.double() if b.dtype is torch.bfloat16 else b
    a = a.detach()
    a = a.double() if a.dtype is rg.bfloat16 else a
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=rtol, atol=atol, err_msg=what)


def scale(b: Any) -> float:
    """The largest finite number, to which an absolute tolerance is relative."""
    b = np.abs(filled(b).double().numpy())
    b = b[np.isfinite(b)]
    return float(b.max()) if b.size else 0.0


def compare(
    f: Callable[..., Any], g: Callable[..., Any], sample: Any, order: int = 2,
    rtol: float = 1e-9, atol: float = 1e-12,
) -> None:  # fmt: skip
    """Values, types and derivatives of f (ours) and g (PyTorch's) on a sample."""
    import torch

    theirs_in = (sample.input, sample.args, sample.kwargs)
    ours_in = translated(theirs_in)
    want = g(theirs_in[0], *theirs_in[1], **theirs_in[2])
    have = f(ours_in[0], *ours_in[1], **ours_in[2])
    a, b = flat(have), flat(want)
    assert len(a) == len(b), "number of results"
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        same(x, y, rtol, atol * max(1.0, scale(y)) if hasattr(y, "detach") else atol,
             f"result {i}")  # fmt: skip
    xs, ys = list(leaves(ours_in, rg.Tensor)), list(leaves(theirs_in, torch.Tensor))
    if not all(y.is_leaf for y in ys):
        return
    a = [x for x in a if isinstance(x, rg.Tensor) and x.dtype.is_floating_point]
    b = [y for y in b if isinstance(y, torch.Tensor) and y.is_floating_point()]
    both = []
    for x, y in zip(a, b, strict=True):
        if y.requires_grad and x.requires_grad:
            both.append((x, y))
        elif y.requires_grad:  # then it is a gradient of zeros
            zeros = torch.autograd.grad(
                y.sum(), ys, retain_graph=True, allow_unused=True
            )
            assert not any(z is not None and z.any() for z in zeros), "no gradient"
    rng = np.random.default_rng(0)
    for level in range(1, order + 1):
        if not both or not xs:
            return
        seeds = [rng.normal(size=tuple(y.shape)) for _, y in both]
        one = [
            rg.from_numpy(np.asarray(s, x.dtype.np))
            for s, (x, _) in zip(seeds, both, strict=True)
        ]
        two = [
            torch.from_numpy(np.asarray(s)).to(y.dtype)
            for s, (_, y) in zip(seeds, both, strict=True)
        ]
        try:
            theirs = torch.autograd.grad(
                [y for _, y in both], ys, two, create_graph=level < order,
                allow_unused=True)  # fmt: skip
        except (RuntimeError, NotImplementedError) as error:
            if "implemented" in str(error) or "not differentiable" in str(error):
                return  # they have no derivative of this order
            raise
        mine = rg.autograd.grad(
            [x for x, _ in both], xs, one, create_graph=level < order,
            allow_unused=True)  # fmt: skip
        both = []
        for p, q, x in zip(mine, theirs, xs, strict=True):
            if q is None:
                continue
            p = rg.zeros_like(x) if p is None else p
            same(p, q, rtol * 10**level, atol * 10**level * max(1.0, scale(q)),
                 f"derivative of order {level}")  # fmt: skip
            if q.requires_grad and p.requires_grad:
                both.append((p, q))


def first(entry: Any, dtype: Any, many: int, grad: bool) -> list[Any]:
    """The first of an entry's samples; some have thousands. They are made by the
    entry's own function: PyTorch's wrapper of it looks through the stack each time."""
    import torch

    torch.default_generator.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    made = entry.sample_inputs_func(entry, "cpu", dtype, grad)
    return list(itertools.islice(made, many))


def samples(entry: Any, dtype: Any, most: int, grad: bool = True) -> list[Any]:
    """At most so many of the entry's samples, evenly taken."""
    grad = grad and entry.supports_autograd and dtype.is_floating_point
    every = first(entry, dtype, 1 if most == 1 else 80, grad)
    if len(every) <= most:
        return every
    return [every[i * len(every) // most] for i in range(most)]


def refusals(entry: Any) -> Iterator[tuple[Any, type]]:
    """Arguments that are refused, and the class of the error."""
    if entry.error_inputs_func is None:
        return
    for bad in entry.error_inputs("cpu"):
        yield bad.sample_input, bad.error_type


def check(name: str, dtype: Any, most: int, order: int = 2, rtol: float = 1e-9) -> int:
    """Every variant of a function on at most so many samples; their number."""
    compared = 0
    for entry in table()[name]:
        if dtype not in entry.dtypes:
            continue
        levels = order if entry.supports_gradgrad else min(order, 1)
        if not entry.supports_autograd:
            levels = 0
        function = ours(name, entry.variant_test_name)
        for sample in samples(entry, dtype, most, grad=levels > 0):
            with contextlib.suppress(pytest.skip.Exception):
                compare(function, entry.op, sample, levels, rtol, rtol / 1000)
                compared += 1
    return compared


def check_refusals(name: str) -> None:
    """What PyTorch refuses is refused with the same class of exception."""
    compared = 0
    for entry in table()[name]:
        for sample, kind in refusals(entry):
            parts = (sample.input, sample.args, sample.kwargs)
            try:
                given, args, kwargs = translated(parts)
            except pytest.skip.Exception:
                continue
            with pytest.raises(kind):
                for out in flat(ours(name)(given, *args, **kwargs)):
                    out.tolist()
            compared += 1
    assert compared, f"{name}: no refusal that can be translated"
