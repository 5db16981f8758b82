"""no_grad, enable_grad and inference_mode mean what they mean in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from peers.both import programs_of, same, tried

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def enable_grad_inside(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p.mul_(2)
        with lib.enable_grad():
            y = (p * p).sum()
        y.backward()
        p.sub_(p.grad)
    return p.tolist(), p.grad.tolist()


def set_grad_enabled_as_block(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.set_grad_enabled(False):
        p.add_(1)
    (p * p).sum().backward()
    return p.grad.tolist()


def set_grad_enabled_as_call(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    lib.set_grad_enabled(False)
    p.add_(1)
    lib.set_grad_enabled(True)
    (p * p).sum().backward()
    return p.grad.tolist()


def decorated(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)

    @lib.no_grad()
    def f():
        p.add_(1)

    f()
    (p * p).sum().backward()
    return p.grad.tolist()


def block_left_by_an_error(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    try:
        with lib.no_grad():
            p.add_(1)
            raise KeyError
    except KeyError:
        pass
    (p * p).sum().backward()
    return p.grad.tolist()


def inference_flags(lib: Any) -> Any:
    w = lib.ones(2, requires_grad=True)
    with lib.inference_mode():
        a, b, c = lib.ones(2), w * 2, lib.ones(2, requires_grad=True)
        made = [a, b, c, w.detach(), a.view(2, 1), a[0], c * 2]
        flags = [(x.is_inference(), x.requires_grad) for x in made]
        flags.append(lib.is_inference_mode_enabled())
        with lib.inference_mode(False):
            inner = w * 2
            flags += [inner.is_inference(), inner.requires_grad, lib.is_grad_enabled()]
        with lib.enable_grad():
            flags += [(w * 2).requires_grad, (w * 2).is_inference()]
    flags += [lib.is_inference(x) for x in made]
    after = [a * a, a.clone(), a.view(2, 1), a.detach(), a + w, b[0]]
    return flags + [(x.is_inference(), x.requires_grad) for x in after]


def inference_tensors_are_not_changed_outside(lib: Any) -> Any:
    with lib.inference_mode():
        a = lib.ones(2)
        a.add_(1)
        b = lib.ones(2) * 3
    with lib.no_grad():
        under = tried(lambda: a.add_(1))
    return under, tried(
        lambda: a.mul_(2),
        lambda: b.mul_(2),
        lambda: b.view(2, 1).add_(1),
        lambda: a.__setitem__(0, 5.0),
        lambda: a.requires_grad_(),
        lambda: a.clone().add_(1).shape,
        lambda: a._version,
        lambda: lib.ones(2).add_(a).shape,
    )


def inference_tensors_are_not_kept(lib: Any) -> Any:
    w = lib.ones(2, requires_grad=True)
    with lib.inference_mode():
        a = lib.ones(2)
        b = lib.ones(2) * 2
    pending, known = w * 3, w * 4
    known.tolist()
    return tried(
        lambda: a * w,
        lambda: w * b,
        lambda: (w + b).sum().backward(),
        lambda: w * b.clone(),
        lambda: w @ a,
        lambda: pending.mul_(a),
        lambda: known.add_(b),
        lambda: lib.relu(w + a),
        lambda: a * a,
    ), w.grad.tolist()


def inference_as_decorator(lib: Any) -> Any:
    w = lib.ones(2, requires_grad=True)

    @lib.inference_mode()
    def inside(x: Any) -> Any:
        return x * 2

    @lib.inference_mode
    def plain(x: Any) -> Any:
        return x * 2

    @lib.inference_mode(mode=False)
    def outside(x: Any) -> Any:
        return x * 2

    made = [f(w) for f in (inside, plain, outside)]
    return [(x.is_inference(), x.requires_grad, x.tolist()) for x in made]


def inference_inside_no_grad(lib: Any) -> Any:
    w = lib.ones(2, requires_grad=True)
    with lib.no_grad():
        with lib.inference_mode(False):
            a = (w * 2).requires_grad
        b = (w * 2).requires_grad
    return a, b, lib.is_grad_enabled(), (w * 2).requires_grad


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize(
    "program", programs_of(dict(globals())), ids=lambda f: f.__name__
)
def test_same(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)
