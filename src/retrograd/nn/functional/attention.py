"""Attention: values averaged with weights that queries and keys agree on."""

from __future__ import annotations

import functools
import math
import warnings
from contextlib import nullcontext
from itertools import zip_longest
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, apply1, composite, constant, recorder
from ...functions import elementwise as E
from ...functions import random as R
from ...functions.half import once_rounded
from ...functions.shape import cat, repeat_interleave
from ...ops.core import Detach
from ...ops.families import Tensor
from ...ops.movement import Pad
from ...ops.reduce import Amax, Sum
from ...trace import Handle, spec_of
from ...utils.checkpoint import region
from .linear import linear
from .misc import _check, _dropped

__all__ = ["scaled_dot_product_attention", "multi_head_attention_forward"]


#: queries that are taken together at least, where they are not taken all at once …
_ROWS = 128
#: … and into how many parts at most they are cut
_PARTS = 8
#: bytes of weights that are rather computed again than kept for the backward pass
_LARGE = 32 << 20


@functools.lru_cache(maxsize=64)
def _causal(rows: int, columns: int) -> Any:
    """True where a query may look: at keys that are not after it."""
    return constant(np.tri(rows, columns, dtype=bool))


def _part(rows: int) -> int:
    """How many of so many queries are taken together."""
    return max(1, -(-rows // (_PARTS * _ROWS))) * _ROWS


@functools.lru_cache(maxsize=16)
def _window(rows: int, columns: int) -> Any:
    """``_causal`` for any *rows* queries in a row: those from query i on find theirs
    in the columns from *columns* − i on."""
    return constant(np.tri(rows, columns + rows, columns, dtype=bool))


def _drawn(p: float, *shape: int) -> Any:
    """The state for a dropout of a tensor of that shape; None where nothing drops."""
    _check(p)
    return R.default_generator._take(math.prod(shape)) if p > 0 else None


def _weights(scores: Any, mask: Any, blind: Any) -> Any:
    """softmax over the last dimension of masked scores. *blind* is what a query gives
    that may look at nothing: 0 (True), or 0/0 (False)."""
    for part in mask:
        if part is None:
            continue
        if part.dtype is dtypes.bool_:
            scores = E.where(part, scores, -math.inf)
        else:
            scores = scores + part
    if 0 in scores.shape:
        return scores.exp()
    top = apply1(Detach, apply(Amax, scores, dim=-1, keepdim=True))
    if blind and any(part is not None for part in mask):
        top = E.where(top == -math.inf, 0.0, top)
        powers = (scores - top).exp()
        total = apply(Sum, powers, dim=-1, keepdim=True)
        return powers / E.where(total == 0, 1.0, total)
    powers = (scores - top).exp()
    return powers / apply(Sum, powers, dim=-1, keepdim=True)


def _many(query: Any, key: Any) -> bool:
    """Whether the weights are so many that they are not kept for the backward pass."""
    batch = max(math.prod(query.shape[:-2]), math.prod(key.shape[:-2]))
    size = batch * query.shape[-2] * key.shape[-2] * query.dtype.itemsize
    return bool(size >= _LARGE)


def _averaged(query: Any, key: Any, value: Any, masks: Any, causal: bool) -> Any:
    """softmax(Q Kᵀ + masks) V without all weights in memory at once: some queries after
    the other. *causal*: the mask is a ``_window``, and keys after the last of them are
    left out. Many weights are computed again for the backward pass."""
    rows, columns = query.shape[-2], key.shape[-2]
    again = _many(query, key) and recorder().grad_mode
    step = _part(rows)
    parts = []
    for i in range(0, rows, step):
        j = min(i + step, rows)
        seen, k, v = masks, key, value
        if causal:
            last, first = min(j, columns), columns - i
            k, v = key[..., :last, :], value[..., :last, :]
            (window,) = masks
            seen = (window[: j - i, first : first + last] if first > 1 else None,)
        else:
            seen = [
                m if m is None or m.ndim < 2 or m.shape[-2] == 1 else m[..., i:j, :]
                for m in masks
            ]
        with region() if again else nullcontext():
            scores = query[..., i:j, :] @ k.transpose(-2, -1)
            parts.append(_weights(scores, seen, True) @ v)
    return cat(parts, -2)


@composite
@once_rounded
def _scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any, state: Any, p: float, scale: Any,
    shared: bool, causal: bool,
) -> Any:  # fmt: skip
    for name, t in (("key", key), ("value", value)):
        if t.dtype is not query.dtype:
            raise RuntimeError(
                "Expected query, key, and value to have the same dtype, but got "
                f"query.dtype: {query.dtype.name} and {name}.dtype: {t.dtype.name}. "
                f"Use {name}.to(query.dtype)"
            )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got "
            f"{query.ndim}, {key.ndim} and {value.ndim}"
        )
    if shared:  # each head of keys and values serves several of queries
        if min(query.ndim, key.ndim, value.ndim) < 3:
            raise RuntimeError(
                "scaled_dot_product_attention: with enable_gqa the heads are the third "
                f"dimension from the end, but the query has shape {list(query.shape)}"
            )
        heads = query.shape[-3]
        if heads % key.shape[-3] or heads % value.shape[-3]:
            raise RuntimeError(
                "scaled_dot_product_attention: with enable_gqa the number of heads of "
                f"the query ({heads}) must be a multiple of that of key and value "
                f"({key.shape[-3]}, {value.shape[-3]})"
            )
        key = repeat_interleave(key, heads // key.shape[-3], -3)
        value = repeat_interleave(value, heads // value.shape[-3], -3)
    if mask is not None and mask.dtype is not dtypes.bool_:
        if not mask.dtype.is_floating_point:
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, "
                f"but got attn_mask.dtype: {mask.dtype.name} and query.dtype: "
                f"{query.dtype.name}. Use attn_mask.bool()"
            )
        mask = mask.to(query.dtype)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else math.inf
    query = query * scale
    if state is None and (causal or _many(query, key)):
        return _averaged(query, key, value, (mask,), causal)
    weights = _weights(query @ key.transpose(-2, -1), (mask,), True)
    if state is not None:
        weights = _dropped(weights, state, p, tuple(weights.shape))
    return weights @ value


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(Q Kᵀ · scale + mask) V, scale = 1/√d unless given (Vaswani et al. 2017).

    Q is […, L, d], K […, S, d], V […, S, e]; the result […, L, e]. A truth value in the
    mask says where a query may look, a number is added to the score; *is_causal* lets
    query i look at keys j ≤ i. A query that may look at nothing gives 0. *dropout_p*
    drops weights, whether a module is training or not. *enable_gqa* lets several heads
    of Q share one of K and V.

    Long sequences are worked on some queries at a time: with *is_causal* without the
    keys that none of them may look at, and where the weights would fill 32 MB, without
    keeping them for the backward pass (Rabe and Staats, arXiv:2112.05682).

    >>> import retrograd as rg
    >>> q, v = rg.zeros(2, 4), rg.tensor([[1.0], [3.0]])
    >>> rg.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True)
    tensor([[1.],
            [2.]])
    """
    causal = False
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "Explicit attn_mask should not be set when is_causal=True: join them, "
                "attn_mask & rg.ones(L, S, dtype=rg.bool).tril()"
            )
        rows, columns = query.shape[-2], key.shape[-2]
        causal = rows >= 2 * _ROWS and not dropout_p
        shape = (_part(rows), columns) if causal else (rows, columns)
        attn_mask = (_window if causal else _causal)(*shape)
    state = None
    if dropout_p:
        if not 0 <= dropout_p <= 1:
            raise RuntimeError(
                f"dropout probability has to be between 0 and 1, but got {dropout_p}"
            )
        batch = [
            max(n, m)
            for n, m in zip_longest(query.shape[-3::-1], key.shape[-3::-1], fillvalue=1)
        ]
        state = _drawn(dropout_p, *batch, query.shape[-2], key.shape[-2])
    if scale is not None:
        scale = float(scale)
    return _scaled_dot_product_attention(
        query, key, value, attn_mask, state, float(dropout_p), scale, bool(enable_gqa),
        causal,
    )  # fmt: skip


# -- several heads -------------------------------------------------------------------


def _check_shapes(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:  # fmt: skip
    """Whether there is a batch; AssertionError, as in PyTorch, where shapes disagree."""
    for name, m in (("key_padding_mask", padding), ("attn_mask", mask)):
        if m is not None and not isinstance(m, Handle):
            raise TypeError(f"{name} must be a Tensor or None, not {type(m).__name__}")
    n = query.ndim
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D "
            f"query tensor, of shape {list(query.shape)}"
        )
    what = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.ndim != n or value.ndim != n:
        raise AssertionError(
            f"For {what} `query`, expected `key` and `value` to be {n}-D but found "
            f"{key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != n - 1:
        raise AssertionError(
            f"For {what} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D "
            f"but found {padding.ndim}-D tensor instead"
        )
    if mask is not None:
        if mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {what} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but "
                f"found {mask.ndim}-D tensor instead"
            )
        expected = (heads, query.shape[0], key.shape[0])
        if n == 2 and mask.ndim == 3 and tuple(mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {mask.shape}"
            )
    return bool(n == 3)


def _check_masks(padding: Any, mask: Any) -> None:
    for name, m in (("key_padding_mask", padding), ("attn_mask", mask)):
        if m is not None and m.dtype is not dtypes.bool_:
            if not m.dtype.is_floating_point:
                raise AssertionError(
                    f"only bool and floating types of {name} are supported, not "
                    f"{m.dtype.name}"
                )
    if padding is not None and mask is not None and padding.dtype is not mask.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use "
            "same type for both instead.",
            stacklevel=4,
        )


def _checked_mask(mask: Any, rows: int, columns: int, batch: int, heads: int) -> Any:
    """attn_mask as [1 or N, 1 or H, L, S]."""
    expected = (rows, columns) if mask.ndim == 2 else (batch * heads, rows, columns)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should "
            f"be {expected}."
        )
    return mask if mask.ndim == 2 else mask.reshape(batch, heads, rows, columns)


def _allowed(mask: Any, more: int, dtype: Any) -> Any:
    """A mask as ``_weights`` takes it, with *more* keys that everyone may look at."""
    if mask.dtype is dtypes.bool_:
        mask = mask.logical_not()
        fill: Any = True
    else:
        mask, fill = mask.to(dtype), 0.0
    if more:
        mask = apply(
            Pad, mask, pad=(*((0, 0),) * (mask.ndim - 1), (0, more)), value=fill
        )
    return mask


def _projected(
    query: Any, key: Any, value: Any, weight: Any, weights: tuple[Any, Any, Any], bias: Any
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Q, K and V before they are cut into heads; one product where they can share it."""
    n = query.shape[-1]
    if weight is None:
        parts = bias.split(n) if bias is not None else (None, None, None)
        found = zip((query, key, value), weights, parts, strict=True)
        q, k, v = (linear(x, w, b) for x, w, b in found)
        return q, k, v
    if query is key and key is value:
        q, k, v = linear(query, weight, bias).split(n, -1)
        return q, k, v
    first, rest = (None, None) if bias is None else (bias[:n], bias[n:])
    q = linear(query, weight[:n], first)
    if key is value:
        k, v = linear(key, weight[n:], rest).split(n, -1)
        return q, k, v
    mid, last = (None, None) if rest is None else (rest[:n], rest[n:])
    return q, linear(key, weight[n : 2 * n], mid), linear(value, weight[2 * n :], last)


