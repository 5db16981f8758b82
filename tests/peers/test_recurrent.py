"""Recurrent cells and layers beside PyTorch's: every form of input and of state."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import number
from peers.twins import flat, follow, raises_alike, twins
from retrograd import dispatch

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

KINDS = ("RNN", "GRU", "LSTM")
#: five sequences of at most 6 steps, sorted and not
SORTED, UNSORTED = (6, 4, 4, 2, 1), (2, 6, 4, 1, 4)


def make(kind: str, **how: Any) -> Any:
    return lambda lib: getattr(lib.nn, kind)(4, 3, **how)


def state_of(kind: str, lib: Any, hs: tuple[Any, ...]) -> Any:
    return hs if kind == "LSTM" else hs[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_batched_with_and_without_state(
    kind: str, bidirectional: bool, batch_first: bool
) -> None:
    how: dict[str, Any] = {"num_layers": 2, "bidirectional": bidirectional}
    pair = twins(torch, make(kind, batch_first=batch_first, **how))
    rows = 4 if bidirectional else 2
    x = number(2, 5, 4) if batch_first else number(5, 2, 4)
    follow(torch, pair, x)
    hs = [number(rows, 2, 3, seed=k) for k in range(1 + (kind == "LSTM"))]
    follow(
        torch, pair, x, *hs,
        call=lambda lib, m, x, *hs: m(x, state_of(kind, lib, hs)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched(kind: str, batch_first: bool) -> None:
    pair = twins(torch, make(kind, num_layers=2, batch_first=batch_first))
    x = number(5, 4)
    follow(torch, pair, x)
    hs = [number(2, 3, seed=k) for k in range(1 + (kind == "LSTM"))]
    follow(
        torch, pair, x, *hs,
        call=lambda lib, m, x, *hs: m(x, state_of(kind, lib, hs)),
    )  # fmt: skip


@pytest.mark.parametrize("bias", [False, True])
def test_relu_and_no_bias(bias: bool) -> None:
    pair = twins(torch, make("RNN", nonlinearity="relu", bias=bias))
    follow(torch, pair, number(5, 2, 4))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_projection(bidirectional: bool, bias: bool) -> None:
    how: dict[str, Any] = {"proj_size": 2, "num_layers": 2, "bias": bias}
    pair = twins(torch, make("LSTM", bidirectional=bidirectional, **how))
    rows = 4 if bidirectional else 2
    x, h, c = number(5, 2, 4), number(rows, 2, 2), number(rows, 2, 3, seed=1)
    follow(torch, pair, x)
    follow(torch, pair, x, h, c, call=lambda lib, m, x, h, c: m(x, (h, c)))


def packed(lib: Any, module: Any, x: Any, *hs: Any, lengths: Any, kind: str) -> Any:
    rnn = lib.nn.utils.rnn
    p = rnn.pack_padded_sequence(
        x, lengths, module.batch_first, enforce_sorted=lengths == SORTED
    )
    out, last = module(p, state_of(kind, lib, hs)) if hs else module(p)
    assert isinstance(out, rnn.PackedSequence)
    for i, j in zip(out[1:], p[1:], strict=True):
        assert (i is None) == (j is None)
        assert i is None or i.tolist() == j.tolist()
    padded, n = rnn.pad_packed_sequence(out, batch_first=module.batch_first)
    assert tuple(n.tolist()) == lengths
    return out.data, padded, last


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [SORTED, UNSORTED], ids=["sorted", "unsorted"])
def test_packed(kind: str, bidirectional: bool, lengths: tuple[int, ...]) -> None:
    how: dict[str, Any] = {"num_layers": 2, "bidirectional": bidirectional}
    if kind == "LSTM":
        how["proj_size"] = 2 if bidirectional else 0
    for batch_first in (False, True):
        pair = twins(torch, make(kind, batch_first=batch_first, **how))

        def call(lib: Any, m: Any, x: Any, *hs: Any) -> Any:
            return packed(lib, m, x, *hs, lengths=lengths, kind=kind)

        x = number(5, 6, 4) if batch_first else number(6, 5, 4)
        follow(torch, pair, x, call=call)
        rows = 4 if bidirectional else 2
        sizes = (2 if how.get("proj_size") else 3, 3)
        hs = [
            number(rows, 5, n, seed=k)
            for k, n in enumerate(sizes[: 1 + (kind == "LSTM")])
        ]
        follow(torch, pair, x, *hs, call=call)


CELLS = {
    "RNNCell": {}, "RNNCell relu": {"nonlinearity": "relu"}, "GRUCell": {}, "LSTMCell": {},
    "GRUCell no bias": {"bias": False}, "LSTMCell no bias": {"bias": False},
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lead", [(2,), ()], ids=["batched", "unbatched"])
def test_cells_over_some_steps(name: str, lead: tuple[int, ...]) -> None:
    kind = name.split()[0]
    pair = twins(torch, make(kind, **CELLS[name]))

    def steps(lib: Any, cell: Any, x: Any, *hs: Any) -> Any:
        state: Any = (hs if kind == "LSTMCell" else hs[0]) if hs else None
        found = []
        for t in range(3):
            state = cell(x[t], state)
            found.append(state)
        return found

    x = number(3, *lead, 4)
    follow(torch, pair, x, call=steps)
    hs = [number(*lead, 3, seed=k) for k in range(1 + (kind == "LSTMCell"))]
    follow(torch, pair, x, *hs, call=steps)


@pytest.mark.parametrize("kind", ["rnn_tanh", "rnn_relu", "gru", "lstm"])
def test_functions(kind: str) -> None:
    """torch.lstm(…) and the like, plain and packed, and the cells."""
    gates = {"gru": 3, "lstm": 4}.get(kind, 1)
    shapes = [(gates * 3, 4), (gates * 3, 3), (gates * 3,), (gates * 3,)]
    params = [number(*s, seed=k) * 0.5 for k, s in enumerate(shapes)]
    h, c, x = number(1, 2, 3), number(1, 2, 3, seed=1), number(5, 2, 4)
    found = []
    for lib in (rg, torch):
        ps = [lib.tensor(p) for p in params]
        hx: Any = lib.tensor(h)
        if kind == "lstm":
            hx = (hx, lib.tensor(c))
        f, cell = getattr(lib, kind), getattr(lib, f"{kind}_cell")
        outs = [*f(lib.tensor(x), hx, ps, True, 1, 0.0, False, False, False)]
        sizes = lib.tensor([2, 2, 1])
        rows = lib.tensor(x.reshape(10, 4)[:5])
        outs += f(rows, sizes, hx, ps, True, 1, 0.0, False, False)
        state = (hx[0][0], hx[1][0]) if kind == "lstm" else hx[0]
        outs += flat(cell(lib.tensor(x[0]), state, *ps))
        found.append([o.numpy() for o in outs])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind: str) -> None:
    pair = twins(torch, make(kind))
    found = []
    for lib, module in zip((rg, torch), pair, strict=True):
        x = lib.tensor(number(4, 2, 4), requires_grad=True)
        out = module(x)[0].sin().sum()
        (g,) = lib.autograd.grad(out, [x], create_graph=True)
        weights = list(module.parameters())
        found.append([h.numpy() for h in lib.autograd.grad((g * g).sum(), weights)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_dropout_falls_between_layers_only() -> None:
    rg.manual_seed(0)
    x = rg.randn(50, 40, 4)
    deep = rg.nn.LSTM(4, 16, num_layers=2, dropout=0.5)
    deep.eval()
    expected = deep(x)[0].detach().numpy()
    np.testing.assert_array_equal(expected, deep(x)[0].detach().numpy())
    deep.train()
    one, two = (deep(x)[0].detach().numpy() for _ in range(2))
    assert not np.allclose(one, two)
    assert (one != 0).all()  # nothing is dropped after the last layer
    gone = rg.nn.GRU(4, 3, num_layers=2, dropout=1.0, bias=False)
    out, h = gone(x)
    assert not out.any()
    assert h[0].any()
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        rg.nn.LSTM(4, 3, dropout=0.5)


def test_dropout_scales_what_it_keeps() -> None:
    """A first layer of ones, dropped, into a second that adds 400 inputs up."""
    rg.manual_seed(1)
    net = rg.nn.RNN(1, 400, num_layers=2, nonlinearity="relu", dropout=0.25, bias=False)
    with rg.no_grad():
        for name, w in net.named_parameters():
            w.fill_(1.0 if name.startswith("weight_ih") else 0.0)
    out, _ = net(rg.ones(30, 1, 1))
    kept = out[:, 0, 0] / 400 * 0.75
    assert abs(kept.mean().item() - 0.75) < 0.02
    assert 0 < kept.std().item() < 0.1


@pytest.mark.parametrize("case", range(12))
def test_refusals(case: int) -> None:
    def x(lib: Any, *shape: int) -> Any:
        return lib.zeros(*shape)

    cases: list[Any] = [
        lambda lib: lib.nn.LSTM(4, 3)(x(lib, 2, 2, 2, 4)),
        lambda lib: lib.nn.LSTM(4, 3)(x(lib, 5, 2, 3)),
        lambda lib: lib.nn.LSTM(4, 3)(x(lib, 0, 2, 4)),
        lambda lib: lib.nn.LSTM(4, 3)(
            x(lib, 5, 2, 4), (x(lib, 1, 2, 3), x(lib, 1, 1, 3))
        ),
        lambda lib: lib.nn.LSTM(4, 3)(x(lib, 5, 2, 4), (x(lib, 2, 3), x(lib, 2, 3))),
        lambda lib: lib.nn.GRU(4, 3)(x(lib, 5, 4), x(lib, 1, 1, 3)),
        lambda lib: lib.nn.GRU(4, 3)(x(lib, 5, 2, 4), x(lib, 2, 2, 3)),
        lambda lib: lib.nn.RNN(4, 3)(x(lib, 5, 2, 4).double()),
        lambda lib: lib.nn.RNN(4, 3, nonlinearity="gelu"),
        lambda lib: lib.nn.GRU(4, 3, proj_size=2),
        lambda lib: lib.nn.LSTM(4, 3, proj_size=3),
        lambda lib: lib.nn.LSTM(4, 3, dropout=1.5),
    ]
    raises_alike(torch, cases[case])


def test_a_whole_network_is_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are recorded when they are first met, and never looked at again."""
    net = rg.nn.LSTM(4, 3, num_layers=2, bidirectional=True)
    x = rg.tensor(number(20, 2, 4), dtype=rg.float32)
    entered = []
    real = dispatch._compose

    def compose(rec: Any, key: Any, name: str, *rest: Any) -> Any:
        entered.append(name)
        return real(rec, key, name, *rest)

    monkeypatch.setattr(dispatch, "_compose", compose)
    for n in range(3):
        entered.clear()
        out, _ = net(x)
        out.sum().item()
        steps = entered.count("_lstm_step")
        assert steps == (20 * 2 * 2 if n == 0 else 0)


