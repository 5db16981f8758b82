"""Recurrent layers and attention on PyTorch's own samples: names of weights, values, gradients, refusals."""

from __future__ import annotations

import pytest

import module_tables

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

NAMES = """
RNN GRU LSTM RNNCell GRUCell LSTMCell MultiheadAttention Transformer
TransformerEncoderLayer TransformerDecoderLayer
""".split()

#: of entries with many large samples not all are taken
MOST = {"Transformer": 5, "MultiheadAttention": 16, "RNN": 16, "LSTM": 16}


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str) -> None:
    module_tables.check(name, most=MOST.get(name, 24))


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name: str) -> None:
    module_tables.check_refusals(name)
