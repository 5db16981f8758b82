"""What was recorded once is recorded elsewhere without running its Python again."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch, templates
from retrograd.nn import functional as F
from retrograd.ops import arithmetic, elementwise


@pytest.fixture(autouse=True)
def anew():
    templates._templates.clear()
    templates._rows.clear()
    dispatch.recorder().flush()


def states(loss):
    return [s for s in loss._key.path() if s.kind == "op"]


def described(loss):
    """Each operation with the places of its operands, its shape and its names."""
    found = states(loss)
    place = {s: i for i, s in enumerate(found)}
    return [
        (
            s.op.name, tuple(place.get(k, type(k).__name__) for k in s.inputs),
            s.attrs, s.spec, s.grad, s.view, s.group,
        )
        for s in found
    ]  # fmt: skip


def test_the_rules_of_an_operation_run_once(monkeypatch):
    calls = []
    rule = elementwise.Tanh.rules["a"]
    plain = rule.function
    monkeypatch.setattr(rule, "function", lambda **kw: calls.append(1) or plain(**kw))
    for depth in range(1, 6):
        x = rg.ones(3, requires_grad=True)
        h = x
        for _ in range(depth):
            h = h.tanh()
        h.sum().backward()
        expected = 1.0
        value = 1.0
        for _ in range(depth):
            value = np.tanh(value)
            expected *= 1 - value**2
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    assert len(calls) == 1


def test_a_composition_elsewhere_is_recorded_as_the_first_time():
    w, b = rg.ones(4, 3, requires_grad=True), rg.zeros(4, requires_grad=True)
    first = F.layer_norm(F.linear(rg.ones(2, 3), w, b), (4,)).sum()
    alone = described(first)
    first.item()
    x = rg.ones(2, 3) + 0
    second = F.layer_norm(F.linear(x, w, b), (4,)).sum()
    played = described(second)[1:]
    assert [(n, a, s, g, v, names) for n, _, a, s, g, v, names in played] == [
        (n, a, s, g, v, names) for n, _, a, s, g, v, names in alone
    ]
    assert all(s.row is not None for s in states(second))


def test_each_application_has_names_of_its_own():
    w = rg.ones(3, 3)
    a = F.linear(rg.ones(2, 3), w)
    b = F.linear(a, w)
    c = F.linear(b, w)
    groups = [s.group[0] for s in states(c) if s.group]
    assert len({id(g) for g in groups}) == 3


def test_the_same_operand_twice_is_another_thing_than_two():
    x = rg.tensor([3.0], requires_grad=True)
    y = rg.tensor([5.0], requires_grad=True)
    (x * y).backward()
    assert (x.grad.item(), y.grad.item()) == (5.0, 3.0)
    z = rg.tensor([7.0], requires_grad=True)
    ((z * z) * y.detach()).backward()
    assert z.grad.item() == 70.0


def test_the_sign_of_a_zero_counts():
    x = rg.ones(1)
    plus = (F.pad(x, (0, 1), value=0.0)).numpy()
    minus = (F.pad(x + 0, (0, 1), value=-0.0)).numpy()
    assert not np.signbit(plus[1]) and np.signbit(minus[1])
    assert not np.signbit((x * 0.0).numpy()) and np.signbit(((x + 0) * -0.0).numpy())


def test_the_default_type_counts():
    n = rg.tensor([4, 9])
    assert n.sqrt().dtype is rg.float32
    before = rg.get_default_dtype()
    rg.set_default_dtype(rg.float64)
    try:
        assert n.sqrt().dtype is rg.float64
        assert (n + 0).sqrt().dtype is rg.float64
    finally:
        rg.set_default_dtype(before)


def test_numbers_that_change_become_arguments_all_the_same():
    x = rg.ones(2)
    recorded = dispatch.recorder()
    counts = []
    for k in range(6):
        before = recorded.count
        assert ((x + 1) * (0.5 + k)).tolist() == [2 * (0.5 + k)] * 2
        counts.append(recorded.count - before)
    assert counts[-3:] == [0, 0, 0]


def test_a_gradient_that_passes_unchanged_is_not_recorded_again():
    x = rg.tensor([2.0], requires_grad=True)
    ((x + 1) + 1).backward()
    y = rg.tensor([2.0], requires_grad=True)
    (((y + 1) + 1) + 1).backward()
    assert (x.grad.item(), y.grad.item()) == (1.0, 1.0)


def test_second_derivatives_through_what_is_played():
    for depth in (1, 2, 3):
        x = rg.tensor(0.3, dtype=rg.float64, requires_grad=True)
        y = x
        for _ in range(depth):
            y = y.sin()
        (g,) = rg.autograd.grad(y, x, create_graph=True)
        (h,) = rg.autograd.grad(g, x)

        def once(v, n=depth):
            d = 1.0
            for _ in range(n):
                d, v = d * np.cos(v), np.sin(v)
            return d

        e = 1e-6
        numeric = (once(0.3 + e) - once(0.3 - e)) / (2 * e)
        assert h.item() == pytest.approx(numeric, rel=1e-8)


def test_a_freed_graph_is_refused_where_its_rules_are_known():
    for _ in range(2):
        x = rg.tensor([2.0], requires_grad=True)
        y = (x * x).exp().sum()
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()


def test_custom_functions_are_called_each_time():
    calls = []

    class Square(rg.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx, g):
            calls.append(1)
            return 2 * ctx.saved_tensors[0] * g

    for k in range(3):
        x = rg.tensor([2.0 + k], requires_grad=True)
        y = x
        for _ in range(k):
            y = y + 1
        Square.apply(y).backward()
        assert x.grad.item() == 2 * (2.0 + 2 * k)
    assert len(calls) == 3


def test_rows_are_shared_by_what_is_alike():
    a, b = rg.ones(2), rg.ones(2)
    c = (a + b) + b
    first, second = states(c)
    assert first.op is arithmetic.Add and first.row is second.row
