"""Recurrent cells, and layers of them: each step of a cell is one composition, a stack of
layers over a whole sequence another.

What the inputs contribute is one product for all steps; only h Wₕₕᵀ is made step by step.
Weights lie as in PyTorch: the gates one above another (i, f, g, o in the LSTM, r, z, n in
the GRU).
"""

from __future__ import annotations

import math
from typing import Any

from ...dispatch import apply, composite
from ...functions import random as R
from ...functions.joining import cat, stack
from ...ops.matmul import Matmul, transposed
from ...ops.movement import Zeros
from ...ops.op import Spec
from .linear import linear
from .misc import _check, _dropped

__all__ = ["rnn_tanh_cell", "rnn_relu_cell", "gru_cell", "lstm_cell",
           "rnn_tanh", "rnn_relu", "gru", "lstm"]  # fmt: skip

#: how many gates a cell has
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}

Sizes = tuple[int, ...] | None


# -- one step: gx is what the input contributes, wt is Wₕₕᵀ ----------------------------


@composite
def _rnn_step(gx: Any, h: Any, wt: Any, relu: bool) -> Any:
    a = gx + apply(Matmul, h, wt)
    return a.relu() if relu else a.tanh()


@composite
def _gru_step(gx: Any, h: Any, wt: Any, bias: Any) -> Any:
    n = h.shape[-1]
    gh = apply(Matmul, h, wt)
    if bias is not None:
        gh = gh + bias
    gates = (gx[..., : 2 * n] + gh[..., : 2 * n]).sigmoid()
    r, z = gates[..., :n], gates[..., n:]
    new = (gx[..., 2 * n :] + r * gh[..., 2 * n :]).tanh()
    return new + z * (h - new)


@composite
def _lstm_step(gx: Any, h: Any, c: Any, wt: Any, wr: Any) -> Any:
    n = c.shape[-1]
    a = gx + apply(Matmul, h, wt)
    i, f = a[..., :n].sigmoid(), a[..., n : 2 * n].sigmoid()
    g, o = a[..., 2 * n : 3 * n].tanh(), a[..., 3 * n :].sigmoid()
    c = f * c + i * g
    h = o * c.tanh()
    return (h if wr is None else apply(Matmul, h, wr)), c


def _step(kind: str, gx: Any, state: tuple[Any, ...], fixed: tuple[Any, ...]) -> Any:
    """The next state, (h,) or (h, c)."""
    if kind == "LSTM":
        return _lstm_step(gx, *state, *fixed)
    if kind == "GRU":
        return (_gru_step(gx, *state, *fixed),)
    return (_rnn_step(gx, *state, fixed[0], kind == "RNN_RELU"),)


def _inputs(kind: str, x: Any, w_ih: Any, b_ih: Any, b_hh: Any) -> Any:
    """What the inputs contribute to all steps, with the biases that only add up."""
    bias = b_ih
    if kind != "GRU" and b_ih is not None:
        bias = b_ih + b_hh
    rows = x if x.ndim < 3 else x.reshape(-1, x.shape[-1])
    gx = linear(rows, w_ih, bias)
    return gx if x.ndim < 3 else gx.reshape(*x.shape[:-1], gx.shape[-1])


def _fixed(kind: str, w_hh: Any, b_hh: Any, w_hr: Any) -> tuple[Any, ...]:
    """What is the same in all steps."""
    wt = transposed(w_hh)
    if kind == "LSTM":
        return wt, (None if w_hr is None else transposed(w_hr))
    return (wt, b_hh) if kind == "GRU" else (wt,)


# -- one layer in one direction --------------------------------------------------------