@composite
def _multi_head_attention(
    query: Any, key: Any, value: Any, weight: Any, wq: Any, wk: Any, wv: Any, bias: Any,
    bias_k: Any, bias_v: Any, fixed_k: Any, fixed_v: Any, out_weight: Any, out_bias: Any,
    padding: Any, mask: Any, state: Any, p: float, heads: int, zero: bool,
    batch_first: bool, need: bool, average: bool,
) -> Any:  # fmt: skip
    single = query.ndim == 2
    if single:
        batch_first, one = True, query.unsqueeze(0)
        other = one if key is query else key.unsqueeze(0)
        value = other if value is key else value.unsqueeze(0)
        query, key = one, other
    q, k, v = _projected(query, key, value, weight, (wq, wk, wv), bias)
    along, across = (1, 0) if batch_first else (0, 1)  # the sequence, the batch
    batch, rows, n = query.shape[across], query.shape[along], query.shape[-1]
    columns = k.shape[along]
    masks = [padding, mask]
    if mask is not None:
        masks[1] = _checked_mask(mask, rows, columns, batch, heads)
    if padding is not None:
        if fixed_k is not None:
            columns = fixed_k.shape[1]
        if tuple(padding.shape) != ((columns,) if single else (batch, columns)):
            raise AssertionError(
                f"Expected key_padding_mask of shape {(batch, columns)}, but got "
                f"{tuple(padding.shape)}"
            )
        masks[0] = padding.reshape(batch, 1, 1, columns)
    more = int(bias_k is not None) + int(zero)
    if bias_k is not None:
        shape = (batch, 1, n) if batch_first else (1, batch, n)
        k = cat([k, bias_k.expand(shape)], along)
        v = cat([v, bias_v.expand(shape)], along)

    def headed(x: Any) -> Any:
        x = x.reshape(*x.shape[:2], heads, n // heads)
        return x.permute(0, 2, 1, 3) if batch_first else x.permute(1, 2, 0, 3)

    q = headed(q)
    k = (
        headed(k)
        if fixed_k is None
        else fixed_k.reshape(batch, heads, *fixed_k.shape[1:])
    )
    v = (
        headed(v)
        if fixed_v is None
        else fixed_v.reshape(batch, heads, *fixed_v.shape[1:])
    )
    if zero:
        last = ((0, 0), (0, 0), (0, 1), (0, 0))
        k, v = (apply(Pad, x, pad=last, value=0.0) for x in (k, v))
    masks = [None if m is None else _allowed(m, more, q.dtype) for m in masks]
    q = q * math.sqrt(heads / n)
    if not need and state is None and _many(q, k):
        out = _averaged(q, k, v, masks, False)
    else:
        weights = _weights(q @ k.transpose(-2, -1), masks, not need)
        if state is not None:
            weights = _dropped(weights, state, p, tuple(weights.shape))
        out = weights @ v
    out = out.permute(0, 2, 1, 3) if batch_first else out.permute(2, 0, 1, 3)
    out = linear(out.reshape(*out.shape[:2], n), out_weight, out_bias)
    if not need:
        return out.squeeze(0) if single else out
    if average:
        weights = weights.mean(1)
    return (out.squeeze(0), weights.squeeze(0)) if single else (out, weights)


def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None,
    k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None,
    static_v: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> Any:  # fmt: skip
    """(O Wₒᵀ + bₒ, weights): O are the heads' softmax(Qᵢ Kᵢᵀ/√d + mask) Vᵢ side by side.

    Queries are [L, N, E] (or [L, E]), keys and values [S, N, …]; see
    ``nn.MultiheadAttention``. AssertionError where shapes disagree, as in PyTorch.
    """
    if not use_separate_proj_weight:
        q_proj_weight = k_proj_weight = v_proj_weight = None
    return attend(
        query, key, value, embed_dim_to_check, num_heads,
        None if use_separate_proj_weight else in_proj_weight,
        q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, bias_k, bias_v,
        static_k, static_v, out_proj_weight, out_proj_bias, key_padding_mask, attn_mask,
        dropout_p if training else 0.0, add_zero_attn, False, need_weights,
        average_attn_weights, is_causal,
    )  # fmt: skip


def attend(
    query: Any, key: Any, value: Any, features: int, heads: int, weight: Any, wq: Any, wk: Any,
    wv: Any, bias: Any, bias_k: Any, bias_v: Any, fixed_k: Any, fixed_v: Any, out_weight: Any,
    out_bias: Any, padding: Any, mask: Any, p: float, zero: bool, batch_first: bool,
    need: bool, average: bool, is_causal: bool,
) -> Any:  # fmt: skip
    """Attention with several heads: the arguments checked, then one event."""
    q, k, v = spec_of(query).shape, spec_of(key).shape, spec_of(value).shape
    if (
        padding is not None
        or mask is not None
        or len(q) != 3
        or not len(k) == len(v) == 3
    ):
        _check_shapes(query, key, value, padding, mask, heads)
        _check_masks(padding, mask)
    if q[-1] != features:
        raise AssertionError(
            f"was expecting embedding dimension of {features}, but got {q[-1]}"
        )
    if features % heads:
        raise AssertionError(f"embed_dim {features} not divisible by num_heads {heads}")
    if (k != v) if weight is not None else k[:-1] != v[:-1]:
        raise AssertionError(f"key shape {k} does not match value shape {v}")
    if weight is None and (wq is None or wk is None or wv is None):
        raise AssertionError("the weights of the projections are missing")
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v come together, or neither")
    first = int(batch_first and len(q) == 3)
    if is_causal:
        if mask is None:
            raise RuntimeError(
                "Need attn_mask if specifying the is_causal hint: "
                "nn.Transformer.generate_square_subsequent_mask makes one"
            )
        if padding is None and not need:  # as in PyTorch the hint is believed
            mask = _barred(q[first], k[first])
    state = None
    if p:
        more = int(bias_k is not None) + int(zero)
        state = _drawn(p, math.prod(q[:-1]), heads, k[first] + more)
    out = _multi_head_attention(
        query, key, value, weight, wq, wk, wv, bias, bias_k, bias_v, fixed_k, fixed_v,
        out_weight, out_bias, padding, mask, state, float(p), heads, bool(zero),
        bool(batch_first), bool(need), bool(average),
    )  # fmt: skip
    return out if need else (out, None)


@functools.lru_cache(maxsize=64)
def _barred(rows: int, columns: int) -> Any:
    """True where a query may not look: at keys that are after it."""
    return constant(~np.tri(rows, columns, dtype=bool))
