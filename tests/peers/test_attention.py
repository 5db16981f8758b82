"""Attention and transformers beside PyTorch's: values and gradients from its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused
from peers.twins import follow, raises_alike, twins

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

Q, K, V = number(2, 4, 3, 6), number(2, 4, 5, 6, seed=1), number(2, 4, 5, 7, seed=2)
BLIND = number(3, 5, seed=3) > 0
BLIND[1] = False  # the second query may look at nothing
DOT: dict[str, Any] = {
    "mask of a batch": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m > 0),
        Q, K, V, number(2, 1, 3, 5)),
    "blind queries": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), Q, K, V, BLIND),
    "blind by numbers": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m.detach()),
        Q, K, V, np.where(BLIND, 0.3, -np.inf)),
    "mask with a gradient": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(
            q, k, v, m, 0.0, False, scale=0.2),
        Q, K, V, number(2, 4, 3, 5)),
    "causal, wide": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), Q, K, V),
    "causal, tall": (
        lambda F, q, k, v: F.scaled_dot_product_attention(k, q, q, is_causal=True), Q, K, V),
    "all dropped": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=1.0), Q, K, V),
    "grouped, causal": (
        lambda F, q, k, v: F.scaled_dot_product_attention(
            q, k[:, :2], v[:, :2], is_causal=True, enable_gqa=True), Q, K, V),
    "no queries": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q[..., :0, :], k, v), Q, K, V),
    "no keys": (
        lambda F, q, k, v: F.scaled_dot_product_attention(
            q, k[..., :0, :], v[..., :0, :]), Q, K, V),
    "batches broadcast": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q[:, :1], k[:1], v[:1]), Q, K, V),
}  # fmt: skip


@pytest.mark.parametrize("name", DOT)
def test_dot_product(name: str) -> None:
    function, *arrays = DOT[name]
    compare(torch, lambda lib, *ts: function(lib.nn.functional, *ts), *arrays)


NOT_DOT: dict[str, Any] = {
    "mask and causal": lambda F, q, k, v: F.scaled_dot_product_attention(
        q, k, v, q[0, 0, :, :5] > 0, is_causal=True),
    "types": lambda F, q, k, v: F.scaled_dot_product_attention(q, k.float(), v),
    "vectors": lambda F, q, k, v: F.scaled_dot_product_attention(
        q[0, 0, 0], k[0, 0, 0], v[0, 0, 0]),
    "heads": lambda F, q, k, v: F.scaled_dot_product_attention(
        q, k[:, :3], v[:, :3], enable_gqa=True),
    "mask of integers": lambda F, q, k, v: F.scaled_dot_product_attention(
        q, k, v, (q[0, 0, :, :5] > 0).long()),
    "dropout": lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=1.5),
    "features": lambda F, q, k, v: F.scaled_dot_product_attention(q[..., :5], k, v),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_DOT)
def test_dot_products_refused(name: str) -> None:
    function = NOT_DOT[name]
    refused(torch, lambda lib, *ts: function(lib.nn.functional, *ts), Q, K, V)


def test_dropped_weights_are_scaled() -> None:
    rg.manual_seed(0)
    q, v = rg.zeros(200, 8, 4), rg.ones(200, 8, 1)
    out = rg.nn.functional.scaled_dot_product_attention(q, q, v, dropout_p=0.25)
    kept = out * 8 * 0.75  # how many of eight weights 1/8 were kept
    assert rg.allclose(kept, kept.round())
    assert abs(out.mean().item() - 1) < 0.02
    assert out.std().item() > 0.1


E_, H, N, L, S = 8, 2, 3, 4, 5
X, MEMORY = number(L, N, E_), number(S, N, E_, seed=1)
KEYS, VALUES = number(S, N, 5, seed=2), number(S, N, 7, seed=3)
PADDING = np.arange(S) >= np.array([[5], [3], [2]])  # True: nobody looks
LATER = ~np.tri(L, S, dtype=bool)
MANY = number(N * H, L, S, seed=4) > 0.5
MANY[:, :, 0] = False
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "bias_kv": {"add_bias_kv": True},
    "zero_attn": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True},
    "batch_first": {"batch_first": True},
    "batch_first both": {
        "batch_first": True,
        "add_bias_kv": True,
        "add_zero_attn": True,
    },
}
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no weights": {"need_weights": False},
    "each head": {"average_attn_weights": False},
    "padding": {"key_padding_mask": PADDING},
    "padding, no weights": {"key_padding_mask": PADDING, "need_weights": False},
    "mask": {"attn_mask": LATER},
    "mask for each": {"attn_mask": MANY, "average_attn_weights": False},
    "mask of numbers": {"attn_mask": number(L, S), "need_weights": False},
    "both": {"attn_mask": LATER, "key_padding_mask": PADDING},
    "both, no weights": {
        "attn_mask": MANY, "key_padding_mask": PADDING & (np.arange(S) > 0),
        "need_weights": False},
    "both of numbers": {
        "attn_mask": number(N * H, L, S), "key_padding_mask": number(N, S)},
    "hint": {"attn_mask": LATER, "is_causal": True, "need_weights": False},
    "hint, weights": {"attn_mask": LATER, "is_causal": True},
}  # fmt: skip


def called(lib: Any, module: Any, *inputs: Any, **options: Any) -> Any:
    own = {
        k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
    }
    return module(*inputs, **own)


def turned(*arrays: Any) -> list[Any]:
    return [np.ascontiguousarray(np.swapaxes(a, 0, 1)) for a in arrays]


# PyTorch's hint, without weights, hides the extra keys from some queries.
COMBINED = [
    (o, c)
    for o, given in OPTIONS.items()
    for c in CALLS
    if c != "hint" or not any(k.startswith("add_") for k in given)
]


@pytest.mark.parametrize(("options", "how"), COMBINED)
def test_multihead_attention(options: str, how: str) -> None:
    given, words = OPTIONS[options], CALLS[how]
    pair = twins(torch, lambda lib: lib.nn.MultiheadAttention(E_, H, **given))
    xs = turned(X, MEMORY) if "batch_first" in given else [X, MEMORY]
    follow(
        torch, pair, *xs,
        call=lambda lib, m, q, k: called(lib, m, q, k, k, **words),
    )  # fmt: skip


@pytest.mark.parametrize("need", [True, False])
def test_attention_to_itself_and_to_others(need: bool) -> None:
    pair = twins(torch, lambda lib: lib.nn.MultiheadAttention(E_, H))
    apart = twins(torch, lambda lib: lib.nn.MultiheadAttention(E_, H, kdim=5, vdim=7))
    unlike = twins(
        torch,
        lambda lib: lib.nn.MultiheadAttention(
            E_, 4, kdim=5, vdim=7, bias=False, add_bias_kv=True, batch_first=True
        ),
    )
    follow(torch, pair, X, call=lambda lib, m, q: m(q, q, q, need_weights=need))
    follow(
        torch, pair, X, MEMORY, number(S, N, E_, seed=9),
        call=lambda lib, m, q, k, v: m(q, k, v, need_weights=need),
    )  # fmt: skip
    follow(
        torch, apart, X, KEYS, VALUES,
        call=lambda lib, m, q, k, v: m(q, k, v, need_weights=need),
    )  # fmt: skip
    follow(
        torch, unlike, *turned(X, KEYS, VALUES),
        call=lambda lib, m, q, k, v: called(
            lib, m, q, k, v, need_weights=need, key_padding_mask=PADDING),
    )  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
def test_attention_without_a_batch(first: bool) -> None:
    pair = twins(torch, lambda lib: lib.nn.MultiheadAttention(E_, H, batch_first=first))
    for words in (
        {},
        {"need_weights": False, "attn_mask": MANY[:H]},
        {"key_padding_mask": PADDING[1], "average_attn_weights": False},
    ):
        follow(
            torch, pair, X[:, 0], MEMORY[:, 0],
            call=lambda lib, m, q, k, words=words: called(lib, m, q, k, k, **words),
        )  # fmt: skip


def test_evaluation_of_what_nobody_may_look_at() -> None:
    """With weights 0/0, without them 0."""
    pair = twins(torch, lambda lib: lib.nn.MultiheadAttention(E_, H))
    mask = np.ones((L, S), bool)
    mask[1:] = LATER[1:]
    follow(
        torch, pair, X, MEMORY,
        call=lambda lib, m, q, k: called(
            lib, m, q, k, k, attn_mask=mask, need_weights=False)[0],
    )  # fmt: skip
    ours, theirs = pair
    out = ours(rg.tensor(X), *[rg.tensor(MEMORY)] * 2, attn_mask=rg.tensor(mask))[0]
    other = theirs(
        torch.tensor(X), *[torch.tensor(MEMORY)] * 2, attn_mask=torch.tensor(mask)
    )[0]
    assert np.array_equal(out.detach().isnan().numpy(), other.detach().isnan().numpy())
    assert out[0].isnan().all()


def test_fixed_keys_and_values() -> None:
    """The function's own arguments static_k and static_v."""
    w, b = number(3 * E_, E_), number(3 * E_)
    out, ob = number(E_, E_, seed=5), number(E_, seed=6)
    k, v = number(N * H, 6, E_ // H), number(N * H, 6, E_ // H, seed=1)

    def run(lib: Any, *ts: Any) -> Any:
        x, memory, w, b, out, ob, k, v = ts
        return lib.nn.functional.multi_head_attention_forward(
            x, memory, memory, E_, H, w, b, None, None, True, 0.5, out, ob,
            training=False, static_k=k, static_v=v,
        )  # fmt: skip

    compare(torch, run, X, MEMORY, w, b, out, ob, k, v)


def attention(lib: Any, **options: Any) -> Any:
    return lib.nn.MultiheadAttention(E_, H, dtype=lib.float64, **options)


def ones(lib: Any, *shape: int) -> Any:
    return lib.ones(*shape, dtype=lib.float64)


NOT_ATTENTION = [
    lambda lib: lib.nn.MultiheadAttention(0, 2),
    lambda lib: lib.nn.MultiheadAttention(8, 3),
    lambda lib: attention(lib)(ones(lib, 2, 2, 7), *[ones(lib, 2, 2, 7)] * 2),
    lambda lib: attention(lib)(*[ones(lib, 1, 2, 2, 8)] * 3),
    lambda lib: attention(lib)(ones(lib, 2, 8), *[ones(lib, 2, 2, 8)] * 2),
    lambda lib: attention(lib)(ones(lib, 2, 2, 8), ones(lib, 3, 2, 8), ones(lib, 2, 2, 8)),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, ones(lib, 3, 3) > 0),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, ones(lib, 2) > 0),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, ones(lib, 3, 2).long()),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, attn_mask=ones(lib, 3, 2) > 0),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, attn_mask=ones(lib, 2) > 0),
    lambda lib: attention(lib)(*[ones(lib, 2, 8)] * 3, attn_mask=ones(lib, 3, 2, 2) > 0),
    lambda lib: attention(lib)(*[ones(lib, 2, 3, 8)] * 3, is_causal=True),
    lambda lib: lib.nn.TransformerEncoderLayer(8, 2, activation="tanh"),
    lambda lib: lib.nn.Transformer(8, 2, 1, 1, 8)(lib.ones(2, 3, 8), lib.ones(2, 2, 8)),
    lambda lib: lib.nn.Transformer(8, 2, 1, 1, 8, batch_first=True)(
        lib.ones(2, 3, 8), lib.ones(3, 3, 8)),
    lambda lib: lib.nn.Transformer(8, 2, 1, 1, 8)(lib.ones(2, 3, 7), lib.ones(2, 3, 7)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("number_of", range(len(NOT_ATTENTION)))
def test_attention_refused(number_of: int) -> None:
    raises_alike(torch, NOT_ATTENTION[number_of])


def test_mismatched_masks_warn() -> None:
    with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
        attention(rg)(
            *[ones(rg, 2, 3, 8)] * 3, ones(rg, 3, 2) < 0, attn_mask=ones(rg, 2, 2)
        )


# -- transformers --------------------------------------------------------------------

SRC, TGT = number(L, N, E_), number(S, N, E_, seed=1)
SRC_PADDING = np.arange(L) >= np.array([[4], [2], [1]])
AHEAD_S = np.triu(np.full((S, S), -np.inf), 1)
AHEAD_L = np.triu(np.ones((L, L), bool), 1)
LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gelu": {"activation": "gelu", "layer_norm_eps": 1e-3},
    "norm_first": {"norm_first": True},
    "batch_first": {"batch_first": True},
    "no bias": {"bias": False, "batch_first": True, "norm_first": True},
    "own activation": {"activation": lambda x: x.tanh()},
}


