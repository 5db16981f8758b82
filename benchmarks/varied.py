"""Training whose graph is another one each time, beside PyTorch.

    python benchmarks/varied.py [steps]

Nothing can be compiled here: what is measured is the recording, the reverse rules and
the interpreter. Both libraries train the same in turn; medians of processor time in ms.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

Step = Callable[[], float]


def recurrent(lib: Any) -> Step:
    """A cell applied so often as a random number says, with one more layer in some
    rounds: what is done in 5 to 60 rounds hardly ever comes back."""
    nn, numbers = lib.nn, np.random.default_rng(0)
    lib.manual_seed(0)
    cell, extra, head = nn.RNNCell(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)
    modules = (cell, extra, head)
    optimizer = lib.optim.SGD([p for m in modules for p in m.parameters()], lr=1e-2)
    y = lib.tensor((np.arange(8) % 4).tolist())

    def step() -> float:
        rounds = int(numbers.integers(5, 61))
        which = numbers.random(rounds) < 0.3
        x = lib.tensor(numbers.standard_normal((rounds, 8, 16)), dtype=lib.float32)
        h = lib.zeros(8, 32)
        optimizer.zero_grad()
        for t in range(rounds):
            h = cell(x[t], h)
            if which[t]:
                h = lib.tanh(extra(h))
        loss = nn.functional.cross_entropy(head(h), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def tree(lib: Any) -> Step:
    """Pairs joined along a random binary tree."""
    nn, numbers = lib.nn, np.random.default_rng(0)
    lib.manual_seed(0)
    leaf, join, head = nn.Linear(8, 16), nn.Linear(32, 16), nn.Linear(16, 2)
    modules = (leaf, join, head)
    optimizer = lib.optim.SGD([p for m in modules for p in m.parameters()], lr=1e-2)

    def value(depth: int) -> Any:
        if not depth or numbers.random() < 0.2:
            x = lib.tensor(numbers.standard_normal((1, 8)), dtype=lib.float32)
            return lib.tanh(leaf(x))
        parts = [value(depth - 1), value(depth - 1)]
        return lib.tanh(join(lib.cat(parts, 1)))

    def step() -> float:
        optimizer.zero_grad()
        found = head(value(5))
        label = lib.tensor([int(numbers.integers(2))])
        loss = nn.functional.cross_entropy(found, label)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def measured(program: Callable[[Any], Step], steps: int) -> dict[str, list[float]]:
    """Milliseconds of each step, after some to warm up, of either library."""
    import torch

    import retrograd

    torch.set_num_threads(1)
    runs = {lib.__name__: program(lib) for lib in (retrograd, torch)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for k in range(steps + steps // 4):
        for name, step in runs.items():
            start = process_time()
            step()
            if k >= steps // 4:
                times[name].append(1e3 * (process_time() - start))
    return times


PROGRAMS = (recurrent, tree)


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    for program in PROGRAMS:
        times = measured(program, steps)
        for kind, middle in (("median", statistics.median), ("mean", statistics.mean)):
            ours, theirs = (middle(t) for t in times.values())
            print(
                f"{program.__name__}: {kind} {ours:.1f} ms, PyTorch {theirs:.1f} ms: "
                f"{ours / theirs:.1f} times; the longest step "
                f"{max(times['retrograd']):.0f} ms"
            )


if __name__ == "__main__":
    main()
