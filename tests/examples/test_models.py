from __future__ import annotations

from typing import Any

import numpy as np


def test_prototypes_are_learned_through_the_surrogate(short_run: Any) -> None:
    ran = short_run("nearest_neighbour")
    ran.holds()
    first, last = (ran.numbers[k].numpy() for k in ("first", "last"))
    assert np.abs(last - first).max() > 0.1


def test_a_network_grown_along_each_expression_generalises(short_run: Any) -> None:
    ran = short_run("data_dependent")
    (right,) = ran.numbers["right"]
    assert min(right[:2]) > 95 and right[-1] > 85  # 2 and 3 leaves; 16, never seen
    # What a shape costs that comes back is the machine's; the program says it.
    # 2 shapes of two leaves and 8 of three are all that there is to record.
    assert len(set(ran.numbers["shapes"])) == 10


def test_each_data_trick_is_worth_its_trouble(short_run: Any) -> None:
    ran = short_run("data_tricks")
    ran.holds()
    for damaged, mended in ran.numbers["found"].values():
        assert np.mean(mended) > np.mean(damaged) + 20
