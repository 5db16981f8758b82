from __future__ import annotations

from typing import Any

import numpy as np


def test_recomputation_needs_less_memory_for_the_same_weights(short_run: Any) -> None:
    ran = short_run("memory")
    kept, again = ran.numbers["kept"], ran.numbers["again"]
    for most, planned, *_ in (kept[-1], again[-1]):  # NaN without machine code
        assert np.isnan(planned) or 0.9 < most / planned < 2
    assert kept[-1][0] > 2 * again[-1][0]
    plainly, recomputed = ran.numbers["powers"]
    assert recomputed < 0.65 < plainly
    # How long it takes is the machine's; the program says it.
    for a, b in zip(kept, again, strict=True):
        assert abs(a[3] - b[3]).max() < 1e-5
