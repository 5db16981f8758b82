"""What a recorded call of a function did, and the same as native calls."""

from __future__ import annotations

import itertools
import weakref
from sys import getrefcount
from typing import Any

import numpy as np

from .. import dispatch
from ..dispatch import constant
from ..gradients import Bundle, Gradients, Share
from ..ops.op import Array
from ..trace import (
    Handle,
    Meta,
    Segment,
    State,
    changes,
    memory_of,
    settings,
)
from .capture import Capture
from .driver import STEP
from .parts import Part, part_of
from .repeat import Copies, repeat
from .trees import Given, Kept, Made, Refused, filled, places, template

_OTHER = (
    "it uses a tensor or a number that is no argument, and is another one each time"
)


class Variant:
    """One way in which the function is called, as native calls."""

    def __init__(
        self,
        capture: Capture,
        form: Any,
        args: list[Any],
        result: Any,
        seen: dict[str, Any],
    ) -> None:
        self.form, self.count = form, len(args)
        self.recorder = dispatch.recorder()  # of the thread whose plan it is
        self.grad_mode = self.recorder.grad_mode
        self.autocast = self.recorder.autocast
        self.changes, self.settings = changes[0], -1
        self.used = 0
        self.root: Any = None  # where the trace stands when it is called
        self.usual: Any = (
            None  # … and the call as one closure, if there is little to it
        )
        self.now: Any = ()
        self.made: dict[Any, Any] = {}
        self.outs: list[list[Array]] = []
        runs = [(n, *r) for n, r in enumerate(capture.runs)
                if r[0].outputs or r[0].writes or r[0].bundles]  # fmt: skip
        if not runs:
            raise Refused("it computes nothing")
        self.parts = [part_of(plan) for _, plan, _, _ in runs]
        if any(part.native.checked for part in self.parts[1:]):
            raise Refused(
                f"it runs {len(runs)} graphs, and a later one can fail for an index"
            )
        made_by: dict[int, Any] = {}  # arrays and tensors by identity
        for n, a in reversed(list(enumerate(args))):
            if isinstance(a, Handle):
                made_by[id(a._array)] = Given(n)
        self.steps = [(o, swift) for o, swift, _ in capture.steps]
        self.numbers: list[list[tuple[Any, int, int, int]]] = [[] for _ in self.steps]
        self.draws: list[tuple[list[tuple[Any, int]], Any, int]] = [
            ([], generator, words) for _, generator, words in capture.draws
        ]
        special: dict[int, Any] = {}
        for s, (_, _, numbers) in enumerate(capture.steps):
            for i, group in enumerate(numbers):
                for j, t in enumerate(group):
                    special.setdefault(id(t), []).append((s, i, j))
        for d, (state, _, _) in enumerate(capture.draws):
            special[id(state)] = d
        self.given: list[list[tuple[Any, int]]] = [[] for _ in args]
        arrays = [a._array for a in args if isinstance(a, Handle)]
        for r, (number, _, taken, _) in enumerate(runs):
            part = self.parts[r]
            for i, place in part.arguments.items():
                self._source(part, taken, i, place, special, made_by, arrays)
            if any(type(part.sources.get(i)) is not Made for i in part.writes):
                raise Refused(part.native.why)
            outs = capture.outs.get(number)
            if outs is None and r < len(runs) - 1:
                outs = _found(part, runs[r][3], capture.saved.get(number, {}))
            for k, array in enumerate(outs or ()):
                if array is not None:
                    made_by[id(array)] = Made((r, k))
                    arrays.append(array)
            self._write_between(capture, runs, r, made_by)
        self._keep_held(capture, result, seen)
        self._find_results(capture, runs, args, result, made_by)
        #: arguments of the function: number, shape, type, places in the calls
        self.tensors = [
            (n, a._array.shape, a._array.dtype, self.given[n])
            for n, a in enumerate(args)
            if isinstance(a, Handle)
        ]
        self.others = [
            (n, type(a), a) for n, a in enumerate(args) if not isinstance(a, Handle)
        ]
        self.twins = twins(args)

    # -- where things come from -------------------------------------------------------

    def _source(
        self,
        part: Part,
        taken: list[Any],
        i: int,
        place: int,
        special: dict[int, Any],
        made_by: dict[int, Any],
        arrays: list[Array],
    ) -> None:
        """Where an argument of a native call comes from: an argument of the function, a
        number of an optimizer, a random draw, an earlier run, a tensor of the outer
        program, or one that was made on the way and is a constant now."""
        t = taken[i]
        if t._meta is not None and t._meta.base is not None:
            if any(name != "detach" for name, _ in t._meta.path):
                if id(t._array) not in made_by and getrefcount(t) <= 3:
                    raise Refused("it goes on with a part of a tensor that stays")
            elif t._meta.base._array is t._array:
                t = t._meta.base
        known = special.get(id(t))
        if type(known) is int:
            self.draws[known][0].append((part.call, place))
            return
        if known is not None:
            for s, i_, j in known:
                self.numbers[s].append((part.call, place, i_, j))
            return
        source = made_by.get(id(t._array))
        part.sources[i] = t if source is None else source
        if type(source) is Given:
            self.given[source].append((part.call, place))
        elif source is not None:
            part.fed.append((place, source))
        else:
            part.call[place] = t._array
            if t._array.base is not None and any(
                np.may_share_memory(t._array, a) for a in arrays
            ):
                raise Refused("it goes on with a part of an argument or of a result")
            part.held.append((t, place))

    def _write_between(
        self, capture: Capture, runs: list[Any], r: int, made_by: dict[int, Any]
    ) -> None:
        """What is written to memory after part *r* and before the next."""
        part, end = self.parts[r], len(capture.runs)
        until = runs[r + 1][0] if r + 1 < len(runs) else end
        for before, target, value in capture.writes:
            if (r and before <= runs[r][0]) or before > until:
                continue
            a, b = made_by.get(id(target._array)), made_by.get(id(value))
            lasting = target._meta is not None and target._meta.home is not None
            if type(b) is not Made or not (lasting or type(a) is Made):
                raise Refused("it writes to memory that others hold")
            part.writes_after.append((target if lasting else a, b))

    def _keep_held(self, capture: Capture, result: Any, seen: dict[str, Any]) -> None:
        """Of what is no argument: is it made on the way, or does it belong to the outer
        program? Then it has to be the same tensor each time."""
        lists = self._own(capture, result)
        lists += [list(part.sources.values()) for part in self.parts]
        times = _counted(lists)
        del lists
        wanted = [[(id(t), n) for t, n in part.held] for part in self.parts]
        found = {id(t): t for part in self.parts for t, _ in part.held}
        for part in self.parts:
            part.held = []
        # the dict and getrefcount's argument hold it too
        live = {k for k in found if getrefcount(found[k]) > 2 + times[k]}
        self.live = [found[k] for k in found if k in live]
        for part, pairs in zip(self.parts, wanted, strict=True):
            part.held = [(found[k], n) for k, n in pairs if k in live]
        made = [t._array for k, t in found.items() if k not in live]
        earlier = seen.get("made", ())
        again = len(made) == len(earlier) and all(map(_same, made, earlier))
        seen["made"] = made
        if made and not again:
            raise Refused(_OTHER)
        self.looks = [(t, t._array.shape, t._array.dtype, _wants(t)) for t in self.live]
        now = [weakref.ref(t) for t in self.live]
        known = "live" in seen
        before = seen.get("live", [])
        seen["live"] = now
        if now and not known:
            raise Refused("it was not called often enough")
        if len(before) != len(now) and known:
            raise Refused(_OTHER)
        if any(a() is not b() for a, b in zip(before, now, strict=False)):
            raise Refused(_OTHER)

    def _own(self, capture: Capture, result: Any) -> list[list[Any]]:
        """Tensors that the recording itself holds: of its runs, the wholes of their
        views, and what the history of the result keeps."""
        lists = [list_ for _, *both in capture.runs for list_ in both]
        lists.append(
            [t._meta.base for _, _, pending in capture.runs for t in pending
             if t._meta is not None and t._meta.base is not None]
        )  # fmt: skip
        histories = [
            t._meta.history[0]
            for t in _tensors(result)
            if t._meta is not None and t._meta.history is not None
        ]
        segments = {id(s): s for s in histories}
        lists += [list(saved.values()) for saved in capture.saved.values()]
        return lists + [list(s.saved.values()) for s in segments.values()]

    def _find_results(
        self,
        capture: Capture,
        runs: list[Any],
        args: list[Any],
        result: Any,
        made_by: dict[int, Any],
    ) -> None:
        """Where each tensor goes that is left: into the result, or to a gradient."""
        at: dict[int, Made] = {}
        keys: dict[Made, Any] = {}
        seen: dict[int, Any] = {}
        bundles: dict[int, tuple[int, list[int]]] = {}
        for r, (_, _, _, pending) in enumerate(runs):
            for i, key, n in self.parts[r].shown:
                made = at[id(pending[i])] = Made((r, n))
                keys[made], seen[id(pending[i])] = key, pending[i]
                if key.inference:
                    raise Refused("it makes tensors of inference mode")
            for i, outs in self.parts[r].bundles:
                bundles[id(pending[i])] = r, outs
                seen[id(pending[i])] = pending[i]
        own = {id(a): Given(n) for n, a in enumerate(args)}
        stays = {id(t) for t in self.live}
        stays |= {id(t) for part in self.parts for t, _ in part.parameters}

        def leaf(t: Any) -> Any:
            if id(t) in at:
                if t._meta is not None and t._meta.base is not None:
                    raise Refused("its result has a part of another tensor that stays")
                return at[id(t)]
            if id(t) in own:
                return own[id(t)]
            if id(t) in stays or (t._meta is not None and t._meta.home is not None):
                return Kept(t)
            raise Refused("a tensor of its result is not computed by the call")

        self.result = template(result, leaf)
        self._find_gradients(capture, at, bundles, made_by)
        wanted = {*places(self.result), *self.drops}
        times = _counted(self._own(capture, result))
        for k in seen:
            if k in self.promised or at.get(k) in wanted:
                continue
            if getrefcount(seen[k]) > 2 + times[k]:
                raise Refused("it leaves tensors elsewhere than in its result")
        for part in self.parts:
            for i in part.arguments:
                fed = part.sources.get(i)
                if type(fed) is Made and fed in keys and keys[fed].grad:
                    wanted.add(fed)
        #: (part, output, key in the trace, whether the tensor has a history)
        self.shown = [
            (m, keys.get(m), m in keys and bool(keys[m].grad)) for m in sorted(wanted)
        ]

    def _find_gradients(
        self,
        capture: Capture,
        at: dict[int, Made],
        bundles: dict[int, tuple[int, list[int]]],
        made_by: dict[int, Any],
    ) -> None:
        """What the call does to gradients: of common ones (the value is a promise or a
        list) and of leaves."""
        self.fresh: list[Any] = []  # owners that must have none before
        self.cleared: list[Any] = []  # … whose are taken away
        self.promises: list[tuple[Any, int, list[int], Any]] = []
        self.lists: list[tuple[Any, list[Made | None]]] = []
        self.singles: list[tuple[Any, Made]] = []
        self.promised: set[int] = set()
        self.drops: list[Made] = []
        self.ends_bare = True

        def place(t: Any) -> Made | None:
            if t is None:
                return None
            array = t._array if isinstance(t, Handle) else t
            made = at.get(id(t)) or made_by.get(id(array))
            if type(made) is not Made:
                raise Refused("it leaves gradients that it does not compute")
            self.drops.append(made)
            return made

        for owner, event in capture.gradients.values():
            if event == "used":
                raise Refused("it adds to gradients from before, or changes them")
            common = type(owner) is Gradients
            if common and not owner.alive:
                continue
            if not common and type(owner._grad) is Share:
                raise Refused("its gradients are grouped anew")
            (self.cleared if event == "cleared" else self.fresh).append(owner)
            value = owner.value if common else owner._grad
            if value is None:
                continue
            if event != "cleared":
                self.ends_bare = False
            if not common:
                made = place(value)
                assert made is not None
                self.singles.append((owner, made))
            elif type(value) is Bundle:
                if id(value) not in bundles:
                    raise Refused("it leaves gradients that it does not compute")
                self.promised.add(id(value))
                self.promises.append((owner, *bundles[id(value)], value._key))
            else:
                self.lists.append((owner, [place(t) for t in value]))

    # -- guards -----------------------------------------------------------------------

    def fits(self, form: Any, args: Any) -> bool:
        """Whether the arguments are like those of the recorded call; if so, they are
        put in their places."""
        if len(args) != self.count or form != self.form:
            return False
        for n, kind, value in self.others:
            if type(args[n]) is not kind or args[n] != value:
                return False
        for n, shape, dtype, wanted in self.tensors:
            t = args[n]
            if not isinstance(t, Handle):
                return False
            array = t._array
            if array is None:
                dispatch.realize(t)
                array = t._array
            if array.shape != shape or array.dtype != dtype:
                return False
            meta = t._meta
            if meta is not None and (meta.requires_grad or meta.history is not None):
                return False
            for call, place in wanted:
                call[place] = array
        return not self.twins or twins(args) == self.twins

    def stale(self, rec: dispatch.Recorder) -> str:
        """Why the recorded call is no longer what the function does, or ""."""
        if changes[0] != self.changes:
            return "a module or a parameter was changed"
        if self.steps and settings[0] != self.settings:
            for optimizer, swift in self.steps:
                if not swift.same(optimizer):
                    return "the optimizer was changed"
        for owner in self.cleared:
            if not (owner.alive if type(owner) is Gradients else _alone(owner)):
                return "the gradients no longer move together"
        for owner in self.fresh:
            if type(owner) is Gradients:
                if not owner.alive:
                    return "the gradients no longer move together"
                if owner.value is not None:
                    return "there are gradients from before"
            elif owner._grad is not None:
                return "there are gradients from before"
        for t, shape, dtype, wants in self.looks:
            if type(t._key) is State:
                dispatch.realize(t)
            array = t._array
            if array.shape != shape or array.dtype != dtype or _wants(t) != wants:
                return "a tensor that is no argument was changed"
        return ""

    # -- running ----------------------------------------------------------------------

    def run(self, args: Any) -> Any:
        """Make the calls; None if their values need the interpreter."""
        counted: list[tuple[Any, Any, list[int]]] = []
        now = settings[0]
        for s, (optimizer, swift) in enumerate(self.steps):
            if now == self.settings and swift.fixed:
                continue
            counts = swift.prepare(optimizer)
            if counts is None:
                _uncount(counted)
                return None
            for call, n, i, j in self.numbers[s]:
                call[n] = swift.numbers[i][j]._array
            swift.count(optimizer, counts)
            counted.append((optimizer, swift, counts))
        self.settings = now
        before = None
        if self.draws:
            before = [(g, g._counter) for _, g, _ in self.draws]
            for wanted, generator, words in self.draws:
                state = generator._take(words)._array
                for call, n in wanted:
                    call[n] = state
        for owner in self.cleared:  # their memory can be used again
            if type(owner) is Gradients:
                owner.value = None
            else:
                owner._grad = None
        outs_of: list[list[Array]] = []
        for part in self.parts:
            part.fill(outs_of)
            status, outs = part.run()
            if status:
                if outs_of:
                    raise RuntimeError(
                        "rg.compile: a later part of the compiled function cannot run "
                        "with memory that lies or is shared like this. Pass clones"
                    )
                for generator, counter in before or ():
                    generator._counter = counter
                _uncount(counted)
                self.settings = -1
                return None
            outs_of.append(outs)
            for target, (r, n) in part.writes_after:
                if type(target) is Made:
                    memory = outs_of[target[0]][target[1]]
                else:
                    memory = target._array
                    memory_of(target)[0] += 1
                np.copyto(memory, outs_of[r][n], casting="unsafe")
            for counter in part.counters:
                counter[0] += 1
        for optimizer, _ in self.steps:
            optimizer._stepped += 1
        self.used += 1
        return (self._deliver(args, outs_of),)

    def _deliver(self, args: Any, outs_of: list[list[Array]]) -> Any:
        """The result, and the gradients."""
        made: dict[Any, Any] = {}
        self.now, self.made, self.outs = args, made, outs_of
        for m, key, history in self.shown:
            r, n = m
            tensor = made[m] = constant(outs_of[r][n])
            if history:
                tensor._meta = Meta()
                segment = self._segment(self.parts[r], outs_of[r])
                tensor._meta.history = (segment, key)
        self._promise(outs_of)
        for common, entries in self.lists:
            common.value = [None if m is None else made[m] for m in entries]
        for leaf, m in self.singles:
            leaf._grad = made[m]
        result = filled(self.result, made, args)
        self.now, self.made, self.outs = (), {}, []
        return result

    def _promise(self, outs_of: list[list[Array]]) -> None:
        """The gradients of the call, as those of the parameters."""
        for common, r, wanted, _ in self.promises:
            promise = Bundle.__new__(Bundle)
            promise._key, promise._grad, promise._meta = None, None, None
            promise._array = [outs_of[r][n] for n in wanted]
            common.value = promise

    def _segment(self, part: Part, outs: list[Array]) -> Segment:
        """What remains for a later backward; one for all calls if nothing does."""
        plan = part.plan
        if part.segment is not None and not plan.saved:
            return part.segment
        segment = Segment(plan, {})
        view = _Arguments(self, part)
        for key in plan.saved:
            array = outs[part.saved[key]] if type(key) is State else None
            plan._save(segment, view, key, array)
        part.segment = segment
        return segment

    # -- many steps -------------------------------------------------------------------

    def repeats(self) -> bool:
        """Whether calls can follow each other without Python in between."""
        optimizers = {id(o) for o, _ in self.steps}
        return (
            len(self.parts) == 1
            and type(self.parts[0]) is Part
            and type(self.result) is Made
            and not self.others
            and not self.twins
            and len(optimizers) == len(self.steps)
            and self.ends_bare
            and not self.parts[0].plan.saved
            and not self.parts[0].writes_after
        )

    def repeat(
        self, data: list[Any], order: Any, kept: Any, proceed: Any
    ) -> tuple[int, BaseException | None]:
        """So many steps as *kept* has rows, in one native loop: on the rows of *data*
        in the given order. How many were made, and what stopped them early, if
        something did; their results are in *kept*."""
        (part,), steps = self.parts, len(kept)
        part.fill([])
        copies = Copies()
        index = np.ascontiguousarray(order, np.int64)
        for n, shape, dtype, wanted in self.tensors:
            room = np.empty(shape, dtype)
            copies.before(room, data[n], index)
            for call, place in wanted:
                call[place] = room
        planned = []
        for s, (optimizer, swift) in enumerate(self.steps):
            counts = swift.prepare(optimizer)
            if counts is None:
                return 0, None
            tables = swift.ahead(optimizer, counts, steps)
            for call, n, i, j in self.numbers[s]:
                room = call[n] = swift.numbers[i][j]._array.copy()
                copies.before(room, np.array([v[j] for v in tables[i]], room.dtype))
            swift.forget()
            planned.append((optimizer, swift, counts))
        before = tuple(g._counter for _, g, _ in self.draws)
        counters = self._draw_ahead(copies, steps)
        for owner in self.cleared:
            if type(owner) is Gradients:
                owner.value = None
            else:
                owner._grad = None
        outs = part.step.results()
        part.call[part.outputs] = outs
        copies.after(kept, outs[self.result[1]])
        done, error = repeat(STEP.address, part.call, copies, steps, proceed)
        part.call[part.outputs] = [None] * len(outs)
        ends = counters[done - 1] if done and counters else before
        for (_, generator, _), counter in zip(self.draws, ends, strict=True):
            generator._counter = counter
        self.settings = -1
        if done:
            for memory in part.counters:
                memory[0] += done
            for optimizer, swift, counts in planned:
                optimizer._stepped += done
                swift.count(optimizer, [c + done - 1 for c in counts])
            self._deliver((), [outs])
        return done, error

    def _draw_ahead(self, copies: Copies, steps: int) -> list[tuple[int, ...]]:
        """The states of the random draws of so many steps; the generators after each."""
        if not self.draws:
            return []
        states: list[list[Any]] = [[] for _ in self.draws]
        counters = []
        for _ in range(steps):
            for own, (_, generator, words) in zip(states, self.draws, strict=True):
                own.append(generator._take(words)._array)
            counters.append(tuple(g._counter for _, g, _ in self.draws))
        for (wanted, _, _), own in zip(self.draws, states, strict=True):
            room = np.empty(2, np.int64)
            copies.before(room, np.stack(own))
            for call, n in wanted:
                call[n] = room
        return counters


