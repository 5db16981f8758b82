from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def test_a_few_redundant_samples_cost_less_than_all(short_run: Any) -> None:
    ran = short_run("gradient_descents")
    ran.holds()
    for name, excess in ran.numbers["excess"].items():
        assert excess[-1] < 0.05 < excess[-2], name
    # The descent on all samples goes straight down; the others wander.
    falls = {k: np.diff(e) < 0 for k, e in ran.numbers["excess"].items()}
    assert falls["full batch"].all() and not falls["one sample"].all()


def test_a_matrix_for_a_rate_goes_downhill_and_not_steepest(short_run: Any) -> None:
    ran = short_run("preconditioning")
    ran.holds()
    paths, hessian = ran.numbers["paths"], ran.module.HESSIAN
    # Half of Newton's step halves the distance, in a straight line.
    start = np.array(ran.module.START)
    halves = start * 0.5 ** np.arange(len(paths["inverse Hessian"]))[:, None]
    np.testing.assert_allclose(paths["inverse Hessian"], halves, rtol=1e-6, atol=1e-12)
    steepest = np.linalg.matrix_power(np.eye(2) - 2 / 101 * hessian, 5) @ start
    np.testing.assert_allclose(paths["steepest descent"][5], steepest, rtol=1e-9)
    assert ran.numbers["turned"]["steepest descent"] == pytest.approx(0, abs=1e-4)
