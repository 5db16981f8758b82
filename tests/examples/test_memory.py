from __future__ import annotations

from typing import Any


def test_recomputation_needs_less_memory_for_the_same_weights(short_run: Any) -> None:
    ran = short_run("memory")
    kept, again = ran.numbers["kept"], ran.numbers["again"]
    assert kept[-1][0] > 2 * again[-1][0]
    plainly, recomputed = ran.numbers["powers"]
    assert recomputed < 0.65 < plainly
    # How long it takes is the machine's; the program says it.
    for a, b in zip(kept, again, strict=True):
        assert abs(a[2] - b[2]).max() < 1e-5
