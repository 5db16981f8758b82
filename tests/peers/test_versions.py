"""How often a tensor was changed in place: ``_version`` counts as PyTorch's does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from peers.both import programs_of, same

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def a_pending_value_and_its_view(lib: Any) -> Any:
    a = lib.tensor([1.0, 2.0], requires_grad=True)
    b = a * 2
    found = [b._version]
    b += 1
    found.append(b._version)
    c = b[0:1]
    c.mul_(2)
    return [*found, b._version, c._version]


def memory(lib: Any) -> Any:
    a = lib.zeros(3)
    a.add_(1)
    a[0] = 5
    found = [a._version]
    d = a.detach()
    d.add_(1)
    found += [a._version, d._version]
    f = a.view(3, 1)
    f.zero_()
    lib.add(f, 1, out=f)
    return [*found, a._version, f._version, a.clone()._version]


def without_gradients(lib: Any) -> Any:
    a = lib.zeros(3)
    with lib.no_grad():
        a.fill_(2.0)
        a.copy_(lib.ones(3))
    lib.autograd.graph.increment_version(a)
    return a._version


def a_parameter(lib: Any) -> Any:
    p = lib.nn.Parameter(lib.ones(2))
    optimizer = lib.optim.SGD([p], lr=0.1)
    found = [p._version]
    for _ in range(3):
        (p * p).sum().backward()
        optimizer.step()
        found.append(p._version)
        optimizer.zero_grad()
    with lib.no_grad():
        p.mul_(2)
        p -= 1
    return [*found, p._version]


def read_in_between(lib: Any) -> Any:
    x = lib.ones(4).exp()
    z = x.view(2, 2).t()
    found = [x._version, z._version]
    z.add_(1)
    found.append(x._version)
    x.tolist()
    x.numpy()
    found.append(x._version)
    x.add_(1)
    x.relu_()
    found += [x._version, z._version]
    x.requires_grad_()
    return [*found, x._version]


def read_before(lib: Any) -> Any:
    x, y = lib.zeros(3), lib.ones(3, requires_grad=True)
    x[1:] += 1
    z = y * 2
    z.sum().item()
    z.add_(1)
    z.add_(1)
    return x._version, z._version


def a_view_that_outlives_the_whole(lib: Any) -> Any:
    part = lib.ones(4).exp()[1:3]
    part.add_(1)
    part.mul_(2)
    part.tolist()
    return part._version


def a_tensor_turned(lib: Any) -> Any:
    x = lib.zeros(2, 3)
    x.t_()
    x.unsqueeze_(0)
    x.fill_(1.0)
    return x._version


PROGRAMS = programs_of(globals())


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)
