"""The training and its page: when a step is looked at, what is remembered, and pausing.

Nothing is installed in the training until a step is to be looked at, and it is taken
out after that step: the others run as if nobody watched.
"""

from __future__ import annotations

import threading
import time
import weakref
from bisect import bisect_right
from typing import Any

from ... import backward, dispatch
from ...optim.optimizer import register_optimizer_step_post_hook
from ..messages import language
from . import events
from .descent import Descent
from .live import Live
from .models import model_of
from .sample import Sample, array_of
from .server import Server

#: the share of the training's time that looking may take by its own clock (a step that
#: is looked at delays the next ones as well: measured, it costs several times as much),
#: and the shortest pause
SHARE, PAUSE = 0.005, 0.1
#: steps that are remembered
KEPT = 4000
#: steps without a backward pass that was seen, until the next try
MISSED = 3
#: seconds that a paused training waits for a page that was closed: a page out of sight
#: may ask but once a minute, and is not closed
LEFT = 90.0


class Watch:
    """What :func:`watch` returns: ``url``, ``log(**metrics)``, ``close()``; a context
    manager."""

    def __init__(
        self, model: Any, port: int, tensorboard: Any, title: str, waits: bool = False,
        lang: str | None = None,
    ) -> None:  # fmt: skip
        self.model, self.title, self.lang = model, title, language(lang)
        self.shared = False  # ``retrograd watch`` closes it, not the program
        self.ended = self.closed = False
        self._writer = None if tensorboard is None else events.writer(tensorboard)
        self._parameters: list[Any] = []
        self._names: dict[int, str] = {}
        self._paths: dict[int, str] = {}
        self._optimizer: Any = None
        self._offset = 0
        self._rows: list[dict[str, Any]] = []
        self._latest: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self._problem = ""
        self._last = self._missed = 0
        self._told: tuple[int, int] | None = None
        self._lock = threading.Condition()
        self._paused = self._resting = False
        self._granted = 0  # steps that may be made although it is paused
        self._waits = waits
        self._hook: Any = None
        self._sample: Sample | None = None
        self._busy = False  # what runs now is not the training
        self._glance: Any = None  # the loss of a step of which no more is read
        self._next, self._spent = 0.0, 0.0  # when a step is looked at in full
        self._soon = 0.0  # … and when its loss alone is read
        self._full = 0  # the last step that was looked at in full
        self.descent, self.live = Descent(), Live()
        if model is not None:
            self._know(model)
        self.server = Server(self, port)
        self.live.token = self.server.token
        self._ticker = threading.Thread(
            target=self._tick, daemon=True, name="retrograd watch"
        )
        self._ticker.start()
        self._arm()  # which optimizer and model it is, the first step says

    @property
    def url(self) -> str:
        """Where the page is; the address has the token."""
        return self.server.url

    @property
    def step(self) -> int:
        """The steps of the optimizer so far."""
        if self._optimizer is None:
            return 0
        return int(self._offset + self._optimizer._stepped)

    def log(self, **metrics: Any) -> None:
        """Numbers to be shown beside the loss, such as ``accuracy=0.97``."""
        for name, value in metrics.items():
            self._metrics[name] = float(value)
            if self._writer is not None:
                self._writer.add_scalar(name, float(value), self.step)

    def end(self) -> None:
        """The training is over; the page keeps what it has."""
        with self._lock:
            self.ended, self._paused = True, False
            self._disarm()
            self._lock.notify_all()

    def close(self) -> None:
        """Stop: the server ends, and nothing is left in the model or the optimizer."""
        if self.closed:
            return
        self.closed = True
        self.end()
        self._ticker.join()
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

    # -- when a step is looked at ---------------------------------------------------

    def opened(self) -> None:
        """A page asked for something: from now on steps are looked at."""
        with self._lock:
            self._lock.notify_all()

    def serving(self, seconds: float) -> None:
        """What an answer to the page cost counts as well."""
        with self._lock:
            self._spent += seconds

    def _wanted(self) -> bool:
        return not self.ended and (self.server.open or self._writer is not None)

    def _tick(self) -> None:
        """In a thread of its own: installs the hooks when it is time."""
        with self._lock:
            while not self.closed:
                left = min(self._next, self._soon) - time.perf_counter()
                if self._hook is None and self._wanted() and left <= 0:
                    self._arm()
                elif self._hook is None and self._wanted():
                    self._lock.wait(left)
                    continue
                self._lock.wait()  # until a page asks, or the step was looked at

    def _arm(self) -> None:
        with self._lock:
            if self._hook is None and not self.ended:
                self._hook = register_optimizer_step_post_hook(self._stepped)
                backward.watchers.append(self._seen)

    def _disarm(self) -> None:
        with self._lock:
            if self._hook is not None:
                self._hook.remove()
                backward.watchers.remove(self._seen)
                self._hook = None
            self._sample = self._glance = None
            self._lock.notify_all()

    def _seen(self, tensors: Any) -> None:
        """Before a backward pass of a step that is looked at."""
        loss = tensors[0]
        if self._busy or not self._parameters or dispatch.recorder().tracing:
            return
        if not self._wanted() and not self._paused:
            return
        told = (id(loss), id(loss._key))
        if told == self._told:  # once for one backward pass
            return
        self._told = told
        if time.perf_counter() < self._next and not self._asked():
            self._glance = weakref.ref(loss)
            return
        start = time.thread_time()  # not what others on the machine take meanwhile
        try:
            self._busy = True
            if self._sample is None:
                self._sample = Sample(loss, self._parameters, self._paths)
                self.descent.place(self.step, self._sample)
                self.live.follow(loss, self.step)
            self._spent += time.thread_time() - start
            # what the page asks for is done at once, and not part of the share
            self.live.draw(loss, self.model, self.step, self.lang)
            self.descent.batch(loss, self._parameters, self._optimizer)
        except Exception as error:  # the training goes on
            self._problem = f"{type(error).__name__}: {error}"
        finally:
            self._busy = False

    def _stepped(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After a step that is looked at."""
        if self._busy or not self._mine(optimizer):
            return
        if self._waits:
            self._waits = False
            with self._lock:
                while not self.server.open and not self.closed:
                    self._lock.wait()
        start = time.thread_time()
        sample, self._sample, self._told = self._sample, None, None
        glance, self._glance = self._glance, None
        if sample is not None:
            self._finish(sample, optimizer)
            self._spent += time.thread_time() - start
        elif glance is not None:
            self._read(glance(), optimizer)
            self._spent += time.thread_time() - start
        try:
            self._busy = True
            if not (self._wanted() or self._paused):
                self.descent.give_up("the page was closed meanwhile")
            held = self.descent.stepped(optimizer, self._parameters)
        except Exception as error:
            self._problem, held = f"{type(error).__name__}: {error}", False
            self.descent.give_up(self._problem)
        finally:
            self._busy = False
        if held:  # asked for, and so not part of the share
            self._spent = 0.0
        elif self._paused:
            self._rest()
        seen = sample is not None or glance is not None
        self._missed = 0 if seen else self._missed + 1
        if not (
            held or self._paused or (0 < self._missed <= MISSED and self._wanted())
        ):
            self._missed = 0
            with self._lock:
                now = time.perf_counter()
                if sample is not None or held or now >= self._next:
                    self._next = now + max(PAUSE, self._spent / SHARE)
                    self._spent = 0.0
                self._soon = now + PAUSE
                self._disarm()

    def _mine(self, optimizer: Any) -> bool:
        """Whether the optimizer is the one of the model; the first that steps is."""
        own = {id(p) for g in optimizer.param_groups for p in g["params"]}
        if not self._parameters:
            model = model_of(own)
            if model is not None:
                self._know(model)
            else:
                params = [p for g in optimizer.param_groups for p in g["params"]]
                self._parameters = params
                self._names = {id(p): f"parameter {i}" for i, p in enumerate(params)}
        if optimizer is self._optimizer:
            self._last = optimizer._stepped
            return True
        if not own.intersection(map(id, self._parameters)):
            return False
        if self._optimizer is not None:
            if self._optimizer._stepped != self._last:
                return False  # the other one is still at work
            self._offset = self.step
        self._optimizer, self._last = optimizer, optimizer._stepped
        return True

    def _know(self, model: Any) -> None:
        self.model = model
        self._parameters = list(model.parameters())
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._paths = {
            id(m): name or type(m).__name__
            for name, m in model.named_modules()
            if next(m.children(), None) is None
        }

    def _finish(self, sample: Sample, optimizer: Any) -> None:
        layers = sample.layers(self._names)
        row = self._row(optimizer, sample.loss)
        row |= {
            "gradient": sum(x.get("gradient", 0.0) ** 2 for x in layers) ** 0.5,
            "ratios": [x["ratio"] for x in layers],
            "gradients": [x.get("gradient") for x in layers],
        }
        with self._lock:
            self._latest = {"layers": layers, "activations": sample.activations}
            self._full = row["step"]
        self._keep(row, layers)

    def _read(self, loss: Any, optimizer: Any) -> None:
        """The loss of a step that was not looked at: what the run left, if the program
        still holds it. Nothing is computed for it."""
        array = None if loss is None else array_of(loss)
        if array is not None and array.size == 1:
            self._keep(self._row(optimizer, float(array.reshape(-1)[0])), [])

    def _row(self, optimizer: Any, loss: float | None) -> dict[str, Any]:
        return {
            "step": self.step, "time": time.time(), "loss": loss,
            "lr": [float(g["lr"]) for g in optimizer.param_groups if "lr" in g],
            "gradient": None, "metrics": dict(self._metrics),
        }  # fmt: skip

    def _keep(self, row: dict[str, Any], layers: list[dict[str, Any]]) -> None:
        with self._lock:
            self._rows.append(row)
            if len(self._rows) > KEPT:
                self._rows = self._rows[:-1000:2] + self._rows[-1000:]
        if self._writer is not None:
            activations = self._latest.get("activations", []) if layers else []
            events.write(self._writer, row, layers, activations)

    def _rest(self) -> None:
        """Paused: until the page says on, or has been closed for a while."""
        with self._lock:
            left, self._resting = time.monotonic(), True
            while self._paused and not self._granted:
                self._lock.wait(max(0.0, left + LEFT - time.monotonic()))
                left = max(left, self.server.seen)
                if time.monotonic() - left >= LEFT:
                    self._paused = False
            self._granted, self._resting = max(0, self._granted - 1), False

    # -- what the page asks ---------------------------------------------------------

    def since(self, after: int, picture: int) -> dict[str, Any]:
        """All that is new after a step, and after a picture of the loss surface."""
        with self._lock:
            first = bisect_right(self._rows, after, key=lambda row: row["step"])
            rows = self._rows[first:]
            found = {
                "step": self.step, "paused": self._paused, "ended": self.ended,
                "resting": self._resting,
                "problem": self._problem, "rows": rows, **self.descent.news(picture),
            }  # fmt: skip
            if self._full > after:
                found["names"] = [x["name"] for x in self._latest["layers"]]
                found |= self._latest
            return found

    def do(self, action: str) -> bool:
        """pause, step, resume, surface, descent; False if it is something else."""
        with self._lock:
            if action == "pause":
                self._paused, self._granted = True, 0
            elif action == "step":
                self._granted += self._paused  # of one that runs, the next is the last
                self._paused = True
            elif action == "resume":
                self._paused, self._granted = False, 0
            elif action in ("surface", "descent"):
                self.descent.ask(action)
                self._grant()
            else:
                return False
            self._next = 0.0
            self._arm()
            self._lock.notify_all()
        return True

    def _asked(self) -> bool:
        """Whether the page waits for something that is to be seen in full."""
        return self._paused or self.live.wanted or bool(self.descent.wanted)

    def _grant(self) -> None:
        """What was asked for needs a step, paused or not."""
        if self._paused:
            self._granted = max(1, self._granted)

    def graph(self, seconds: float = 60.0) -> str | None:
        """The page of the next loss; None if none came."""
        with self._lock:
            self.live.ask()
            self._grant()
            self._arm()
            self._lock.notify_all()
        return self.live.page(seconds, lambda: self.ended)
