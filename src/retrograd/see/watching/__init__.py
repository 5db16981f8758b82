"""``rg.watch`` and ``retrograd watch``: a training, seen from the browser while it runs."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from typing import Any

from ... import errors
from ...tensor import Tensor
from ...trace import Handle
from . import measure
from .server import Server

#: the share of the training's time that measuring may take, and the shortest pause
SHARE, PAUSE = 0.03, 0.1
#: steps that are remembered
KEPT = 4000
#: seconds that a paused training waits for a page that was closed
LEFT = 30.0

_active: list[Watch] = []


class Watch:
    """What :func:`watch` returns: ``url``, ``log(**metrics)``, ``close()``; a context
    manager."""

    def __init__(
        self, model: Any, port: int, tensorboard: Any, title: str, waits: bool = False
    ) -> None:
        self.model, self.title = model, title
        self.step = 0
        self.shared = False  # ``retrograd watch`` closes it, not the program
        self._names: dict[int, str] = {}
        self._parameters: list[Any] = []
        self._rows: list[dict[str, Any]] = []
        self._latest: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self._surface: dict[str, Any] | None = None
        self._lock = threading.Condition()
        self._paused, self._single = False, False
        self._wants: set[str] = set()
        self._page: str | None = None
        self._loss: Any = None
        self._before: list[Any] | None = None
        self._outputs: dict[str, tuple[str, Any]] = {}
        self._handles: list[Any] = []
        self._next, self._last, self._usual, self._asked = 0.0, 0.0, 0.0, 0.0
        self._costs: list[float] = []
        self._waits, self._ended, self.closed = waits, False, False
        from .surface import Way

        self._way = Way()
        self._writer = _writer(tensorboard) if tensorboard is not None else None
        self.server = Server(self, port)
        self._start()

    # -- in and out of the training -----------------------------------------------------

    def _start(self) -> None:
        from ...optim.optimizer import register_optimizer_step_post_hook

        if self.model is not None:
            self._know(self.model)
        self._hook = register_optimizer_step_post_hook(self._stepped)
        self._backward = original = Tensor.backward
        watch = self

        def backward(self: Any, *args: Any, **kwargs: Any) -> None:
            if watch._before is not None or watch._wants:
                watch._seen(self)
            original(self, *args, **kwargs)

        backward.__doc__ = original.__doc__
        Tensor.backward = backward  # type: ignore[method-assign]

    @property
    def url(self) -> str:
        """Where the page is; the address has the token."""
        return self.server.url

    def log(self, **metrics: Any) -> None:
        """Numbers to be shown beside the loss, such as ``accuracy=0.97``."""
        for name, value in metrics.items():
            self._metrics[name] = float(value)
            if self._writer is not None:
                self._writer.add_scalar(name, float(value), self.step)

    def close(self) -> None:
        """Stop: the server ends, and nothing is left in the model or the optimizer."""
        if self.closed:
            return
        self.closed = True
        self._hook.remove()
        self._release()
        Tensor.backward = self._backward  # type: ignore[method-assign]
        if self in _active:
            _active.remove(self)
        with self._lock:
            self._paused = False
            self._lock.notify_all()
        self.server.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self.shared:
            self.close()

    def __repr__(self) -> str:
        return f"<watch of {self.title} at {self.url}>"

    def _know(self, model: Any) -> None:
        self.model = model
        for name, p in model.named_parameters():
            self._names[id(p)] = name
        self._parameters = list(model.parameters())

    def _release(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._outputs, self._before, self._loss = [], {}, None, None

    # -- while it runs --------------------------------------------------------------

    def _seen(self, loss: Any) -> None:
        """Before a backward that is looked at."""
        start = time.perf_counter()
        self._loss = loss
        self._answer(loss)
        self._asked += time.perf_counter() - start

    def _answer(self, loss: Any) -> None:
        """What the page asked to see of this loss."""
        if "graph" in self._wants:
            from ..names import Names
            from ..page import document
            from ..story import Story, explain

            story: Story = explain(loss, limit=None)
            if self.model is not None:
                names = Names.here()
                names.add("model", self.model)
                story._names = names
            page = document(story)
            with self._lock:
                self._page = page
                self._wants.discard("graph")
                self._lock.notify_all()
        if "surface" in self._wants and self._parameters:
            from ..capture import Capture
            from .surface import loss_along

            self._wants.discard("surface")
            found = loss_along(Capture(loss), self._parameters, self._way)
            with self._lock:
                self._surface = found or {"points": 0}
                self._surface["made"] = self.step

    def _stepped(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After each step of an optimizer."""
        if not self._parameters:
            self._find(optimizer)
        elif not any(id(p) in self._names for g in optimizer.param_groups for p in g["params"]):  # fmt: skip
            return
        self.step += 1
        if self._waits:
            self._waits = False
            while not self.server.open:
                time.sleep(0.1)
        if not self.server.open and self._writer is None:
            if self._before is not None:
                self._release()
            if not self._paused:
                return
        now = time.perf_counter()
        if self._before is not None:
            self._measure(optimizer)
            self._release()
            cost = time.perf_counter() - now + max(0.0, now - self._last - self._usual)
            # what the page asked for is no cost of measuring; nor is the first compile
            self._costs = [*self._costs[-6:], max(0.0, cost - self._asked)]
            wait = max(PAUSE, sorted(self._costs)[len(self._costs) // 2] / SHARE)
            if len(self._rows) < 6:  # the first compile what they measure
                wait = min(wait, 1.0)
            self._next = time.perf_counter() + wait
        elif self._last:
            took = now - self._last
            self._usual = took if not self._usual else 0.9 * self._usual + 0.1 * took
        if self._paused:
            self._rest()
        if self._single or time.perf_counter() >= self._next:
            self._arm()
        self._last, self._asked = time.perf_counter(), 0.0

    def _arm(self) -> None:
        """The next step will be measured."""
        self._before = [measure.numbers(p) for p in self._parameters]
        self._way.add(self.step, self._before)
        if self.model is None:
            return
        for name, module in self.model.named_modules():
            if next(module.children(), None) is None:
                self._handles.append(module.register_forward_hook(self._noting(name)))

    def _noting(self, name: str) -> Any:
        def note(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, Handle) and name not in self._outputs:
                self._outputs[name] = (type(module).__name__, output)

        return note

    def _measure(self, optimizer: Any) -> None:
        row: dict[str, Any] = {"step": self.step, "time": time.time()}
        if self._loss is not None and self._loss.numel() == 1:
            row["loss"] = float(self._loss.item())
        row["lr"] = [float(g["lr"]) for g in optimizer.param_groups if "lr" in g]
        row |= {"metrics": dict(self._metrics)} if self._metrics else {}
        layers = []
        for p, before in zip(self._parameters, self._before or [], strict=True):
            grad = None if p.grad is None else measure.numbers(p.grad)
            name = self._names.get(id(p), "")
            layers.append(measure.layer(name, before, measure.numbers(p), grad))
        active = [
            measure.activation(name, kind, measure.numbers(out))
            for name, (kind, out) in self._outputs.items()
            if out.is_floating_point()
        ]
        row["gradient"] = sum(x.get("gradient", 0.0) ** 2 for x in layers) ** 0.5
        row["ratios"] = [x["ratio"] for x in layers]
        row["gradients"] = [x.get("gradient") for x in layers]
        with self._lock:
            self._rows.append(row)
            if len(self._rows) > KEPT:
                self._rows = self._rows[:-1000:2] + self._rows[-1000:]
            self._latest = {"layers": layers, "activations": active}
        if self._writer is not None:
            self._write(row, layers)

    def _write(self, row: dict[str, Any], layers: list[dict[str, Any]]) -> None:
        writer: Any = self._writer
        for name in ("loss", "gradient"):
            if name in row:
                writer.add_scalar(name, row[name], self.step)
        for i, lr in enumerate(row["lr"]):
            writer.add_scalar(f"learning rate/{i}", lr, self.step)
        for x in layers:
            if x["ratio"] is not None:
                writer.add_scalar(f"update to weight/{x['name']}", x["ratio"], self.step)  # fmt: skip

    def _rest(self) -> None:
        """Paused: until the page says on, or has been closed for a while."""
        with self._lock:
            self._single = False
            left = time.monotonic()
            while self._paused and not self._single:
                self._lock.wait(0.2)
                if self.server.open:
                    left = time.monotonic()
                elif time.monotonic() - left > LEFT:
                    self._paused = False
        self._usual = self._last = 0.0

    def _find(self, optimizer: Any) -> None:
        """The model whose parameters are stepped: the outermost in sight, or alone the
        parameters."""
        from ...nn import Module

        wanted = {id(p) for g in optimizer.param_groups for p in g["params"]}
        best: tuple[int, int, Any] = (0, 0, None)
        # no frame need hold it: a trainer may
        for x in gc.get_objects():
            if isinstance(x, Module):
                own = [id(p) for p in x.parameters()]
                score = (len(wanted.intersection(own)), -len(own))
                if score[0] and score > best[:2]:
                    best = (*score, x)
        if best[2] is not None:
            self._know(best[2])
            return
        params = [p for g in optimizer.param_groups for p in g["params"]]
        self._parameters = params
        self._names = {id(p): f"parameter {i}" for i, p in enumerate(params)}

    # -- what the page asks ---------------------------------------------------------

    def since(self, after: int) -> dict[str, Any]:
        """All that was measured after a step."""
        with self._lock:
            rows = [r for r in self._rows if r["step"] > after]
            return {
                "step": self.step, "paused": self._paused, "ended": self._ended,
                "names": [self._names.get(id(p), "") for p in self._parameters],
                "rows": rows, **self._latest, "surface": self._surface,
                "places": len(self._way.places),
            }  # fmt: skip

    def do(self, action: str) -> bool:
        """pause, step, resume, surface; False if it is something else."""
        with self._lock:
            if action == "pause":
                self._paused = True
            elif action == "step":
                self._paused = self._single = True
            elif action == "resume":
                self._paused = False
            elif action == "surface":
                self._wants.add("surface")
                self._single = self._paused  # a step is needed for its loss
            else:
                return False
            self._lock.notify_all()
        return True

    def graph(self) -> str | None:
        """The page of the next loss."""
        with self._lock:
            self._page = None
            self._wants.add("graph")
            self._single = self._single or self._paused
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._page is not None or self._ended, 60)
            return self._page

    def end(self) -> None:
        """The training is over; the page keeps what it has."""
        self._ended = True
        self._release()


def _writer(folder: Any) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError(
            "TensorBoard files need tensorboardX: pip install retrograd[tensorboard]"
        ) from None
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "no permission to write", str(folder))
        return SummaryWriter(str(folder))
    except OSError as error:
        raise OSError(f"cannot write {folder}: {error.strerror or error}") from None


