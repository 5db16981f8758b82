"""rg.compile on functions as users write them: the numbers are those of the function,
what can be native is, and what cannot says why."""

from __future__ import annotations

import copy
import threading
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch
from retrograd.execute import cache

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
pytestmark = pytest.mark.filterwarnings("ignore:rg.compile")
nn, F = rg.nn, rg.nn.functional


def xs(i: int, *shape: int) -> Any:
    return rg.tensor(np.random.default_rng(i).normal(size=shape).astype(np.float32))


def ys(i: int, n: int = 6) -> Any:
    return rg.tensor(np.random.default_rng(i).integers(0, 3, n))


def numbers(tree: Any) -> list[Any]:
    if isinstance(tree, rg.Tensor):
        return [tree.detach().numpy().astype(np.float64)]
    if isinstance(tree, (list, tuple)):
        return [a for part in tree for a in numbers(part)]
    if isinstance(tree, dict):
        return numbers(list(tree.values()))
    return [] if tree is None else [np.asarray(tree, np.float64)]


class Case(NamedTuple):
    """``function(box, *arguments)`` is compiled; ``calls(run, box, i)`` calls it."""

    name: str
    function: Any
    calls: Any
    native: bool = True
    says: str = ""  # in the history
    box: Any = SimpleNamespace


def perceptron() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def trained(kind: Any = None, model: Any = perceptron) -> Any:
    def box() -> Any:
        made = model()
        optimizer = (kind or rg.optim.Adam)(made.parameters(), lr=0.05)
        return SimpleNamespace(model=made, opt=optimizer)

    return box


def usual(o: Any, x: Any, y: Any) -> Any:
    o.opt.zero_grad()
    loss = F.cross_entropy(o.model(x), y)
    loss.backward()
    o.opt.step()
    return loss


def batch(run: Any, o: Any, i: int) -> Any:
    return run(xs(i, 6, 4), ys(i))


def penalty(o: Any, x: Any, y: Any) -> Any:
    o.opt.zero_grad()
    loss = F.cross_entropy(o.model(x), y)
    grads = rg.autograd.grad(loss, list(o.model.parameters()), create_graph=True)
    whole = loss + 0.1 * sum((g * g).sum() for g in grads)
    whole.backward()
    o.opt.step()
    return loss, whole


def halves(o: Any, x: Any, y: Any) -> Any:
    o.opt.zero_grad()
    total = 0
    for rows in (slice(0, 3), slice(3, 6)):
        loss = F.cross_entropy(o.model(x[rows]), y[rows]) / 2
        loss.backward()
        total = total + loss.detach()
    o.opt.step()
    return total


def clipped(o: Any, x: Any, y: Any) -> Any:
    o.opt.zero_grad()
    loss = F.cross_entropy(o.model(x), y)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(o.model.parameters(), 0.5)
    o.opt.step()
    return loss, norm


def averaged(o: Any, x: Any, y: Any) -> Any:
    if not hasattr(o, "mean"):
        o.mean = [p.detach().clone() for p in o.model.parameters()]
    loss = usual(o, x, y)
    with rg.no_grad():
        for e, p in zip(o.mean, o.model.parameters(), strict=True):
            e.mul_(0.9).add_(p, alpha=0.1)
    return loss


def by_hand(o: Any, x: Any, y: Any) -> Any:
    loss = F.cross_entropy(x @ o.w, y)
    loss.backward()
    with rg.no_grad():
        o.w.sub_(0.1 * o.w.grad)
        o.w.grad = None
    return loss


def measured(o: Any, x: Any, y: Any) -> Any:
    o.opt.zero_grad()
    out = o.model(x)
    loss = F.cross_entropy(out, y)
    loss.backward()
    o.opt.step()
    return {"loss": loss, "right": (out.argmax(1) == y).float().mean(), "out": out}


def rivals() -> Any:
    made = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4))
    judge = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    adam = rg.optim.Adam
    return SimpleNamespace(model=made, judge=judge, one=adam(made.parameters()),
                           two=adam(judge.parameters()))  # fmt: skip


def rivalry(o: Any, x: Any) -> Any:
    error = F.binary_cross_entropy_with_logits
    fake = o.model(rg.randn(6, 2))
    o.two.zero_grad()
    first = error(o.judge(x), rg.ones(6, 1)) + error(
        o.judge(fake.detach()), rg.zeros(6, 1)
    )
    first.backward()
    o.two.step()
    o.one.zero_grad()
    second = error(o.judge(fake), rg.ones(6, 1))
    second.backward()
    o.one.step()
    return first, second


