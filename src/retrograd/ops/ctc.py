"""Connectionist temporal classification (Graves et al. 2006).

A sequence of labels l₁ … l_U is written in T ≥ U steps by repeating labels and by blanks
between them; every way to do so is a path. With x[t, c] the logarithm of the probability
of writing c at step t,

    Z = Σ_paths exp Σₜ x[t, path(t)],        the loss is −log Z.

Paths run through the states blank, l₁, blank, l₂, …, l_U, blank: from each to itself, to
the next, and past a blank between two different labels. Z is a sum over t, forwards (α)
or backwards (β). The derivative of log Z is the probability, among the paths, that c is
written at t; further derivatives, along directions v₁, v₂, …, are those of x + Σ εᵢ vᵢ
with εᵢ² = 0: what stands before Πᵢ εᵢ. Each number is carried with its coefficients for
all sets of directions, divided by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply
from .elementwise import Where
from .families import Tensor
from .op import Array, Op, Sample, Spec, probe

_NONE = -np.inf


class _Paths:
    """The states of each sequence of a batch, and the sums over paths through them."""

    def __init__(
        self, x: Array, targets: Array, steps: Array, lengths: Array, blank: int
    ) -> None:
        N = x.shape[1]
        self.x, self.steps = x, np.asarray(steps)
        longest = int(lengths.max()) if N else 0
        self.states = np.full((N, 2 * longest + 1), blank, np.int64)
        self.states[:, 1::2] = targets[:, :longest]
        count = 2 * np.asarray(lengths) + 1
        place = np.arange(self.states.shape[1])
        self.alive = place < count[:, None]
        self.last = (place == count[:, None] - 1) | (place == count[:, None] - 2)
        self.jumps = np.zeros(self.states.shape, bool)  # from two states before
        self.jumps[:, 2:] = self.states[:, 2:] != self.states[:, :-2]
        self.states = np.where(self.alive, self.states, blank)

    def seen(self, x: Array) -> Array:
        """[T, N, states]: what each state writes at each step."""
        return np.take_along_axis(x, self.states[None], 2)

    def forwards(self, jets: _Jets) -> tuple[Array, Coefficients]:
        """α, the logarithm of the sum over paths up to (t, state), and its jet."""
        x = self.seen(self.x)
        alpha = np.full(x.shape, _NONE)
        alpha[0, :, :2] = x[0, :, :2]
        alpha[0][~self.alive] = _NONE
        jet = [w.copy() for w in jets.grown]
        for t in range(1, x.shape[0]):
            before = alpha[t - 1]
            parts = [before, _shifted(before, 1, _NONE),
                     np.where(self.jumps, _shifted(before, 2, _NONE), _NONE)]  # fmt: skip
            total, shares = _added(parts)
            alpha[t] = np.where(self.alive, total + x[t], _NONE)
            rest = [_mixed(shares, c[t - 1], 1) for c in jet]
            for c, new in zip(
                jet, jets.times(rest, [g[t] for g in jets.grown]), strict=True
            ):
                c[t] = new
        return alpha, jet

    def backwards(self, jets: _Jets) -> tuple[Array, Coefficients]:
        """β, the logarithm of the sum over paths from (t, state) on, and its jet."""
        x = self.seen(self.x)
        beta = np.full(x.shape, _NONE)
        jet = [w.copy() for w in jets.grown]
        ahead = _shifted(self.jumps, -2, False)
        for t in reversed(range(x.shape[0])):
            end = (self.steps == t + 1)[:, None]
            here = np.where(end & self.last, 0.0, _NONE)
            if t + 1 < x.shape[0]:
                after = beta[t + 1]
                parts = [after, _shifted(after, -1, _NONE),
                         np.where(ahead, _shifted(after, -2, _NONE), _NONE)]  # fmt: skip
                total, shares = _added(parts)
                here = np.where(end, here, total)
                rest = [_mixed(shares, c[t + 1], -1) for c in jet]
                grown = jets.times(rest, [g[t] for g in jets.grown])
                for c, new in zip(jet, grown, strict=True):
                    c[t] = np.where(end, c[t], new)
            running = self.alive & (t < self.steps)[:, None]
            beta[t] = np.where(running, here + x[t], _NONE)
        return beta, jet

    def total(self, alpha: Array) -> tuple[Array, Array]:
        """log Z of each sequence, and the share of each of its last states."""
        end = alpha[self.steps - 1, np.arange(alpha.shape[1])]
        end = np.where(self.last, end, _NONE)
        # of no steps at all only the empty sequence can be made
        nothing = np.where(self.alive.sum(1) == 1, 0.0, _NONE)
        z, shares = _added(list(end.T))
        return np.where(self.steps == 0, nothing, z), np.stack(shares, 1)

    def posterior(self, directions: tuple[Array, ...]) -> Array:
        """How probable each (t, c) is among the paths: its derivative along all of the
        directions."""
        jets = _Jets([self.seen(v) for v in directions], self.seen(self.x))
        alpha, up = self.forwards(jets)
        beta, down = self.backwards(jets)
        z, shares = self.total(alpha)
        n = np.arange(alpha.shape[1])
        whole = [(shares * c[self.steps - 1, n]).sum(1)[:, None] for c in up]
        whole[0] = np.ones_like(whole[0])
        # α and β both have the step t itself: once too often
        jet = jets.times(jets.times(up, down), jets.shrunk)
        jet = jets.times(jet, jets.inverse(whole))
        x = self.seen(self.x)
        share = np.exp(alpha + beta - np.where(np.isfinite(x), x, 0.0)
                       - np.where(np.isfinite(z), z, np.inf)[:, None])  # fmt: skip
        share = np.where(np.isfinite(share), share, 0.0)
        values = np.where(share > 0, share * jet[-1], 0.0)
        out = np.zeros(self.x.shape)
        for t in range(values.shape[0]):  # several states write the same
            np.add.at(out[t], (n[:, None], self.states), values[t])
        return out


Coefficients = list[Array]


class _Jets:
    """Numbers with coefficients for all sets of directions: set i has bit k if εₖ is in
    it; the first, of the empty set, is 1."""

    def __init__(self, directions: list[Array], like: Array) -> None:
        self.count = 1 << len(directions)
        #: exp(Σ εᵢ vᵢ) = Π (1 + εᵢ vᵢ), and 1 over it
        self.grown, self.shrunk = [np.ones_like(like)], [np.ones_like(like)]
        for v in directions:
            self.grown += [c * v for c in self.grown]
            self.shrunk += [-c * v for c in self.shrunk]

    def times(self, a: Coefficients, b: Coefficients) -> Coefficients:
        return [sum((a[r] * b[s ^ r] for r in range(s + 1) if r & s == r), np.zeros(1))
                for s in range(self.count)]  # fmt: skip

    def inverse(self, a: Coefficients) -> Coefficients:
        out = [np.ones_like(a[0])]
        for s in range(1, self.count):
            rest = (a[r] * out[s ^ r] for r in range(1, s + 1) if r & s == r)
            out.append(-sum(rest, np.zeros(1)))
        return out


def _shifted(a: Array, k: int, fill: Any) -> Array:
    """Each state's number k states on."""
    if not k:
        return a
    out = np.full(a.shape, fill, a.dtype)
    if k > 0:
        out[:, k:] = a[:, :-k]
    else:
        out[:, :k] = a[:, -k:]
    return out


