"""Memory shared with NumPy, PyTorch and whoever reads buffers, without copying."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrograd as rg

KINDS = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8",
         "bool"]  # fmt: skip


def _address(x: Any) -> int:
    return int(x.__array_interface__["data"][0])


@pytest.mark.parametrize("kind", KINDS)
def test_numpy(kind: str) -> None:
    x = rg.ones(2, 3, dtype=getattr(rg, kind))
    for a in (np.asarray(x), x.numpy(), np.array(x, copy=False), np.from_dlpack(x)):
        assert _address(a) == x.data_ptr()
        assert a.dtype == kind
    a = np.asarray(x)
    pending = x.sum()
    a[0, 0] = 0
    assert x[0, 0].item() == 0
    assert pending.item() == 6  # it was recorded before
    back = rg.from_numpy(a)
    assert back.data_ptr() == x.data_ptr()
    assert _address(np.asarray(x.T)) == x.data_ptr()
    assert np.asarray(x.T).strides == a.T.strides


def test_copies_that_are_asked_for() -> None:
    x = rg.ones(2)
    assert _address(np.array(x)) != x.data_ptr()
    assert _address(np.array(x, copy=True)) != x.data_ptr()
    assert np.asarray(x, np.int8).dtype == np.int8
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, np.int8, copy=False)


def test_tensors_that_want_a_gradient_are_not_given_away() -> None:
    x = rg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(x)
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.detach())[0] == 1


def test_buffers() -> None:
    x = rg.arange(6, dtype=rg.int32).reshape(2, 3)
    view = memoryview(x) if sys.version_info >= (3, 12) else x.__buffer__(0)
    assert view.shape == (2, 3)
    assert view.format == "i"
    view[1, 2] = 50
    assert x[1, 2].item() == 50


def test_complex_numbers_of_python() -> None:
    assert complex(rg.tensor(2.5)) == 2.5 + 0j


class TestTorch:
    """DLPack both ways."""

    torch: Any = None

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        TestTorch.torch = pytest.importorskip("torch")

    @pytest.mark.parametrize("kind", [*KINDS, "bfloat16"])
    def test_both_ways(self, kind: str) -> None:
        torch = self.torch
        x = rg.ones(2, 3, dtype=getattr(rg, kind))
        t = torch.from_dlpack(x.T)
        assert t.data_ptr() == x.data_ptr()
        assert t.stride() == (1, 3)
        assert t.dtype is getattr(torch, kind)
        t[0, 1] = 0
        assert x[1, 0].item() == 0
        y = rg.from_dlpack(t)
        assert y.data_ptr() == x.data_ptr()
        assert y.stride() == (1, 3)
        y[0, 0] = 0
        assert t[0, 0].item() == 0
        assert torch.from_dlpack(rg.to_dlpack(x)).data_ptr() == x.data_ptr()

    def test_what_is_pending_comes_first(self) -> None:
        x = rg.ones(3)
        t = self.torch.from_dlpack(x * 2 + 1)
        assert t.tolist() == [3, 3, 3]
        assert self.torch.tensor(np.asarray(x)).tolist() == [1, 1, 1]
        assert rg.tensor(self.torch.ones(2).numpy()).tolist() == [1, 1]

    def test_errors(self) -> None:
        with pytest.raises((BufferError, RuntimeError)):
            self.torch.from_dlpack(rg.ones(1, requires_grad=True))
        with pytest.raises((BufferError, RuntimeError)):
            rg.from_dlpack(self.torch.ones(1, requires_grad=True))

    @pytest.mark.parametrize("kind", [*KINDS, "bfloat16"])
    def test_safetensors(self, kind: str, tmp_path: Path) -> None:
        """Files of the one are files of the other; bfloat16 through ml_dtypes."""
        torch = self.torch
        files = pytest.importorskip("safetensors.torch")
        x = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 100.0]])
        t = x.to(getattr(torch, kind))
        files.save_file({"a": t, "b.c": t[1].clone()}, tmp_path / "theirs")
        loaded = rg.load(tmp_path / "theirs")
        assert sorted(loaded) == ["a", "b.c"]
        assert loaded["a"].dtype is getattr(rg, kind)
        assert loaded["a"].double().tolist() == t.double().tolist()
        rg.save(loaded, tmp_path / "mine")
        back = files.load_file(tmp_path / "mine")
        assert back["a"].dtype is t.dtype
        assert torch.equal(back["a"], t)
        assert torch.equal(back["b.c"], t[1])

    def test_capsules_of_bfloat16(self) -> None:
        torch = self.torch
        x = rg.tensor([1.0, -2.5, 3.0], dtype=rg.bfloat16)
        assert torch.utils.dlpack.from_dlpack(rg.to_dlpack(x)).tolist() == x.tolist()
        t = torch.tensor([1.5, 2.0], dtype=torch.bfloat16)
        y = rg.from_dlpack(torch.utils.dlpack.to_dlpack(t))
        assert y.dtype is rg.bfloat16 and y.tolist() == [1.5, 2.0]
        capsule = rg.to_dlpack(x)
        assert rg.from_dlpack(capsule).tolist() == x.tolist()
        with pytest.raises(BufferError, match="read before"):
            rg.from_dlpack(capsule)