def scheduled(run: Any, o: Any, i: int) -> Any:
    if not hasattr(o, "schedule"):
        o.schedule = rg.optim.lr_scheduler.StepLR(o.opt, 3, 0.7)
    loss = batch(run, o, i)
    o.schedule.step()
    return loss


def schedules(o: Any, x: Any, y: Any) -> Any:
    if not hasattr(o, "schedule"):
        o.schedule = rg.optim.lr_scheduler.ExponentialLR(o.opt, 0.97)
    loss = usual(o, x, y)
    o.schedule.step()
    return loss


def judged(run: Any, o: Any, i: int) -> Any:
    o.model.train(i % 10 < 7)
    return batch(run, o, i)


def frozen(run: Any, o: Any, i: int) -> Any:
    if i == 12:
        for p in o.model[0].parameters():
            p.requires_grad_(False)
    return batch(run, o, i)


def restored(run: Any, o: Any, i: int) -> Any:
    if i == 4:
        o.saved = copy.deepcopy((o.model.state_dict(), o.opt.state_dict()))
    if i == 12:
        o.model.load_state_dict(o.saved[0])
        o.opt.load_state_dict(o.saved[1])
    return batch(run, o, i)


def counting(o: Any, x: Any, y: Any) -> Any:
    o.count = getattr(o, "count", 0) + 1
    return usual(o, x, y) * o.count


def careful(o: Any, x: Any) -> Any:
    if x.sum().item() > 0:
        return x * 2
    return x * 3


def after(o: Any, x: Any, y: Any) -> Any:
    loss = usual(o, x, y)
    return loss if loss.item() > 1 else loss * 2


def carried(o: Any, x: Any) -> Any:
    o.h = rg.tanh(x + getattr(o, "h", rg.zeros(3)))
    return o.h


def doubled(o: Any, x: Any) -> Any:
    x.mul_(2)
    return x.sum()


def in_place(run: Any, o: Any, i: int) -> Any:
    x = xs(i, 3)
    return run(x), x


def broken(o: Any, x: Any) -> Any:
    if x.shape[0] == 5:
        raise ValueError("five")
    return x * 2


def patient(run: Any, o: Any, i: int) -> Any:
    try:
        return run(xs(i, 5 if i % 4 == 2 else 3))
    except ValueError as error:
        return float(len(str(error)))


def with_statistics() -> Any:
    return nn.Sequential(
        nn.Linear(4, 8, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 3),
    )


