"""The way of the parameters on the loss surface; and from one place both ways at once:
the training's own steps, each with the noise of its batch, and descent with the mean
gradient of those batches, by the same optimizer."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ... import dispatch
from ...optim.optimizer import Optimizer
from ...optim.record import ParamGroup, bind
from .replayed import Batch, apart
from .sample import Sample, array_of
from .surface import POINTS, Way, flat, framed, plane, set_flat, surface

#: steps that are compared, and seconds for descending and for the surface
STEPS, DOWN, SECONDS = 40, 1.5, 1.5
#: how many times as long it may take where the machine is busy with others too
LATE = 3.0
#: bytes of data that are copied
BYTES = 1 << 28
#: batches at least whose gradients are averaged, if there are so many
FEW = 4


class Descent:
    """What the page asked to see of the loss surface, and what was found."""

    def __init__(self) -> None:
        self.way = Way()
        self.wanted = ""
        self._picture: dict[str, Any] | None = None
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._batches: list[Batch] = []
        self._places: list[Any] = []
        self._twin: Twin | None = None
        self._why = ""
        self._recorder: Any = None

    def ask(self, kind: str) -> None:
        self._begin()
        self.wanted = kind

    def give_up(self, why: str) -> None:
        """Say why there is no picture."""
        if self.wanted:
            self._show({"kind": self.wanted, "why": why})

    def news(self, after: int) -> dict[str, Any]:
        """The picture, if it is newer than the one that is known."""
        about: dict[str, Any] = {"places": len(self.way.places)}
        if self.wanted:
            about["busy"] = {
                "kind": self.wanted, "done": len(self._places), "of": STEPS,
            }  # fmt: skip
        if self._number > after:
            about |= {"picture": self._number, "surface": self._picture}
        return about

    def _show(self, picture: dict[str, Any]) -> None:
        self._picture, self.wanted = picture, ""
        self._number += 1
        self._begin()

    # -- while the training runs ----------------------------------------------------

    def place(self, step: int, sample: Sample) -> None:
        """Remember where the parameters are."""
        if not self.wanted:
            self.way.add(step, sample.before)

    def batch(self, loss: Any, parameters: list[Any], optimizer: Any) -> None:
        """Before each backward pass: remember its graph and data."""
        if not self.wanted or optimizer is None:
            return
        if self._recorder is None:
            self._recorder = dispatch.Recorder()
            self._places = [flat(parameters)]
            if self.wanted == "descent":
                with apart(self._recorder):
                    try:
                        self._twin = Twin(optimizer, parameters)
                    except (TypeError, ValueError, RuntimeError) as error:
                        self._why = str(error)
        if sum(b.bytes for b in self._batches) < BYTES:
            found = Batch(loss, parameters)
            if found.place:
                self._batches.append(found)

    def stepped(self, optimizer: Any, parameters: list[Any]) -> bool:
        """After each step; whether the next one is needed too."""
        if not self.wanted:
            return False
        if not self._batches:
            return True
        self._places.append(flat(parameters))
        if self.wanted == "descent" and len(self._places) <= STEPS:
            return True
        start = time.perf_counter()
        with apart(self._recorder):
            picture = self._compute(parameters)
        picture["seconds"] = time.perf_counter() - start
        picture["made"] = optimizer._stepped
        self._show(picture)
        return False

    def _compute(self, parameters: list[Any]) -> dict[str, Any]:
        clones = [clone(p) for p in parameters]
        about: dict[str, Any] = {"kind": self.wanted, "batches": len(self._batches)}
        ways = {"way": self.way.places if self.wanted == "surface" else self._places}
        if self.wanted == "descent":
            if self._twin is None:
                about["why"] = self._why
            else:
                ways["batch"], about["averaged"] = self._down(self._twin)
        every = [x for way in ways.values() for x in way]
        found = plane(every)
        if found is None:
            return {**about, "why": about.get("why") or "too few places yet"}
        base, directions, share = found
        shown = {k: (np.stack(v) - base) @ directions.T for k, v in ways.items()}
        axes = framed(np.concatenate(list(shown.values())))

        def loss(place: Any, batches: list[Batch]) -> float:
            set_flat(clones, place)
            return float(np.mean([b.value(clones) for b in batches]))

        def at(i: int, j: int) -> Any:
            return base + axes[0][j] * directions[0] + axes[1][i] * directions[1]

        cost = _cost(lambda: loss(at(0, 0), self._batches[:1]))
        few = _spread(self._batches, int(SECONDS / cost / POINTS**2))
        about["surface"] = len(few)
        about["loss"] = surface(lambda i, j: loss(at(i, j), few), LATE * SECONDS)
        about |= {k: v.tolist() for k, v in shown.items()}
        return {**about, "x": axes[0].tolist(), "y": axes[1].tolist(), "share": share}

    def _down(self, twin: Twin) -> tuple[list[Any], int]:
        """The places of descent with the mean gradient."""
        set_flat(twin.parameters, self._places[0])
        cost = _cost(lambda: self._batches[0].gradient(twin.parameters))
        few = _spread(self._batches, max(FEW, int(DOWN / cost / STEPS)))
        places, end = [self._places[0]], time.monotonic() + LATE * DOWN
        while len(places) < len(self._places) and time.monotonic() < end:
            grads = [b.gradient(twin.parameters) for b in few]
            twin.step([sum(g) / len(few) for g in zip(*grads, strict=True)])
            places.append(flat(twin.parameters))
        return places, len(few)


class Twin:
    """A copy of the parameters with an optimizer of the same kind and state."""

    def __init__(self, optimizer: Any, parameters: list[Any]) -> None:
        kind: Any = type(optimizer)
        if getattr(kind.step, "__wrapped__", None) is not Optimizer.step.__wrapped__:  # type: ignore[attr-defined]
            raise TypeError("this optimizer evaluates the loss itself")
        self.parameters = [clone(p) for p in parameters]
        of = {id(p): c for p, c in zip(parameters, self.parameters, strict=True)}
        self.optimizer: Any = kind.__new__(kind)
        self.optimizer.__setstate__(optimizer.__getstate__())
        state = optimizer.state_dict()
        groups = []
        for g in optimizer.param_groups:
            own = [of[id(p)] if id(p) in of else clone(p) for p in g["params"]]
            groups.append(ParamGroup({**g, "params": own}, optimizer.built_in))
            for p in own:
                bind(p)
        self.optimizer.param_groups = groups
        self.optimizer.load_state_dict(state)
        self.moved = {id(p) for g in self.optimizer.param_groups for p in g["params"]}

    def step(self, gradients: list[Any]) -> None:
        for p, g in zip(self.parameters, gradients, strict=True):
            if id(p) in self.moved:
                p.grad = dispatch.constant(np.asarray(g, array_of(p).dtype))  # type: ignore[union-attr]
        self.optimizer._edges.step(self.optimizer)


def clone(parameter: Any) -> Any:
    """Its numbers, as a tensor of its own."""
    found = dispatch.constant(np.array(array_of(parameter)))
    return found.requires_grad_()


def _spread(batches: list[Batch], most: int) -> list[Batch]:
    """At most so many of them, one at least, evenly."""
    count = max(1, min(most, len(batches)))
    return [batches[i * len(batches) // count] for i in range(count)]


def _cost(work: Any) -> float:
    """Seconds, once it is compiled."""
    costs = []
    for _ in range(7):
        start = time.perf_counter()
        work()
        costs.append(time.perf_counter() - start)
    return max(min(costs), 1e-6)
