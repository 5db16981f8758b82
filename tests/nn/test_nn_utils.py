"""Pruning, fusing, skipped initialisation and what is left out, beside PyTorch's."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number
from peers.twins import follow, raises_alike, twins

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def prune(lib: Any) -> Any:
    return importlib.import_module(f"{lib.__name__}.nn.utils.prune")


def linear(lib: Any) -> Any:
    return lib.nn.Linear(4, 5)


MASKS = np.arange(20).reshape(5, 4) % 3 > 0
#: what does not depend on chance
PRUNED: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda p, m: p.identity(m, "weight"),
    "l1 number": lambda p, m: p.l1_unstructured(m, "weight", 7),
    "l1 share": lambda p, m: p.l1_unstructured(m, "weight", amount=0.3),
    "l1 none": lambda p, m: p.l1_unstructured(m, "weight", amount=0),
    "l1 bias": lambda p, m: p.l1_unstructured(m, "bias", amount=2),
    "l2 rows": lambda p, m: p.ln_structured(m, "weight", 2, n=2, dim=0),
    "l1 columns": lambda p, m: p.ln_structured(m, "weight", 0.5, 1, dim=-1),
    "twice": lambda p, m: p.l1_unstructured(p.l1_unstructured(m, "weight", 5), "weight", 4),
    "rows, elements": lambda p, m: p.l1_unstructured(
        p.ln_structured(m, "weight", 2, n=2, dim=0), "weight", 0.5
    ),
    "elements, columns": lambda p, m: p.ln_structured(
        p.l1_unstructured(m, "weight", 0.4), "weight", 1, n=2, dim=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRUNED)
def test_pruning(name: str) -> None:
    pair = twins(torch, linear)
    for lib, m in zip((rg, torch), pair, strict=True):
        assert not prune(lib).is_pruned(m)
        assert PRUNED[name](prune(lib), m) is m
        assert prune(lib).is_pruned(lib.nn.Sequential(m))
    states = [{k: v.numpy() for k, v in m.state_dict().items()} for m in pair]
    assert list(states[0]) == list(states[1])
    for key, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][key])
    follow(torch, pair, number(3, 4))
    for lib, m in zip((rg, torch), pair, strict=True):
        o = lib.optim.SGD(m.parameters(), lr=0.1)
        for _ in range(3):
            o.zero_grad()
            m(lib.tensor(number(3, 4))).pow(2).sum().backward()
            o.step()
        m(lib.tensor(number(3, 4)))
        prune(lib).remove(m, "bias" if "bias" in name else "weight")
        assert not prune(lib).is_pruned(m)
    names = [[n for n, _ in m.named_parameters()] for m in pair]
    assert names[0] == names[1]
    for a, b in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10)
    follow(torch, pair, number(3, 4))


def test_scores_masks_and_several_modules() -> None:
    pair = twins(torch, lambda lib: lib.nn.Sequential(linear(lib), lib.nn.Linear(5, 4)))
    for lib, m in zip((rg, torch), pair, strict=True):
        p = prune(lib)
        p.custom_from_mask(m[0], "weight", lib.tensor(MASKS))
        scores = lib.tensor(number(5, 4, seed=3))
        p.l1_unstructured(m[0], "weight", 3, importance_scores=scores)
        both = [(m[0], "weight"), (m[1], "weight")]
        p.global_unstructured(both, p.L1Unstructured, amount=10)
        free = p.L1Unstructured(amount=2).prune(lib.tensor(number(4)))
        assert (free == 0).sum().item() == 2
    for a, b in zip(pair[0].buffers(), pair[1].buffers(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    follow(torch, pair, number(3, 4))


def test_pruning_by_chance() -> None:
    rg.manual_seed(0)
    p = prune(rg)
    a = p.random_unstructured(linear(rg), "weight", 0.5)
    assert int((a.weight == 0).sum()) == 10
    p.random_unstructured(a, "weight", 4)
    assert int((a.weight == 0).sum()) == 14
    b = p.random_structured(linear(rg), "weight", 2, dim=0)
    assert sorted((b.weight == 0).sum(1).tolist()) == [0, 0, 0, 4, 4]
    c = p.random_unstructured(linear(rg), "weight", 0.5)
    assert (c.weight_mask != a.weight_mask).any()


def test_pruning_refuses() -> None:
    cases: list[Any] = [
        lambda lib: prune(lib).remove(linear(lib), "weight"),
        lambda lib: prune(lib).l1_unstructured(linear(lib), "weight", "some"),
        lambda lib: prune(lib).l1_unstructured(linear(lib), "weight", 1.5),
        lambda lib: prune(lib).l1_unstructured(linear(lib), "weight", -1),
        lambda lib: prune(lib).l1_unstructured(linear(lib), "weight", 21),
        lambda lib: prune(lib).l1_unstructured(linear(lib), "wait", 1),
        lambda lib: prune(lib).ln_structured(linear(lib), "bias", 1, n=2, dim=0),
        lambda lib: prune(lib).ln_structured(linear(lib), "weight", 1, n=2, dim=2),
        lambda lib: prune(lib).custom_from_mask(linear(lib), "weight", lib.ones(3)),
        lambda lib: prune(lib).global_unstructured(
            [(linear(lib), "weight")], prune(lib).LnStructured, amount=1, n=2
        ),
        lambda lib: prune(lib).PruningContainer(3),
    ]
    for case in cases:
        raises_alike(torch, case)


def test_a_failed_pruning_changes_nothing() -> None:
    m = linear(rg)
    before = m.state_dict()
    with pytest.raises(ValueError, match="should be smaller"):
        prune(rg).l1_unstructured(m, "weight", 21)
    assert list(m.state_dict()) == list(before)
    assert isinstance(m.weight, rg.nn.Parameter)


# -- fusing ----------------------------------------------------------------------------

FUSED = {
    "conv": (lambda lib, b: lib.nn.Conv2d(2, 3, 3, bias=b), "BatchNorm2d", (2, 2, 5, 5)),
    "transposed": (
        lambda lib, b: lib.nn.ConvTranspose2d(2, 3, 3, bias=b), "BatchNorm2d", (2, 2, 5, 5)
    ),
    "linear": (lambda lib, b: lib.nn.Linear(4, 3, bias=b), "BatchNorm1d", (5, 4)),
}  # fmt: skip


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", FUSED)
def test_fusing(kind: str, bias: bool, affine: bool) -> None:
    if kind == "linear" and not affine:
        return  # PyTorch has no such case
    make, norm, shape = FUSED[kind]
    x = number(*shape)
    pair = twins(
        torch,
        lambda lib: lib.nn.Sequential(
            make(lib, bias), getattr(lib.nn, norm)(3, affine=affine)
        ),
    )
    fused = []
    for lib, m in zip((rg, torch), pair, strict=True):
        m(lib.tensor(x))  # statistics
        m.eval()
        u = lib.nn.utils
        if kind == "linear":
            fused.append(u.fuse_linear_bn_eval(m[0], m[1]))
        else:
            fused.append(u.fuse_conv_bn_eval(m[0], m[1], kind == "transposed"))
        assert fused[-1] is not m[0]
        np.testing.assert_allclose(
            fused[-1](lib.tensor(x)).detach().numpy(),
            m(lib.tensor(x)).detach().numpy(),
            rtol=1e-9, atol=1e-11,
        )  # fmt: skip
    assert fused[0].weight.requires_grad and isinstance(fused[0].bias, rg.nn.Parameter)
    for a, b in zip(fused[0].parameters(), fused[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10)
    with pytest.raises(AssertionError):
        rg.nn.utils.fuse_conv_bn_eval(pair[0][0].train(), pair[0][1])


# -- the rest --------------------------------------------------------------------------


def test_skip_init() -> None:
    rg.manual_seed(3)
    expected = rg.rand(3).tolist()
    rg.manual_seed(3)
    made = rg.nn.utils.skip_init(rg.nn.Linear, 3, 4, bias=False)
    assert made.weight.shape == (4, 3) and made.bias is None
    assert rg.rand(3).tolist() == expected
    raises_alike(torch, lambda lib: lib.nn.utils.skip_init(dict))
    raises_alike(torch, lambda lib: lib.nn.utils.skip_init(lib.nn.ReLU))


def test_vectors_and_clipping() -> None:
    pair = twins(torch, lambda lib: lib.nn.Sequential(linear(lib), lib.nn.Linear(5, 2)))
    found = []
    for lib, m in zip((rg, torch), pair, strict=True):
        u = lib.nn.utils
        m(lib.tensor(number(3, 4))).pow(2).sum().backward()
        grads = [p.grad.clone() for p in m.parameters()]
        rows = [u.get_total_norm(grads, p) for p in (1.0, 2.0, 3.0, float("inf"))]
        rows.append(u.clip_grad_norm_(m.parameters(), 0.7, 3.0))
        rows += [p.grad for p in m.parameters()]
        u.clip_grad_value_(m.parameters(), 0.05)
        rows += [p.grad for p in m.parameters()]
        vector = u.parameters_to_vector(m.parameters())
        u.vector_to_parameters(vector * 2, m.parameters())
        rows += [vector, *m.parameters()]
        found.append([r.detach().numpy() for r in rows])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_norms_of_the_other_dimensions(dim: int) -> None:
    for p in (1, 2):
        compare(torch, lambda lib, v: lib.norm_except_dim(v, p, dim), number(2, 3, 4))


def test_every_name_is_there() -> None:
    for name in torch.nn.utils.__all__:
        assert hasattr(rg.nn.utils, name), name
        theirs = getattr(torch.nn.utils, name)
        if inspect.isfunction(theirs):
            ours = inspect.signature(getattr(rg.nn.utils, name))
            assert list(ours.parameters) == list(inspect.signature(theirs).parameters)
    for part in ("rnn", "parametrize", "parametrizations", "stateless", "prune"):
        ours, theirs = (
            importlib.import_module(f"{lib.__name__}.nn.utils.{part}")
            for lib in (rg, torch)
        )
        names = getattr(theirs, "__all__", None) or [
            n
            for n, v in vars(theirs).items()
            if getattr(v, "__module__", "") == theirs.__name__ and n[0] != "_"
        ]
        assert names
        for name in names:
            assert hasattr(ours, name), f"{part}.{name}"


def test_the_deprecated_functional_call() -> None:
    """It is ``func.functional_call``, or says what to do where that is not there."""
    m = rg.nn.Linear(2, 2, bias=False)
    call = importlib.import_module("retrograd.nn.utils.stateless").functional_call
    try:
        importlib.import_module("retrograd.func")
    except ImportError:
        with (
            pytest.warns(FutureWarning),
            pytest.raises(NotImplementedError, match="load_state_dict"),
        ):
            call(m, {"weight": rg.eye(2)}, rg.ones(1, 2))
        return
    with pytest.warns(FutureWarning, match="func.functional_call"):
        out = call(m, {"weight": 2 * rg.eye(2)}, rg.ones(1, 2))
    assert out.tolist() == [[2.0, 2.0]]


def test_what_is_left_out_says_what_to_do() -> None:
    u = rg.nn.utils
    for name in (
        "convert_conv2d_weight_memory_format",
        "convert_conv3d_weight_memory_format",
    ):
        with pytest.raises(NotImplementedError, match="leave the call out"):
            getattr(u, name)(rg.nn.Conv2d(1, 1, 1), None)
    packed = u.rnn.pack_sequence([rg.ones(2)])
    with pytest.raises(NotImplementedError, match="as it is"):
        packed.pin_memory()