def _layer(
    kind: str, x: Any, state: tuple[Any, ...], weights: tuple[Any, ...], sizes: Sizes,
    along: int, backwards: bool,
) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """All outputs, and the last state. *sizes* are those of the batch at each step of a
    packed sequence."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    gx = _inputs(kind, x, w_ih, b_ih, b_hh)
    fixed = _fixed(kind, w_hh, b_hh, w_hr)
    if sizes is None:
        n = x.shape[along]
        steps = [gx.select(along, t) for t in range(n)]
    else:
        n = len(sizes)
        steps = list(gx.split(sizes))
    start, ended, outs = state, [], []
    if sizes is not None and backwards:
        state = tuple(_rows(s, 0, sizes[-1]) for s in state)
    for t in reversed(range(n)) if backwards else range(n):
        if sizes is not None:
            have, want = state[0].shape[0], sizes[t]
            if want < have:  # sequences that have ended
                ended.append(tuple(_rows(s, want, have) for s in state))
                state = tuple(_rows(s, 0, want) for s in state)
            elif want > have:  # sequences that begin, from their end
                more = [_rows(s, have, want) for s in start]
                state = tuple(cat([s, m]) for s, m in zip(state, more, strict=True))
        state = _step(kind, steps[t], state, fixed)
        outs.append(state[0])
    if ended:
        whole = zip(*[state, *reversed(ended)], strict=True)
        state = tuple(cat(list(parts)) for parts in whole)
    if backwards:
        outs.reverse()
    return (stack(outs, along) if sizes is None else cat(outs)), state


def _rows(x: Any, start: int, stop: int) -> Any:
    return x if (start, stop) == (0, x.shape[0]) else x[start:stop]


# -- all layers ------------------------------------------------------------------------


@composite
def _recurrent(
    x: Any, hx: Any, cx: Any, kind: str, sizes: Sizes, layers: int, directions: int,
    along: int, biases: bool, projected: bool, p: float, *tensors: Any,
) -> Any:  # fmt: skip
    """(outputs, h) or (outputs, h, c); *tensors* are the weights of each layer and
    direction, then the states for the dropouts between layers."""
    per = 2 + 2 * biases + projected
    weights: list[tuple[Any, ...]] = []
    for k in range(layers * directions):
        own = tensors[k * per : (k + 1) * per]
        middle = own[2:4] if biases else (None, None)
        weights.append((*own[:2], *middle, own[-1] if projected else None))
    drops = tensors[layers * directions * per :]
    batch = sizes[0] if sizes is not None else x.shape[1 - along]
    hidden = _checked(x, hx, cx, kind, weights, sizes, batch, along)
    last: list[tuple[Any, ...]] = []
    for layer in range(layers):
        outs = []
        for d in range(directions):
            k = layer * directions + d
            state = [None if s is None else s[k] for s in (hx, cx)]
            if kind != "LSTM":
                state = state[:1]
            begin = tuple(
                apply(Zeros, spec=Spec((batch, n), x.dtype)) if s is None else s
                for s, n in zip(state, hidden, strict=False)
            )
            out, end = _layer(kind, x, begin, weights[k], sizes, along, d == 1)
            outs.append(out)
            last.append(end)
        x = outs[0] if len(outs) == 1 else cat(outs, -1)
        if layer < len(drops):
            x = _dropped(x, drops[layer], p, tuple(x.shape))
    return x, *[stack(list(parts)) for parts in zip(*last, strict=True)]


def _checked(
    x: Any, hx: Any, cx: Any, kind: str, weights: list[tuple[Any, ...]], sizes: Sizes,
    batch: int, along: int,
) -> tuple[int, int]:  # fmt: skip
    """The sizes of h and c; raises what PyTorch raises."""
    w_ih, w_hh, _, _, w_hr = weights[0]
    wanted = 2 if sizes is not None else 3
    if x.ndim != wanted:
        raise RuntimeError(f"input must have {wanted} dimensions, got {x.ndim}")
    if x.dtype is not w_ih.dtype:
        raise ValueError(
            f"RNN input dtype ({x.dtype}) does not match weight dtype ({w_ih.dtype}). "
            f"Convert input: input.to({w_ih.dtype}), or convert model: "
            f"model.to({x.dtype})"
        )
    if x.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input.size(-1) must be equal to input_size. Expected {w_ih.shape[1]}, got "
            f"{x.shape[-1]}: the input has shape {list(x.shape)}"
        )
    if sizes is None and x.shape[along] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    c = w_hh.shape[0] // GATES[kind]
    h = c if w_hr is None else w_hr.shape[0]
    for what, s, n in (("hidden[0]", hx, h), ("hidden[1]", cx, c)):
        name = what if kind == "LSTM" else "hidden"
        expected = (len(weights), batch, n)
        if s is not None and tuple(s.shape) != expected:
            raise RuntimeError(f"Expected {name} size {expected}, got {list(s.shape)}")
        if s is not None and s.dtype is not x.dtype:
            raise RuntimeError(
                f"{name} must be {x.dtype.name} as the input is, but it is "
                f"{s.dtype.name}: use .to({x.dtype})"
            )
    return h, c


def recur(
    kind: str, x: Any, sizes: Sizes, hx: Any, cx: Any, params: Any, biases: bool,
    layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    """The layers of a kind of cell over a sequence, (T, N, F), (N, T, F) or packed."""
    directions = 2 if bidirectional else 1
    projected = len(params) != layers * directions * (4 if biases else 2)
    drops = []
    if dropout and train and layers > 1:
        _check(dropout)
        wide = params[1].shape[1] * directions
        n = math.prod(x.shape[:-1]) * wide
        drops = [R.default_generator._take(n) for _ in range(layers - 1)]
    along = 1 if batch_first and sizes is None else 0
    return _recurrent(
        x, hx, cx, kind, sizes, layers, directions, along, bool(biases), projected,
        float(dropout), *params, *drops,
    )  # fmt: skip


def _called(kind: str, args: tuple[Any, ...]) -> Any:
    """``lstm(input, hx, params, …, batch_first)``, or packed, ``lstm(data, batch_sizes,
    hx, params, …)``: as PyTorch has them, told apart by their arguments."""
    if len(args) != 9:
        raise TypeError(
            f"{kind.lower()}() takes (input, hx, params, has_biases, num_layers, dropout, "
            "train, bidirectional, batch_first) or (data, batch_sizes, hx, params, "
            "has_biases, num_layers, dropout, train, bidirectional)"
        )
    packed = isinstance(args[3], (list, tuple))
    x, (hx, params, biases, layers, dropout, train, bidirectional) = (
        args[0], args[2:] if packed else args[1:8],
    )  # fmt: skip
    sizes = tuple(args[1].tolist()) if packed else None
    batch_first = not packed and args[8]
    h, c = hx if kind == "LSTM" else (hx, None)
    return recur(kind, x, sizes, h, c, tuple(params), biases, layers, dropout, train,
                 bidirectional, batch_first)  # fmt: skip


def rnn_tanh(*args: Any) -> Any:
    """(outputs, h): h ← tanh(W_ih x + b_ih + W_hh h + b_hh), step by step and layer by
    layer; see ``nn.RNN``."""
    return _called("RNN_TANH", args)


def rnn_relu(*args: Any) -> Any:
    """(outputs, h): h ← relu(W_ih x + b_ih + W_hh h + b_hh); see ``nn.RNN``."""
    return _called("RNN_RELU", args)


def gru(*args: Any) -> Any:
    """(outputs, h): h ← (1 − z) n + z h, step by step and layer by layer; see
    ``nn.GRU``."""
    return _called("GRU", args)


def lstm(*args: Any) -> Any:
    """(outputs, h, c): c ← f c + i g, h ← o tanh(c), step by step and layer by layer;
    see ``nn.LSTM``."""
    return _called("LSTM", args)


# -- cells -----------------------------------------------------------------------------


@composite
def _cell(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, kind: str
) -> Any:
    n = w_hh.shape[1]
    if x.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {x.shape[-1]} expected "
            f"{w_ih.shape[1]}"
        )
    if h is None:
        lead = tuple(x.shape[:-1])
        h = apply(Zeros, spec=Spec((*lead, n), x.dtype))
        c = apply(Zeros, spec=Spec((*lead, n), x.dtype)) if kind == "LSTM" else None
    for k, s in enumerate((h,) if c is None else (h, c)):
        if s.shape[-1] != n:
            raise RuntimeError(
                f"hidden{k} has inconsistent hidden_size: got {s.shape[-1]}, expected {n}"
            )
        if s.shape[:-1] != x.shape[:-1]:
            raise RuntimeError(
                f"Input batch size {list(x.shape[:-1])} doesn't match hidden{k} batch "
                f"size {list(s.shape[:-1])}"
            )
    single = x.ndim == 1
    if single:
        x, h, c = (None if t is None else t.unsqueeze(0) for t in (x, h, c))
    gx = _inputs(kind, x, w_ih, b_ih, b_hh)
    state = (h,) if kind != "LSTM" else (h, c)
    out = _step(kind, gx, state, _fixed(kind, w_hh, b_hh, None))
    if single:
        out = tuple([t.squeeze(0) for t in out])
    return out if kind == "LSTM" else out[0]


def rnn_tanh_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return _cell(input, hx, None, w_ih, w_hh, b_ih, b_hh, "RNN_TANH")


def rnn_relu_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """h' = max(0, W_ih x + b_ih + W_hh h + b_hh)."""
    return _cell(input, hx, None, w_ih, w_hh, b_ih, b_hh, "RNN_RELU")


def gru_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """h' = (1 − z) n + z h, with r, z = σ(W x + b + W' h + b') and n = tanh(W x + b + r
    (W' h + b')), each with its part of the weights."""
    return _cell(input, hx, None, w_ih, w_hh, b_ih, b_hh, "GRU")


def lstm_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """(h', c'): c' = f c + i g, h' = o tanh(c'), with i, f, o = σ(W x + b + W' h + b')
    and g = tanh(…), each with its part of the weights; *hx* is (h, c)."""
    h, c = (None, None) if hx is None else hx
    return _cell(input, h, c, w_ih, w_hh, b_ih, b_hh, "LSTM")
