"""Layers of recurrent cells over sequences."""

from __future__ import annotations

from typing import Any

from ...functions import empty
from ...tensor import Parameter, Tensor
from ..functional.common import warn
from ..functional.recurrent import GATES, recur
from ..module import Module
from ..utils.rnn import PackedSequence
from .cells import draw


def _check_sizes(
    input_size: Any, hidden_size: Any, num_layers: int, bias: Any, batch_first: Any,
    dropout: Any, bidirectional: Any, proj_size: int,
) -> None:  # fmt: skip
    """Refuse what makes no network."""
    number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1], the probability of an element "
            f"being zeroed, but got {dropout!r}"
        )
    if dropout > 0 and num_layers == 1:
        warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero "
            f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
            "num_layers=1"
        )
    for name, value, kind in (
        ("bias", bias, bool),
        ("batch_first", batch_first, bool),
        ("bidirectional", bidirectional, bool),
        ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    sizes = (input_size, hidden_size, num_layers)
    for name, n in zip(("input_size", "hidden_size", "num_layers"), sizes, strict=True):
        if n <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError(
            "proj_size should be a positive integer or zero to disable projections"
        )
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights, and the forms of input and state."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout,
                     bidirectional, proj_size)  # fmt: skip
        self.mode = mode
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.proj_size = proj_size
        how = {"device": device, "dtype": dtype}
        gates = GATES[mode] * hidden_size
        out = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[:directions]:
                into = input_size if layer == 0 else out * directions
                shapes: dict[str, Any] = {"weight_ih": (gates, into)}
                shapes["weight_hh"] = (gates, out)
                if bias:
                    shapes["bias_ih"] = shapes["bias_hh"] = (gates,)
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(shape, **how)))
                self._all_weights.append(names)
        self._flat_weights_names = [n for names in self._all_weights for n in names]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, from U(−1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    @property
    def all_weights(self) -> list[list[Any]]:
        """The weights of each layer and direction."""
        return [[getattr(self, n) for n in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, n) for n in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Does nothing: for programs that call it for the sake of GPUs."""

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        if permutation is None:
            return hx
        if isinstance(hx, tuple):
            return tuple([self.permute_hidden(s, permutation) for s in hx])
        return hx.index_select(1, permutation)

    def forward(self, input: Any, hx: Any = None) -> Any:
        name, pair = type(self).__name__, self.mode == "LSTM"
        h, c = (None, None) if hx is None else hx if pair else (hx, None)
        packed = isinstance(input, PackedSequence)
        sizes, single = None, False
        x: Any = input
        if packed:
            x, batch_sizes, order, back = input
            sizes = tuple(batch_sizes.tolist())
            h, c = (
                None if s is None else self.permute_hidden(s, order) for s in (h, c)
            )
        else:
            if x.ndim not in (2, 3):
                raise ValueError(
                    f"{name}: Expected input to be 2D or 3D, got {x.ndim}D instead"
                )
            single = x.ndim == 2
            for s in (h, c):
                if s is not None and s.ndim != x.ndim:
                    form = "unbatched 2-D" if single else "batched 3-D"
                    raise RuntimeError(
                        f"For {form} input, hx {'and cx ' * pair}should also be "
                        f"{x.ndim}-D but got {s.ndim}-D tensor"
                    )
            if single:
                x = x.unsqueeze(0 if self.batch_first else 1)
                h, c = (None if s is None else s.unsqueeze(1) for s in (h, c))
        out, *last = recur(
            self.mode, x, sizes, h, c, self._flat_weights, self.bias, self.num_layers,
            self.dropout, self.training, self.bidirectional, self.batch_first,
        )  # fmt: skip
        if packed:
            out = PackedSequence(out, batch_sizes, order, back)
            last = [self.permute_hidden(s, back) for s in last]
        elif single:
            out = out.squeeze(0 if self.batch_first else 1)
            last = [s.squeeze(1) for s in last]
        return out, (tuple(last) if pair else last[0])

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        plain = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False,
                 "dropout": 0, "bidirectional": False}  # fmt: skip
        for name, default in plain.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _no_projection(name: str, rest: dict[str, Any]) -> None:
    if "proj_size" in rest:
        raise ValueError(
            f"proj_size argument is only supported for LSTM, not RNN or GRU: {name}"
        )
    if rest:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(rest)!r}")


class RNN(RNNBase):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh), or relu (*nonlinearity*); the outputs
    of a layer are the next one's inputs (Elman, 1990).

    Inputs are (T, N, input_size), (N, T, …) with *batch_first*, (T, …) or a
    ``PackedSequence``, and h₀ (num_layers · directions, N, hidden_size), 0 if left out.
    Results: all hₜ of the last layer, both directions side by side, and each layer's
    last h. *dropout* comes after all layers but the last. All weights are drawn from
    U(−1/√hidden_size, 1/√hidden_size).

    >>> import retrograd as rg
    >>> out, h = rg.nn.RNN(4, 3, num_layers=2)(rg.randn(5, 2, 4))
    >>> out.shape, h.shape
    (retrograd.Size([5, 2, 3]), retrograd.Size([2, 2, 3]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **rest: Any,
    ) -> None:
        _no_projection("RNN", rest)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """hₜ = (1 − z) n + z hₜ₋₁ with r, z = σ(W xₜ + b + W' hₜ₋₁ + b') and n = tanh(W xₜ +
    b + r (W' hₜ₋₁ + b')), each with its part of the weights (Cho et al., 2014).

    Inputs and results are those of ``RNN``.

    >>> import retrograd as rg
    >>> out, h = rg.nn.GRU(4, 3, bidirectional=True)(rg.randn(5, 2, 4))
    >>> out.shape, h.shape
    (retrograd.Size([5, 2, 6]), retrograd.Size([2, 2, 3]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **rest: Any,
    ) -> None:
        _no_projection("GRU", rest)
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device=device, dtype=dtype,
        )  # fmt: skip


class LSTM(RNNBase):
    """cₜ = f cₜ₋₁ + i g, hₜ = o tanh(cₜ) with i, f, o = σ(W xₜ + b + W' hₜ₋₁ + b') and g =
    tanh(W xₜ + b + W' hₜ₋₁ + b'), each with its part of the weights (Hochreiter and
    Schmidhuber, 1997; Gers et al., 2000). With *proj_size* hₜ = W_hr (o tanh(cₜ)).

    Inputs and results are those of ``RNN``, with (h, c) in the place of h.

    >>> import retrograd as rg
    >>> out, (h, c) = rg.nn.LSTM(4, 3, batch_first=True)(rg.randn(2, 5, 4))
    >>> out.shape, h.shape, c.shape
    (retrograd.Size([2, 5, 3]), retrograd.Size([1, 2, 3]), retrograd.Size([1, 2, 3]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
        )  # fmt: skip
