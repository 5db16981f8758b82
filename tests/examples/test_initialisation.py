from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def test_the_variance_follows_the_theory(short_run: Any) -> None:
    ran = short_run("initialisation")
    ran.holds()
    for name, (_, theory) in ran.module.RULES.items():
        assert ran.numbers["factor"][name] == pytest.approx(theory, rel=0.05)
        end = np.log(ran.numbers["squares"][name][:, -1]).mean() / 50
        assert np.exp(end) == pytest.approx(theory, rel=0.1)
