"""rg.compile: the same numbers as the function itself, and an eye on what changes."""

from __future__ import annotations

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


def test_random_numbers_are_those_of_the_function() -> None:
    def f(x: Any) -> Any:
        return F.dropout(x, 0.5)

    found = []
    for function in (f, rg.compile(f)):
        rg.manual_seed(3)
        found.append([function(rg.ones(64)).tolist() for _ in range(20)])
        assert rg.rand(1).item() > 0  # and the generator is where it would be
        found[-1].append(rg.rand(3).tolist())
    assert found[0] == found[1]
    assert len(set(map(tuple, found[1][:-1]))) == 20


def test_gradients_of_what_a_compiled_function_gives() -> None:
    model, _, _ = training(rg.optim.SGD)

    @rg.compile
    def forward(x: Any) -> Any:
        return model(x).square().sum()

    for i in range(10):
        x = rg.full((3, 4), float(i))
        model.zero_grad()
        forward(x).backward()
        found = [p.grad.clone() for p in model.parameters()]
        model.zero_grad()
        model(x).square().sum().backward()
        for p, g in zip(model.parameters(), found, strict=True):
            assert rg.allclose(p.grad, g, rtol=1e-5, atol=1e-6)
    assert forward.variants


def test_threads_have_calls_of_their_own() -> None:
    import threading

    @rg.compile
    def f(x: Any) -> Any:
        return (x @ x.T).tanh().sum(1)

    wrong: list[int] = []

    def work(n: int) -> None:
        x = np.random.default_rng(n).normal(size=(40, 40)).astype(np.float32)
        want = np.tanh(x @ x.T).sum(1)
        for _ in range(60):
            if not np.allclose(f(rg.tensor(x)).numpy(), want, atol=1e-3):
                wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_an_argument_that_requires_gradients_gets_them() -> None:
    @rg.compile
    def f(x: Any) -> Any:
        return (x * x).sum()

    for i in range(8):
        f(rg.full((3,), float(i)))
    x = rg.full((3,), 5.0, requires_grad=True)
    f(x).backward()
    assert x.grad.tolist() == [10.0] * 3


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
    newest = rg.plans()[0]  # the copies are a graph of their own
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
    assert newest.explain(measure=False).flops == info.flops


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_over_data_the_losses_and_weights_are_those_of_the_loop(
    kind: str, dropout: float
) -> None:
    data = np.random.default_rng(0)
    x = rg.tensor(data.normal(size=(47, 4)).astype(np.float32))
    y = rg.tensor(data.integers(0, 3, 47))

    def made() -> tuple[Any, Any, Any]:
        rg.manual_seed(0)
        parts = [nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)]
        model = nn.Sequential(*parts)
        optimizer = getattr(rg.optim, kind)(model.parameters(), lr=0.05)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return model, optimizer, step

    loop, first, step = made()
    rg.manual_seed(5)
    wanted = []
    for _ in range(4):
        order = rg.randperm(47).numpy()
        for i in range(0, 47, 5):
            rows = order[i : i + 5]
            wanted.append(step(x[rows], y[rows]).item())
    model, second, step = made()
    rg.manual_seed(5)
    run = rg.compile(step)
    found: list[float] = []
    for _ in range(4):
        found += run.over(x, y, batch_size=5, shuffle=True).tolist()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    for p, q in zip(loop.parameters(), model.parameters(), strict=True):
        assert rg.allclose(p, q, rtol=1e-5, atol=1e-7)
        assert rg.allclose(p.grad, q.grad, rtol=1e-4, atol=1e-6)
    counts = [
        str(o.state_dict()["state"].get(0, {}).get("step")) for o in (first, second)
    ]
    assert counts[0] == counts[1]
    assert len(run.over(x, y, batch_size=5, drop_last=True)) == 9


def test_over_data_a_label_out_of_range_is_an_error_where_it_is() -> None:
    _, _, step = training(rg.optim.Adam)
    run = rg.compile(step)
    x, y = rg.randn(60, 4), rg.arange(60) % 3
    run.over(x, y, batch_size=4)
    y[41] = 7
    with pytest.raises((IndexError, RuntimeError), match="7"):
        run.over(x, y, batch_size=4)
    y[41] = 0
    assert len(run.over(x, y, batch_size=4)) == 15


def test_over_what_is_no_data() -> None:
    _, _, step = training()
    run = rg.compile(step)
    with pytest.raises(TypeError, match="takes tensors of data"):
        run.over([1, 2])
    with pytest.raises(ValueError, match="same length"):
        run.over(rg.ones(3, 4), rg.zeros(2))
    with pytest.raises(ValueError, match="batch_size"):
        run.over(rg.ones(3, 4), rg.zeros(3), batch_size=0)


def test_a_learning_rate_that_is_a_tensor_is_read_each_time() -> None:
    rate = rg.tensor(0.25)
    model = rg.nn.Linear(1, 1, bias=False)
    optimizer = rg.optim.SGD(model.parameters(), lr=rate)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    call = rg.compile(step)
    call.warns = False
    for k in range(20):
        rate.fill_(2.0 ** -(k % 3))
        before = model.weight.item()
        call(rg.ones(1, 1))
        assert model.weight.item() == pytest.approx(before - 2.0 ** -(k % 3), abs=1e-5)


def test_calls_of_two_shapes_in_turn_are_both_native() -> None:
    rg.manual_seed(0)
    model = rg.nn.Linear(3, 2)
    calls = []

    def step(x: Any) -> Any:
        calls.append(1)
        return model(x).sum()

    call = rg.compile(step)
    inputs = [rg.randn(4, 3), rg.randn(7, 3)]
    expected = [float(model(x).sum()) for x in inputs]
    for k in range(40):
        assert call(inputs[k % 2]).item() == pytest.approx(expected[k % 2], rel=1e-5)
    made = len(calls)
    for k in range(10):
        call(inputs[k % 2])
    assert len(calls) == made
