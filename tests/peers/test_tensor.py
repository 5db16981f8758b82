"""Methods of a tensor as an object: places, types, memory, Python's protocols."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

#: of a matrix x, integers i, a leaf p, a number s and truth values b
CALLS: dict[str, Callable[..., Any]] = {
    "is_pinned": lambda lib, x, i, p, s, b: x.is_pinned(),
    "shared": lambda lib, x, i, p, s, b: x.is_shared(),
    "H": lambda lib, x, i, p, s, b: x.H,
    "mH": lambda lib, x, i, p, s, b: x.mH,
    "T3": lambda lib, x, i, p, s, b: lib.ones(2, 3, 4).H,
    "rev": lambda lib, x, i, p, s, b: list(reversed(x)),
    "del": lambda lib, x, i, p, s, b: x.__delitem__(0),
    "complex": lambda lib, x, i, p, s, b: complex(s),
    "getdev": lambda lib, x, i, p, s, b: x.get_device(),
    "dim_order": lambda lib, x, i, p, s, b: x.t().dim_order(),
    "contains": lambda lib, x, i, p, s, b: 2.0 in x,
    "contains2": lambda lib, x, i, p, s, b: "a" in x,
    "contains3": lambda lib, x, i, p, s, b: s in x,
    "contains4": lambda lib, x, i, p, s, b: [1] in x,
    "contains5": lambda lib, x, i, p, s, b: None in x,
    "index": lambda lib, x, i, p, s, b: [1, 2, 3, 4][lib.tensor(2)],
    "index2": lambda lib, x, i, p, s, b: [1][s],
    "index3": lambda lib, x, i, p, s, b: [1, 2][lib.tensor([1])],
    "index4": lambda lib, x, i, p, s, b: [1, 2][lib.tensor(True)],
    "index5": lambda lib, x, i, p, s, b: [1][lib.tensor([1, 2])],
    "int": lambda lib, x, i, p, s, b: int(lib.tensor([2.7])),
    "int2": lambda lib, x, i, p, s, b: int(x),
    "float": lambda lib, x, i, p, s, b: float(i),
    "bool": lambda lib, x, i, p, s, b: bool(x),
    "bool0": lambda lib, x, i, p, s, b: bool(lib.tensor([])),
    "fmt": lambda lib, x, i, p, s, b: f"{s:.2f}",
    "fmt2": lambda lib, x, i, p, s, b: f"{x:.2f}",
    "fmt3": lambda lib, x, i, p, s, b: f"{lib.tensor([2.5])}",
    "fmt4": lambda lib, x, i, p, s, b: f"{p[0]:.1f}",
    "iter": lambda lib, x, i, p, s, b: [r.tolist() for r in x],
    "iter0": lambda lib, x, i, p, s, b: list(s),
    "len0": lambda lib, x, i, p, s, b: len(s),
    "iterg": lambda lib, x, i, p, s, b: [r.requires_grad for r in p],
    "to1": lambda lib, x, i, p, s, b: x.to(lib.int64),
    "to2": lambda lib, x, i, p, s, b: x.to("cpu"),
    "to3": lambda lib, x, i, p, s, b: x.to("cpu", lib.float64),
    "to4": lambda lib, x, i, p, s, b: x.to(i),
    "to5": lambda lib, x, i, p, s, b: x.to(dtype=lib.float64, copy=True),
    "to6": lambda lib, x, i, p, s, b: x.to(lib.device("cpu"), lib.int32, True, True),
    "to7": lambda lib, x, i, p, s, b: x.to(x) is x,
    "to8": lambda lib, x, i, p, s, b: x.to(lib.float32) is x,
    "to9": lambda lib, x, i, p, s, b: x.to(lib.float32, copy=True) is x,
    "to14": lambda lib, x, i, p, s, b: x.to(
        lib.float64, memory_format=lib.contiguous_format
    ),
    "to17": lambda lib, x, i, p, s, b: x.to(device="cpu", dtype=lib.half),
    "to18": lambda lib, x, i, p, s, b: p.to(lib.float64),
    "to19": lambda lib, x, i, p, s, b: p.to(lib.int64),
    "to20": lambda lib, x, i, p, s, b: x.to("cpu", non_blocking=True),
    "to22": lambda lib, x, i, p, s, b: x.to(float),
    "to23": lambda lib, x, i, p, s, b: x.to(lib.float64, True),
    "type4": lambda lib, x, i, p, s, b: x.type(lib.int32),
    "type_as": lambda lib, x, i, p, s, b: x.type_as(i),
    "type_as2": lambda lib, x, i, p, s, b: x.type_as(x) is x,
    "numpy": lambda lib, x, i, p, s, b: p.numpy(),
    "numpyf": lambda lib, x, i, p, s, b: p.numpy(force=True),
    "numpyd": lambda lib, x, i, p, s, b: (p * 2).detach().numpy(),
    "cpu": lambda lib, x, i, p, s, b: x.cpu() is x,
    "new": lambda lib, x, i, p, s, b: x.new(2, 3).shape,
    "new2": lambda lib, x, i, p, s, b: x.new([1, 2]),
    "new3": lambda lib, x, i, p, s, b: x.new(),
    "new4": lambda lib, x, i, p, s, b: i.new([1, 2]),
    "new6": lambda lib, x, i, p, s, b: x.new(lib.Size([2])).shape,
    "new7": lambda lib, x, i, p, s, b: x.new(x),
    "resize_": lambda lib, x, i, p, s, b: lib.arange(6.0).resize_(2, 2),
    "resize2": lambda lib, x, i, p, s, b: lib.arange(4.0).resize_(2, 3).shape,
    "resize3": lambda lib, x, i, p, s, b: p.resize_(3),
    "resize4": lambda lib, x, i, p, s, b: lib.arange(6.0).view(2, 3).t().resize_(2, 2),
    "resize5": lambda lib, x, i, p, s, b: lib.arange(6.0).resize_((3,)),
    "resize_as": lambda lib, x, i, p, s, b: lib.arange(6.0).resize_as_(lib.ones(2, 2)),
    "resize7": lambda lib, x, i, p, s, b: (p * 2).resize_(1),
    "resize9": lambda lib, x, i, p, s, b: lib.arange(6.0)[2:].resize_(2),
    "resize10": lambda lib, x, i, p, s, b: lib.arange(6.0)[:2].resize_(4),
    "set_": lambda lib, x, i, p, s, b: lib.ones(2).set_(x),
    "set3": lambda lib, x, i, p, s, b: lib.ones(2).set_(),
    "set4": lambda lib, x, i, p, s, b: lib.ones(2).set_(
        x.untyped_storage(), 0, (3,), (1,)
    ),
    "is_set_to": lambda lib, x, i, p, s, b: x.is_set_to(x.view(2, 3)),
    "is_set_to2": lambda lib, x, i, p, s, b: x.is_set_to(x.clone()),
    "is_set_to3": lambda lib, x, i, p, s, b: x.is_set_to(x[0]),
    "st": lambda lib, x, i, p, s, b: x.untyped_storage().nbytes(),
    "st2": lambda lib, x, i, p, s, b: (
        x.untyped_storage().data_ptr() == x[1].untyped_storage().data_ptr()
    ),
    "st3": lambda lib, x, i, p, s, b: x[1].untyped_storage().size(),
    "st4": lambda lib, x, i, p, s, b: x.storage().tolist(),
    "st5": lambda lib, x, i, p, s, b: x.t().storage().size(),
    "st6": lambda lib, x, i, p, s, b: len(x.untyped_storage()),
    "st9": lambda lib, x, i, p, s, b: x[1].storage()[0],
    "st10": lambda lib, x, i, p, s, b: x.data_ptr() == x.untyped_storage().data_ptr(),
    "as_strided_": lambda lib, x, i, p, s, b: lib.arange(6.0).as_strided_(
        (2, 2), (1, 2), 1
    ),
    "apply_": lambda lib, x, i, p, s, b: lib.ones(2).apply_(lambda v: v * 3),
    "apply2": lambda lib, x, i, p, s, b: p.apply_(lambda v: v),
    "map_": lambda lib, x, i, p, s, b: lib.ones(2).map_(
        lib.ones(2), lambda a, b: a + b
    ),
    "apply3": lambda lib, x, i, p, s, b: lib.tensor([1, 2]).apply_(lambda v: v * 2.7),
    "map2": lambda lib, x, i, p, s, b: p.map_(p, lambda a, b: a),
    "narrow_copy": lambda lib, x, i, p, s, b: x.narrow_copy(0, 1, 1),
    "name": lambda lib, x, i, p, s, b: x.name,
    "output_nr": lambda lib, x, i, p, s, b: (p * 2).output_nr,
    "is_cpu": lambda lib, x, i, p, s, b: (
        x.is_cpu,
        x.is_cuda,
        x.is_sparse,
        x.is_quantized,
        x.is_meta,
        x.is_mps,
        x.is_nested,
        x.is_mkldnn,
        x.is_xla,
    ),
    "is_view": lambda lib, x, i, p, s, b: (x._is_view(), x[0]._is_view()),
    "todense": lambda lib, x, i, p, s, b: x.to_dense() is x,
    "module_load": lambda lib, x, i, p, s, b: x.module_load(x).shape,
    "dcopy2": lambda lib, x, i, p, s, b: copy.deepcopy(p),
    "copy": lambda lib, x, i, p, s, b: copy.copy(x).data_ptr() == x.data_ptr(),
    "copy2": lambda lib, x, i, p, s, b: copy.copy(p * 2),
    "item": lambda lib, x, i, p, s, b: x.item(),
    "item2": lambda lib, x, i, p, s, b: lib.tensor([[2]]).item(),
    "tolist": lambda lib, x, i, p, s, b: s.tolist(),
    "size": lambda lib, x, i, p, s, b: (x.size(), x.size(-1), x.size(dim=0)),
    "size2": lambda lib, x, i, p, s, b: x.size(5),
    "stride": lambda lib, x, i, p, s, b: x.stride(-1),
    "stride2": lambda lib, x, i, p, s, b: x.stride(3),
    "nbytes": lambda lib, x, i, p, s, b: (x.nbytes, x.itemsize, x.element_size()),
    "ndim": lambda lib, x, i, p, s, b: (x.ndim, x.dim(), x.ndimension(), x.nelement()),
    "bool()": lambda lib, x, i, p, s, b: x.bool(),
    "byte": lambda lib, x, i, p, s, b: lib.tensor([-1.0, 300]).int().byte(),
    "char": lambda lib, x, i, p, s, b: lib.tensor([200]).char(),
    "chalf": lambda lib, x, i, p, s, b: x.half().dtype,
    "is_signed": lambda lib, x, i, p, s, b: (
        x.is_signed(),
        b.is_signed(),
        lib.zeros(1, dtype=lib.uint8).is_signed(),
    ),
    "is_same_size": lambda lib, x, i, p, s, b: x.is_same_size(x),
    "is_nonzero": lambda lib, x, i, p, s, b: s.is_nonzero(),
    "is_nonzero2": lambda lib, x, i, p, s, b: x.is_nonzero(),
    "float()": lambda lib, x, i, p, s, b: p.float() is p,
    "const": lambda lib, x, i, p, s, b: x.const_data_ptr() == x.data_ptr(),
    "renorm_": lambda lib, x, i, p, s, b: x.clone().renorm_(2, 0, 1.0),
    "addr_": lambda lib, x, i, p, s, b: lib.zeros(2, 2).addr_(lib.ones(2), lib.ones(2)),
    "addmv_": lambda lib, x, i, p, s, b: lib.zeros(2).addmv_(x, lib.ones(3)),
    "addbmm_": lambda lib, x, i, p, s, b: lib.zeros(2, 2).addbmm_(
        lib.ones(1, 2, 2), lib.ones(1, 2, 2)
    ),
    "retain": lambda lib, x, i, p, s, b: p.retain_grad(),
    "grad_dtype": lambda lib, x, i, p, s, b: p.grad_dtype,
}


def seen(lib: Any, call: Callable[..., Any]) -> Any:
    """What a call gives, comparable between libraries; the class of its error."""
    x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    i, p = lib.tensor([1, 2]), lib.ones(2, requires_grad=True)
    s, b = lib.tensor(3.0), lib.tensor([True, False])
    try:
        return plain(call(lib, x, i, p, s, b))
    except Exception as error:
        return type(error)


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "requires_grad"):
        kind = str(value.dtype).split(".")[-1]
        numbers = value.detach().tolist()
        return (
            kind,
            tuple(value.shape),
            value.requires_grad,
            value.is_leaf,
            rounded(numbers),
        )
    if isinstance(value, np.ndarray):
        return value.tolist()
    if type(value).__module__.split(".")[0] in ("torch", "retrograd"):
        return str(value).split(".")[-1]
    return value


def rounded(numbers: Any) -> Any:
    if isinstance(numbers, list):
        return [rounded(n) for n in numbers]
    return round(numbers, 5)


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("name", CALLS)
def test_same(name: str) -> None:
    assert seen(rg, CALLS[name]) == seen(torch, CALLS[name])


@pytest.mark.parametrize("name", ["resize_", "resize_as_", "view", "view_as", "unfold", "to",
                                  "item", "contiguous", "clone", "bool", "long", "half"])  # fmt: skip
def test_tables(name: str) -> None:
    for entry in op_tables.table()[name]:
        for sample in op_tables.samples(entry, torch.float64, most=8, grad=False):
            given = (sample.input, sample.args, sample.kwargs)
            x, args, kwargs = op_tables.translated(given)
            kwargs = {k: v for k, v in kwargs.items() if k != "memory_format"}
            args = tuple(a for a in args if not isinstance(a, torch.memory_format))
            if any(isinstance(a, torch.device) for a in args):
                args = tuple("cpu" if isinstance(a, torch.device) else a for a in args)
            have = getattr(x, name)(*args, **kwargs)
            want = entry.op(given[0], *given[1], **given[2])
            if name.startswith("resize") and want.numel() > given[0].numel():
                assert tuple(have.shape) == tuple(want.shape)  # what is new is not said
            else:
                op_tables.same(have, want, 0.0, 0.0, f"{name}{given}")


def test_names_of_types() -> None:
    for d in (torch.float16, torch.bfloat16, torch.float32, torch.uint8, torch.bool):
        name = str(d).split(".")[1]
        theirs = torch.zeros(1, dtype=d).type()
        mine = rg.zeros(1, dtype=getattr(rg, name)).type()
        assert mine.split(".")[1] == theirs.split(".")[1]
        assert rg.ones(1).type(theirs).dtype is getattr(rg, name)
    with pytest.raises(ValueError):
        rg.ones(1).type("foo")


def test_storage_is_shared() -> None:
    x = rg.arange(6.0).reshape(2, 3)
    store = x.storage()
    store[0] = 7.0
    assert x[0, 0].item() == 7.0
    assert x[1].storage().tolist() == store.tolist() == x.flatten().tolist()
    y = rg.zeros(1).set_(x.untyped_storage(), 1, (2,), (3,))
    y.add_(1.0)
    assert y.tolist() == [2.0, 5.0] and x[:, 1].tolist() == [2.0, 5.0]
    z = rg.zeros(2, 3).set_(x)
    z.mul_(0.0)
    assert not x.any()


def test_copies_and_pickles() -> None:
    p = rg.tensor([1.0, 2.0], requires_grad=True)
    for made in (pickle.loads(pickle.dumps(p)), copy.deepcopy(p)):
        assert made.requires_grad and made.is_leaf and made.tolist() == [1.0, 2.0]
        with rg.no_grad():
            made.add_(1.0)
        assert p.tolist() == [1.0, 2.0]
    shared = copy.copy(p)
    with rg.no_grad():
        shared.add_(1.0)
    assert p.tolist() == [2.0, 3.0] and shared.requires_grad
    assert pickle.loads(pickle.dumps(p * 2)).tolist() == [4.0, 6.0]
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(p * 2)
    for refused in (lambda: p.cuda(), lambda: p.pin_memory(), lambda: p.to("cuda")):
        with pytest.raises((AssertionError, RuntimeError)):
            refused()
