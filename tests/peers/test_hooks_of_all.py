"""Hooks of all modules at once, and nodes of the graph that are called, next to
PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def same(program: Callable[[Any], Any]) -> None:
    """Both libraries do the same, twice: once recorded, once known."""
    want = program(torch)
    assert program(rg) == want
    assert program(rg) == want


def calls(lib: Any) -> Any:
    told: list[Any] = []
    of = lib.nn.modules.module

    def note(what: str) -> Callable[..., None]:
        return lambda module, *_: told.append((what, type(module).__name__))

    net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU())
    x = lib.ones(1, 2, requires_grad=True)
    net(x)
    net[1].register_forward_hook(note("its own"))
    handles = [
        of.register_module_forward_hook(note("forward")),
        of.register_module_forward_pre_hook(note("before")),
        of.register_module_full_backward_hook(note("backward")),
        of.register_module_full_backward_pre_hook(note("before backward")),
    ]

    class Later(lib.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x

    try:
        net(x).sum().backward()
        Later()(x)
    finally:
        for handle in handles:
            handle.remove()
    told.append("removed")
    net(x)
    return told


def changes(lib: Any) -> Any:
    of = lib.nn.modules.module
    relu, x = lib.nn.ReLU(), lib.tensor([-1.0, 2.0])
    with of.register_module_forward_hook(lambda m, a, out: out * 10):
        first = relu(x).tolist()
    with of.register_module_forward_pre_hook(lambda m, a: (a[0] + 2,)):
        second = relu(x).tolist()
    with of.register_module_forward_hook(
        lambda m, a, k, out: out + len(k), with_kwargs=True
    ):
        third = relu(input=x).tolist()
    seen: list[Any] = []
    with of.register_module_forward_hook(
        lambda m, a, out: seen.append(out), always_call=True
    ):
        with pytest.raises(Exception, match="."):
            lib.nn.Linear(3, 1)(x)
    return first, second, third, seen, relu(x).tolist()


def registrations(lib: Any) -> Any:
    told: list[Any] = []
    of = lib.nn.modules.module
    handles = [
        of.register_module_parameter_registration_hook(
            lambda m, name, p: told.append((type(m).__name__, name))
        ),
        of.register_module_buffer_registration_hook(
            lambda m, name, b: told.append((type(m).__name__, name, b is None))
        ),
        of.register_module_module_registration_hook(
            lambda m, name, sub: told.append((name, type(sub).__name__))
        ),
    ]
    try:
        net = lib.nn.Sequential(
            lib.nn.Linear(2, 2, bias=False), lib.nn.BatchNorm1d(2, affine=False)
        )
        net[0].weight = lib.nn.Parameter(lib.zeros(2, 2))
        net[1].running_mean = lib.zeros(2)
        net.last = lib.nn.ReLU()
    finally:
        for handle in handles:
            handle.remove()
    lib.nn.Linear(2, 2)
    return told


def replaced(lib: Any) -> Any:
    of = lib.nn.modules.module
    module = lib.nn.Module()
    with of.register_module_parameter_registration_hook(
        lambda m, name, p: lib.nn.Parameter(p.detach() * 2)
    ):
        module.w = lib.nn.Parameter(lib.ones(2))
    with of.register_module_module_registration_hook(lambda m, n, sub: lib.nn.Tanh()):
        module.f = lib.nn.ReLU()
    return module.w.tolist(), repr(module)


@pytest.mark.parametrize("program", [calls, changes, registrations, replaced])
def test_hooks_of_all_modules(program: Callable[[Any], Any]) -> None:
    same(program)


NODES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "product": lambda lib, x, w: x * w,
    "square": lambda lib, x, w: x * x,
    "one operand": lambda lib, x, w: x.exp(),
    "number": lambda lib, x, w: x * 3,
    "sum": lambda lib, x, w: (x * 1).sum(),
    "composition": lambda lib, x, w: lib.softmax(x, 0),
    "matrices": lambda lib, x, w: x.reshape(1, 2) @ w.reshape(2, 1),
    "no gradient": lambda lib, x, w: x.detach() * w,
    "several": lambda lib, x, w: lib.cat([x, w, x]),
}


def values(g: Any) -> Any:
    if isinstance(g, tuple):
        return tuple(map(values, g))
    return None if g is None else [round(v, 5) for v in g.reshape(-1).tolist()]


@pytest.mark.parametrize("name", NODES)
def test_nodes_are_called(name: str) -> None:
    def program(lib: Any) -> Any:
        x, w = (lib.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 5.0]))
        y = NODES[name](lib, x, w)
        found = y.grad_fn(lib.full(tuple(y.shape), 2.0))
        return values(found), x.grad, w.grad

    same(program)


def test_walking_back_by_hand() -> None:
    def program(lib: Any) -> Any:
        x, w = (lib.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [0.3, 0.5]))
        f, g = (x * w).tanh().sum().grad_fn, lib.tensor(1.0)
        while not isinstance(g, tuple):
            g = f(g)
            f, last = f.next_functions[0][0], f
        ends = [node for node, _ in last.next_functions]
        for node, part in zip(ends, g, strict=True):
            assert node(part) in ((), None)
            node(part)
        return values(x.grad), values(w.grad)

    same(program)


def test_what_a_call_records_is_differentiable() -> None:
    def program(lib: Any) -> Any:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        (x**3).grad_fn(lib.ones(2)).sum().backward()
        return values(x.grad)

    same(program)


@pytest.mark.parametrize("shapes", [[(3,)], [], [(2,), (2,)]])
def test_calls_that_are_refused(shapes: list[tuple[int, ...]]) -> None:
    for lib in (torch, rg):
        y = lib.tensor([1.0, 2.0], requires_grad=True) ** 3
        with pytest.raises((RuntimeError, TypeError)):
            values(y.grad_fn(*[lib.ones(s) for s in shapes]))
