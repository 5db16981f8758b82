"""Changes in place, hooks and histories mean what they mean in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from peers.both import programs_of, same, tried

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def a_part_of_a_leaf_written(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p[0] = 5.0
        r = (p.requires_grad, p.is_leaf, p.grad_fn is None, (p * 2).requires_grad)
    l = (p * p).sum()
    l.backward()
    return r, p.grad.tolist(), p.tolist()


def pending_value_changed_keeps_its_history(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    with lib.no_grad():
        y.add_(1)
    r = y.requires_grad
    (y * 3).sum().backward()
    return r, p.grad.tolist()


def computed_value_changed_keeps_its_history(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    y.tolist()
    with lib.no_grad():
        y.add_(1)
        r = y.requires_grad
    (y * 3).sum().backward()
    return r, p.grad.tolist(), y.tolist()


def part_of_a_pending_value(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    with lib.no_grad():
        y[0] = 7
    (y * y.detach()).sum().backward()
    return p.grad.tolist(), y.tolist()


def view_of_a_pending_value(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    v = y[:2]
    with lib.no_grad():
        v.mul_(5)
    (y * 3).sum().backward()
    return p.grad.tolist(), y.tolist(), v.tolist()


def later_rules_see_the_new_value(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    with lib.no_grad():
        y.mul_(5)
    (y * y).sum().backward()
    return p.grad.tolist(), y.tolist()


def a_value_that_a_rule_needs(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * p
    with lib.no_grad():
        p.mul_(2)
    y.sum().backward()
    return p.grad.tolist()


def a_value_that_no_rule_needs(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 3
    with lib.no_grad():
        p.mul_(2)
    y.sum().backward()
    return p.grad.tolist(), p.tolist()


def aliases_inside(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p.mul_(2)
        q = p.detach()
        q.add_(1)
        r = p.view(3, 1)
        r.add_(1)
        p.add_(1)
    return p.tolist(), q.tolist(), r.tolist(), p.requires_grad


def data_of_a_leaf(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    for _ in range(3):
        (p * p).sum().backward()
        p.data -= 0.1 * p.grad
        p.grad.zero_()
    return [round(x, 5) for x in p.tolist()], p.grad.tolist(), p.is_leaf


def zero_passes_zeros_back(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    y.zero_()
    r = y.requires_grad
    y.sum().backward()
    return r, p.grad.tolist()


def copy_passes_zeros_back(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    y.copy_(lib.zeros(3))
    r = y.requires_grad
    y.sum().backward()
    return r, p.grad.tolist()


def fill_passes_zeros_back(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    y = p * 2
    y.fill_(2.0)
    r = y.requires_grad
    (y * y).sum().backward()
    return r, p.grad.tolist()


def memory_that_overlaps(lib: Any) -> Any:
    x = lib.zeros(1).expand(3)
    x.add_(1)
    return x.tolist()


def detached_alias_sees_it(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    a = p.detach()
    with lib.no_grad():
        p.add_(1)
    return a.tolist()


def array_sees_it(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    a = p.detach().numpy()
    with lib.no_grad():
        p.add_(1)
        return a.tolist()


def shape_changed_in_place(lib: Any) -> Any:
    p = lib.ones(2, 3, requires_grad=True)
    with lib.no_grad():
        p.unsqueeze_(0)
    return list(p.shape), p.requires_grad


def module_parameters(lib: Any) -> Any:
    m = lib.nn.Linear(2, 2)
    with lib.no_grad():
        m.weight.copy_(lib.eye(2))
        m.bias.zero_()
        m.weight[0, 0] = 3.0
    return m(lib.ones(1, 2)).tolist(), m.weight.requires_grad


def hook_registered_inside(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p.add_(1)
        p.register_hook(lambda g: g * 2)
    (p * p).sum().backward()
    return p.grad.tolist()


def flag_taken_away(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p.add_(1)
        p.requires_grad_(False)
    return p.requires_grad, (p * 2).requires_grad


def change_of_a_detached_value(lib: Any) -> Any:
    w = lib.ones(3, requires_grad=True)
    y = w * 2
    z = y.detach()
    with lib.no_grad():
        z.mul_(3)
    (y * y).sum().backward()
    return w.grad.tolist()


def hooks_and_their_handles(lib: Any) -> Any:
    x = lib.ones(2, requires_grad=True)
    first = x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g * 2)

    def triple(g: Any) -> Any:
        return g * 3

    twice = x.register_hook(triple)
    x.register_hook(triple)
    twice.remove()
    twice.remove()
    x.sum().backward()
    with first:
        grads = [x.grad.tolist()]
    x.grad = None
    x.sum().backward()
    grads.append(x.grad.tolist())
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()
    y.sum().backward()
    return (
        grads,
        y.grad.tolist(),
        y.retains_grad,
        x.retains_grad,
        tried(
            lambda: lib.ones(2).register_hook(print),
            lambda: lib.ones(2).retain_grad(),
            lambda: lib.ones(2).register_post_accumulate_grad_hook(print),
            lambda: y.register_post_accumulate_grad_hook(print),
        ),
    )


def history_of_a_detached_alias(lib: Any) -> Any:
    p, w = lib.ones(3, requires_grad=True), lib.ones(3, requires_grad=True)
    d = p.detach()
    d.mul_(w * 2)
    flags = [(x.requires_grad, x.is_leaf) for x in (p, d)]
    (d * p).sum().backward()
    return flags, p.tolist(), p.grad.tolist(), w.grad.tolist()


def flag_taken_away_before_backward(lib: Any) -> Any:
    p, w = lib.ones(3, requires_grad=True), lib.ones(3, requires_grad=True)
    y = (p * w).sum()
    p.requires_grad_(False)
    y.backward()
    return p.grad, w.grad.tolist()


def grad_goes_only_where_it_is_asked(lib: Any) -> Any:
    p, w = lib.ones(3, requires_grad=True), lib.ones(3, requires_grad=True)
    seen: list[Any] = []
    a, b = p * 2, w * 3
    a.register_hook(lambda g: seen.append(g.tolist()))
    b.register_hook(lambda g: seen.append(g.tolist()))
    c = b.sigmoid()
    out = (a + c).sum()
    with lib.no_grad():
        c.zero_()
    (g,) = lib.autograd.grad(out, p)
    return g.tolist(), seen


def views_of_views_after_changes(lib: Any) -> Any:
    p = lib.ones(2, 3, requires_grad=True)
    y = p * 2
    v = y[..., ::2]
    y.tolist()
    w = v.t()
    y.mul_(3)
    u = v.detach()
    w.sum().backward()
    return v.tolist(), w.tolist(), u.tolist(), p.grad.tolist()


def copies_have_memory_of_their_own(lib: Any) -> Any:
    x = lib.ones(1, 2)
    a, b = x.repeat(2, 1), x.t().reshape(2)
    a[0] = 5.0
    b[0] = 7.0
    a.fill_(2.0)
    x.add_(1)
    return x.tolist(), a.tolist(), b.tolist()


def a_number_needs_nothing_kept(lib: Any) -> Any:
    x = lib.ones(3, requires_grad=True)
    y = x.mean() - 3
    y.backward()
    y.backward()
    return x.grad.tolist()


def output_of_a_division_changed(lib: Any) -> Any:
    x, w = lib.ones(3, requires_grad=True), lib.full((3,), 2.0, requires_grad=True)
    y = x / w
    y.mul_(3)
    y.sum().backward()
    return x.grad.tolist(), w.grad.tolist()


def arrays_see_and_are_seen(lib: Any) -> Any:
    x = lib.ones(3)
    array = x.detach().numpy()
    y = x * 2
    array *= 3.0
    return y.tolist(), (x * 1).tolist(), array.tolist()


def values_with_a_history_copied_under_no_grad(lib: Any) -> Any:
    p, w = lib.ones(3, requires_grad=True), lib.ones(3, requires_grad=True)
    buffer, part = lib.zeros(3), lib.zeros(3)
    y = w * 2
    with lib.no_grad():
        buffer.copy_(y)
        part[:2] = y[:2]
        p[...] = y
    flags = [(x.requires_grad, x.is_leaf) for x in (buffer, part, p)]
    (p * p + buffer * w).sum().backward()
    return flags, p.grad.tolist(), w.grad.tolist(), part.tolist()


def rolled_by_nothing_is_a_copy(lib: Any) -> Any:
    x = lib.ones(1, 3)
    y, z = x.roll(1, 0), x.roll(3, 1)
    y.mul_(2)
    z.mul_(3)
    return x.tolist(), y.tolist(), z.tolist()


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize(
    "program", programs_of(dict(globals())), ids=lambda f: f.__name__
)
def test_same(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)
