"""A tensor that becomes a view of itself (t_, unsqueeze_, …) beside its other views, one
value for places that are several elements, and both inside of transformations."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
from peers.both import result

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

TURNS: dict[str, Callable[[Any], Any]] = {
    "t": lambda x: x.t_(),
    "transpose": lambda x: x.transpose_(0, 1),
    "unsqueeze": lambda x: x.unsqueeze_(1),
    "twice": lambda x: x.unsqueeze_(0).transpose_(0, 2),
    "back": lambda x: x.unsqueeze_(0).squeeze_(),
    "swapaxes": lambda x: x.swapaxes_(0, -1),
    "resize": lambda x: x if x.requires_grad else x.resize_(3, 2),
}
VIEWS: dict[str, Callable[[Any], Any]] = {
    "row": lambda x: x[0],
    "column": lambda x: x[:, 1],
    "detached": lambda x: x.detach(),
    "flat": lambda x: x.view(-1),
    "diagonal": lambda x: x.diagonal(),
    "transposed": lambda x: x.T,
}
WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda x, v: None,
    "to the view": lambda x, v: v.mul_(3),
    "to the whole": lambda x, v: x.mul_(3),
    "to a part": lambda x, v: x[0].zero_(),
    "fill": lambda x, v: v.fill_(7),
    "of the view": lambda x, v: x.__setitem__((..., -1), v.sum() * 2),
}


def weighed(lib: Any, x: Any) -> Any:
    return (x * lib.arange(1.0, x.numel() + 1).reshape(x.shape)).sum()


def run(lib: Any, kind: str, turn: Any, view: Any, write: Any) -> list[Any]:
    leaf = lib.arange(12.0).reshape(4, 3).clone()
    if kind != "plain":
        leaf.requires_grad_()
    whole = leaf * 2
    x = whole[1:3] if kind == "view" else whole[:2] * 1
    if kind == "computed":
        x.tolist()
    v = view(x)
    turn(x)
    write(x, v)
    found = [tuple(x.shape), x.tolist(), v.tolist(), x.stride(), whole.tolist(),
             x.requires_grad, v.requires_grad, x.is_leaf]  # fmt: skip
    if kind != "plain":
        weighed(lib, x).backward(retain_graph=True)
        found.append(leaf.grad.tolist())
        if v.requires_grad:
            weighed(lib, v).backward()
            found.append(leaf.grad.tolist())
    return found


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["plain", "history", "computed", "view"])
def test_views_follow(kind: str, turn: str) -> None:
    for view, write in itertools.product(VIEWS, WRITES):
        both = (TURNS[turn], VIEWS[view], WRITES[write])
        assert run(rg, kind, *both) == run(torch, kind, *both), (view, write)


def test_a_view_of_what_as_strided_laid_out_anew_is_refused() -> None:
    x = rg.ones(2, 3, requires_grad=True) * 2
    v = x[0]
    x.as_strided_((2, 2), (1, 2))
    assert v.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(RuntimeError, match="laid out anew"):
        v.mul_(2)


@pytest.mark.parametrize("turn", TURNS)
def test_turned_in_vmap(turn: str) -> None:
    for of in (lambda x: x * 1, lambda x: x):
        found = []
        for lib in (rg, torch):
            x = lib.arange(12.0).reshape(2, 2, 3)
            y = lib.vmap(lambda x, of=of: TURNS[turn](of(x)) * 2)(x)
            found.append((y.tolist(), tuple(x.shape), x.tolist()))
        assert found[0] == found[1]


def test_resized_in_vmap_to_more() -> None:
    x = rg.vmap(lambda x: (x * 2).resize_(2, 2))(rg.ones(2, 3))
    assert x.tolist() == [[[2.0, 2.0], [2.0, 0.0]]] * 2


REPEATING: list[Callable[[Any], Any]] = [
    lambda base: base[:4].expand(3, 4),
    lambda base: base[:1].expand(2, 5, 3),
    lambda base: base.as_strided((3, 4), (1, 1)),
    lambda base: base.as_strided((3, 4), (0, 2), 1),
    lambda base: base[:4].unfold(0, 2, 1),
    lambda base: base[:4].reshape(4, 1).expand(4, 6).T[1:],
]


@pytest.mark.parametrize("i", range(len(REPEATING)))
def test_one_value_for_places_that_are_several_elements(i: int) -> None:
    for write in (lambda x: x.fill_(3.5), lambda x: x.zero_()):
        found = []
        for lib in (rg, torch):
            base = lib.arange(1.0, 13.0)
            x = REPEATING[i](base)
            write(x)
            found.append((x.tolist(), base.tolist()))
        assert found[0] == found[1]
        # PyTorch has no gradient of this where a step is 0
        leaf = rg.arange(1.0, 13.0, requires_grad=True)
        base = leaf * 1
        write(REPEATING[i](base))
        assert base.tolist() == found[0][1]
        weighed(rg, base).backward()
        kept = [a == b for a, b in zip(found[0][1], leaf.tolist(), strict=True)]
        wanted = [n if k else 0.0 for n, k in zip(leaf.tolist(), kept, strict=True)]
        assert leaf.grad.tolist() == wanted
    for lib in (rg, torch):
        if i in (0, 1, 3, 5):
            with pytest.raises(RuntimeError, match="single memory location"):
                REPEATING[i](lib.arange(12.0)).add_(1)


FILLING: list[Callable[[Any, Any], Any]] = [
    lambda lib, x: x.masked_fill_(lib.eye(3).bool(), 7.0),
    lambda lib, x: x.masked_fill_(lib.eye(3).bool()[0], float("nan")),
    lambda lib, x: x.masked_fill_(lib.zeros(3, 3).bool(), 7.0),
    lambda lib, x: x.index_fill_(0, lib.tensor([0, 2]), 7.0),
    lambda lib, x: x.index_fill_(-1, lib.tensor([1]), lib.tensor(7.0)),
    lambda lib, x: x.index_fill_(0, lib.tensor([], dtype=lib.int64), 7.0),
    lambda lib, x: x.tril_(),
    lambda lib, x: x.tril_(-3),
    lambda lib, x: x.triu_(1),
    lambda lib, x: x.fill_diagonal_(7.0),
    lambda lib, x: x.index_put_((lib.tensor([1]),), lib.tensor(7.0)),
    lambda lib, x: x.__setitem__(x > 1, 7.0),
    lambda lib, x: x.__setitem__(lib.tensor([0]), 7.0),
    lambda lib, x: x.__setitem__((slice(1, None), lib.tensor([0])), 7.0),
    lambda lib, x: x[0].add_(1.0),
    lambda lib, x: x[:, 0].mul_(2.0),
    lambda lib, x: x.__setitem__(0, 3.0),
    lambda lib, x: x.masked_scatter_(lib.eye(3).bool(), lib.ones(3)),
    lambda lib, x: x.scatter_(0, lib.zeros(1, 3, dtype=lib.int64), 7.0),
]


@pytest.mark.filterwarnings("ignore:.*expanded tensor")
@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("shape", [(3,), (3, 1), ()], ids=str)
@pytest.mark.parametrize("i", range(len(FILLING)))
def test_some_elements_of_an_expanded_tensor(
    i: int, shape: tuple[int, ...], computed: bool
) -> None:
    def program(lib: Any) -> Any:
        base = (lib.arange(3.0)[: 3 if shape else 1] + 1).reshape(shape)
        x = base.expand(3, 3)
        if computed:
            x.tolist()
        FILLING[i](lib, x)
        return str([base.tolist(), x.tolist()])  # NaN is NaN

    assert [result(rg, program) for _ in range(3)] == [result(torch, program)] * 3


@pytest.mark.filterwarnings("ignore:writing to some elements")
def test_elements_of_an_expanded_tensor_have_the_gradient_of_their_place() -> None:
    value = rg.tensor(7.0, requires_grad=True)
    leaf = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    base = leaf * 1
    base.expand(2, 3).masked_fill_(rg.tensor([[True, False, False]] * 2), value)
    weighed(rg, base).backward()
    assert base.tolist() == [7.0, 2.0, 3.0]
    assert value.grad.item() == 1.0 and leaf.grad.tolist() == [0.0, 2.0, 3.0]


def test_a_filled_value_has_the_gradient_of_each_place_once() -> None:
    value = rg.tensor(2.0, requires_grad=True)
    base = rg.zeros(4)
    base[:2].expand(3, 2).fill_(value)
    weighed(rg, base).backward()
    assert base.tolist() == [2.0, 2.0, 0.0, 0.0] and value.grad.item() == 3.0


def test_what_is_derived_by_is_not_changed_in_place() -> None:
    for lib in (rg, torch):
        for change in (
            lambda x: x.zero_(),
            lambda x: x.mul_(2),
            lambda x: x[0].fill_(1),
            lambda x: x.t_(),
        ):
            for outer in (lib.func.grad, lib.func.jacrev):
                with pytest.raises(RuntimeError, match="leaf Variable"):
                    outer(lambda x, change=change: change(x).sum())(lib.ones(2, 2))


def test_a_change_without_gradients_keeps_the_derivative() -> None:
    def f(lib: Any, x: Any) -> Any:
        y = (x * 3).sum()
        with lib.no_grad():
            x.mul_(0.5)
        return y + (x * x).sum()

    for lib in (rg, torch):
        g = lib.func.grad(lambda x, lib=lib: f(lib, x))(lib.tensor([1.0, 2.0]))
        assert g.tolist() == [4.0, 5.0]
