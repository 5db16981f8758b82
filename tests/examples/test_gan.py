from __future__ import annotations

from typing import Any


def test_a_gradient_penalty_covers_the_modes_that_are_lost_without(
    short_run: Any,
) -> None:
    ran = short_run("gan")
    failed, cured = ran.numbers["failed"], ran.numbers["cured"]
    assert max(failed) < 5 and min(cured) >= 6 and max(failed) < min(cured)
