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
        run(max(steps, 100))
    times = [(seconds_a_step(a, steps), seconds_a_step(b, steps)) for _ in range(pairs)]
    return {
        "ours": 1e6 * statistics.median(t for t, _ in times),
        "theirs": 1e6 * statistics.median(t for _, t in times),
        "ratio": statistics.median(t / u for t, u in times),
    }


def recording_cost(run: Block, pairs: int, steps: int) -> float:
    """µs a step of everything but the arithmetic: the calls, and the writing of what
    they gave to parameters, are taken out of the plans that the loop uses; the results
    of an earlier step stand in for them.
    """
    from unittest import mock

    from retrograd.execute.interpreter import Plan

    deliver, found = Plan._deliver, {}

    def watch(plan: Plan, rec: Any, values: list[Any], failures: Any) -> None:
        found[plan] = values
        deliver(plan, rec, values, failures)

    run(max(steps, 100))
    with mock.patch.object(Plan, "_deliver", watch):
        run(20)
    before = {plan: (plan.calls, plan.template, plan.writes) for plan in found}
    try:
        for plan, values in found.items():
            plan.calls, plan.template, plan.writes = [], values, []
        times = [seconds_a_step(run, steps) for _ in range(pairs)]
    finally:
        for plan, (calls, template, writes) in before.items():
            plan.calls, plan.template, plan.writes = calls, template, writes
    return 1e6 * statistics.median(times)


def import_seconds(module: str) -> float:
    code = (
        f"from time import perf_counter as t; s = t(); import {module}; print(t() - s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(threads: int, quick: bool) -> dict[str, Any]:
    """All rows at one thread count; runs in a process of its own."""
    import torch

    import retrograd as rg

    torch.set_num_threads(threads)
    pairs, steps = (3, 20) if quick else (31, 200)
    programs: list[tuple[str, Callable[[Any], Block]]] = [
        ("slides' loop, DataLoader", lambda lib: slides(lib, loader=True)),
        ("slides' loop, list of batches", lambda lib: slides(lib, loader=False)),
        ("tour 784-256-10, batch 16, SGD", tour),
        ("digits 64-128-64-10, batch 32, Adam", digits),
    ]
    rows = {}
    for name, program in programs:
        ours, theirs = program(rg), program(torch)
        if "DataLoader" not in name:  # there each library shuffles as it likes
            mine, expected = ours(50), theirs(50)
            if not np.isclose(mine, expected, rtol=1e-3):
                raise SystemExit(f"{name}: losses differ, {mine} and {expected}")
        rows[name] = turn_about(ours, theirs, pairs, steps)
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
            "Of it everything but the arithmetic (recording, the loop itself, …): "
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
