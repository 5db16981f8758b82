"""Memory: a network deeper than memory allows, by computing twice.

The slides' remark: backpropagation is hungry for memory, as every intermediate value is kept
for the way back. It need not be. A network of n equal layers, cut into √n stretches of which
only the entrances are kept and everything inside is computed again (Chen et al. 2016), keeps
about 2√n values, for at most one more forward pass: a third more work.

Measured: the peak of the arrays alive in a training step, in units of one layer's output, and
the time of a step, plainly and with ``checkpoint_sequential``, by depth; and whether the
weights after some steps are the same.
"""

import time
import tracemalloc

import numpy as np
from frame import curves, main

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F
from retrograd.utils.checkpoint import checkpoint_sequential

ROWS, WIDTH = 4096, 32
UNIT = ROWS * WIDTH * 4  # bytes of one layer's output


def network(depth):
    layers = [(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(depth)]
    return nn.Sequential(*[part for layer in layers for part in layer])


def stretches(depth):
    return round(depth**0.5)


def step(model, optimizer, x, y, recompute):
    optimizer.zero_grad()
    if recompute:
        out = checkpoint_sequential(
            model, stretches(len(model) // 2), x, use_reentrant=False
        )
    else:
        out = model(x)
    loss = F.mse_loss(out, y)
    loss.backward()
    optimizer.step()
    return loss


def measure(depth, recompute, steps=4):
    """Peak bytes of a step in units, seconds of a step, and the weights after all."""
    rg.manual_seed(0)
    model, x = network(depth), rg.randn(ROWS, WIDTH)
    y = rg.randn(ROWS, WIDTH)
    optimizer = rg.optim.SGD(model.parameters(), lr=0.01)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step(model, optimizer, x, y, recompute).item()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    times = []
    for _ in range(steps):
        began = time.process_time()
        step(model, optimizer, x, y, recompute).item()
        times.append(time.process_time() - began)
    weights = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    return peak / UNIT, min(times), weights


def run(report, seed, quick):
    depths = [16, 64] if quick else [16, 36, 64, 100, 144]
    found = {True: [], False: []}
    for depth in report.progress(depths, "depths"):
        for recompute in found:
            found[recompute].append(measure(depth, recompute, 2 if quick else 4))
    kept, again = found[False], found[True]
    rows = list(zip(depths, kept, again, strict=True))
    report.table(
        [
            "layers",
            "peak, kept",
            "planned: n",
            "peak, again",
            "planned: 2√n",
            "time again / kept",
        ],
        [(n, a[0], n, b[0], 2 * n**0.5, b[1] / a[1]) for n, a, b in rows],
    )
    report.say(f"peaks in units of one layer's output, {UNIT / 1e6:.1f} MB")
    span = np.log(depths[-1] / depths[0])
    powers = [np.log(v[-1][0] / v[0][0]) / span for v in (kept, again)]
    apart = max(np.abs(a[2] - b[2]).max() for a, b in zip(kept, again, strict=True))
    report.verdict(
        "with recomputation memory grows as √n and no longer as n, to the same weights",
        powers[1] < 0.65 < powers[0]
        and kept[-1][0] > 2 * again[-1][0]
        and apart < 1e-5,
        f"{depths[-1]} layers: {kept[-1][0]:.0f} units plainly, {again[-1][0]:.0f} with recomputation; "
        f"from {depths[0]} layers they grow as n to the {powers[0]:.2f} and {powers[1]:.2f}; weights "
        f"after the steps differ by {apart:.0e}",
    )
    slower = np.median([b[1] / a[1] for _, a, b in rows])
    limit = kept[len(depths) // 2][0]
    report.verdict(
        "it costs at most a third more time", slower < 1.34,
        f"a step takes {slower:.2f} of the time without (median over depths, the least of several "
        f"steps); within {limit:.0f} units the plain net has {depths[len(depths) // 2]} layers, the "
        f"other at least {max(n for n, _, b in rows if b[0] <= limit)}",
    )  # fmt: skip
    return {"depths": depths, "kept": kept, "again": again, "powers": powers}


def draw(figure, depths, kept, again, powers):
    left, right = figure.subplots(1, 2)
    n = np.array(depths, float)
    peaks = {
        "everything kept": [v[0] for v in kept],
        "computed again": [v[0] for v in again],
    }
    curves(left, n, peaks, xlabel="layers", ylabel="peak, in outputs of one layer", ylim=(0, None),
           title="Memory of a step (dotted: n and 2√n)")  # fmt: skip
    for planned in (n, 2 * n**0.5):
        left.plot(n, planned, "k:", lw=1)
    times = {
        "everything kept": [1e3 * v[1] for v in kept],
        "computed again": [1e3 * v[1] for v in again],
    }
    curves(
        right,
        n,
        times,
        xlabel="layers",
        ylabel="ms of processor time",
        ylim=(0, None),
        title="Time of a step",
    )


if __name__ == "__main__":
    main(run, draw)
