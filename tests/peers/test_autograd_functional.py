"""autograd.functional with every combination of its flags, as in PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

#: PyTorch's own
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning"
)


def _matrix(lib: Any) -> Any:
    return lib.tensor(np.arange(6.0).reshape(2, 3) / 3)


#: name → the function in a library, and the sizes of its arguments
FUNCTIONS: dict[str, tuple[Callable[..., Any], list[int]]] = {
    "vector": (lambda L, x: (_matrix(L) @ x).sin(), [3]),
    "two": (lambda L, x, y: (x * y.sum() + x**2, (x * x).sum()), [3, 2]),
    "scalar": (lambda L, x, y: (x**3).sum() * y.exp().sum(), [3, 2]),
    "of one alone": (lambda L, x, y: (x**2).sum(), [3, 2]),
    "constant": (lambda L, x: L.ones(2, dtype=L.float64), [3]),
    "in part": (lambda L, x: (x**2, L.ones(2, dtype=L.float64)), [3]),
    "linear": (lambda L, x: (3 * x).sum(), [3]),
}


def _options(kind: str) -> list[dict[str, Any]]:
    flags = [
        {"create_graph": a, "strict": b} for a, b in itertools.product([0, 1], [0, 1])
    ]
    if kind not in ("jacobian", "hessian"):
        return flags
    word = "strategy" if kind == "jacobian" else "outer_jacobian_strategy"
    ways = ("reverse-mode", "forward-mode", "sideways")
    return [
        {**o, "vectorize": v, word: way} for o in flags for v in (0, 1) for way in ways
    ]


def _outcome(
    lib: Any, name: str, kind: str, tracked: bool, options: dict[str, Any]
) -> Any:
    function, sizes = FUNCTIONS[name]
    xs = [lib.tensor(np.cos(np.arange(n) + n), requires_grad=tracked) for n in sizes]
    given: Any = xs[0] if len(xs) == 1 else tuple(xs)

    def f(*args: Any) -> Any:
        return function(lib, *args)

    words = {k: bool(v) if isinstance(v, int) else v for k, v in options.items()}
    call = getattr(lib.autograd.functional, kind)
    try:
        if kind in ("jacobian", "hessian"):
            return _plain(call(f, given, **words))
        like = f(*xs) if kind == "vjp" else given
        if isinstance(like, tuple):
            v: Any = tuple(lib.ones_like(t) * 0.7 for t in like)
        else:
            v = lib.ones_like(like) * 0.7
        return _plain(call(f, given, v, **words))
    except (RuntimeError, AssertionError) as error:
        return error


def _plain(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        return [_plain(r) for r in result]
    return result.detach().numpy()


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, list):
        return isinstance(mine, list) and all(
            _same(a, b) for a, b in zip(mine, theirs, strict=True)
        )
    return bool(np.allclose(mine, theirs, rtol=1e-10, atol=1e-12))


@pytest.mark.parametrize("kind", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_flag(name: str, kind: str) -> None:
    for tracked, options in itertools.product([False, True], _options(kind)):
        mine = _outcome(rg, name, kind, tracked, options)
        theirs = _outcome(torch, name, kind, tracked, options)
        case = (tracked, options, mine, theirs)
        if isinstance(theirs, NotImplementedError):
            continue  # forward mode with a graph, or column by column: is there here
        if kind == "jvp" and name == "of one alone" and options["strict"]:
            continue  # PyTorch's goes backwards twice, and misses the other input
        if isinstance(theirs, BaseException):
            assert isinstance(mine, type(theirs)), case
        else:
            assert not isinstance(mine, BaseException) and _same(mine, theirs), case


def test_a_graph_is_recorded_of_points_that_want_no_gradient_as_well() -> None:
    """So that strict can tell whether the derivative depends on the point."""
    x = rg.tensor([1.0, 2.0])
    functional = rg.autograd.functional
    J = functional.jacobian(rg.sin, x, create_graph=True, strict=True)
    assert J.requires_grad and not x.requires_grad
    _, product = functional.hvp(lambda x: (x**3).sum(), x, x, strict=True)
    assert product.tolist() == [6.0, 24.0] and not product.requires_grad
    with pytest.raises(RuntimeError, match="Output 1 .* independent of the inputs"):
        functional.jacobian(lambda x: (x, rg.ones(2)), x, strict=True)
