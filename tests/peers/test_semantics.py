"""Changes in place, modes and histories mean what they mean in PyTorch.

Each function is one program for both libraries; what it returns, or the class of what it
raises, is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
import retrograd.nn.functional

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


def enable_grad_inside(lib: Any) -> Any:
    p = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        p.mul_(2)
        with lib.enable_grad():
            y = (p * p).sum()
        y.backward()
        p.sub_(p.grad)
    return p.tolist(), p.grad.tolist()


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


def _tried(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives: its value, or the class of its error."""
    found = []
    for call in calls:
        try:
            value = call()
        except Exception as error:
            value = type(error)
        found.append(value.tolist() if hasattr(value, "tolist") else value)
    return found


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
        under = _tried(lambda: a.add_(1))
    return under, _tried(
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
    return _tried(
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
        _tried(
            lambda: lib.ones(2).register_hook(print),
            lambda: lib.ones(2).retain_grad(),
            lambda: lib.ones(2).register_post_accumulate_grad_hook(print),
            lambda: y.register_post_accumulate_grad_hook(print),
        ),
    )


def _places(x: Any) -> Any:
    return tuple(x.stride()), x.is_contiguous(), x.storage_offset()


VIEWS: list[Callable[[Any, Any], Any]] = [
    lambda lib, x: x,
    lambda lib, x: x.t(),
    lambda lib, x: x[1:],
    lambda lib, x: x[:, 1:],
    lambda lib, x: x[:, ::2],
    lambda lib, x: x[1],
    lambda lib, x: x[1:, 1:].t(),
    lambda lib, x: x.unsqueeze(1),
    lambda lib, x: x.expand(2, 3, 4),
    lambda lib, x: x[:1].expand(3, 4),
    lambda lib, x: x.view(2, 6)[:, 2:],
    lambda lib, x: x.diagonal(),
    lambda lib, x: x.t().reshape(6, 2),
    lambda lib, x: x.unfold(1, 2, 1),
    lambda lib, x: x.view(12)[3:9].view(2, 3),
    lambda lib, x: x.detach()[1:],
    lambda lib, x: x[0:0],
    lambda lib, x: x[:, 1].view(3),
    lambda lib, x: x[:, 1].view(-1, 1),
    lambda lib, x: x.t().view(12),
    lambda lib, x: x[:, :2].view(6),
    lambda lib, x: x[:, :2].view(3, 2, 1),
    lambda lib, x: x[:2].view(8),
    lambda lib, x: x.expand(2, 3, 4).view(24),
    lambda lib, x: x.expand(2, 3, 4).view(2, 12),
    lambda lib, x: x.t().contiguous().view(12),
    lambda lib, x: x.t().view(7),
    lambda lib, x: x.t().view_as(x),
    lambda lib, x: x.transpose(0, 1).view(2, 2, 3),
    lambda lib, x: x.t().reshape_as(x),
    lambda lib, x: x.permute(1, 0).flatten(),
    lambda lib, x: x[None].permute(1, 0, 2).view(12),
    lambda lib, x: x.as_strided((2, 2), (1, 2), 3),
    lambda lib, x: x[1:].as_strided((2, 2), (1, 2)),
    lambda lib, x: x.unflatten(1, (2, 2)),
    lambda lib, x: x.chunk(2, 1)[1],
    lambda lib, x: x.data[1:],
]


@pytest.mark.parametrize("view", range(len(VIEWS)))
@pytest.mark.parametrize("pending", [False, True], ids=["computed", "pending"])
def test_where_elements_lie(view: int, pending: bool) -> None:
    found = []
    for lib in (rg, torch):
        x = lib.arange(12.0).reshape(3, 4)
        x = x * 1 if pending else x
        made = _result(lib, lambda lib, x=x: VIEWS[view](lib, x))
        found.append(made if isinstance(made, type) else _places(made))
    assert found[0] == found[1]
    if not isinstance(made, type):
        mine = VIEWS[view](rg, rg.arange(12.0).reshape(3, 4) * 1)
        before = _places(mine)
        mine.tolist()
        assert _places(mine) == before


def test_what_cannot_be_viewed_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"Use \.reshape"):
        rg.ones(2, 3).t().view(6)


NEGATIVE: list[Callable[[Any, Any, Any], Any]] = [
    lambda lib, a, i: lib.gather(a, 0, i[None]),
    lambda lib, a, i: lib.index_select(a, 0, i),
    lambda lib, a, i: a.scatter(0, i[None], 1.0),
    lambda lib, a, i: lib.scatter_add(a, 0, i[None], lib.ones(1, 1)),
    lambda lib, a, i: lib.scatter_reduce(a, 0, i[None], lib.ones(1, 1), "prod"),
    lambda lib, a, i: a.index_add(0, i, lib.ones(1, 2)),
    lambda lib, a, i: a.index_copy(0, i, lib.ones(1, 2)),
    lambda lib, a, i: a.index_reduce(0, i, lib.ones(1, 2), "prod"),
    lambda lib, a, i: lib.nn.functional.embedding(i, a),
    lambda lib, a, i: a.index_fill(0, i, 2.0),
    lambda lib, a, i: lib.take(a, i),
    lambda lib, a, i: a.put(i, lib.tensor([3.0])),
    lambda lib, a, i: lib.take_along_dim(a, i[None], 0),
    lambda lib, a, i: a[i],
]


@pytest.mark.parametrize("case", range(len(NEGATIVE)))
@pytest.mark.parametrize("place", [-1, 2, -3])
def test_indices_from_the_end(case: int, place: int) -> None:
    def call(lib: Any) -> Any:
        made = NEGATIVE[case](lib, lib.arange(4.0).view(2, 2), lib.tensor([place]))
        return made.tolist()

    theirs = _result(torch, call)
    if case == 12 and place != -1:
        theirs = IndexError  # PyTorch takes the remainder, which hides a mistake
    if isinstance(theirs, type):
        for _ in range(3):
            with pytest.raises(theirs):
                call(rg)
    else:
        assert [call(rg) for _ in range(3)] == [theirs] * 3


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


PROGRAMS: list[Callable[[Any], Any]] = [
    f
    for name, f in list(globals().items())
    if getattr(f, "__module__", "") == __name__ and not name.startswith(("_", "test"))
]


def _result(lib: Any, program: Callable[[Any], Any]) -> Any:
    try:
        return program(lib)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_same(program: Callable[[Any], Any], eager: bool) -> None:
    with rg.eager(eager):
        mine = [_result(rg, program) for _ in range(4)]
    theirs = _result(torch, program)
    assert mine == [theirs] * 4
