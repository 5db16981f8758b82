"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from ...functions import empty
from ...tensor import Parameter, Tensor
from .. import init
from ..functional.attention import attend
from ..module import Module
from .linear import NonDynamicallyQuantizableLinear


class MultiheadAttention(Module):
    """(Concat(O₁, …, Oₕ) Wₒᵀ + bₒ, weights), Oᵢ = softmax(Qᵢ Kᵢᵀ/√d + mask) Vᵢ, where
    Qᵢ, Kᵢ, Vᵢ are the i-th parts of Q W_qᵀ + b_q, K W_kᵀ + b_k and V W_vᵀ + b_v
    (Vaswani et al., 2017).

    Inputs are (L, N, E), (N, L, E) with *batch_first*, or (L, E). In *key_padding_mask*
    (N, S) and *attn_mask* (L, S) or (N·h, L, S) True says where nobody may look; numbers
    are added to the scores. Weights come back averaged over the heads unless
    *average_attn_weights* is False, and not at all unless *need_weights*: then a query
    that may look at nothing gives 0 and not NaN.

    W_q, W_k, W_v lie in ``in_proj_weight`` one above another (apart if *kdim* or *vdim*
    differ), drawn like Xavier's uniform weights; biases start at 0.

    >>> import retrograd as rg
    >>> layer = rg.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = rg.randn(3, 5, 8)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    (retrograd.Size([3, 5, 8]), retrograd.Size([3, 5, 5]))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"embed_dim must be divisible by num_heads, but {embed_dim} is no "
                f"multiple of {num_heads}"
            )
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.dropout, self.batch_first = dropout, batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        apart = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(empty((3 * embed_dim, embed_dim), **how))
            for name in apart:
                self.register_parameter(name, None)
        else:
            for name, n in zip(apart, (embed_dim, self.kdim, self.vdim), strict=True):
                setattr(self, name, Parameter(empty((embed_dim, n), **how)))
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = Parameter(empty(3 * embed_dim, **how))
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, **how
        )
        if add_bias_kv:
            self.bias_k = Parameter(empty((1, 1, embed_dim), **how))
            self.bias_v = Parameter(empty((1, 1, embed_dim), **how))
        else:
            self.bias_k = self.bias_v = None
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> Any:
        out = self.out_proj
        return attend(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight, self.in_proj_bias,
            self.bias_k, self.bias_v, None, None, out.weight, out.bias, key_padding_mask,
            attn_mask, self.dropout if self.training else 0.0, self.add_zero_attn,
            self.batch_first, need_weights, average_attn_weights, is_causal,
        )  # fmt: skip

    def merge_masks(
        self, attn_mask: Any, key_padding_mask: Any, query: Tensor
    ) -> tuple[Any, int | None]:
        """The two masks as one, and of what kind it is: 0 none was given (None), 1 the
        one for keys, 2 one of shape (N, heads, L, L). Masks are (N, L, E)'s."""
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, n, _ = query.shape
        if attn_mask.ndim == 3:
            mask = attn_mask.view(batch, -1, n, n)
        else:
            mask = attn_mask.view(1, 1, n, n).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            padding = key_padding_mask.view(batch, 1, 1, n)
            mask = mask + padding.expand(-1, self.num_heads, -1, -1)
        return mask, 2
