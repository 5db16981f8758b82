"""PyTorch's own table of optimizer options and errors, over 50 steps of two groups."""

from __future__ import annotations

import copy
import importlib
import inspect
import re
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
table = pytest.importorskip(
    "torch.testing._internal.common_optimizers",
    reason="PyTorch's internal table of optimizers is not importable",
)
Muon = "Muon"
INFOS = [i for i in table.optim_db if i.optim_cls.__name__ != "SparseAdam"]
FLAGS: list[dict[str, Any]] = [{}, {"foreach": True}, {"fused": True}]


def ours(value: Any) -> Any:
    """A value of theirs as one of ours."""
    if isinstance(value, torch.Tensor):
        made = rg.tensor(value.detach().numpy().copy())
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(ours(v) for v in value)
    return value


def cases() -> list[Any]:
    found = []
    for info in INFOS:
        name = info.optim_cls.__name__
        if name == "LBFGS":
            continue
        inputs = info.optim_inputs_func("cpu", torch.float64)
        for given in inputs:  # Muon multiplies a rate that is a tensor in its own type
            if name == Muon and isinstance(given.kwargs.get("lr"), torch.Tensor):
                given.kwargs["lr"] = given.kwargs["lr"].double()
        for i, given in enumerate(inputs):
            for flags in FLAGS if i == len(inputs) - 1 else FLAGS[:1]:
                if set(flags) <= set(info.supported_impls) and not (
                    flags.get("foreach")
                    and isinstance(given.kwargs.get("lr"), torch.Tensor)
                ):
                    label = "-".join([name, str(i), *flags])
                    found.append(
                        pytest.param(name, {**given.kwargs, **flags}, id=label)
                    )
    return found


PLAIN = [c for c in cases() if not c.values[1].get("foreach")]


def build(name: str, options: dict[str, Any], dtype: str) -> Any:
    """Both optimizers on two groups of parameters, and these."""
    shapes = [(4, 3), (2, 5)] if name == Muon else [(4, 3), (5,)]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    result = []
    for lib, cls in ((torch, torch.optim), (rg, rg.optim)):
        ps = [lib.tensor(a, requires_grad=True) for a in arrays]
        groups = [
            {"params": ps[:1], "lr": 0.02, "weight_decay": 0.05},
            {"params": ps[1:]},
        ]
        if name == "Rprop":
            groups[0].pop("weight_decay")
        kwargs = options if lib is torch else ours(options)
        result.append((ps, getattr(cls, name)(groups, **kwargs)))
    return result


