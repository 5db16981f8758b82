from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..dispatch import constant
from ..ops.op import Array
from .line_search import Point, Search
from .optimizer import Closure, Optimizer, Params
from .rules import check_lr

if TYPE_CHECKING:
    from ..tensor import Tensor


class LBFGS(Optimizer):
    """θ ← θ + t·d with d ≈ −H⁻¹g, where H⁻¹ is built from the last *history_size*
    changes of θ and g (limited-memory BFGS).

    ``step(closure)`` makes up to *max_iter* such updates and evaluates the closure up to
    *max_eval* times (by default 1.25·max_iter). t is *lr*, or found by a line search
    with *line_search_fn* ``"strong_wolfe"``. One group of parameters only.
    Liu and Nocedal, On the limited memory BFGS method for large scale optimization,
    Mathematical Programming 45, 1989.

    >>> import retrograd as rg
    >>> x = rg.tensor([-1.0, 2.0], dtype=rg.float64, requires_grad=True)
    >>> optimizer = rg.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=50)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> x.detach().round(decimals=4)
    tensor([1., 1.], dtype=retrograd.float64)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                "LBFGS doesn't support per-parameter options (parameter groups)"
            )

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    def step(self, closure: Closure) -> Any:
        """Minimize: *closure* forgets the gradients, computes the loss, calls
        ``backward`` and returns the loss. The loss before the step is returned."""
        if len(self.param_groups) != 1:
            raise AssertionError(
                f"Expected exactly one param_group, but got {len(self.param_groups)}"
            )
        with no_grad(), np.errstate(all="ignore"):
            return _Step(self, closure).run()

    def _gradient(self) -> Array:
        """∂loss/∂θ of all parameters, as one vector."""
        parts: list[Array] = []
        for p in self._params:
            grad: Any = p.grad
            shape, dtype = p.shape, p.dtype.np
            parts.append(np.zeros(shape, dtype) if grad is None else grad._value())
        return np.concatenate([part.reshape(-1) for part in parts])

    def _place(self, start: list[Array], t: Any, direction: Array) -> None:
        """θ = start + t·direction, in the parameters' own memory."""
        offset = 0
        for p, x in zip(self._params, start, strict=True):
            part = direction[offset : offset + x.size].reshape(x.shape)
            p.copy_(constant(x + x.dtype.type(t) * part))
            offset += x.size


class _Step:
    """One call of ``step``: the variables of the iteration, kept in the state of the
    first parameter between calls, under PyTorch's names.

    Where to go next depends on numbers at every turn, so the vectors are NumPy's: as
    promises they would be another program each time.
    """

    def __init__(self, optimizer: LBFGS, closure: Closure) -> None:
        self.optimizer = optimizer
        self.group = optimizer.param_groups[0]
        self.closure = enable_grad()(closure)
        self.state: dict[str, Any] = optimizer.state[optimizer._params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)
        self.lr = float(self.group["lr"])

    def evaluate(self) -> tuple[Any, float, Array]:
        """What the closure returns, its value, and the gradient."""
        loss = self.closure()
        value = float(loss)
        return loss, value, self.optimizer._gradient()

    def run(self) -> Any:
        state, group = self.state, self.group
        first, loss, gradient = self.evaluate()
        state["func_evals"] += 1
        evaluations = 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first
        change = group["tolerance_change"]
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self.direction(gradient)
            before, t = loss, self.lr
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            state.update(
                d=constant(d), t=t, prev_flat_grad=constant(gradient), prev_loss=loss
            )
            here = Point(np.float64(0), np.float64(loss), gradient, _slope(gradient, d))
            if here.slope > -change:
                break
            start = [p._value().copy() for p in self.optimizer._params]
            last, used = n == group["max_iter"], 0
            if group["line_search_fn"] is not None:
                point, used = self.search(start, here, d, t, evaluations)
                t, loss, gradient = float(point.t), float(point.f), point.gradient
            else:
                self.optimizer._place(start, t, d)
                if not last:  # with new data next time, its value would be of no use
                    _, loss, gradient = self.evaluate()
                    used = 1
            state["t"] = t
            evaluations += used
            state["func_evals"] += used
            if (
                last
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(d * t) <= change
                or abs(loss - before) < change
            ):
                break
        return first

    def search(
        self, start: list[Array], here: Point, d: Array, t: float, evaluations: int
    ) -> tuple[Point, int]:
        if self.group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")

        def at(t: Any) -> Point:
            self.optimizer._place(start, t, d)
            _, loss, gradient = self.evaluate()
            slope = _slope(gradient, d)
            return Point(np.float64(t), np.float64(loss), gradient, slope)

        search = Search(at, here, self.group["max_eval"] - evaluations)
        point = search.run(t, _largest(d), 1e-9)
        self.optimizer._place(start, point.t, d)
        return point, search.evaluations

    def direction(self, gradient: Array) -> Array:
        """−H⁻¹g by the two-loop recursion, after H⁻¹ learned from the last move."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        ys, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y = gradient - state["prev_flat_grad"]._value()
        s = state["d"]._value() * y.dtype.type(float(state["t"]))
        curvature = y.dot(s)
        if curvature > 1e-10:
            if len(ys) == self.group["history_size"]:
                for history in (ys, ss, ro):
                    history.pop(0)
            ys.append(constant(y))
            ss.append(constant(s))
            ro.append(constant(np.asarray(1 / curvature)))
            state["H_diag"] = constant(np.asarray(curvature / y.dot(y)))
        al = state.setdefault("al", [None] * self.group["history_size"])
        d = -gradient
        moves = [
            (y._value(), s._value(), r._value())
            for y, s, r in zip(ys, ss, ro, strict=True)
        ]
        for i, (y, s, r) in reversed(list(enumerate(moves))):
            share = s.dot(d) * r
            al[i] = constant(np.asarray(share))
            d -= share * y
        if moves:
            d *= state["H_diag"]._value()
        for i, (y, s, r) in enumerate(moves):
            d += s * (al[i]._value() - y.dot(d) * r)
        return d


def _largest(x: Array) -> float:
    return float(np.abs(x).max())


def _slope(gradient: Array, d: Array) -> Any:
    return np.float64(gradient.dot(d))
