"""What a training step costs, beside PyTorch: the same Python code in one process.

    python benchmarks/steps.py                 # prints the tables
    python benchmarks/steps.py --write FILE    # and writes them as Markdown
    python benchmarks/steps.py --quick         # a few repetitions: does it run?

Each row times blocks of steps, A B A B …, after both have warmed up, and gives the
median time of a step of each, and the median of the ratios of neighbouring blocks:
what slows the machine for a while slows both. Each thread count runs in a process of
its own, since NumPy's BLAS reads it when it is loaded.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

Block = Callable[[int], float]  # runs that many steps; the last loss
THREADS = (1, 2)


# The programs: what a user writes, with nothing arranged for either library.


def slides(lib: Any, loader: bool) -> Block:
    """10 → 40 → 40 → 5, batches of ten, least squares, momentum 0.9, loss.item()."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 5)
    )
    same_weights(lib, model)
    criterion = nn.MSELoss()
    optimizer = lib.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    x, y = arrays(lib, (100, 10), (100, 5))
    if loader:
        data = lib.utils.data.TensorDataset(x, y)
        batches: Any = lib.utils.data.DataLoader(data, batch_size=10, shuffle=True)
    else:
        batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 100, 10)]

    def run(steps: int) -> float:
        total = 0.0
        for _epoch in range(steps // 10):
            total = 0.0
            for x_batch, y_batch in batches:
                optimizer.zero_grad()
                loss = criterion(model(x_batch), y_batch)
                loss.backward()
                optimizer.step()
                total += loss.item()
        return total

    return run


def tour(lib: Any) -> Block:
    """784 → 256 → 10, a batch of 16, sum of squares, plain SGD."""
    nn = lib.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    same_weights(lib, model)
    optimizer = lib.optim.SGD(model.parameters(), lr=1e-5)
    x, y = arrays(lib, (16, 784), (16, 10))

    def run(steps: int) -> float:
        loss: Any = None
        for _ in range(steps):
            loss = (y - model(x)).pow(2).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return float(loss.item())

    return run


def digits(lib: Any) -> Block:
    """64 → 128 → 64 → 10, batches of 32, cross-entropy, Adam, loss.item()."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    same_weights(lib, model)
    criterion = nn.CrossEntropyLoss()
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-4)
    (x,) = arrays(lib, (320, 64))
    labels = lib.tensor((np.arange(320) * 7 % 10).tolist())
    batches = [(x[i : i + 32], labels[i : i + 32]) for i in range(0, 320, 32)]

    def run(steps: int) -> float:
        total = 0.0
        for _epoch in range(steps // 10):
            total = 0.0
            for x_batch, y_batch in batches:
                optimizer.zero_grad()
                loss = criterion(model(x_batch), y_batch)
                loss.backward()
                optimizer.step()
                total += loss.item()
        return total

    return run


def mlp(sizes: list[int], batch: int, kind: str) -> Callable[[Any], Block]:
    """ReLU layers of those sizes, cross-entropy, loss.item() each step."""

    def program(lib: Any) -> Block:
        nn = lib.nn
        parts: list[Any] = []
        for n, m in itertools.pairwise(sizes):
            parts += [nn.Linear(n, m), nn.ReLU()]
        model = nn.Sequential(*parts[:-1])
        same_weights(lib, model)
        criterion = nn.CrossEntropyLoss()
        if kind == "Adam":
            optimizer = lib.optim.Adam(model.parameters(), lr=1e-4)
        else:
            optimizer = lib.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        (x,) = arrays(lib, (4 * batch, sizes[0]))
        labels = lib.tensor((np.arange(4 * batch) * 7 % sizes[-1]).tolist())
        batches = [
            (x[i : i + batch], labels[i : i + batch])
            for i in range(0, 4 * batch, batch)
        ]

        def run(steps: int) -> float:
            total = 0.0
            for k in range(steps):
                x_batch, y_batch = batches[k % 4]
                optimizer.zero_grad()
                loss = criterion(model(x_batch), y_batch)
                loss.backward()
                optimizer.step()
                total += loss.item()
            return total

        return run

    return program


def slides_by_hand() -> Block:
    """The slides' step in NumPy, written for it: what the arithmetic costs there."""
    numbers = np.random.default_rng(0)
    sizes = [(40, 10), (40, 40), (5, 40)]
    W = [numbers.normal(0, 0.1, s).astype(np.float32) for s in sizes]
    b = [np.zeros(s[0], np.float32) for s in sizes]
    speed = [np.zeros_like(p) for p in (*W, *b)]
    x = numbers.standard_normal((100, 10)).astype(np.float32)
    y = numbers.standard_normal((100, 5)).astype(np.float32)
    lr, momentum = np.float32(0.001), np.float32(0.9)

    def step(x: Any, y: Any) -> float:
        f0 = x @ W[0].T + b[0]
        h1 = np.maximum(f0, 0)
        f1 = h1 @ W[1].T + b[1]
        h2 = np.maximum(f1, 0)
        error = h2 @ W[2].T + b[2] - y
        loss = float((error * error).mean())
        g2 = error * np.float32(2 / error.size)
        g1 = (g2 @ W[2]) * (f1 > 0)
        g0 = (g1 @ W[1]) * (f0 > 0)
        weights = [g0.T @ x, g1.T @ h1, g2.T @ h2]
        biases = [g.sum(axis=0) for g in (g0, g1, g2)]
        for p, v, g in zip((*W, *b), speed, (*weights, *biases), strict=True):
            v *= momentum
            v += g
            p -= lr * v
        return loss

    def run(steps: int) -> float:
        total = 0.0
        for _epoch in range(steps // 10):
            total = sum(step(x[i : i + 10], y[i : i + 10]) for i in range(0, 100, 10))
        return total

    return run


def same_weights(lib: Any, model: Any) -> None:
    numbers = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            bound = 1 / np.sqrt(p.shape[-1])
            p.copy_(lib.tensor(numbers.uniform(-bound, bound, tuple(p.shape))))


def arrays(lib: Any, *shapes: tuple[int, ...]) -> list[Any]:
    numbers = np.random.default_rng(1)
    return [lib.tensor(numbers.standard_normal(s), dtype=lib.float32) for s in shapes]


# Measuring.


def seconds_a_step(run: Block, steps: int) -> float:
    start = perf_counter()
    run(steps)
    return (perf_counter() - start) / steps


def turn_about(a: Block, b: Block, pairs: int, steps: int) -> dict[str, float]:
    """Medians of the time of a step in µs, and of the ratios of neighbouring blocks."""
    for run in (a, b):
        run(steps if steps < 50 else max(steps, 100))
    times = [(seconds_a_step(a, steps), seconds_a_step(b, steps)) for _ in range(pairs)]
    return {
        "ours": 1e6 * statistics.median(t for t, _ in times),
        "theirs": 1e6 * statistics.median(t for _, t in times),
        "ratio": statistics.median(t / u for t, u in times),
    }


def recording_cost(run: Block, pairs: int, steps: int) -> float:
    """µs a step of everything but the arithmetic: the machine code that the loop calls
    is replaced by a function that does nothing."""
    from unittest import mock

    from retrograd.compiler.native import Native

    call, found = Native.call, {}

    def watch(native: Native, arrays: list[Any]) -> Any:
        found[native] = native.steps[0].function
        return call(native, arrays)

    run(max(steps, 100))
    with mock.patch.object(Native, "call", watch):
        run(20)
    if not found:
        raise SystemExit("the loop does not run as one native call")
    try:
        for native in found:
            native.steps[0].function = nothing
        times = [seconds_a_step(run, steps) for _ in range(pairs)]
    finally:
        for native, function in found.items():
            native.steps[0].function = function
    return 1e6 * statistics.median(times)


def nothing(*arrays: Any) -> int:
    return 0


def import_seconds(module: str) -> float:
    code = (
        f"from time import perf_counter as t; s = t(); import {module}; print(t() - s)"
    )
    # with compiled bytecode, as after an installation
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    return float(done.stdout)


def measure(threads: int, quick: bool) -> dict[str, Any]:
    """All rows at one thread count; runs in a process of its own."""
    import torch

    import retrograd as rg

    torch.set_num_threads(threads)
    pairs, steps = (3, 20) if quick else (31, 200)
    programs: list[tuple[str, Callable[[Any], Block], int]] = [
        ("slides' loop, DataLoader", lambda lib: slides(lib, loader=True), 1),
        ("slides' loop, list of batches", lambda lib: slides(lib, loader=False), 1),
        ("tour 784-256-10, batch 16, SGD", tour, 1),
        ("digits 64-128-64-10, batch 32, Adam", digits, 1),
        ("784-512-256-10, batch 128, Adam", mlp([784, 512, 256, 10], 128, "Adam"), 10),
        (
            "1024-1024-1024-1024-10, batch 512, SGD momentum",
            mlp([1024] * 4 + [10], 512, "SGD"),
            50,
        ),
        (
            "100 hidden layers of 64, batch 32, SGD momentum",
            mlp([64] * 101 + [10], 32, "SGD"),
            20,
        ),
    ]
    rows = {}
    for name, program, weight in programs:
        ours, theirs = program(rg), program(torch)
        if "DataLoader" not in name:  # there each library shuffles as it likes
            count = 50 if weight == 1 else 4
            mine, expected = ours(count), theirs(count)
            if not np.isclose(mine, expected, rtol=1e-3):
                raise SystemExit(f"{name}: losses differ, {mine} and {expected}")
        rows[name] = turn_about(ours, theirs, pairs, max(steps // weight, 4))
    by_hand = slides_by_hand()
    rows["the slides' step by hand in NumPy"] = turn_about(
        by_hand, slides(torch, loader=False), pairs, steps
    )
    recording = {
        "slides' loop, DataLoader": recording_cost(slides(rg, True), pairs, steps),
        "slides' loop, list of batches": recording_cost(
            slides(rg, False), pairs, steps
        ),
        "digits": recording_cost(digits(rg), pairs, steps),
    }
    return {"rows": rows, "recording": recording, "torch": torch.__version__}


def in_own_process(threads: int, quick: bool) -> dict[str, Any]:
    variables = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")
    limits = {f"{v}_NUM_THREADS": str(threads) for v in variables}
    command = [sys.executable, __file__, "--only", str(threads)]
    done = subprocess.run(
        command + ["--quick"] * quick,
        env=os.environ | limits,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def imports(quick: bool) -> dict[str, float]:
    names = ("retrograd", "numpy", "torch")
    rounds = [{n: import_seconds(n) for n in names} for _ in range(2 if quick else 7)]
    return {n: statistics.median(r[n] for r in rounds) for n in names}


def report(results: dict[int, dict[str, Any]], loaded: dict[str, float]) -> str:
    """The tables as Markdown."""
    torch_version = next(iter(results.values()))["torch"]
    lines = [
        "# What a step costs",
        "",
        "Written by `make bench` ([benchmarks/steps.py](../benchmarks/steps.py)): the "
        "same Python code with either library, in one process, block by block in turn; "
        "medians of a step's time in µs, and of the ratios of neighbouring blocks "
        "(below 1: retrograd is faster).",
        "",
        f"{processor()}, {os.cpu_count()} logical processors; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"PyTorch {torch_version}.",
    ]
    for threads, result in results.items():
        plural = "s" if threads > 1 else ""
        lines += [
            "",
            f"## {threads} thread{plural}",
            "",
            "| | retrograd | PyTorch | ratio |",
            "| --- | ---: | ---: | ---: |",
        ]
        for name, row in result["rows"].items():
            lines.append(
                f"| {name} | {row['ours']:.1f} | {row['theirs']:.1f} "
                f"| {row['ratio']:.2f} |"
            )
        lines += [
            "",
            "Of it everything but the machine code (recording, the loop itself, …): "
            + "; ".join(f"{n} {us:.1f} µs" for n, us in result["recording"].items())
            + ".",
        ]
    lines += [
        "",
        "The row by hand, in the column of retrograd, is NumPy code written for that "
        "one network: what its arithmetic costs on NumPy.",
        "",
        "## Import",
        "",
        "| " + " | ".join(loaded) + " |",
        "| " + " | ".join("---:" for _ in loaded) + " |",
        "| " + " | ".join(f"{s * 1000:.0f} ms" for s in loaded.values()) + " |",
        "",
        "Each includes Python's import of NumPy.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.quick)))
        return
    results = {n: in_own_process(n, args.quick) for n in THREADS}
    text = report(results, imports(args.quick))
    print(text)
    if args.write:
        args.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