def advance(pairs: Any, steps: int, seed: int = 1) -> None:
    """The same gradients for both; now and then some or all are None."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        noise = [rng.standard_normal(tuple(p.shape)) for p in pairs[0][0]]
        for lib, (ps, optimizer) in zip((torch, rg), pairs, strict=True):
            optimizer.zero_grad()
            for i, (p, n) in enumerate(zip(ps, noise, strict=True)):
                if (step % 7 == 3 and i == 1) or step % 11 == 5:
                    continue
                p.grad = lib.tensor(n).to(p.dtype) + 0.1 * p.detach()
            optimizer.step()


def compare(left: Any, right: Any, dtype: str = "float64") -> None:
    """Parameters and state of two optimizers, to the last digits of their type."""
    rtol, atol = (1e-11, 1e-12) if dtype == "float64" else (1e-5, 1e-6)
    for a, b in zip(left[0], right[0], strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol, atol)
    saved, other = left[1].state_dict()["state"], right[1].state_dict()["state"]
    assert saved.keys() == other.keys()
    for index, entry in saved.items():
        assert list(entry) == list(other[index])
        for key, value in entry.items():
            mine = other[index][key]
            assert tuple(value.shape) == tuple(mine.shape), key
            assert str(value.dtype).split(".")[1] == str(mine.dtype).split(".")[1], key
            np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol, atol)


def copy_parameters(pairs: Any, others: Any) -> None:
    """The values of *pairs*' parameters into *others*'."""
    for (ps, _), (qs, _) in zip(pairs, others, strict=True):
        for p, q in zip(ps, qs, strict=True):
            q.data.copy_(p.data)


@pytest.mark.parametrize(("name", "options"), cases())
def test_fifty_steps(name: str, options: dict[str, Any]) -> None:
    if name == "ASGD" and options.get("foreach"):
        pytest.skip("η of PyTorch's foreach is single precision: the next test")
    pairs = build(name, options, "float64")
    if name == Muon:
        return in_step(pairs)
    advance(pairs, 50)
    compare(*pairs)


def in_step(pairs: Any) -> None:
    """Muon rounds to eight bits. Where the order of a sum decides which way, one step
    may end a bit of those away; from the same start, forty-eight of fifty do not."""
    apart = []
    for step in range(50):
        advance(pairs, 1, seed=step)
        theirs, mine = (np.concatenate([p.detach().numpy() for p in ps], None)
                        for ps, _ in pairs)  # fmt: skip
        apart.append(np.abs(theirs - mine).max())
        pairs[1][1].load_state_dict(pairs[0][1].state_dict())
        for p, q in zip(pairs[0][0], pairs[1][0], strict=True):
            q.data.copy_(rg.tensor(p.detach().numpy()))
    assert sorted(apart)[47] < 1e-12
    assert max(apart) < 0.02 * 2**-8 * 2  # η, a bit of eight, √(rows/columns)


def test_asgd_of_foreach_is_asgd() -> None:
    # PyTorch's foreach computes η in single precision and its loop in double: the two
    # are further from each other than ours is from the loop.
    pairs = [build("ASGD", {"foreach": flag}, "float64") for flag in (False, True)]
    for pair in pairs:
        advance(pair, 50)
    (loop, mine), (grouped, same) = pairs
    compare(loop, mine)
    compare(loop, same)
    with pytest.raises(AssertionError):
        compare(loop, grouped)


@pytest.mark.parametrize(("name", "options"), PLAIN[::4])
def test_fifty_steps_in_float32(name: str, options: dict[str, Any]) -> None:
    pairs = build(name, options, "float32")
    advance(pairs, 50)
    compare(*pairs, "float32")


@pytest.mark.parametrize(("name", "options"), PLAIN[1::4])
def test_after_loading_pytorchs_state(name: str, options: dict[str, Any]) -> None:
    """A run goes on as if nothing had been saved and loaded: ours from their state, and
    theirs from ours as from their own. (Theirs is not always as if: on loading it casts
    η, μ and Π of ASGD and NAdam from single precision to the parameter's.)"""
    first = build(name, options, "float64")
    advance(first, 9)
    # PyTorch shares the tensors of a state dict with whoever loads it
    saved = copy.deepcopy(first[0][1].state_dict())
    mine = first[1][1].state_dict()
    second, third = (build(name, options, "float64") for _ in range(2))
    copy_parameters(first, second)
    copy_parameters(first, third)
    tensors = any(isinstance(g["lr"], torch.Tensor) for g in saved["param_groups"])
    second[1][1].load_state_dict(ours(saved) if tensors else saved)
    second[0][1].load_state_dict(copy.deepcopy(saved))
    state = {
        i: {k: torch.tensor(v.numpy().copy()) for k, v in e.items()}
        for i, e in mine["state"].items()
    }
    third[0][1].load_state_dict({**saved, "state": state})
    third[1][1].load_state_dict(mine)
    for pairs in (first, second, third):
        advance(pairs, 12, seed=2)
    compare(first[0], second[1])
    compare(first[0], third[1])
    compare(second[0], third[0])


def error_cases() -> list[Any]:
    found = []
    for info in INFOS:
        for i, e in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
            if "complex" not in e.error_regex:
                found.append(
                    pytest.param(info.optim_cls.__name__, e, id=f"{info.name}-{i}")
                )
    return found


@pytest.mark.parametrize(("name", "case"), error_cases())
def test_what_pytorch_refuses(name: str, case: Any) -> None:
    params = case.optimizer_error_input.params
    if params is None:
        params = [torch.randn(2, 3, requires_grad=True)]
    known: dict[int, Any] = {}

    def mine(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return known.setdefault(id(value), ours(value))
        if isinstance(value, dict):
            return {k: mine(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(mine(v) for v in value)
        return value

    kwargs = ours(case.optimizer_error_input.kwargs)
    if issubclass(case.error_type, Warning):
        with pytest.warns(case.error_type, match=case.error_regex):
            getattr(rg.optim, name)(mine(params), **kwargs)
        return
    with pytest.raises(case.error_type, match=case.error_regex):
        getattr(rg.optim, name)(mine(params), **kwargs)


@pytest.mark.parametrize("name", [i.name for i in INFOS])
def test_the_constructors_have_pytorchs_arguments(name: str) -> None:
    theirs = inspect.signature(getattr(torch.optim, name).__init__).parameters
    mine = inspect.signature(getattr(rg.optim, name).__init__).parameters
    assert list(theirs) == list(mine)
    for key, p in theirs.items():
        assert (p.default, p.kind) == (mine[key].default, mine[key].kind), key


REFUSED: list[tuple[dict[str, Any], Any, str]] = [
    ({"capturable": True}, AssertionError, "capturable=True"),
    ({"fused": True, "foreach": True}, RuntimeError, "cannot be `True` together"),
    ({"fused": True, "differentiable": True}, RuntimeError, "`fused` does not"),
    ({"foreach": True, "differentiable": True}, AssertionError, "autograd"),
    ({"differentiable": True}, RuntimeError, "a leaf Variable"),
]


@pytest.mark.parametrize("name", [i.name for i in INFOS])
def test_implementations(name: str) -> None:
    known = inspect.signature(getattr(rg.optim, name).__init__).parameters
    for options, error, words in REFUSED:
        if not set(options) <= set(known):
            continue
        if name == "SGD" and error is AssertionError:
            continue  # it gives no gradient there, but does not refuse
        for lib in (torch, rg):
            p = lib.ones(2, 2, requires_grad=True)
            p.grad = lib.ones(2, 2)
            with pytest.raises(error, match=re.escape(words)):
                getattr(lib.optim, name)([p], **options).step()


def test_names_are_pytorchs() -> None:
    for module in ("optim", "optim.lr_scheduler", "optim.swa_utils"):
        mine = importlib.import_module(f"retrograd.{module}")
        theirs = importlib.import_module(f"torch.{module}")
        names = getattr(theirs, "__all__", None) or [
            n for n in dir(theirs) if n[0] != "_"
        ]
        missing = {n for n in names if not hasattr(mine, n)}
        assert missing <= {"SparseAdam", "swap_in_optimizer_params_and_state"}, module
        for name in missing:
            with pytest.raises(NotImplementedError, match="optim"):
                getattr(mine, name)
