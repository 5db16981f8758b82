from __future__ import annotations

from typing import Any


def test_balanced_networks_cover_the_modes_that_others_lose(short_run: Any) -> None:
    ran = short_run("gan")
    failed, cured = ran.numbers["modes"].values()
    assert failed[0] < cured[0] and cured[0] >= 6
