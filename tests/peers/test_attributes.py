"""What tensors say about themselves, memory exchanged under them, and settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _x(lib: Any) -> Any:
    return lib.arange(6, dtype=lib.float64).reshape(2, 3).clone()


def _shared(lib: Any) -> list[Any]:
    x, y = _x(lib), lib.zeros(0, dtype=lib.float64)
    y.set_(x)
    y[0, 0] = 7
    z = lib.zeros(0, dtype=lib.float64).set_(x[1])
    z += 1
    return [x, y, z]


def _in_itself(lib: Any) -> list[Any]:
    x = _x(lib)
    view, double = x[1], x * 2
    x.set_(x[1])
    x += 1
    return [x, view, double]


TENSORS: dict[str, Callable[[Any], Any]] = {
    "resize_, fewer": lambda t: _x(t).resize_(2, 2),
    "resize_, a size": lambda t: _x(t).resize_((3, 2)),
    "resize_as_": lambda t: _x(t).resize_as_(t.zeros(3)),
    "rg.resize_as_": lambda t: t.resize_as_(_x(t), t.zeros(3)),
    "apply_": lambda t: _x(t).apply_(lambda v: v * v + 1),
    "map_": lambda t: _x(t).map_(t.ones(3, dtype=t.float64), lambda a, b: a - b),
    "set_": _shared,
    "set_ to a part": _in_itself,
    "set_ to nothing": lambda t: _x(t).set_(),
    "as_strided_": lambda t: _x(t).as_strided_((2, 2), (1, 2), 1),
    "H": lambda t: _x(t).H,
    "mH": lambda t: _x(t).expand(2, 2, 3).mH,
    "to_dense": lambda t: _x(t).to_dense(),
    "addmv_": lambda t: t.ones(2, dtype=t.float64).addmv_(_x(t), _x(t)[0], beta=2),
    "addr_": lambda t: _x(t).addr_(_x(t)[:, 0], _x(t)[0]),
    "addbmm_": lambda t: t.ones(2, 2, dtype=t.float64).addbmm_(
        _x(t).expand(2, 2, 3), _x(t).mT.expand(2, 3, 2), alpha=0.5
    ),
    "renorm_": lambda t: _x(t).renorm_(2, 0, 1.5),
    "hardshrink": lambda t: (_x(t) - 2).hardshrink(1.0),
    "prelu": lambda t: (_x(t) - 2).prelu(t.tensor([0.5], dtype=t.float64)),
    "view_copy": lambda t: t.view_copy(_x(t), (3, 2)),
    "expand_copy": lambda t: t.expand_copy(_x(t), (2, 2, 3)),
    "slice_copy": lambda t: t.slice_copy(_x(t), 1, 0, 3, 2),
    "unbind_copy": lambda t: list(t.unbind_copy(_x(t), 1)),
    "split_copy": lambda t: list(t.split_copy(_x(t), 2, 1)),
    "select_copy": lambda t: t.select_copy(_x(t), 0, 1),
    "diagonal_copy": lambda t: t.diagonal_copy(_x(t)),
    "unfold_copy": lambda t: t.unfold_copy(_x(t), 1, 2, 1),
    "t_copy": lambda t: t.t_copy(_x(t)),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name: str) -> None:
    mine, theirs = TENSORS[name](rg), TENSORS[name](torch)
    pairs = (
        zip(mine, theirs, strict=True) if isinstance(mine, list) else [(mine, theirs)]
    )
    for a, b in pairs:
        np.testing.assert_array_equal(a.numpy(), b.numpy())


FACTS: dict[str, Callable[[Any], Any]] = {
    "storage_offset": lambda t: [_x(t)[1].storage_offset(), _x(t)[:, 1].storage_offset(),
                                 _x(t).storage_offset()],
    "is_set_to": lambda t: [(x := _x(t)).is_set_to(x.view(2, 3)), x.is_set_to(x[0])],
    "flags": lambda t: [getattr(_x(t), n) for n in (
        "is_cpu", "is_cuda", "is_sparse", "is_meta", "is_quantized", "is_nested")],
    "get_device": lambda t: [_x(t).get_device(), t.get_device(_x(t))],
    "is_inference": lambda t: [_x(t).is_inference(), t.is_inference(_x(t))],
    "is_pinned": lambda t: _x(t).is_pinned(),
    "is_complex": lambda t: t.is_complex(_x(t)),
    "typename": lambda t: t.typename(_x(t)).split(".")[-1],
    "can_cast": lambda t: [t.can_cast(a, b) for a in KINDS(t) for b in KINDS(t)],
    "newaxis": lambda t: list(_x(t)[t.newaxis].shape),
    "precision": lambda t: t.get_float32_matmul_precision(),
    "determinism": lambda t: _determinism(t),
    "a subclass": lambda t: _subclass(t),
}  # fmt: skip


def KINDS(t: Any) -> list[Any]:
    return [t.float64, t.float32, t.float16, t.int64, t.int8, t.uint8, t.bool]


def _determinism(t: Any) -> Any:
    seen = []
    for mode in ("warn", 2, "default"):
        t.set_deterministic_debug_mode(mode)
        seen += [t.get_deterministic_debug_mode(),
                 t.are_deterministic_algorithms_enabled(),
                 t.is_deterministic_algorithms_warn_only_enabled()]  # fmt: skip
    return seen


def _subclass(t: Any) -> Any:
    kind = type("Kind", (t.Tensor,), {})
    x = _x(t)
    y = x.as_subclass(kind)
    y[0, 0] = 5
    return [type(y) is kind, float(x[0, 0])]


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    assert FACTS[name](rg) == FACTS[name](torch)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "resize_ with gradient": lambda t: t.ones(2, requires_grad=True).resize_(3),
    "resize_ below zero": lambda t: t.ones(2).resize_(-1),
    "apply_ with gradient": lambda t: t.ones(2, requires_grad=True).apply_(abs),
    "map_ of shapes apart": lambda t: t.ones(2).map_(t.ones(3), max),
    "set_ of another type": lambda t: t.ones(2).set_(t.ones(2, dtype=t.int64)),
    "H of a cube": lambda t: t.ones(2, 2, 2).H,
    "a debug mode": lambda t: t.set_deterministic_debug_mode("loud"),
    "as_subclass": lambda t: t.ones(2).as_subclass(int),
    "pca_lowrank, rank": lambda t: t.pca_lowrank(t.ones(2, 2), q=3),
    "pca_lowrank, rounds": lambda t: t.pca_lowrank(t.ones(2, 2), niter=-1),
    "interop threads": lambda t: t.set_num_interop_threads(0),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:.*non-resizable")
def test_refusals(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        REFUSED[name](torch)
    with pytest.raises(type(theirs.value)):
        REFUSED[name](rg)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 5, 4)])
def test_low_rank(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(*shape[:-1], 2)), rng.normal(size=(2, shape[-1]))
    a = left @ right
    u, s, v = rg.svd_lowrank(rg.tensor(a), q=2)
    made = u @ (s.unsqueeze(-1) * v.mT)
    np.testing.assert_allclose(made.numpy(), a, atol=1e-10)
    want = torch.linalg.svdvals(torch.tensor(a))[..., :2]
    np.testing.assert_allclose(s.numpy(), want.numpy(), rtol=1e-9)
    u, s, v = rg.pca_lowrank(rg.tensor(a), q=2)
    centred = torch.tensor(a) - torch.tensor(a).mean(-2, keepdim=True)
    want = torch.linalg.svdvals(centred)[..., :2]
    np.testing.assert_allclose(s.numpy(), want.numpy(), rtol=1e-9)


@pytest.mark.parametrize("options", [
    {"precision": 2}, {"sci_mode": True}, {"sci_mode": False, "precision": 6},
    {"threshold": 5, "edgeitems": 1}, {"linewidth": 30}, {"profile": "short"},
])  # fmt: skip
def test_print_options(options: dict[str, Any]) -> None:
    try:
        texts = []
        for lib in (rg, torch):
            lib.set_printoptions(profile="default")
            lib.set_printoptions(**options)
            values = (np.linspace(0, 3, 12, dtype=np.float32) ** 2).reshape(3, 4)
            texts.append([str(lib.tensor(values)), str(lib.tensor([1e-5, 1.5]))])
        assert [t.replace("retrograd.", "torch.") for t in texts[0]] == texts[1]
    finally:
        for lib in (rg, torch):
            lib.set_printoptions(profile="default")
