from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg


def test_the_tricks_speed_up_the_first_pass(short_run: Any) -> None:
    ran = short_run("lecun_1998")
    ran.holds()
    gains = ran.numbers["gains"]
    assert gains["all four"].mean() > 7 and gains["inputs"].mean() > 5
    # The scaled tangent of the paper: ±1 goes to ±1.
    tanh = ran.module.Network(("tanh",)).activation
    np.testing.assert_allclose(tanh(rg.tensor([-1.0, 1.0])).numpy(), [-1, 1], rtol=1e-4)
