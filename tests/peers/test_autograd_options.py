"""The options of ``autograd.grad`` and ``backward``, what hooks may return, and modes
around generators: as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from peers.both import programs_of, same, tried

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def forms_of_grad(lib: Any) -> Any:
    a, b = _leaf(lib, 1.0, 2.0), _leaf(lib, 3.0, 4.0)
    one, eye = lib.ones((), dtype=lib.float64), lib.eye(2, dtype=lib.float64)
    grad = lib.autograd.grad
    y = a**2
    return tried(
        lambda: grad(a.sum(), [a, b]),
        lambda: grad(a.sum(), [a, b], allow_unused=True)[1],
        lambda: grad(a.sum(), [a, b], materialize_grads=True)[1].tolist(),
        lambda: grad([a.sum(), y.sum()], a, [one, None])[0].tolist(),
        lambda: grad(a * 2, a, [eye[0], eye[1]])[0].tolist(),
        lambda: grad([a.sum(), y.sum()], a, [one]),
        lambda: grad(a.sum(), []),
        lambda: grad(y, (a,), (eye,), is_grads_batched=True)[0].tolist(),
        lambda: grad(a, a, eye[0])[0].tolist(),
        lambda: grad(a * 2, a, eye),
    )


def inputs_of_backward(lib: Any) -> Any:
    a, b, c = _leaf(lib, 1.0), _leaf(lib, 2.0), lib.ones(1)
    y = a * b
    found = tried(
        lambda: (y * 1).backward(inputs=[], retain_graph=True),
        lambda: (y * 1).backward(inputs=[c], retain_graph=True),
        lambda: (y * 1).backward(inputs=a, retain_graph=True),
        lambda: (y * 3).backward(inputs=[y], retain_graph=True),
    )
    return found, a.grad.tolist(), b.grad, y.grad.tolist()


def hooks_of_leaves_see_grad(lib: Any) -> Any:
    a = _leaf(lib, 1.0)
    handle = a.register_hook(lambda g: g * 10)
    found = [lib.autograd.grad(a * 2, a)[0].tolist()]
    handle.remove()
    return [*found, lib.autograd.grad(a * 2, a)[0].tolist(), a.grad]


def what_hooks_return(lib: Any) -> Any:
    def run(hook: Callable[[Any], Any], leaf: bool) -> Any:
        a = _leaf(lib, 1.0, 2.0)
        y = a * 2
        (a if leaf else y).register_hook(hook)
        y.sum().backward()
        return a.grad.tolist()

    hooks: list[Callable[[Any], Any]] = [
        lambda g: 3,
        lambda g: g[:1],
        lambda g: g.float(),
        lambda g: None,
        lambda g: g * 2,
    ]
    return [
        tried(lambda h=h, leaf=leaf: run(h, leaf)) for h in hooks for leaf in (0, 1)
    ]


def retained_after_a_change(lib: Any) -> Any:
    a = _leaf(lib, 2.0)
    y = a * 1
    y.retain_grad()
    y.mul_(3)
    y.backward()
    z = a * 1
    v = z[:]
    z.retain_grad()
    v.mul_(5)
    (z * z).backward()
    return a.grad.tolist(), y.grad.tolist(), z.grad.tolist(), z.retains_grad


def a_gradient_of_another_type(lib: Any) -> Any:
    a = _leaf(lib, 2.0)

    def give(g: Any) -> None:
        a.grad = g

    return tried(lambda: give(lib.ones(1)), lambda: give(lib.ones(2)), lambda: give(3))


def a_module_of_several(lib: Any) -> Any:
    said: list[Any] = []

    class Both(lib.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, a: Any, b: Any) -> Any:
            return a * b, a + b

    def note(module: Any, inputs: Any, outputs: Any) -> None:
        said.append([[None if g is None else g.tolist() for g in gs]
                     for gs in (inputs, outputs)])  # fmt: skip

    both = Both()
    both.register_full_backward_hook(note)
    a, b = _leaf(lib, 2.0), _leaf(lib, 3.0)
    u, v = both(a, b)
    (u * 2 + v).backward()
    u, v = both(a, b)
    u.backward()
    return said, a.grad.tolist(), b.grad.tolist()


def generators(lib: Any) -> Any:
    said: list[Any] = []

    def count() -> Any:
        try:
            for i in range(3):
                said.append(lib.is_grad_enabled())
                said.append((yield i))
        except ValueError:
            said.append(lib.is_grad_enabled())
            yield "raised"
        finally:
            said.append(("end", lib.is_grad_enabled()))
        return "value"

    for mode in (lib.no_grad(), lib.set_grad_enabled(False), lib.inference_mode()):
        made = mode(count)()
        said += [next(made), lib.is_grad_enabled(), made.send("a")]
        said += [made.throw(ValueError), lib.is_grad_enabled()]
        made.close()
        said += list(mode(count)())
        said.append(lib.is_grad_enabled())

    def outer() -> Any:
        said.append((yield from lib.no_grad()(count)()))

    return said, list(outer())


PROGRAMS = programs_of(globals())


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)