@pytest.mark.parametrize("name", LAYERS)
def test_encoder_layers(name: str) -> None:
    given = {"dropout": 0.0, **LAYERS[name]}
    pair = twins(torch, lambda lib: lib.nn.TransformerEncoderLayer(E_, H, 12, **given))
    (x,) = turned(SRC) if "batch_first" in given else [SRC]
    follow(torch, pair, x)
    for words in (
        {"src_mask": AHEAD_L, "is_causal": True},
        {"src_key_padding_mask": SRC_PADDING},
        {"src_mask": AHEAD_L, "src_key_padding_mask": SRC_PADDING},
    ):
        follow(
            torch, pair, x,
            call=lambda lib, m, x, words=words: called(lib, m, x, **words),
        )  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_decoder_layers(name: str) -> None:
    given = {"dropout": 0.0, **LAYERS[name]}
    pair = twins(torch, lambda lib: lib.nn.TransformerDecoderLayer(E_, H, 12, **given))
    xs = turned(TGT, SRC) if "batch_first" in given else [TGT, SRC]
    follow(torch, pair, *xs)
    follow(
        torch, pair, *xs,
        call=lambda lib, m, t, s: called(
            lib, m, t, s, tgt_mask=AHEAD_S, memory_mask=number(S, L),
            memory_key_padding_mask=np.where(SRC_PADDING, -np.inf, 0.0)),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("options", [
    {}, {"batch_first": True, "norm_first": True, "activation": "gelu"}, {"bias": False},
])  # fmt: skip
def test_transformers(options: dict[str, Any]) -> None:
    pair = twins(
        torch, lambda lib: lib.nn.Transformer(E_, H, 2, 2, 12, dropout=0.0, **options)
    )
    xs = turned(SRC, TGT) if "batch_first" in options else [SRC, TGT]
    follow(torch, pair, *xs)

    def run(lib: Any, m: Any, s: Any, t: Any) -> Any:
        ahead = lib.nn.Transformer.generate_square_subsequent_mask(S, dtype=lib.float64)
        padding = lib.tensor(np.where(SRC_PADDING, -np.inf, 0.0))
        return m(
            s, t, tgt_mask=ahead, src_key_padding_mask=padding,
            memory_key_padding_mask=padding, tgt_is_causal=True,
        )  # fmt: skip

    follow(torch, pair, *xs, call=run)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("norm", [True, False])
def test_stacks_of_layers(norm: bool) -> None:
    def encoder(lib: Any) -> Any:
        layer = lib.nn.TransformerEncoderLayer(E_, H, 12, 0.0, batch_first=True)
        last = lib.nn.LayerNorm(E_) if norm else None
        return lib.nn.TransformerEncoder(layer, 3, last)

    pair = twins(torch, encoder)
    (x,) = turned(SRC)
    follow(torch, pair, x)
    follow(
        torch, pair, x,
        call=lambda lib, m, x: called(
            lib, m, x, mask=AHEAD_L, src_key_padding_mask=SRC_PADDING),
    )  # fmt: skip
    # in evaluation too, without gradients and at the places that count
    for module in pair:
        module.eval()
    with rg.no_grad(), torch.no_grad():
        ours = pair[0](rg.tensor(x), src_key_padding_mask=rg.tensor(SRC_PADDING))
        theirs = pair[1](
            torch.tensor(x), src_key_padding_mask=torch.tensor(SRC_PADDING)
        )
    np.testing.assert_allclose(
        ours.numpy()[~SRC_PADDING], theirs.numpy()[~SRC_PADDING], rtol=1e-9
    )


def test_initial_weights_of_transformers() -> None:
    """Matrices within Xavier's bounds, biases of attention 0, copies alike at first."""
    rg.manual_seed(0)
    net = rg.nn.Transformer(E_, H, 2, 1, 12)
    bound = (6 / (E_ + 3 * E_)) ** 0.5
    weight = net.encoder.layers[0].self_attn.in_proj_weight
    assert 0.9 * bound < weight.abs().max().item() <= bound
    assert not net.encoder.layers[0].self_attn.in_proj_bias.any()
    layers = rg.nn.TransformerEncoder(
        rg.nn.TransformerEncoderLayer(E_, H, 12), 2
    ).layers
    assert rg.equal(layers[0].linear1.weight, layers[1].linear1.weight)
    assert layers[0].linear1.weight is not layers[1].linear1.weight


@pytest.mark.parametrize("rows, columns", [(11, 11), (13, 7), (9, 14), (17, 1)])
@pytest.mark.parametrize(
    "kind, again",
    [("causal", False), *((k, True) for k in ("causal", "mask", "row mask", "plain"))],
)
def test_long_sequences_part_by_part(
    kind: str, rows: int, columns: int, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some queries at a time, as long sequences are: here with four at a time."""
    from retrograd.nn.functional import attention

    monkeypatch.setattr(attention, "_ROWS", 4)
    monkeypatch.setattr(attention, "_LARGE", 0 if again else 1 << 60)
    rng = np.random.default_rng(rows)
    # shapes that no other test has: what was composed before is not composed again
    shapes = [(2, 3, rows, 5), (2, 3, columns, 5), (2, 3, columns, 6 + again)]
    given = [rng.standard_normal(s) for s in shapes]
    weight = rng.standard_normal((2, 3, rows, 6 + again))
    mask = rng.random((1 if kind == "row mask" else rows, columns)) < 0.7
    mask[:, 0] = True
    found = []
    for lib in (rg, torch):
        q, k, v = (lib.tensor(x, requires_grad=True) for x in given)
        options = {"is_causal": True} if kind == "causal" else {}
        if "mask" in kind:
            options["attn_mask"] = lib.tensor(mask)
        y = lib.nn.functional.scaled_dot_product_attention(q, k, v, **options)
        loss = (y * lib.tensor(weight)).sum()
        first = lib.autograd.grad(loss, (q, k, v), create_graph=True)
        more = lib.autograd.grad(sum((g * g).sum() for g in first), (q, k, v))
        found.append([t.detach().numpy() for t in (y, *first, *more)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_parts_under_vmap_and_forward_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    from retrograd.nn.functional import attention

    monkeypatch.setattr(attention, "_ROWS", 4)
    monkeypatch.setattr(attention, "_LARGE", 0)
    rng = np.random.default_rng(0)
    x, dx = rng.standard_normal((2, 3, 19, 4))
    found = []
    for lib in (rg, torch):

        def f(q: Any, lib: Any = lib) -> Any:
            return lib.nn.functional.scaled_dot_product_attention(
                q, q, q, is_causal=True
            )

        a, da = lib.tensor(x), lib.tensor(dx)
        if lib is rg:
            out, tangent = rg.func.jvp(rg.func.vmap(f), (a,), (da,))
        else:
            out, tangent = torch.autograd.functional.jvp(f, (a,), (da,))
        grads = lib.func.vmap(lib.func.grad(lambda q, f=f: f(q).square().sum()))(a)
        found.append([t.numpy() for t in (out, tangent, grads)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
