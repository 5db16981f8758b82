"""Recurrent cells: one step of a recurrent network."""

from __future__ import annotations

import math
from typing import Any

from ...functions import empty
from ...tensor import Parameter, Tensor
from .. import functional as F
from .. import init
from ..module import Module


def draw(module: Module, hidden: int) -> None:
    """All weights anew, from U(−1/√hidden, 1/√hidden)."""
    bound = 1 / math.sqrt(hidden) if hidden > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNCellBase(Module):
    """What the cells share: W_ih, W_hh and their biases."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size = input_size, hidden_size
        self.bias = bias
        n = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((n, input_size), **how))
        self.weight_hh = Parameter(empty((n, hidden_size), **how))
        if bias:
            self.bias_ih = Parameter(empty(n, **how))
            self.bias_hh = Parameter(empty(n, **how))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, from U(−1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    def _checked(self, input: Any, *state: Any) -> tuple[Any, ...]:
        """Input, weights and biases, once the number of dimensions is right."""
        name = type(self).__name__
        what = ["hx[0]", "hx[1]"] if len(state) > 1 else ["hidden"]
        for t, part in zip((input, *state), ["input", *what], strict=False):
            if t is not None and t.ndim not in (1, 2):
                raise ValueError(
                    f"{name}: Expected {part} to be 1D or 2D, got {t.ndim}D instead"
                )
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (*nonlinearity*).

    x is (N, input_size) or (input_size,), h (N, hidden_size) or (hidden_size,), 0 if left
    out.
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Any:
        weights = self._checked(input, hx)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(
                f"Unknown nonlinearity: {self.nonlinearity}. Select 'tanh' or 'relu'"
            )
        cell = F.rnn_tanh_cell if self.nonlinearity == "tanh" else F.rnn_relu_cell
        return cell(input, hx, *weights)


class GRUCell(RNNCellBase):
    """h' = (1 − z) n + z h with r, z = σ(W x + b + W' h + b') and n = tanh(W x + b + r
    (W' h + b')), each with its part of the weights.

    x is (N, input_size) or (input_size,), h (N, hidden_size) or (hidden_size,), 0 if left
    out.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Any:
        return F.gru_cell(input, hx, *self._checked(input, hx))


class LSTMCell(RNNCellBase):
    """c' = f c + i g, h' = o tanh(c') with i, f, o = σ(W x + b + W' h + b') and g =
    tanh(W x + b + W' h + b'), each with its part of the weights.

    x is (N, input_size) or (input_size,); the state (h, c) in and out (N, hidden_size)
    or (hidden_size,), 0 if left out.

    >>> import retrograd as rg
    >>> h, c = rg.nn.LSTMCell(4, 3)(rg.randn(2, 4))
    >>> h.shape, c.shape
    (retrograd.Size([2, 3]), retrograd.Size([2, 3]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        state = (None, None) if hx is None else tuple(hx)
        if hx is not None and (len(state) != 2 or any(t is None for t in state)):
            raise ValueError(
                f"LSTMCell: hx is the pair (h, c) of tensors, or None, not {len(state)} of "
                f"{', '.join(dict.fromkeys(type(t).__name__ for t in state)) or 'them'}"
            )
        return F.lstm_cell(input, hx, *self._checked(input, *state))
