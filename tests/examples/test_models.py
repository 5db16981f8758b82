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
    right = ran.numbers["right"][0]
    assert right[0] >= 95 and right[-1] >= 70  # of two leaves; of sixteen, never seen
    first, again = ran.numbers["times"]
    # What it costs is the machine's; that a shape is recorded once is the program's.
    assert len(first) == len({str(t) for t in first}) <= 50 < len(again)


def test_each_data_trick_is_worth_its_trouble(short_run: Any) -> None:
    ran = short_run("data_tricks")
    ran.holds()
    for damaged, mended in ran.numbers["found"].values():
        assert np.mean(mended) > np.mean(damaged) + 20