CASES = [
    Case("keywords", lambda o, a, b, scale: (a * b).sum() * scale,
         lambda run, o, i: run(xs(i, 3), b=xs(i + 9, 3), scale=2.0)),
    Case("nested", lambda o, d: {"s": d["x"].sum() + d["p"][0], "l": [d["p"][1][0] * 2]},
         lambda run, o, i: run({"x": xs(i, 3), "p": [xs(i + 1), (xs(i + 2, 2),)]})),
    Case("numbers", lambda o, x, k: (x * k).tanh(),
         lambda run, o, i: run(xs(i, 3), i % 2)),
    Case("ever new numbers", lambda o, x, k: (x * k).tanh(),
         lambda run, o, i: run(xs(i, 3), float(i)), False, "ever new numbers"),
    Case("flags", lambda o, x, flag, how: x * 2 if flag else x - len(how),
         lambda run, o, i: run(xs(i, 3), i % 2 == 0, "ab")),
    Case("the same twice", lambda o, a, b: a * b - a,
         lambda run, o, i: run(*[xs(i, 3)] * 2) if i % 2 else run(xs(i, 3), xs(7, 3))),
    Case("more than tensors", lambda o, x: (x.sum(), None, 3, "s", x),
         lambda run, o, i: run(xs(i, 3))[:3]),
    Case("types", lambda o, x: (x * 2).sum(),
         lambda run, o, i: run(xs(i, 3).to([rg.float32, rg.float64][i % 2]))),
    Case("in another order", usual, lambda run, o, i: run(xs(i, 4, 6).T, ys(i)),
         box=trained()),
    Case("shapes", usual, lambda run, o, i: run(xs(i, 3 + i % 3, 4), ys(i, 3 + i % 3)),
         box=trained()),
    Case("statistics", usual, batch, box=trained(model=with_statistics)),
    Case("evaluation", usual, judged, box=trained(model=with_statistics),
         says="recorded anew: a module or a parameter was changed"),
    Case("penalty", penalty, batch, box=trained(rg.optim.SGD)),
    Case("accumulated", halves, batch, box=trained()),
    Case("clipped", clipped, batch, box=trained()),
    Case("averaged", averaged, batch, box=trained()),
    Case("by hand", by_hand, batch,
         box=lambda: SimpleNamespace(w=rg.ones(4, 3).requires_grad_())),
    Case("measured", measured, batch, box=trained()),
    Case("rivals", rivalry, lambda run, o, i: run(xs(i, 6, 4)), box=rivals),
    Case("scheduled", usual, scheduled, box=trained()),
    Case("schedules inside", schedules, batch, False, "changes an option", trained()),
    Case("frozen later", usual, frozen, box=trained(), says="was changed"),
    Case("restored", usual, restored, box=trained(), says="the optimizer was changed"),
    Case("nothing given", lambda o, x, y: [None, usual(o, x, y)][0], batch,
         box=trained()),
    Case("counting", counting, batch, False, "another one each", trained()),
    Case("a branch", careful, lambda run, o, i: run(xs(i, 3)), False, "looks at a value"),
    Case("a late look", after, batch, False, "looks at a value", trained()),
    Case("carried", carried, lambda run, o, i: run(xs(i, 3)), False, "another one each"),
    Case("in place", doubled, in_place, False, "writes to its arguments"),
    Case("a failure", broken, patient),
    Case("arrays", lambda o, a: rg.from_numpy(a) * 2,
         lambda run, o, i: run(xs(i, 3).numpy()), False, "an argument is a ndarray"),
    Case("random", lambda o, x: x + rg.randn(3) + rg.rand(3),
         lambda run, o, i: run(xs(i, 3))),
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_trie() -> None:
    """… which will not be forgotten in between, whatever ran before."""
    rec = dispatch.recorder()
    rec.flush()
    rec.roots, rec.count, rec.known = {}, 0, 0


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_it_is_the_function(case: Case) -> None:
    found = []
    for compiled in (False, True):
        rg.manual_seed(0)
        box = case.box()

        def function(*args: Any, o: Any = box, **kwargs: Any) -> Any:
            return case.function(o, *args, **kwargs)

        run = rg.compile(function) if compiled else function
        rg.manual_seed(1)
        results = [numbers(case.calls(run, box, i)) for i in range(24)]
        left = [v for k, v in vars(box).items() if k in ("w", "mean", "h")]
        for model in (getattr(box, "model", None), getattr(box, "judge", None)):
            if model is not None:
                left += model.state_dict().values()
                left += [p.grad for p in model.parameters()]
        found.append([*results, numbers(left)])
    for plain, mine in zip(*found, strict=True):
        assert len(plain) == len(mine)
        for a, b in zip(plain, mine, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    # compiled at once, the first number is one before there is another
    at_once = cache.EXECUTOR == "native" and case.name == "ever new numbers"
    assert bool(run.variants) == case.native or at_once, run.history or run.why
    assert case.says in " ".join(run.history)


def test_what_is_an_argument_twice_may_differ_later() -> None:
    run = rg.compile(lambda a, b: a * 10 + b)
    for i in range(8):
        x = rg.full((2,), float(i))
        assert run(x, x).tolist() == [11.0 * i] * 2
    assert run(rg.ones(2), rg.zeros(2)).tolist() == [10.0] * 2


def test_a_tensor_of_the_outer_program_is_read_anew() -> None:
    scale = rg.ones(3)
    run = rg.compile(lambda x: x * scale)
    for _ in range(8):
        run(rg.ones(3))
    assert run.variants
    scale.add_(1)
    assert run(rg.ones(3)).tolist() == [2.0] * 3
    scale.requires_grad_()
    assert run(rg.ones(3)).requires_grad


def test_gradients_from_before_are_added() -> None:
    found = []
    for compiled in (False, True):
        rg.manual_seed(0)
        layer = nn.Linear(3, 1)
        optimizer = rg.optim.SGD(layer.parameters(), lr=0.1)

        def step(x: Any, layer: Any = layer, optimizer: Any = optimizer) -> Any:
            loss = layer(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        run = rg.compile(step) if compiled else step
        losses = []
        for i in range(14):
            if i % 5 == 4:
                layer(xs(i, 4, 3)).sum().backward()
            losses.append(run(xs(i, 4, 3)).item())
        found.append(losses)
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_module_keeps_its_face() -> None:
    model = perceptron()
    run = rg.compile(model)
    assert isinstance(run, nn.Module)
    assert list(run.state_dict()) == [f"_orig_mod.{k}" for k in model.state_dict()]
    assert [id(p) for p in run.parameters()] == [id(p) for p in model.parameters()]
    assert not run.eval().training and not model.training
    x = xs(0, 6, 4)
    run.train()(x).sum().backward()
    assert model[0].weight.grad is not None
    with rg.no_grad():
        for i in range(8):
            assert rg.allclose(run(xs(i, 6, 4)), model(xs(i, 6, 4)), atol=1e-6)
    assert run.history == ["compiled for (f32[6,4])"]


def test_recursion_and_one_inside_another() -> None:
    inner = rg.compile(lambda x: (x * 2).tanh())

    @rg.compile
    def outer(x: Any, n: int) -> Any:
        return inner(x) if n == 0 else outer(x * 0.9 + 1, n - 1)

    for i in range(10):
        x = xs(i, 3)
        want = x
        for _ in range(3):
            want = want * 0.9 + 1
        assert rg.allclose(outer(x, 3), (want * 2).tanh(), atol=1e-5)
    assert outer.variants and not inner.variants


def test_threads_that_train_models_of_their_own() -> None:
    wrong: list[Any] = []

    def work(n: int) -> None:
        losses = []
        for compiled in (False, True):
            generator = rg.Generator().manual_seed(n)
            model = perceptron()
            with rg.no_grad():
                for p in model.parameters():
                    p.copy_(rg.rand(p.shape, generator=generator) - 0.5)
            box = SimpleNamespace(model=model)
            box.opt = rg.optim.Adam(model.parameters(), lr=0.05)
            step = lambda x, y, box=box: usual(box, x, y)  # noqa: E731
            run = rg.compile(step) if compiled else step
            losses.append([run(xs(i, 6, 4), ys(i)).item() for i in range(20)])
        if losses[0] != pytest.approx(losses[1], rel=1e-3):
            wrong.append(losses)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


@pytest.mark.parametrize("shuffle", [False, True])
def test_over_data_with_statistics_and_dropout(shuffle: bool) -> None:
    x, y = xs(0, 83, 4), ys(1, 83)
    found = []
    for compiled in (False, True):
        rg.manual_seed(0)
        box = trained(model=with_statistics)()
        step = lambda x, y, box=box: usual(box, x, y)  # noqa: E731
        losses: list[float] = []
        rg.manual_seed(3)
        if compiled:
            run = rg.compile(step)
            for _ in range(4):
                losses += run.over(x, y, batch_size=8, shuffle=shuffle).tolist()
            assert run.last is not None and run.variants
            assert any(v.repeats() for v in run.variants.values())
        else:
            for _ in range(4):
                order = rg.randperm(83).numpy() if shuffle else np.arange(83)
                for i in range(0, 83, 8):
                    rows = order[i : i + 8]
                    losses.append(step(x[rows], y[rows]).item())
        found.append([losses, *box.model.state_dict().values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)


def test_over_data_can_be_stopped() -> None:
    box = trained()()
    run = rg.compile(lambda x, y: usual(box, x, y))
    x, y = xs(0, 200, 4), ys(1, 200)
    run.over(x, y, batch_size=4)
    seen: list[int] = []

    def proceed(n: int) -> bool:
        seen.append(n)
        return sum(seen) < 5

    made = run.over(x, y, batch_size=4, proceed=proceed)
    assert 5 <= len(made) == sum(seen) < 50
    first = box.opt.state_dict()["state"][0]["step"].item()
    assert first == 50 + len(made)

    def interrupted(n: int) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.over(x, y, batch_size=4, proceed=interrupted)
    assert box.opt.state_dict()["state"][0]["step"].item() == first + 1


def test_a_small_pair_is_explained_by_its_reason() -> None:
    run = rg.compile(lambda x: x.sum().item())
    for i in range(3):
        run(xs(i, 3))
    with pytest.raises(RuntimeError, match=r"looks at a value at test_whole\.py"):
        run.explain()
