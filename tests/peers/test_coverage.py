"""The page of what is there and what is not: up to date, and true."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import retrograd as rg
from retrograd import left_out

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("coverage_page", DOCS / "coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    release = ".".join(torch.__version__.split(".")[:2])
    if f"PyTorch {release}" not in (DOCS / "coverage.md").read_text(encoding="utf-8"):
        pytest.skip(f"the page is about another release than {release}")
    return module


def test_the_page_is_up_to_date(tool: Any) -> None:
    assert tool.main(["--check"]) == 0, "run: python docs/coverage.py"


#: the share of the names that concern dense real tensors, which may only rise
FLOORS = {
    "torch": 0.95,
    "Tensor": 0.99,
    "nn": 1.0,
    "nn.functional": 1.0,
    "nn.init": 1.0,
    "nn.utils": 1.0,
    "optim": 1.0,
    "optim.lr_scheduler": 1.0,
    "optim.swa_utils": 1.0,
    "linalg": 0.92,
    "special": 0.98,
    "autograd": 1.0,
    "autograd.functional": 1.0,
    "func": 1.0,
    "utils.data": 1.0,
}


@pytest.mark.parametrize("path", FLOORS)
def test_shares(tool: Any, path: str) -> None:
    assert tool.compared(path).share >= FLOORS[path]


#: the namespaces that know what is left out of them
REFUSING = ["torch", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "optim",
            "linalg", "special", "autograd", "func", "utils.data"]  # fmt: skip


def test_what_is_left_out_says_what_to_use(tool: Any) -> None:
    for path in REFUSING:
        names, ours = tool.compared(path), tool.find(rg, path)
        left = {**names.outside, **names.missing}
        for name, reason in left.items():
            if reason is None:
                continue
            if path == "Tensor":
                ours = rg.zeros(1)
            with pytest.raises(NotImplementedError, match="left out") as caught:
                getattr(ours, name)
            assert reason.advice in str(caught.value)
            assert not hasattr(ours, name)


def test_modules_are_there_or_say_what_to_use(tool: Any) -> None:
    found = [tool.module_of(name) for name in tool.MODULES]
    assert None in found and len({type(r) for r in found}) == 2
    for name, reason in zip(tool.MODULES, found, strict=True):
        assert hasattr(torch, name) or importlib.util.find_spec(f"torch.{name}")
        if reason is not None:
            with pytest.raises(NotImplementedError, match="left out") as caught:
                getattr(rg, name)
            assert reason.advice in str(caught.value)


def test_the_reasons_are_of_the_names_they_list() -> None:
    """Each pattern of the table is about something, and hides nothing that is there."""
    for reason in left_out.TABLE:
        for word in reason.names.split():
            name = word.rsplit(".", 1)[-1]
            if "*" not in name and "[" not in name and "." not in word:
                assert not hasattr(rg, name), f"{name} is there"


@pytest.mark.parametrize("name", ["conv1d", "layer_norm", "dropout", "embedding", "exp_",
                                  "zero_", "narrow_copy", "batch_norm"])  # fmt: skip
def test_names_of_the_main_namespace(name: str) -> None:
    def call(lib: Any) -> Any:
        x = lib.arange(24, dtype=lib.float64).reshape(2, 3, 4)
        w = lib.ones(3, dtype=lib.float64)
        if name == "conv1d":
            return lib.conv1d(x, lib.ones(2, 3, 2, dtype=lib.float64), stride=2)
        if name == "layer_norm":
            return lib.layer_norm(x, (4,), None, None, 1e-3)
        if name == "dropout":
            return lib.dropout(x, 0.5, False)
        if name == "embedding":
            return lib.embedding(x[0], lib.tensor([2, 0]))
        if name == "narrow_copy":
            return lib.narrow_copy(x, 1, 0, 2)
        if name == "batch_norm":
            return lib.batch_norm(x, w, w, None, None, True, 0.1, 1e-5, False)
        y = x / 10
        assert getattr(lib, name)(y) is y
        return y

    mine, theirs = call(rg), call(torch)
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert abs(mine.numpy() - theirs.numpy()).max() < 1e-12
