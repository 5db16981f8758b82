"""Processors that can do less than this one, and no compiler at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrograd.compiler import jit

PROGRAM = """
import sys
import numpy as np
from retrograd.compiler import jit
_, able = jit._processor_of_llvm()
if sys.argv[1] == "avx2":
    able = {f: on and "avx512" not in f and "amx" not in f and "avx10" not in f
            for f, on in able.items()}
    name, width = "haswell", 32
else:
    able = {f: on and f in ("64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2")
            for f, on in able.items()}
    name, width = "x86-64", 16
jit._processor_of_llvm = lambda: (name, able)
for known in (jit.vector_bytes, jit.fuses):
    known.cache_clear()
assert jit.vector_bytes() == width and jit.fuses() == (sys.argv[1] == "avx2")

import retrograd as rg
from retrograd.execute import cache
nn = rg.nn

def network():
    rg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(100, 33), nn.GELU(), nn.Dropout(0.2), nn.Linear(33, 7))
    optimizer = rg.optim.Adam(model.parameters())
    x, y = rg.randn(5, 1, 10, 10), rg.tensor([0, 1, 2, 3, 4])
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        yield loss.detach().numpy()

def products():
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        a, b = (rg.tensor(rng.standard_normal(s).astype(dtype)) for s in ((7, 30), (30, 70)))
        yield from ((a @ b).numpy(), (a.t().contiguous().t() @ b.t().contiguous().t()).numpy())
        few, large = rng.standard_normal((7, 530)), rng.standard_normal((263, 530))
        few, large = (rg.tensor(m.astype(dtype)) for m in (few, large))
        yield (few @ large.t()).numpy()
        yield from ((a * 3).floor().numpy(), (a * 3).round().numpy(), a.softmax(1).numpy())

for program in (network, products):
    found = []
    for cache.EXECUTOR in ("interpreter", "native"):
        found.append(list(program()))
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 3e-5)

for dtype in (np.float32, np.float64):
    x = np.random.default_rng(2).uniform(-8, 8, 4000).astype(dtype)
    for name in ("exp", "tanh", "log", "erf"):
        if name == "erf" and dtype is np.float64:
            continue  # math.erf is rounded as much
        v = abs(x) if name == "log" else x
        import math
        exact = getattr(np, name, None)
        want = (exact(v.astype(np.longdouble)) if exact
                else np.array([math.erf(float(i)) for i in v], np.longdouble))
        got = getattr(rg, name)(rg.tensor(v)).numpy()
        off = abs(got - want) / np.spacing(abs(want.astype(dtype)))
        assert off.max() <= 2, (name, dtype, off.max())
print("right")
"""

WITHOUT = """
import sys, warnings
sys.modules["llvmlite"] = None
import retrograd as rg
rg.manual_seed(0)
model = rg.nn.Sequential(rg.nn.Linear(4, 8), rg.nn.Tanh(), rg.nn.Linear(8, 3))
optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
x, y = rg.randn(6, 4), rg.tensor([0, 1, 2, 0, 1, 2])

def step():
    optimizer.zero_grad()
    loss = rg.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    losses = [step().item() for _ in range(12)]
    fast = rg.compile(step)
    losses += [fast().item() for _ in range(20)]
assert losses == sorted(losses, reverse=True)
said = [str(w.message) for w in caught if "llvmlite" in str(w.message)]
assert len(said) == 1 and "pip install llvmlite" in said[0], said
print("right")
"""


def run(program: str, *arguments: str) -> None:
    env = os.environ | {
        "RETROGRAD_CACHE": "",
        "PYTHONPATH": str(Path(jit.__file__).parents[2]),
    }
    env.pop("RETROGRAD_EXECUTOR", None)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "right\n", done.stderr


@pytest.mark.parametrize("processor", ["avx2", "sse2"])
def test_code_for_processors_without_avx512(processor: str) -> None:
    pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
    if not jit.is_x86():
        pytest.skip("these are processors of the x86 family")
    if processor == "avx2" and not jit._processor_of_llvm()[1].get("avx2"):
        pytest.skip("this processor has no AVX2")
    run(PROGRAM, processor)


def test_without_llvmlite_all_runs_and_it_is_said_once() -> None:
    run(WITHOUT)