def _mixed(shares: list[Array], values: Array, way: int) -> Array:
    """What comes from 0, 1 and 2 states before, or behind."""
    parts = [w * _shifted(values, way * k, 0.0) for k, w in enumerate(shares)]
    return np.add.reduce(parts)  # type: ignore[no-any-return]


def _added(parts: list[Array]) -> tuple[Array, list[Array]]:
    """log Σ exp, and the share of each."""
    top = np.maximum.reduce(parts)
    safe = np.where(np.isfinite(top), top, 0.0)
    weights = [np.exp(p - safe) for p in parts]
    total = np.add.reduce(weights)
    return np.log(total) + safe, [w / np.where(total > 0, total, 1.0) for w in weights]


def _paths(
    x: Array, targets: Array, steps: Array, lengths: Array, blank: int
) -> _Paths:
    return _Paths(x.astype(np.float64, copy=False), targets, steps, lengths, blank)


class CtcLoss(Op):
    """out[n] = −log Z of x [T, N, C], targets [N, U], and the numbers of steps and of
    labels of each sequence; ∞ where the labels do not fit into the steps."""

    formula, adjoint = "−log Σ exp Σ x over paths", ("−ḡ · P(path writes c at t)",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec((specs[0].shape[1],), specs[0].dtype)

    @staticmethod
    def forward(
        x: Array, targets: Array, steps: Array, lengths: Array, *, blank: int
    ) -> Array:
        paths = _paths(x, targets, steps, lengths, blank)
        z, _ = paths.total(paths.forwards(_Jets([], paths.seen(paths.x)))[0])
        return (-z).astype(x.dtype, copy=False)

    @staticmethod
    def vjp_x(
        g: Tensor, out: Tensor, x: Tensor, targets: Tensor, steps: Tensor,
        lengths: Tensor, blank: int,
    ) -> Tensor:  # fmt: skip
        post = apply(CtcPosterior, x, targets, steps, lengths, blank=blank)
        # without a path there is no derivative, unless nobody wants it
        lost = (out == float("inf")) & (g != 0)
        scale = apply(Where, lost, float("nan"), -g)
        return post * scale.reshape((1, *g.shape, 1))

    @staticmethod
    def samples() -> list[Sample]:
        targets = np.array([[1, 1, 2], [3, 0, 0]])
        steps, lengths = np.array([5, 4]), np.array([3, 1])
        return [
            Sample(probe(5, 2, 4) - 1, targets, steps, lengths, blank=0),
            Sample(
                probe(3, 1, 3), np.array([[0]]), np.array([2]), np.array([1]), blank=2
            ),
        ]


class CtcPosterior(Op):
    """out[t, n, c] = the probability among the paths of n that c is written at step t;
    with directions v₁, …, vₖ the k-th derivative of it along them."""

    formula = "D^k P(path writes c at t) · v₁ … vₖ"
    adjoint = ("the same along ḡ as well", "", "", "", "the same, along ḡ in its place")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(
        x: Array, targets: Array, steps: Array, lengths: Array, *directions: Array,
        blank: int,
    ) -> Array:  # fmt: skip
        paths = _paths(x, targets, steps, lengths, blank)
        along = tuple(v.astype(np.float64, copy=False) for v in directions)
        return paths.posterior(along).astype(x.dtype, copy=False)

    @staticmethod
    def vjp_x(
        g: Tensor, x: Tensor, targets: Tensor, steps: Tensor, lengths: Tensor,
        directions: tuple[Tensor, ...], blank: int,
    ) -> Tensor:  # fmt: skip
        result: Tensor = apply(CtcPosterior, x, targets, steps, lengths, *directions, g,
                               blank=blank)  # fmt: skip
        return result

    @staticmethod
    def vjp_directions(
        g: Tensor, x: Tensor, targets: Tensor, steps: Tensor, lengths: Tensor,
        directions: tuple[Tensor, ...], index: int, blank: int,
    ) -> Tensor:  # fmt: skip
        along = [*directions]
        along[index] = g
        result: Tensor = apply(CtcPosterior, x, targets, steps, lengths, *along,
                               blank=blank)  # fmt: skip
        return result

    @staticmethod
    def samples() -> list[Sample]:
        whole = CtcLoss.samples()[0]
        v = probe(*whole.arrays[0].shape, seed=3)
        return [*CtcLoss.samples(), Sample(*whole.arrays, v, **whole.attrs)]
