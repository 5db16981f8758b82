"""Derivatives held against central differences in float64.

∂f/∂x ≈ (f(x + ε) − f(x − ε)) / 2ε, with an error of order ε². A kink is found where the
two one-sided differences disagree, and refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..ops.op import Array
from .modes import enable_grad


class GradcheckError(RuntimeError):
    """A derivative is off: says which element, and by how much."""


def _outputs(result: Any) -> list[Any]:
    listed = list(result) if isinstance(result, (tuple, list)) else [result]
    return [y for y in listed if y.dtype.is_floating_point]


def _numbers(inputs: tuple[Any, ...]) -> list[int]:
    wanted = [
        i
        for i, x in enumerate(inputs)
        if hasattr(x, "requires_grad") and x.requires_grad
    ]
    if not wanted:
        raise ValueError("gradcheck expects at least one input with requires_grad=True")
    for i in wanted:
        if inputs[i].dtype is not dtypes.float64:
            raise ValueError(
                f"input {i} is {inputs[i].dtype.name}: differences need float64, use "
                "x.double()"
            )
    return wanted


def _evaluate(function: Callable[..., Any], inputs: list[Any]) -> list[Array]:
    return [
        np.array(y.detach().numpy(), np.float64) for y in _outputs(function(*inputs))
    ]


def _analytic(
    function: Callable[..., Any], inputs: list[Any], wanted: list[int]
) -> Any:
    from . import grad

    xs = [
        constant(x.detach().numpy().copy()).requires_grad_() if i in wanted else x
        for i, x in enumerate(inputs)
    ]
    ys = _outputs(function(*xs))
    rows = []
    for y in ys:
        size = y.numel()
        for k in range(size):
            if not y.requires_grad:
                rows.append([np.zeros(xs[i].shape) for i in wanted])
                continue
            v = np.zeros(size)
            v[k] = 1.0
            seed = constant(v.reshape(tuple(y.shape)))
            gs = grad(
                y, [xs[i] for i in wanted], seed, retain_graph=True, allow_unused=True
            )
            rows.append(
                [
                    np.zeros(xs[i].shape) if g is None else g.detach().numpy().copy()
                    for i, g in zip(wanted, gs, strict=True)
                ]
            )
    return rows


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_: Any,
) -> bool:
    """Compare ∂func/∂inputs with central differences, element by element.

    Raises :class:`GradcheckError` naming the output, the input, the element and both
    numbers; a point where the function has a kink is named as such.

    >>> import retrograd as rg
    >>> x = rg.tensor([0.5, 2.0], dtype=rg.float64, requires_grad=True)
    >>> rg.autograd.gradcheck(lambda x: x.exp(), (x,))
    True
    """
    if not isinstance(inputs, (tuple, list)):
        inputs = (inputs,)
    inputs = tuple(inputs)
    try:
        with enable_grad():  # the function may ask for derivatives itself
            _check(func, inputs, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    function: Callable[..., Any], inputs: Any, eps: float, atol: float, rtol: float
) -> None:
    wanted = _numbers(inputs)
    rows = _analytic(function, list(inputs), wanted)
    middle = _evaluate(function, list(inputs))
    starts = np.cumsum([0] + [y.size for y in middle])
    for w, i in enumerate(wanted):
        base = inputs[i].detach().numpy()
        for place in np.ndindex(base.shape):
            sides = []
            for sign in (1.0, -1.0):
                moved = base.copy()
                moved[place] += sign * eps
                here = constant(moved).requires_grad_()
                xs = [here if j == i else x for j, x in enumerate(inputs)]
                sides.append(_evaluate(function, xs))
            for o, (up, there, down) in enumerate(
                zip(sides[0], middle, sides[1], strict=True)
            ):
                numeric = ((up - down) / (2 * eps)).reshape(-1)
                right = ((up - there) / eps).reshape(-1)
                left = ((there - down) / eps).reshape(-1)
                for k in range(numeric.size):
                    a = rows[starts[o] + k][w][place]
                    n = numeric[k]
                    if abs(a - n) <= atol + rtol * abs(n) or (
                        np.isnan(a) and np.isnan(n)
                    ):
                        continue
                    element = np.unravel_index(k, there.shape)
                    where = (
                        f"∂output{o}{[int(e) for e in element]}/"
                        f"∂input{i}{[int(e) for e in place]}"
                    )
                    if abs(right[k] - left[k]) > 1e-2 * max(1.0, abs(n)):
                        raise GradcheckError(
                            f"{where}: the function has a kink there (slope {left[k]:.6g} "
                            f"on the left, {right[k]:.6g} on the right); a derivative "
                            "cannot be checked at it. Move the input away from the kink"
                        )
                    raise GradcheckError(
                        f"{where}: the derivative is {a:.9g}, central differences give "
                        f"{n:.9g}, off by {abs(a - n):.3g}"
                    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_: Any,
) -> bool:
    """The same for second derivatives: checks the gradient of vᵀ·∂func/∂inputs."""
    from . import grad

    if not isinstance(inputs, (tuple, list)):
        inputs = (inputs,)
    inputs = tuple(inputs)
    wanted = _numbers(inputs)
    ys = _outputs(func(*inputs))
    rng = np.random.default_rng(0)
    seeds = [constant(rng.normal(size=tuple(y.shape))).requires_grad_() for y in ys]
    n = len(inputs)

    def first(*args: Any) -> Any:
        vs = args[n:]
        with enable_grad():
            xs = tuple(
                x
                if x.requires_grad
                else constant(x.detach().numpy().copy()).requires_grad_()
                for x in (args[i] for i in wanted)
            )
            full = list(args[:n])
            for i, x in zip(wanted, xs, strict=True):
                full[i] = x
            outs = _outputs(func(*full))
            pairs = [(y, v) for y, v in zip(outs, vs, strict=True) if y.requires_grad]
            gs = grad(
                [y for y, _ in pairs],
                xs,
                [v for _, v in pairs],
                create_graph=True,
                allow_unused=True,
            )
        return tuple(g for g in gs if g is not None)

    return gradcheck(first, (*inputs, *seeds), eps, atol, rtol, raise_exception)


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
