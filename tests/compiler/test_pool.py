"""Work in parts, on several threads: the same numbers, and no harm elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import retrograd as rg

pytest.importorskip("llvmlite", reason="without llvmlite there are no threads")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="threads of its own need Linux"
)
nn = rg.nn


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")
    before = rg.get_num_threads()
    yield
    rg.set_num_threads(before)


def train(steps: int = 6, width: int = 96) -> list[Any]:
    """Products in all layouts, softmax by rows, sums by columns, a large update."""
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(200, width), nn.GELU(), nn.LayerNorm(width),
                          nn.Linear(width, 130))  # fmt: skip
    optimizer = rg.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = rg.randn(160, 200), rg.arange(160) % 130
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [*losses, *(p.detach().numpy().copy() for p in model.parameters())]


def same(a: list[Any], b: list[Any]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    found = []
    for n in (1, 2, 3, 7):
        rg.set_num_threads(n)
        assert rg.get_num_threads() == n
        found.append(train())
    for other in found[1:]:
        same(found[0], other)


def test_from_run_to_run_nothing_changes() -> None:
    rg.set_num_threads(4)
    first = train()
    for _ in range(5):
        same(first, train())


def test_python_threads_compute_at_once() -> None:
    rg.set_num_threads(2)
    wanted, found = train(4), {}

    def work(n: int) -> None:
        # the seed is common to all threads, so each has a problem without chance
        x = rg.tensor(np.random.default_rng(n).normal(size=(300, 300)))
        found[n] = [(x @ x.T).softmax(1).sum(0).numpy() for _ in range(5)]

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    for n, results in found.items():
        x = np.random.default_rng(n).normal(size=(300, 300))
        z = x @ x.T
        e = np.exp(z - z.max(1, keepdims=True))
        expected = (e / e.sum(1, keepdims=True)).sum(0)
        for r in results:
            np.testing.assert_allclose(r, expected, rtol=1e-9)
    assert len(found) == 4
    same(wanted, train(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_computes() -> None:
    rg.set_num_threads(3)
    wanted = train(3)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child() -> None:
        theirs.send(train(3))
        rg.set_num_threads(2)
        theirs.send(train(3))

    process = context.Process(target=child)
    process.start()
    try:
        for _ in range(2):
            assert ours.poll(60), "the child does not answer"
            same(wanted, ours.recv())
    finally:
        process.kill()
        process.join()
    same(wanted, train(3))


def test_a_process_ends_while_threads_wait() -> None:
    code = (
        "import retrograd as rg\n"
        "rg.set_num_threads(4)\n"
        "x = rg.randn(400, 400)\n"
        "for _ in range(5):\n"
        "    x = (x @ x).tanh(); x.sum().item()\n"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False,
                              env={**os.environ, "RETROGRAD_EXECUTOR": "native"})  # fmt: skip
        assert done.returncode == 0


def test_what_is_no_number_of_threads() -> None:
    for wrong, kind in ((0, RuntimeError), (-1, RuntimeError), (2.0, TypeError),
                        (True, TypeError)):  # fmt: skip
        with pytest.raises(kind, match="set_num_threads"):
            rg.set_num_threads(wrong)  # type: ignore[arg-type]


def test_the_environment_says_how_many() -> None:
    code = "import retrograd as rg; print(rg.get_num_threads())"
    for name in ("RETROGRAD_NUM_THREADS", "OMP_NUM_THREADS"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              env={**os.environ, name: "5"}, check=True)  # fmt: skip
        assert done.stdout.strip() == "5"
