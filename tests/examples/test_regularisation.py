from __future__ import annotations

from typing import Any

import numpy as np


def test_useless_weights_are_exactly_zero_with_l1_only(short_run: Any) -> None:
    ran = short_run("regularisation")
    ran.holds()
    useful = ran.module.USEFUL
    for found in ran.numbers["weights"]["L1, proximal"]:
        assert (found[useful:] == 0).sum() > 10
        assert (found[:useful] != 0).all()
    assert np.all(np.array(ran.numbers["weights"]["L2"]) != 0)


def test_dropout_spreads_what_is_known(short_run: Any) -> None:
    ran = short_run("dropout")
    # Whether it helps on new digits is for the program to say: with few seeds it may not.
    assert ran.report.verdicts["a network with dropout leans less on single units"]
    whole, half = (ran.numbers["score"][0.5] - ran.numbers["score"][0.0]).mean(1)
    assert half > 2 and abs(whole) < 3
