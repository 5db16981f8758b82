"""The interpreter's memory: what is dropped, computed again, or computed in place."""

import tracemalloc

import numpy as np
import pytest

import retrograd as rg
from retrograd.execute import cache, schedule
from retrograd.ops.op import REGISTRY

N = 1 << 15  # numbers; float32, so 128 KB


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setattr(cache, "EXECUTOR", "interpreter")


def peak(function):
    """Numbers of memory that *function* needs at most at a time."""
    function()
    tracemalloc.start()
    try:
        kept = function()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del kept
    return most / (4 * N)


@pytest.mark.parametrize("name", sorted(schedule._INTO))
def test_in_place_is_the_same_operation(name):
    op = REGISTRY[name]
    attrs = {"dtype": rg.float32} if name == "cast" else {}
    for sample in op.samples():
        arrays = [np.asarray(a) for a in sample.arrays]
        wanted = np.asarray(op.forward(*arrays, **(attrs or sample.attrs)))
        out = np.empty(wanted.shape, wanted.dtype)
        found = schedule._INTO[name](*arrays, **(attrs or sample.attrs), out=out)
        assert found is out
        assert out.tobytes() == wanted.tobytes()


def test_a_chain_stays_in_one_place():
    x = rg.rand(N)
    assert peak(lambda: ((x * 2 + 1).exp() / 3).sqrt().sum().item()) < 1.3


def test_what_somebody_holds_is_not_overwritten():
    x = rg.arange(N).float()
    a = x * 2
    b = a + 1
    c = (b * a).sum()
    assert c.item() == pytest.approx(
        (x.numpy().astype(float) * 2 * (2 * x.numpy() + 1)).sum()
    )
    assert a.tolist() == (x.numpy() * 2).tolist()
    view = (x + 1)[5:]
    assert (view * 2)[0].item() == 12 and view[0].item() == 6


def test_broadcast_operands_and_other_orders():
    x = rg.rand(128, 256)
    wide = rg.rand(128, 1)
    for make in (
        lambda x, w: (w * 2) * (x + 1),
        lambda x, w: (x.T * 2).T + (x * 3),
        lambda x, w: (x * 2) * (x * 2).mean(0),
    ):
        got = make(x, wide).numpy()
        assert np.allclose(got, make(x.numpy(), wide.numpy()), rtol=1e-6)


def step_of(make_optimizer):
    p = rg.nn.Parameter(rg.rand(N))
    target = rg.rand(N)
    optimizer = make_optimizer([p])

    def step():
        optimizer.zero_grad()
        ((p - target) ** 2).mean().backward()
        optimizer.step()
        return p.grad.sum().item()

    step()
    return step, p


def test_optimizers_write_where_the_values_lie():
    step, p = step_of(lambda ps: rg.optim.SGD(ps, lr=0.1, momentum=0.9))
    step()
    memory = p.detach().numpy().__array_interface__["data"][0]
    step()
    assert p.detach().numpy().__array_interface__["data"][0] == memory
    # the gradient, and what is on the way to it
    assert peak(step) < 3.3
    step, _ = step_of(lambda ps: rg.optim.Adam(ps, lr=0.1))
    assert peak(step) < 3.3


def test_a_parameter_whose_memory_is_shown_keeps_it():
    step, p = step_of(lambda ps: rg.optim.SGD(ps, lr=0.1))
    shown = p.detach().numpy()
    before = shown.copy()
    step()
    assert not np.array_equal(shown, before)
    assert np.array_equal(shown, p.detach().numpy())


def deep(blocks):
    """A chain whose values follow cheaply from others, far from where they are used."""
    x = rg.rand(N, requires_grad=True)

    def run():
        h = x
        for _ in range(blocks):
            h = (h * 0.5).sin()
        h.sum().backward()
        return x.grad

    return run


def test_cheap_values_are_computed_again():
    few, many = (peak(deep(n)) for n in (30, 60))
    assert many - few < 31  # of each block one value stays, not two


def test_computed_again_is_the_same(monkeypatch):
    x = rg.rand(64, 512, requires_grad=True)
    w = [rg.rand(512, 512) / 512 for _ in range(12)]

    def gradient():
        x.grad = None
        h = x
        for m in w:
            h = rg.nn.functional.gelu(h @ m) + h
        (h * h).mean().backward()
        return x.grad.clone().tolist()

    def again():
        x.grad = None
        h = x
        for m in w:
            h = rg.nn.functional.gelu(h @ m) + h
        (h * h).mean().backward()
        return x.grad.clone().tolist()

    found = gradient()
    monkeypatch.setattr(schedule, "_FAR", 1 << 30)
    assert again() == found  # other lines, so another plan
