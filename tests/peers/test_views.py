"""Where the elements of views lie, what cannot be viewed, and places that are counted from
the end, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
import retrograd.nn.functional
from peers.both import result

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _places(x: Any) -> Any:
    return tuple(x.stride()), x.is_contiguous(), x.storage_offset()


VIEWS: list[Callable[[Any, Any], Any]] = [
    lambda lib, x: x,
    lambda lib, x: x.t(),
    lambda lib, x: x[1:],
    lambda lib, x: x[:, 1:],
    lambda lib, x: x[:, ::2],
    lambda lib, x: x[1],
    lambda lib, x: x[1:, 1:].t(),
    lambda lib, x: x.unsqueeze(1),
    lambda lib, x: x.expand(2, 3, 4),
    lambda lib, x: x[:1].expand(3, 4),
    lambda lib, x: x.view(2, 6)[:, 2:],
    lambda lib, x: x.diagonal(),
    lambda lib, x: x.t().reshape(6, 2),
    lambda lib, x: x.unfold(1, 2, 1),
    lambda lib, x: x.view(12)[3:9].view(2, 3),
    lambda lib, x: x.detach()[1:],
    lambda lib, x: x[0:0],
    lambda lib, x: x[:, 1].view(3),
    lambda lib, x: x[:, 1].view(-1, 1),
    lambda lib, x: x.t().view(12),
    lambda lib, x: x[:, :2].view(6),
    lambda lib, x: x[:, :2].view(3, 2, 1),
    lambda lib, x: x[:2].view(8),
    lambda lib, x: x.expand(2, 3, 4).view(24),
    lambda lib, x: x.expand(2, 3, 4).view(2, 12),
    lambda lib, x: x.t().contiguous().view(12),
    lambda lib, x: x.t().view(7),
    lambda lib, x: x.t().view_as(x),
    lambda lib, x: x.transpose(0, 1).view(2, 2, 3),
    lambda lib, x: x.t().reshape_as(x),
    lambda lib, x: x.permute(1, 0).flatten(),
    lambda lib, x: x[None].permute(1, 0, 2).view(12),
    lambda lib, x: x.as_strided((2, 2), (1, 2), 3),
    lambda lib, x: x[1:].as_strided((2, 2), (1, 2)),
    lambda lib, x: x.unflatten(1, (2, 2)),
    lambda lib, x: x.chunk(2, 1)[1],
    lambda lib, x: x.data[1:],
]


@pytest.mark.parametrize("view", range(len(VIEWS)))
@pytest.mark.parametrize("pending", [False, True], ids=["computed", "pending"])
def test_where_elements_lie(view: int, pending: bool) -> None:
    found = []
    for lib in (rg, torch):
        x = lib.arange(12.0).reshape(3, 4)
        x = x * 1 if pending else x
        made = result(lib, lambda lib, x=x: VIEWS[view](lib, x))
        found.append(made if isinstance(made, type) else _places(made))
    assert found[0] == found[1]
    if not isinstance(made, type):
        mine = VIEWS[view](rg, rg.arange(12.0).reshape(3, 4) * 1)
        before = _places(mine)
        mine.tolist()
        assert _places(mine) == before


def test_what_cannot_be_viewed_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"Use \.reshape"):
        rg.ones(2, 3).t().view(6)


NEGATIVE: list[Callable[[Any, Any, Any], Any]] = [
    lambda lib, a, i: lib.gather(a, 0, i[None]),
    lambda lib, a, i: lib.index_select(a, 0, i),
    lambda lib, a, i: a.scatter(0, i[None], 1.0),
    lambda lib, a, i: lib.scatter_add(a, 0, i[None], lib.ones(1, 1)),
    lambda lib, a, i: lib.scatter_reduce(a, 0, i[None], lib.ones(1, 1), "prod"),
    lambda lib, a, i: a.index_add(0, i, lib.ones(1, 2)),
    lambda lib, a, i: a.index_copy(0, i, lib.ones(1, 2)),
    lambda lib, a, i: a.index_reduce(0, i, lib.ones(1, 2), "prod"),
    lambda lib, a, i: lib.nn.functional.embedding(i, a),
    lambda lib, a, i: a.index_fill(0, i, 2.0),
    lambda lib, a, i: lib.take(a, i),
    lambda lib, a, i: a.put(i, lib.tensor([3.0])),
    lambda lib, a, i: lib.take_along_dim(a, i[None], 0),
    lambda lib, a, i: a[i],
]


@pytest.mark.parametrize("case", range(len(NEGATIVE)))
@pytest.mark.parametrize("place", [-1, 2, -3])
def test_indices_from_the_end(case: int, place: int) -> None:
    def call(lib: Any) -> Any:
        made = NEGATIVE[case](lib, lib.arange(4.0).view(2, 2), lib.tensor([place]))
        return made.tolist()

    theirs = result(torch, call)
    if case == 12 and place != -1:
        theirs = IndexError  # PyTorch takes the remainder, which hides a mistake
    if isinstance(theirs, type):
        for _ in range(3):
            with pytest.raises(theirs):
                call(rg)
    else:
        assert [call(rg) for _ in range(3)] == [theirs] * 3
