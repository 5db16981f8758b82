"""rg.compile: the same numbers as the function itself, and an eye on what changes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import retrograd as rg

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
nn, F = rg.nn, rg.nn.functional


def data(i: int, n: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(i)
    x = rg.tensor(rng.normal(size=(n, 4)).astype(np.float32))
    return x, rg.tensor(rng.integers(0, 3, n).tolist())


def training(kind: Any = None, zero: str = "inside") -> tuple[Any, Any, Any]:
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = (kind or rg.optim.Adam)(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        if zero == "inside":
            optimizer.zero_grad()
        elif zero == "module":
            model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


@pytest.mark.parametrize("kind", [rg.optim.Adam, rg.optim.SGD, rg.optim.RMSprop])
def test_the_same_losses_and_weights(kind: Any) -> None:
    results = []
    for compiled in (False, True):
        model, optimizer, step = training(kind)
        run = rg.compile(step) if compiled else step
        losses = []
        for i in range(40):
            if i == 25:
                optimizer.param_groups[0]["lr"] = 0.01
            losses.append(run(*data(i)).item())
        if compiled:
            assert run.variants
        weights = [p.detach().numpy().copy() for p in model.parameters()]
        grads = [p.grad.numpy().copy() for p in model.parameters()]
        results.append([losses, *weights, *grads])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_python_code_no_longer_runs() -> None:
    _, _, step = training()
    calls = []

    def counted(x: Any, y: Any) -> Any:
        calls.append(1)
        return step(x, y)

    run = rg.compile(counted)
    for i in range(30):
        run(*data(i))
    assert len(calls) < 10


def test_each_shape_has_its_own() -> None:
    _, _, step = training()
    _, _, plain = training()
    run = rg.compile(step)
    for i in range(36):
        batch = data(i, 3 + i % 3)
        assert run(*batch).item() == pytest.approx(plain(*batch).item(), rel=1e-4)
    assert len(run.variants) == 3


@pytest.mark.filterwarnings("ignore:rg.compile")  # "never" is not one native call
@pytest.mark.parametrize("zero", ["inside", "module", "outside", "never"])
def test_gradients_from_before_count(zero: str) -> None:
    results = []
    for compiled in (False, True):
        model, optimizer, step = training(rg.optim.SGD, zero)
        run = rg.compile(step) if compiled else step
        losses = []
        for i in range(30):
            # every now and then somebody forgets
            if zero == "outside" and i % 7 != 6:
                optimizer.zero_grad()
            losses.append(run(*data(i)).item())
        results.append([losses, [p.grad.sum().item() for p in model.parameters()]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_changed_model_is_recorded_anew_and_it_says_so() -> None:
    model, _, step = training(rg.optim.SGD)
    run = rg.compile(step)
    for i in range(10):
        run(*data(i))
    model[1] = nn.Tanh()
    plain, _, other = training(rg.optim.SGD)
    for i in range(10):
        other(*data(i))
    plain[1] = nn.Tanh()
    for i in range(10, 20):
        assert run(*data(i)).item() == pytest.approx(other(*data(i)).item(), rel=1e-4)
    assert any("module or a parameter was changed" in line for line in run.history)


def test_functions_without_an_optimizer() -> None:
    @rg.compile
    def f(a: Any, b: Any) -> Any:
        c = (a * b).sum()
        return {"c": c, "d": [c.exp(), a + 1]}

    for i in range(12):
        a, b = rg.full((3,), 0.1 * i), rg.ones(3)
        out = f(a, b)
        assert out["c"].item() == pytest.approx(0.3 * i, rel=1e-5)
        assert out["d"][0].item() == pytest.approx(np.exp(0.3 * i), rel=1e-5)
        assert out["d"][1].tolist() == pytest.approx([0.1 * i + 1] * 3)
    assert f.variants


def test_what_draws_random_numbers_runs_as_it_is_and_says_why() -> None:
    @rg.compile
    def f(x: Any) -> Any:
        return F.dropout(x, 0.5)

    seen = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(30):
            seen.add(tuple(f(rg.ones(64)).tolist()))
    assert len(seen) == 30
    assert len([w for w in caught if "rg.compile" in str(w.message)]) == 1


def test_a_label_out_of_range_is_an_error_with_its_line() -> None:
    model, _, step = training(rg.optim.SGD)
    run = rg.compile(step)
    for i in range(10):
        run(*data(i))
    before = [p.detach().numpy().copy() for p in model.parameters()]
    x, _ = data(0)
    with pytest.raises(IndexError, match=r"Target 7 .*\n.*test_step\.py"):
        run(x, rg.tensor([0, 1, 7, 0, 1, 2]))
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), old)


def test_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a function, not int"):
        rg.compile(3)


def test_it_explains_what_it_runs() -> None:
    rg.manual_seed(0)
    model = rg.nn.Sequential(rg.nn.Linear(6, 5), rg.nn.Tanh(), rg.nn.Linear(5, 3))
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)

    @rg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = rg.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(RuntimeError, match="no native call to explain"):
        step.explain()
    x, y = rg.randn(4, 6), rg.randn(4, 3)
    for _ in range(8):
        step(x, y)
    before = [p.detach().clone().numpy() for p in model.parameters()]
    info = step.explain()
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), old)  # nothing was trained
    products = [k for k in info.kernels if k.kind == "product"]
    # forward two; backward: two for the weights, one for the hidden layer
    assert sorted(k.flops for k in products) == sorted(
        [2 * 4 * 6 * 5, 2 * 4 * 5 * 3, 2 * 4 * 5 * 3, 2 * 4 * 5 * 3, 2 * 4 * 6 * 5]
    )
    assert all(k.measured is None or k.measured > 0 for k in info.kernels)
    assert info.in_place == 4 and info.segments == 1
    assert info.arguments == 4 * (24 + 12 + 30 + 5 + 15 + 3 + 1)  # x, y, weights, lr
    assert any("test_step.py" in line for k in info.kernels for line in k.lines)
    text = str(info)
    assert "product" in text and "written in place" in text
    assert rg.plans()[0].explain(measure=False).flops == info.flops
