from __future__ import annotations

from typing import Any

import numpy as np


def test_two_units_find_symmetry_with_mirrored_weights(short_run: Any) -> None:
    ran = short_run("rumelhart_1986_symmetry")
    right, solutions = ran.numbers["right"], ran.numbers["solutions"]
    assert len(solutions) == right.any(1).sum() > len(right) / 2
    # Once found a solution stays, and E falls to what 64 right answers leave of it.
    assert right[:, -1].sum() == len(solutions)
    assert (ran.numbers["errors"][right[:, -1], -1] < 1).all()
    opposite, ratios = ran.module.structure(solutions)
    assert np.median(opposite) < 0.1 and np.median(ratios[..., 2]) > 1.5
    # The measure itself, on weights of the paper's form.
    ideal = np.array([[[1.0, 2, 4, -4, -2, -1], [-4, 1, 2, -2, -1, 4]]])
    np.testing.assert_allclose(ran.module.structure(ideal)[0], 0)
    np.testing.assert_allclose(ran.module.structure(ideal)[1], [[[1, 2, 4]] * 2])


def test_the_family_trees_have_their_facts_and_are_learned(short_run: Any) -> None:
    ran = short_run("rumelhart_1986_families")
    assert ran.numbers["facts"] == 104 and len(set(ran.numbers["people"])) == 24
    # In the paper's own schedule it does not learn, and the program says so.
    *others, last = ran.report.verdicts.values()
    assert last and not any(others)
    *stuck, learned = ran.numbers["found"].values()
    sweeps = ran.module.SWEEPS
    assert all(lines[:, -1].max() < 50 for lines in stuck)
    assert learned[:, sweeps - 1].mean() > 90
    # What it knows does not outlast the paper's own shrinking and steps.
    assert learned.shape[1] == 2 * sweeps and learned[:, -1].mean() < 80
