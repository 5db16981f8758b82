from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg


def test_the_tricks_speed_up_the_first_pass(short_run: Any) -> None:
    ran = short_run("lecun_1998")
    ran.holds()
    # The diagonal by random signs, against Jᵀ(diag(p) − ppᵀ)J written out.
    model = ran.module.network(("tanh",))
    x, weight = rg.randn(3, 64), model[2].bias
    p = model(x).detach().softmax(1).numpy()
    exact = (p - p**2).mean(0)  # the scores' Jacobian by the last bias is the identity
    rounds = [ran.module.curvature(model, x)[3].numpy() for _ in range(600)]
    assert weight.shape == rounds[0].shape
    np.testing.assert_allclose(np.mean(rounds, 0), exact, rtol=0.35)
