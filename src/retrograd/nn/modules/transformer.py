"""Transformers: layers of attention and of networks applied at each place (Vaswani et
al., 2017); *norm_first* normalises before each block instead of after it (Xiong et al.,
2020).

Masks are those of ``MultiheadAttention``. The hints ``is_causal`` say that a mask is the
causal one; it is applied whether the hint is given or not. Evaluation computes what
training computes: where PyTorch's fast path would write zeros at padded places, this
does not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ...functions import full
from ...functions.rearrange import triu
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from .activation import GELU, ReLU
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .norm import LayerNorm

Activation = str | Callable[[Any], Any]


def _activation(activation: Activation) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return F.relu if activation == "relu" else F.gelu


def _copies(module: Module, n: int) -> ModuleList:
    if n < 1:
        raise IndexError(f"num_layers must be at least 1, not {n}")
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


class _Layer(Module):
    """What layers of encoder and decoder share: self-attention, then the network."""

    activation: Callable[[Any], Any]

    def _network(self, x: Any, last: Module) -> Any:
        return last(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def _attended(
        self, attention: Any, x: Any, memory: Any, mask: Any, padding: Any, causal: bool
    ) -> Any:
        return attention(
            x,
            memory,
            memory,
            attn_mask=mask,
            key_padding_mask=padding,
            need_weights=False,
            is_causal=causal,
        )[0]


class TransformerEncoderLayer(_Layer):
    """y = norm₁(x + attention(x)), out = norm₂(y + W₂ activation(W₁ y + b₁) + b₂); with
    *norm_first* y = x + attention(norm₁(x)), out = y + network(norm₂(y)).

    Dropout of *dropout* follows each block and the activation.

    >>> import retrograd as rg
    >>> layer = rg.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(rg.randn(3, 5, 8)).shape
    retrograd.Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        how = {"device": device, "dtype": dtype}
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **how
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **how)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **how)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)
        kinds = ((F.relu, ReLU, 1), (F.gelu, GELU, 2))
        self.activation_relu_or_gelu = 0
        for function, module, number in kinds:
            if self.activation is function or isinstance(self.activation, module):
                self.activation_relu_or_gelu = number

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Any:
        x: Any = src
        if self.norm_first:
            y = self._sa_block(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            x = x + y
            return x + self._ff_block(self.norm2(x))
        y = self._sa_block(x, src_mask, src_key_padding_mask, is_causal)
        x = self.norm1(x + y)
        return self.norm2(x + self._ff_block(x))

    def _sa_block(
        self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        y = self._attended(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal)
        return self.dropout1(y)

    def _ff_block(self, x: Any) -> Any:
        return self._network(x, self.dropout2)


class TransformerDecoderLayer(_Layer):
    """y = norm₁(x + attention(x)), z = norm₂(y + attention(y, memory)), out = norm₃(z +
    network(z)); with *norm_first* each norm comes before its block."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        how = {"device": device, "dtype": dtype}
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **how
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **how
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **how)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **how)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x: Any = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(
        self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        y = self._attended(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal)
        return self.dropout1(y)

    def _mha_block(
        self,
        x: Any,
        mem: Any,
        attn_mask: Any,
        key_padding_mask: Any,
        is_causal: bool = False,
    ) -> Any:
        y = self._attended(
            self.multihead_attn, x, mem, attn_mask, key_padding_mask, is_causal
        )
        return self.dropout2(y)

    def _ff_block(self, x: Any) -> Any:
        return self._network(x, self.dropout3)


class TransformerEncoder(Module):
    """*num_layers* copies of *encoder_layer* one after another, then *norm*.

    *enable_nested_tensor* and *mask_check*, which choose PyTorch's fast path, are
    accepted and change nothing.
    """

    norm: Any

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Any:
        x: Any = src
        for layer in self.layers:
            x = layer(
                x,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal),
            )
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """*num_layers* copies of *decoder_layer* one after another, then *norm*."""

    norm: Any

    def __init__(
        self, decoder_layer: Any, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        x: Any = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """decoder(tgt, encoder(src)): both stacks end in a LayerNorm; matrices are drawn
    like Xavier's uniform weights."""

    encoder: Any
    decoder: Any

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        how = {"device": device, "dtype": dtype}
        super().__init__()

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **how)

        def layer(kind: Any) -> Any:
            return kind(
                d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
                batch_first, norm_first, bias, **how,
            )  # fmt: skip

        if custom_encoder is None:
            one = layer(TransformerEncoderLayer)
            custom_encoder = TransformerEncoder(one, num_encoder_layers, norm())
        if custom_decoder is None:
            one = layer(TransformerDecoderLayer)
            custom_decoder = TransformerDecoder(one, num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        across = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[across] != tgt.shape[across]:
            raise RuntimeError(
                "the batch number of src and tgt must be equal, but their shapes are "
                f"{list(src.shape)} and {list(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                "the feature number of src and tgt must be equal to d_model, "
                f"{self.d_model}, but they have {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: Any = None, dtype: Any = None
    ) -> Any:
        """0 on and below the diagonal, −∞ above it: nobody looks ahead."""
        return triu(full((sz, sz), float("-inf"), dtype=dtype, device=device), 1)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