class _Arguments:
    """The tensors of the present call by their number in the trace of a part."""

    def __init__(self, variant: Variant, part: Part) -> None:
        self.args = self
        self.variant, self.part = variant, part

    def __getitem__(self, i: int) -> Any:
        source = self.part.sources[i]
        if type(source) is Given:
            return self.variant.now[source]
        if type(source) is not Made:
            return source
        found = self.variant.made.get(source)
        return (
            constant(self.variant.outs[source[0]][source[1]])
            if found is None
            else found
        )


def _found(part: Part, pending: list[Any], saved: dict[Any, Any]) -> list[Any]:
    """The arrays that a run of the slow way made, as far as somebody has them."""
    outs: dict[int, Any] = {n: pending[i]._array for i, _, n in part.shown}
    for i, wanted in part.bundles:
        outs |= dict(zip(wanted, pending[i]._array, strict=True))
    for key, n in part.saved.items():
        outs.setdefault(n, saved.get(key))
    return [outs.get(n) for n in range(1 + max(outs, default=-1))]


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def twins(args: Any) -> list[tuple[int, int]]:
    """Which arguments are the same memory as an earlier one."""
    first: dict[int, int] = {}
    return [
        (first[id(a._array)], n)
        for n, a in enumerate(args)
        if isinstance(a, Handle) and first.setdefault(id(a._array), n) != n
    ]


def _wants(t: Any) -> bool:
    """Whether a tensor takes part in gradients."""
    meta = t._meta
    return meta is not None and (meta.requires_grad or meta.history is not None)


def _alone(leaf: Any) -> bool:
    return type(leaf._grad) is not Share


def _uncount(counted: list[tuple[Any, Any, list[int]]]) -> None:
    for optimizer, swift, counts in reversed(counted):
        swift.count(optimizer, [c - 1 for c in counts])


def _tensors(tree: Any) -> list[Any]:
    if isinstance(tree, Handle):
        return [tree]
    parts = tree.values() if type(tree) is dict else tree
    if not isinstance(tree, (dict, list, tuple)):
        return []
    return list(itertools.chain.from_iterable(map(_tensors, parts)))


def _counted(lists: list[list[Any]]) -> dict[int, int]:
    """How often each object is in the lists."""
    times: dict[int, int] = {}
    for one in lists:
        for t in one:
            times[id(t)] = times.get(id(t), 0) + 1
    return times
