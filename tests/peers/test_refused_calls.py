"""What PyTorch refuses is refused here, with the same class of exception: its own sample
calls with one thing wrong at a time."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import op_tables
import retrograd as rg
from peers import mutations
from peers.refused_left import CRASHES, left

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

#: entries whose first two arguments come in the other order than the function's
for _name in ("nn.functional.embedding", "nn.functional.embedding_bag"):
    op_tables._ORDER[_name] = functools.partial(
        lambda f, weight, index, *a, **k: f(index, weight, *a, **k),
        op_tables.operator.attrgetter(_name)(rg),
    )
#: … and what is made of them first
for _name in ("svd_lowrank", "pca_lowrank"):
    op_tables._ORDER[_name] = functools.partial(
        lambda f, a, b, **k: f(a @ b.mT, **k), op_tables.operator.attrgetter(_name)(rg)
    )
#: … and one that is a method
op_tables._ORDER["normal.in_place"] = rg.Tensor.normal_


def names() -> list[str]:
    try:
        table = op_tables.table()
    except pytest.skip.Exception:  # while tests are collected
        return []
    found = []
    for name in table:
        if name.startswith(("_", "torch.", "masked.", "signal.", "fft.")):
            continue
        try:
            op_tables.ours(name)
        except (AttributeError, NotImplementedError):
            continue
        if name != "imag":  # all of its samples are complex
            found.append(name)
    return found


def sample_of(name: str) -> Any:
    """The sample with the most arguments that is no empty case."""
    entry = op_tables.table()[name][0]
    kinds = (torch.float64, torch.float32, torch.int64, torch.bool)
    dtype = next(k for k in kinds if k in entry.dtypes)
    made = op_tables.first(entry, dtype, 12, False)
    full = [s for s in made if not isinstance(s.input, torch.Tensor) or s.input.numel()]
    return max(full or made, key=lambda s: len(s.args) + len(s.kwargs))


def check_calls(
    name: str, f: Callable[..., Any], g: Callable[..., Any], args: Any, kwargs: Any,
    beside: frozenset[str] | set[str] = frozenset(),
    chosen: Callable[[int, mutations.Call], bool] | None = None,
) -> None:  # fmt: skip
    """The calls that differ are those that are known to (or *beside* them may), and no
    others."""
    seen, found = set(), {}
    for label, kind, mine, theirs in mutations.differences(
        f, g, list(args), dict(kwargs), CRASHES.get(name, ()), chosen=chosen
    ):
        seen.add(label)
        if kind:
            found[label] = (
                f"{kind}: {mine.error!r:.200}; PyTorch: {theirs.error!r:.200}"
            )
    known = left(name)
    new = {k: text for k, text in found.items() if k not in known | beside}
    assert not new, new
    gone = (known if chosen is None else known & seen) - found.keys()
    assert not gone, f"no longer different, to be taken from the list: {gone}"


@pytest.mark.parametrize("name", names())
def test_functions(name: str) -> None:
    entry = op_tables.table()[name][0]
    function = op_tables.ours(name, entry.variant_test_name)
    if isinstance(function, rg.dtype):  # x.float() and such
        function = getattr(rg.Tensor, name)
    sample = sample_of(name)
    kwargs = {
        k: v for k, v in sample.kwargs.items() if k != "device" and not callable(v)
    }  # a function of theirs is none for our tensors
    check_calls(name, function, entry.op, [sample.input, *sample.args], kwargs)


def _defaults(kind: Any, skip: int) -> dict[str, Any]:
    """The arguments that have a default, beyond the first ones."""
    every = list(inspect.signature(kind).parameters.values())[skip:]
    return {
        p.name: p.default
        for p in every
        if p.default is not p.empty and p.default is not None
    }


OPTIMIZERS = "SGD Adam AdamW Adamax NAdam RAdam RMSprop Rprop Adagrad Adadelta ASGD LBFGS Adafactor".split()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    """Constructors, and one step."""

    def stepped(lib: Any) -> Callable[..., Any]:
        def make(params: Any, **options: Any) -> None:
            if isinstance(params, list):
                params = [
                    p.detach().requires_grad_()
                    if isinstance(p, lib.Tensor) and p.is_floating_point()
                    else p
                    for p in params
                ]
            optimizer = getattr(lib.optim, name)(params, **options)
            loss = sum((p * p).sum() for p in params)
            loss.backward()
            optimizer.step(lambda: loss)

        return make

    kwargs = _defaults(getattr(torch.optim, name), 1)
    kwargs = {k: v for k, v in kwargs.items() if isinstance(v, (int, float, tuple))}
    check_calls(f"optim.{name}", stepped(rg), stepped(torch), [[torch.ones(3)]], kwargs)


#: schedulers, with what their constructors need
SCHEDULERS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 3], "gamma": 0.5},
    "ConstantLR": {"factor": 0.5, "total_iters": 3},
    "LinearLR": {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 3},
    "ExponentialLR": {"gamma": 0.5},
    "PolynomialLR": {"total_iters": 3, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.1},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2, "eta_min": 0.1},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 2, "mode": "triangular"},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 10, "pct_start": 0.3,
                   "anneal_strategy": "cos"},
    "ReduceLROnPlateau": {"mode": "min", "factor": 0.5, "patience": 2,
                          "threshold": 0.1, "threshold_mode": "rel"},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name: str) -> None:
    """Constructors, and some steps."""

    def stepped(lib: Any) -> Callable[..., Any]:
        def make(**options: Any) -> None:
            p = lib.ones(2).requires_grad_()
            p.grad = lib.zeros(2)
            optimizer = lib.optim.SGD([p], lr=0.1, momentum=0.9)
            made = getattr(lib.optim.lr_scheduler, name)(optimizer, **options)
            for _ in range(3):
                optimizer.step()
                made.step(*[1.0] * (name == "ReduceLROnPlateau"))

        return make

    check_calls(
        f"lr_scheduler.{name}", stepped(rg), stepped(torch), [], SCHEDULERS[name]
    )


#: transformations of x ↦ Σ sin x, called with tensors
TRANSFORMED: dict[str, Callable[..., Any]] = {
    "grad": lambda lib, x: lib.func.grad(lambda v: v.sin().sum())(x),
    "grad of none": lambda lib, x: lib.func.grad(lambda v: v.sin())(x),
    "grad_and_value": lambda lib, x: lib.func.grad_and_value(lambda v: v.sum())(x),
    "vjp": lambda lib, x, g: lib.func.vjp(lambda v: v.sin(), x)[1](g),
    "jvp": lambda lib, x, t: lib.func.jvp(lambda v: v.sin(), (x,), (t,)),
    "jacrev": lambda lib, x, n: lib.func.jacrev(lambda v: v.sin(), argnums=n)(x),
    "jacfwd": lambda lib, x, n: lib.func.jacfwd(lambda v: v.sin(), argnums=n)(x),
    "hessian": lambda lib, x: lib.func.hessian(lambda v: (v**3).sum())(x),
    "vmap": lambda lib, x, d, o: lib.func.vmap(
        lambda v: v.sin(), in_dims=d, out_dims=o)(x),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMED)
def test_transformations(name: str) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    more = {"vjp": [x], "jvp": [x], "jacrev": [0], "jacfwd": [0], "vmap": [0, 0]}
    call = TRANSFORMED[name]
    check_calls(f"func.{name}", functools.partial(call, rg),
             functools.partial(call, torch), [x, *more.get(name, [])], {})  # fmt: skip