def watch(
    model: Any = None, *, port: int = 0, tensorboard: Any = None, quiet: bool = False
) -> Watch:
    """Open a live page of the training of *model*, and print its address.

    The page shows the loss and what ``log`` is given, the learning rate, the norm of each
    gradient and the size of each update relative to its weight, histograms of gradients
    and activations, dead and saturated units, the way of the parameters on the loss
    surface, and the graph; and it pauses, steps and resumes the training. It is on
    127.0.0.1 alone, for who has the token in the address. Measuring takes about 3 % of
    the time at most, and none while no page is open. *tensorboard* names a folder for
    event files (``pip install retrograd[tensorboard]``). After ``close()`` the model is
    as it was.

    >>> import retrograd as rg
    >>> model = rg.nn.Linear(2, 1)
    >>> with rg.watch(model, quiet=True) as w:
    ...     w.log(accuracy=0.5)
    """
    from ...nn import Module

    if model is not None and not isinstance(model, Module):
        raise TypeError(
            f"watch() takes a model, not {type(model).__name__}\n  at {errors.user_line()}"
        )
    if _active:
        known = _active[-1]
        if model is not None and known.model is not model:
            known._know(model)
        return known
    title = type(model).__name__ if model is not None else "training"
    found = Watch(model, port, tensorboard, title)
    _active.append(found)
    if not quiet:
        print(f"retrograd watch: {found.url}", file=sys.stderr)
    return found
