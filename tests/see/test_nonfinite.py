"""The first NaN or infinity: which operation, of what, where, and on which way."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def test_forward():
    p = rg.tensor([0.5, 0.0], requires_grad=True)
    q = p.log()
    loss = -(p * q).sum()
    found = rg.find_nonfinite(loss)
    assert (found.operation, found.phase) == ("log", "forward")
    assert found.source == "q = p.log()" and str(found.where).startswith("test_nonf")
    (name, value), (out, result) = found.operands[0], found.result
    assert (name, value.tolist(), out) == ("p", [0.5, 0.0], "q")
    assert np.isneginf(result[1])
    assert found.path == ["q", "ℓ"]
    assert "From there: q → ℓ" in str(found)


def test_backward():
    x = rg.tensor([0.0, 4.0], requires_grad=True)
    loss = x.sqrt().sum()
    found = rg.find_nonfinite(loss)
    assert (found.phase, found.derivative_of) == ("backward", "sqrt")
    assert found.result[1].tolist() == [np.inf, 0.25]
    assert found.path[-1] == "∂ℓ/∂x"


def test_what_is_finite_and_masks_of_infinity_are_left_alone():
    x = rg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert rg.find_nonfinite((x * x).sum()) is None
    mask = rg.tensor([[True, False], [False, False]])
    masked = x.masked_fill(mask, float("-inf"))
    assert rg.find_nonfinite(rg.softmax(masked, -1)[:, 1].sum()) is None
    everything = x.masked_fill(rg.ones(2, 2, dtype=rg.bool), float("-inf"))
    found = rg.find_nonfinite(rg.softmax(everything, -1).sum())
    assert found is not None and np.isnan(found.result[1]).any()


def test_given_from_outside():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    data = rg.tensor([1.0, float("nan")])
    found = rg.find_nonfinite((w * data).sum())
    assert (found.phase, found.result[0]) == ("given", "data")
    assert "data was given with NaN" in str(found)


def test_in_a_module_with_a_large_value():
    rg.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(20, 30)

        def forward(self, x):
            z = self.first(x) * 1e25
            return (z * z).mean()

    found = rg.find_nonfinite(Net()(rg.ones(4, 20)))
    assert found.operation == "mul" and "z * z" in found.source
    assert "the first at [0, 0]" in str(found)


@pytest.mark.parametrize(
    ("lang", "words"), [("es", "pase hacia delante"), ("ko", "순방향 계산")]
)
def test_languages(lang, words):
    p = rg.tensor([0.0], requires_grad=True)
    assert words in str(rg.find_nonfinite(p.log().sum(), lang=lang))


def test_the_automatic_mode():
    x = rg.tensor([0.0, 4.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="in the derivative of sqrt, at test_non"):
        with rg.autograd.detect_anomaly():
            assert rg.autograd.is_anomaly_enabled()
            x.sqrt().sum().backward()
    assert not rg.autograd.is_anomaly_enabled() and x.grad is None
    x.sqrt().sum().backward()
    assert x.grad.tolist() == [np.inf, 0.25]
    with rg.autograd.set_detect_anomaly(True):
        (x * x).sum().backward()  # nothing to find
    x.grad = None
    rg.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(RuntimeError, match="by log"):
            x.log().sum().backward()
    finally:
        rg.autograd.set_detect_anomaly(False)


def test_bad_input():
    with pytest.raises(TypeError, match="takes a tensor, the loss, not str"):
        rg.find_nonfinite("loss")
