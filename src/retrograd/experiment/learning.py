"""Learners in experiments: how often one is right, the way it went, many side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd import is_grad_enabled
from ..func import functional_call, stack_module_state, vmap
from ..functions.generator import manual_seed


def accuracy(scores: Any, labels: Any) -> float:
    """(1/N) Σ [argmax_k scores[n, k] = labels[n]]: the share of rows that are right.

    >>> import retrograd as rg
    >>> accuracy(rg.tensor([[2.0, 1.0], [0.0, 3.0]]), rg.tensor([0, 0]))
    0.5
    """
    return float((scores.argmax(1) == labels).float().mean().item())


def walk(
    optimizer: Any,
    w: Any,
    loss: Callable[[int], Any],
    until: Callable[[Any], bool],
    most: int,
) -> Any:
    """The places of w, an array [steps + 1, …], from its start until ``until(place)``.

    A step is one of the optimizer on ``loss(step)``, with step = 0, 1, …; at *most* so many
    are made.

    >>> import retrograd as rg
    >>> w = rg.tensor([8.0], requires_grad=True)
    >>> halved = rg.optim.SGD([w], lr=0.25)
    >>> walk(halved, w, lambda _: (w**2).sum(), lambda w: abs(w[0]) < 3, 10).ravel()
    array([8., 4., 2.], dtype=float32)
    """
    places = [w.detach().numpy().copy()]
    for step in range(most):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
        places.append(w.detach().numpy().copy())
        if until(places[-1]):
            break
    return np.array(places)


def descent(
    optimizer: Any, w: Any, objective: Callable[[Any], Any], budget: int, enough: float
) -> Any:
    """(evaluations, value) of ``objective(w)`` from the start on, an array [steps + 1, 2],
    until the value is *enough* or the *budget* of evaluations is used up.

    The optimizer is of any order: those of ``optim.zeroth`` count their evaluations, and
    for others a step is one; where the objective has a gradient they get it.

    >>> import retrograd as rg
    >>> w = rg.tensor([2.0], requires_grad=True)
    >>> descent(rg.optim.SGD([w], lr=0.25), w, lambda w: (w**2).sum(), 10, 0.5)
    array([[1.  , 4.  ],
           [2.  , 1.  ],
           [3.  , 0.25]])
    """

    def value() -> Any:
        loss = objective(w)
        if is_grad_enabled() and getattr(loss, "requires_grad", False):
            loss.backward()
        return loss

    found = [(1, float(objective(w)))]
    while found[-1][0] < budget and found[-1][1] > enough:
        w.grad = None
        optimizer.step(value)
        asked = getattr(optimizer, "evaluations", len(found))
        found.append((asked + 1, float(objective(w))))
    return np.array(found)


def side_by_side(
    make: Callable[[], Any], seeds: Iterable[int]
) -> tuple[Callable[[Any], Any], list[Any]]:
    """Networks from ``make()``, one for each seed, in one graph: a function from inputs
    [S, …] to outputs [S, …], network s on slice s; and their stacked weights.

    No slice meets another, so that of a sum of losses over the seeds each network gets the
    gradient that it would have alone, and elementwise optimizers (SGD, Adam and most)
    train it as if alone; twenty small networks cost little more than one.

    >>> import retrograd as rg
    >>> networks, weights = side_by_side(lambda: rg.nn.Linear(3, 2), seeds=range(5))
    >>> networks(rg.ones(5, 7, 3)).shape, [tuple(w.shape) for w in weights]
    (retrograd.Size([5, 7, 2]), [(5, 2, 3), (5, 2)])
    """
    made = []
    for seed in seeds:
        manual_seed(seed)
        made.append(make())
    weights, buffers = stack_module_state(made)
    one = vmap(lambda w, b, x: functional_call(made[0], (w, b), (x,)))
    return lambda x: one(weights, buffers, x), list(weights.values())