def test_weights_are_named_as_pytorchs() -> None:
    for kind, layers, two in itertools.product(KINDS, (1, 2), (False, True)):
        how = {"num_layers": layers, "bidirectional": two}
        ours, theirs = (make(kind, **how)(lib) for lib in (rg, torch))
        shapes = [
            [(n, tuple(p.shape)) for n, p in m.named_parameters()]
            for m in (ours, theirs)
        ]
        assert shapes[0] == shapes[1]
        assert [len(w) for w in ours.all_weights] == [
            len(w) for w in theirs.all_weights
        ]
        bound = 3**-0.5
        for p in ours.parameters():
            assert p.abs().max().item() <= bound
        ours.flatten_parameters()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_state_carried_from_piece_to_piece(kind: str) -> None:
    """Truncated backpropagation: the state goes on, its history does not."""

    def build(lib: Any) -> Any:
        return lib.nn.ModuleList(
            [
                getattr(lib.nn, kind)(4, 3, batch_first=True, num_layers=2),
                lib.nn.Linear(3, 4),
            ]
        )

    pair = twins(torch, build)
    found = []
    for lib, (net, head) in zip((rg, torch), pair, strict=True):
        optimizer = lib.optim.RMSprop([*net.parameters(), *head.parameters()], lr=0.01)
        x = lib.tensor(number(2, 24, 4))
        state: Any = None
        losses = []
        for t in range(0, 20, 4):
            if state is not None:
                pairs = isinstance(state, tuple)
                state = tuple(s.detach() for s in state) if pairs else state.detach()
            out, state = net(x[:, t : t + 4], state)
            loss = (head(out) - x[:, t + 1 : t + 5]).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found.append(losses)
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_weights_drawn_anew_are_the_ones_used() -> None:
    pair = twins(torch, make("GRU"))
    for lib, module in zip((rg, torch), pair, strict=True):
        for name, p in module.named_parameters():
            with lib.no_grad():
                p.fill_(0.1) if "bias" in name else lib.nn.init.eye_(p)
        module.weight_hh_l0.data.mul_(0.5)
        module.bias_ih_l0 = lib.nn.Parameter(lib.zeros(9, dtype=lib.float64))
    follow(torch, pair, number(5, 2, 4))
