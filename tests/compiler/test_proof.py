"""Faults put into the code of every kind of kernel are found where it is compiled."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.compiler import jit
from retrograd.compiler.pool import POOL
from retrograd.compiler.proof import Fault

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
F = rg.nn.functional


def draw(*shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).standard_normal(shape)
    return rg.tensor(values.astype(np.float32))


def conv_gradients() -> Any:
    x, w = draw(2, 3, 9, 9).requires_grad_(), draw(4, 3, 3, 3, seed=1).requires_grad_()
    return rg.autograd.grad(F.conv2d(x, w, padding=1).square().sum(), (x, w))


def pool_gradient() -> Any:
    x = draw(2, 3, 9, 9).requires_grad_()
    return rg.autograd.grad(F.max_pool2d(x, 3, 2).square().sum(), x)[0]


def embedding_gradient() -> Any:
    table = draw(7, 20).requires_grad_()
    rows = table[rg.tensor([1, 5, 1, 6])]
    return rg.autograd.grad(rows.square().sum(), table)[0]


#: name: program, what is in its code (a pattern), what is put there instead
FAULTS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "product": (lambda: draw(7, 30) @ draw(30, 70), r"(nsw i64 %i\d+), 1\b", r"\1, 2"),
    "transposed": (lambda: draw(7, 30) @ draw(70, 30).t(), "i32 5", "i32 4"),
    "tiles": (lambda: draw(30, 7).t() @ draw(30, 70), r"(nsw i64 %i\d+), 1\b",
              r"\1, 2"),
    "convolution": (lambda: F.conv2d(draw(2, 3, 9, 9), draw(4, 3, 3, 3)),
                    r"(nsw i64 %i\d+), 1\b", r"\1, 2"),
    "convolution, backwards": (conv_gradients, "udiv", "urem"),
    "element-wise": (lambda: draw(50).exp() + 1, "fadd", "fsub"),
    "masked": (lambda: draw(50) + 1, "i1 true, i1 false", "i1 true, i1 true"),
    "sum": (lambda: draw(5, 50).sum(1), "fadd", "fsub"),
    "columns": (lambda: draw(50, 70).sum(0), "fadd", "fsub"),
    "softmax": (lambda: draw(5, 50).softmax(1), "fdiv", "fmul"),
    "pool": (lambda: F.max_pool2d(draw(2, 3, 8, 8), 2), "ogt", "olt"),
    "pool, backwards": (pool_gradient, "ogt", "olt"),
    "embedding": (embedding_gradient, "fadd", "fsub"),
    "random": (lambda: (rg.manual_seed(0), rg.rand(100))[1], "xor", "or"),
    "joined": (lambda: rg.cat([draw(3, 5), draw(2, 5)]), "i64 15", "i64 14"),
}  # fmt: skip


@pytest.fixture
def _faulty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Change what is compiled; nothing of it stays in memory or on disk."""
    POOL.prepare()  # is no kernel, and not tried
    monkeypatch.setenv("RETROGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(jit, "_libraries", {})
    real = jit.compile_texts

    def change(pattern: str, instead: str) -> list[int]:
        counts: list[int] = []

        def compile_texts(*texts: str) -> list[bytes]:
            new = [re.subn(pattern, instead, text) for text in texts]
            counts.append(sum(n for _, n in new))
            return real(*(text for text, _ in new))

        monkeypatch.setattr(jit, "compile_texts", compile_texts)
        return counts

    return change


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(
    name: str, _faulty: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, pattern, instead = FAULTS[name]
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "interpreter")
    want = program()
    want = [w.numpy() for w in (want if isinstance(want, tuple) else (want,))]
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")
    counts = _faulty(pattern, instead)
    with pytest.raises(Fault, match="is faulty"):
        got = program()
        [g.numpy() for g in (got if isinstance(got, tuple) else (got,))]
    assert sum(counts) and not list(tmp_path.glob("*.o"))
    _faulty(r"\Z", "")  # as it is
    got = program()
    for g, w in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
        np.testing.assert_allclose(g.numpy(), w, 1e-4, 1e-4)


def test_a_faulty_graph_is_interpreted_and_says_so_once(
    _faulty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "auto")
    _faulty("fdiv", "fmul")
    x = draw(5, 50)
    with pytest.warns(RuntimeWarning, match="softmax|div.* is faulty") as caught:
        found = [x.softmax(1).sum().item() for _ in range(8)]
    assert len(caught) == 1
    np.testing.assert_allclose(found, 5, 1e-5)


PROGRAM = """
import retrograd as rg
from retrograd.compiler import proof
tried = []
real = proof._Trial.run
proof._Trial.run = lambda self: (tried.append(1), real(self))
assert (rg.arange(5.0).exp() + 1).sum().item() > 80
print(len(tried))
"""


def test_what_is_stored_was_tried_before(tmp_path: Path) -> None:
    env = os.environ | {
        "RETROGRAD_CACHE": str(tmp_path),
        "RETROGRAD_EXECUTOR": "native",
        "PYTHONPATH": str(Path(jit.__file__).parents[2]),
    }
    counts = [
        int(
            subprocess.check_output([sys.executable, "-c", PROGRAM], env=env, text=True)
        )
        for _ in range(2)
    ]
    assert counts[0] > 0 and counts[1] == 0


def test_places_that_are_written_twice_are_no_fault() -> None:
    x = rg.arange(1.0, 13.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            x.as_strided((3, 4), (1, 1)).fill_(3.5)
            assert x.tolist() == [3.5] * 6 + [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
