from __future__ import annotations

from typing import Any

import numpy as np


def test_softmax_loses_the_gradient_and_log_softmax_keeps_it(short_run: Any) -> None:
    ran = short_run("saturation")
    ran.holds()
    gaps, slopes = np.array(ran.numbers["gaps"]), ran.numbers["slopes"]
    # |∂ℓ/∂z| of log-softmax is 1 − p, by hand.
    by_hand = 1 / (1 + np.exp(-gaps.astype(float)))
    np.testing.assert_allclose(slopes["log_softmax"], by_hand, rtol=1e-5)
    for norms in ran.numbers["norms"].values():
        assert np.isfinite(norms).all()
