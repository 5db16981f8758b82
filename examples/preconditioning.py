"""Preconditioning: a matrix for a learning rate.

The lecture's claim (NYU 2.1): the rate η may be a matrix. If it is positive semi-definite
the step still goes downhill, though not in the direction of steepest descent, and that
direction is not always the one in which one wants to move.

Measured on a bowl that is a hundred times steeper one way than the other: steps to its
bottom by steepest descent at its best constant rate, 2/(λ₁ + λ₂), and with the inverse of the
Hessian as the matrix at half of Newton's rate; and the angles between step and gradient.
"""

import numpy as np

import retrograd as rg
from retrograd.experiment import main, routes, walk

HESSIAN = np.array([[50.5, 49.5], [49.5, 50.5]])  # eigenvalues 100 and 1
START = [-1.0, 2.5]
RATES = {
    "steepest descent": (None, 2 / 101),
    "inverse Hessian": (np.linalg.inv(HESSIAN), 0.5),
}


def descend(matrix, rate):
    w = rg.tensor(START, dtype=rg.float64, requires_grad=True)
    H = rg.tensor(HESSIAN)
    optimizer = rg.optim.PreconditionedSGD([w], lr=rate, preconditioner=matrix)
    return walk(optimizer, w, lambda _: 0.5 * w @ H @ w, lambda w: w @ w < 1e-8, 3000)


def angles(path):
    """Degrees between each step and steepest descent."""
    steps, downhill = np.diff(path, axis=0), -path[:-1] @ HESSIAN
    lengths = np.linalg.norm(steps, axis=1) * np.linalg.norm(downhill, axis=1)
    return np.degrees(np.arccos(np.clip((steps * downhill).sum(1) / lengths, -1, 1)))


def run(report, seed, quick):
    paths = {name: descend(*how) for name, how in RATES.items()}
    heights = {k: 0.5 * ((path @ HESSIAN) * path).sum(1) for k, path in paths.items()}
    turned = {name: angles(path).max() for name, path in paths.items()}
    report.table(
        ["rate", "steps", "largest angle to steepest, °", "every step downhill"],
        [(k, len(path) - 1, turned[k], "yes" if (np.diff(heights[k]) < 0).all() else "no")
         for k, path in paths.items()],
    )  # fmt: skip
    slow, quickly = (len(paths[k]) - 1 for k in ("steepest descent", "inverse Hessian"))
    off = turned["inverse Hessian"]
    report.verdict(
        "a positive semi-definite matrix goes downhill, not steepest, and arrives sooner",
        10 < off < 90
        and quickly < slow / 5
        and (np.diff(heights["inverse Hessian"]) < 0).all(),
        f"{quickly} steps, up to {off:.0f}° off the steepest direction, against {slow} steps "
        "of steepest descent",
    )
    try:
        descend(np.diag([1.0, -0.5]), 0.1)
        refused = "it was taken"
    except ValueError as error:
        refused = str(error)
    report.verdict("a matrix that is not positive semi-definite is refused",
                   "negative eigenvalue" in refused, refused)  # fmt: skip
    return {"paths": paths, "heights": heights, "turned": turned}


def draw(figure, paths, heights, turned):
    left, right = figure.subplots(1, 2)
    routes(left, lambda w: 0.5 * (w * (HESSIAN @ w)).sum(0), paths, (-3, 2), (-1, 3))
    left.set(title="Paths on the bowl", xlabel="w₁", ylabel="w₂")
    for name, height in heights.items():
        right.loglog(np.arange(len(height)) + 1, height, ".-", label=name)
    right.set(title="Height above the bottom", xlabel="steps (+ 1)", ylabel="½ wᵀHw")
    right.legend(fontsize=9)


if __name__ == "__main__":
    main(run, draw)
