"""Memory: a network deeper than memory allows, by computing twice.

The slides' remark: backpropagation is hungry for memory, as it keeps every value for the way
back. It need not be. A network of n equal layers, cut into √n stretches of which only the
entrances are kept and what is inside is computed again (Chen et al. 2016), keeps about 2√n
values, for at most one more forward pass: a third more work. Measured, plainly and with
``checkpoint_sequential``: the most memory of a training step, in units of one layer's output,
beside what the compiled step's plan says; its time; whether the weights are the same.
"""

import time
import tracemalloc

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import curves, main
from retrograd.utils.checkpoint import checkpoint_sequential

ROWS, WIDTH = 8192, 32
UNIT = ROWS * WIDTH * 4  # bytes of one layer's output


def measure(depth, recompute, steps=8):
    """Most units a step takes, those of its compiled plan (NaN without one), the least
    seconds of a step, the weights after all steps."""
    rg.manual_seed(0)
    layers = [(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(depth)]
    model = nn.Sequential(*[part for layer in layers for part in layer])
    x, y, found = rg.randn(ROWS, WIDTH), rg.randn(ROWS, WIDTH), []
    optimizer, known = rg.optim.SGD(model.parameters(), lr=0.01), set(rg.plans())
    parts = round(depth**0.5)
    again = lambda x: checkpoint_sequential(model, parts, x, use_reentrant=False)  # noqa: E731
    forward = again if recompute else model
    tracemalloc.start()
    for _ in range(steps):
        tracemalloc.reset_peak()
        before, began = tracemalloc.get_traced_memory()[0], time.process_time()
        optimizer.zero_grad()
        nn.functional.mse_loss(forward(x), y).backward()
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1] - before
        found.append((peak / UNIT, time.process_time() - began))
    tracemalloc.stop()
    plans = [p.explain(measure=False).peak / UNIT for p in rg.plans() if p not in known]
    weights = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    (most, _), (_, least) = np.max(found, 0), np.min(found, 0)
    return most, max(plans, default=np.nan), least, weights


def run(report, seed, quick):
    depths, kept, again = [9, 49] if quick else [9, 36, 100], [], []
    for depth in report.progress(depths, "depths"):
        kept.append(measure(depth, False))
        again.append(measure(depth, True))
    rows = [(n, a[0], a[1], b[0], b[1], b[2] / a[2]) for n, a, b in zip(depths, kept, again, strict=True)]  # fmt: skip
    report.table(["layers", "kept", "planned", "again", "planned", "time again / kept"], rows)  # fmt: skip
    report.say(f"memory in units of one layer's output, {UNIT / 1e6:.1f} MB")
    _, plain, planned, recomputed, replanned, slower = np.array(rows, float).T
    span = np.log(depths[-1] / depths[0])
    powers = [np.log(v[-1] / v[0]) / span for v in (plain, recomputed)]
    apart = max(np.abs(a[3] - b[3]).max() for a, b in zip(kept, again, strict=True))
    report.verdict(
        "with recomputation memory grows as √n and no longer as n, to the same weights",
        powers[1] < 0.65 < powers[0] and plain[-1] > 2 * recomputed[-1] and apart < 1e-5,
        f"{depths[-1]} layers: {plain[-1]:.0f} units plainly, {recomputed[-1]:.0f} with "
        f"recomputation; from {depths[0]} layers they grow as n to the {powers[0]:.2f} and "
        f"{powers[1]:.2f}; weights differ by {apart:.0e}")  # fmt: skip
    room = [n for n, a in zip(depths, kept, strict=True) if a[0] <= recomputed[-1]]
    report.verdict(
        "a net too deep for the memory is trained with recomputation",
        depths[-1] not in room,
        f"with {recomputed[-1] * UNIT / 1e6:.0f} MB for a step there is room for "
        f"{depths[-1]} layers, plainly for {max(room, default=0)} of {depths}")  # fmt: skip
    if np.isfinite(planned).all():
        off = max(plain[-1] / planned[-1], recomputed[-1] / replanned[-1]) - 1
        report.verdict("the plan knows beforehand what a step takes", abs(off) < 0.25,
                       f"of the deepest nets at most {100 * off:.0f} % more was measured, with "
                       "what recording and compiling take")  # fmt: skip
    report.verdict("it costs at most a third more time", np.median(slower) < 1.34,
                   f"a step takes {np.median(slower):.2f} of the time without (median over depths, "
                   "processor time, the least of several steps)")  # fmt: skip
    return {"depths": depths, "kept": kept, "again": again, "powers": powers}


def draw(figure, depths, kept, again, powers):
    left, right = figure.subplots(1, 2)
    ways = {"everything kept": kept, "computed again": again}
    curves(left, depths, {k: [v[0] for v in way] for k, way in ways.items()}, xlabel="layers",
           ylim=(0, None), title="Memory of a step in layers (dotted: its plan)")  # fmt: skip
    for way in ways.values():
        left.plot(depths, [v[1] for v in way], "k:", lw=1)
    curves(right, depths, {k: [1e3 * v[2] for v in way] for k, way in ways.items()},
           xlabel="layers", ylim=(0, None), title="Time of a step, ms of processor")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
