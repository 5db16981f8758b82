from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dispatch
from ..autograd import enable_grad, no_grad
from ..functions import cat
from .line_search import Point, Search
from .optimizer import Closure, Optimizer, Params
from .record import bind, write_later
from .rules import check_lr, zeros_like

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
    >>> x.detach().round(decimals=6)
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

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Minimize: *closure* forgets the gradients, computes the loss, calls
        ``backward`` and returns the loss. The loss before the step is returned."""
        if len(self.param_groups) != 1:
            raise AssertionError(
                f"Expected exactly one param_group, but got {len(self.param_groups)}"
            )
        with no_grad(), np.errstate(all="ignore"):
            return _Step(self, closure).run()

    def _gradient(self) -> Any:
        """∂loss/∂θ of all parameters, as one vector."""
        parts = []
        for p in self._params:
            grad: Any = p.grad
            parts.append((zeros_like(p) if grad is None else grad).reshape(-1))
        out = cat(parts) if len(parts) > 1 else parts[0].clone()
        dispatch.realize(out)
        return out

    def _place(self, start: list[Any], t: Any, direction: Any) -> None:
        """θ = start + t·direction, in the parameters' own memory."""
        rec = dispatch.recorder()
        offset = 0
        moved = []
        for p, x in zip(self._params, start, strict=True):
            bind(p)
            part = direction[offset : offset + p.numel()].reshape(p.shape)
            moved.append((p, x + float(t) * part))
            offset += p.numel()
        for p, value in moved:
            write_later(rec, p, value)
        rec.flush()


class _Step:
    """One call of ``step``: the variables of the iteration, kept in the state of the
    first parameter between calls, under PyTorch's names."""

    def __init__(self, optimizer: LBFGS, closure: Closure) -> None:
        self.optimizer = optimizer
        self.group = optimizer.param_groups[0]
        self.closure = enable_grad()(closure)
        self.state: dict[str, Any] = optimizer.state[optimizer._params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)
        self.lr = float(self.group["lr"])

    def evaluate(self) -> tuple[Any, Any]:
        """The loss, as what the closure returns, and the gradient."""
        loss = self.closure()
        value = float(loss)
        return (loss, value), self.optimizer._gradient()

    def run(self) -> Any:
        state, group = self.state, self.group
        (first, loss), gradient = self.evaluate()
        state["func_evals"] += 1
        evaluations = 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first
        change = group["tolerance_change"]
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self.direction(gradient)
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            t = self.lr
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / gradient.abs().sum().item())
            state["d"], state["t"] = d, t
            slope = np.float64(gradient.dot(d).item())
            if slope > -change:
                break
            before = loss
            start = [p.detach().clone() for p in self.optimizer._params]
            dispatch.realize(*start)
            here = Point(np.float64(0.0), np.float64(loss), gradient, slope)
            last = n == group["max_iter"]
            if group["line_search_fn"] is not None:
                point, used = self.search(start, here, d, evaluations)
                t, loss, gradient = float(point.t), float(point.f), point.gradient
            else:
                self.optimizer._place(start, t, d)
                used = 0
                if not last:  # with new data next time, its value would be of no use
                    (_, loss), gradient = self.evaluate()
                    used = 1
            state["t"] = t
            evaluations += used
            state["func_evals"] += used
            if (
                last
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(d) * abs(t) <= change
                or abs(loss - before) < change
            ):
                break
        return first

    def search(
        self, start: list[Any], here: Point, d: Any, evaluations: int
    ) -> tuple[Point, int]:
        if self.group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")

        def at(t: Any) -> Point:
            self.optimizer._place(start, t, d)
            (_, loss), gradient = self.evaluate()
            slope = np.float64(gradient.dot(d).item())
            return Point(np.float64(t), np.float64(loss), gradient, slope)

        search = Search(at, here, self.group["max_eval"] - evaluations)
        point = search.run(self.state["t"], _largest(d), 1e-9)
        self.optimizer._place(start, point.t, d)
        return point, search.evaluations

    def direction(self, gradient: Any) -> Any:
        """−H⁻¹g by the two-loop recursion, after H⁻¹ learned from the last move."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            d = -gradient
            dispatch.realize(d)
            return d
        ys, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y = gradient - state["prev_flat_grad"]
        s = state["d"] * float(state["t"])
        curvature = y.dot(s)
        if curvature.item() > 1e-10:
            if len(ys) == self.group["history_size"]:
                for history in (ys, ss, ro):
                    history.pop(0)
            ys.append(y)
            ss.append(s)
            ro.append(1.0 / curvature)
            state["H_diag"] = curvature / y.dot(y)
        if "al" not in state:
            state["al"] = [None] * self.group["history_size"]
        al = state["al"]
        q = -gradient
        for i in range(len(ys) - 1, -1, -1):
            al[i] = ss[i].dot(q) * ro[i]
            q = q - al[i] * ys[i]
        d = q * state["H_diag"]
        for i in range(len(ys)):
            d = d + ss[i] * (al[i] - ys[i].dot(d) * ro[i])
        dispatch.realize(d)
        return d


def _largest(x: Any) -> float:
    return float(x.abs().max().item())
