"""Which value is called what: by the variables in sight, then by the lines of the
program."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..trace import Arg, State, spec_of
from . import reading
from .capture import Capture
from .names import Names, Source
from .notation import Symbol

#: operations of one round of a loop
LONGEST = 400
#: values of one variable among which parameters are looked for
_MANY = 64


class Naming:
    """``given``: names of computed values; ``of_leaf``: of leaves."""

    def __init__(
        self, capture: Capture, names: Names, source: Source, users: dict[Any, Any]
    ) -> None:
        self.capture, self.names, self.source = capture, names, source
        self.users = users
        self.runs: list[list[State]] = []  # the operations of each statement
        self.given = self._given_names()
        self.read = self._read()

    def _given_names(self) -> dict[State, str]:
        """What the user's variables call the values, then what their lines did."""
        given: dict[State, str] = {}
        runs: dict[str, list[State]] = {}
        live: dict[State, str] = {}
        for node, origin in self.capture.origin.items():
            if origin in self.names.states:
                live[node] = self.names.states[origin]
        run: list[State] = []
        before: Any = None
        state: State | None
        for state in [*self.capture.nodes, None]:
            statement = self.source.statement(state.line) if state else None
            place = statement.place if statement else None
            if run and place != before:
                self._end_run(run, runs)
                run = []
            if statement is not None and state is not None:
                run.append(state)
            before = place
        for target, outputs in runs.items():
            if len(outputs) == 1:
                given[outputs[0]] = target
            else:
                start = self._first(outputs)
                for k, state in enumerate(outputs, start):
                    given[state] = f"{target}{'_' if target[-1].isdigit() else ''}{k}"
        for state, word in live.items():
            if "[" in word and state in given:
                continue  # what its line calls it says more than its place in a list
            if state not in given or given[state].rstrip("0123456789_") != word:
                given[state] = word
        return given

    def _first(self, outputs: list[State]) -> int:
        """The number of the first of several values of one variable: that of the
        parameters in its line, fₖ = βₖ + Ωₖhₖ, or 1."""
        found: list[set[str]] = []
        ends = set(outputs)
        for state in outputs[:_MANY]:
            words, stack = set(), [state]
            while stack:
                at = stack.pop()
                for key in at.inputs:
                    if type(key) is State and key.line == state.line:
                        if key not in ends:
                            stack.append(key)
                    elif type(key) is Arg:
                        leaf = self.capture.leaves[key]
                        words.add(Symbol.of(self.names.of_tensor(leaf.tensor)).sub)
            found.append(words)
        if all(str(k) in words for k, words in enumerate(found)):
            return 0
        return 1

    def _end_run(self, run: list[State], runs: dict[str, list[State]]) -> None:
        """The last value of an assignment that others need has its name."""
        statement = self.source.statement(run[-1].line)
        if statement is None:
            return
        asking = self.source.statement(self.capture.line)
        # story = explain(f(x).sum()): what it will name is not the loss
        ends = asking is not None and asking.place == statement.place
        for part in _rounds(run, statement):
            self.runs.append(part)
            inside = set(part)
            for state in reversed(part):
                users = self.users.get(state, [])
                if not statement.target or ends:
                    break
                if state is self.capture.root or any(u not in inside for u in users):
                    runs.setdefault(statement.target, []).append(state)
                    break

    # -- leaves ---------------------------------------------------------------------

    def of_leaf(self, arg: Arg, leaf: Any) -> str:
        """Its variable, or the path of a parameter, or what its line calls it."""
        word = self.names.of_tensor(leaf.tensor)
        return word or self._only_word(arg, leaf) or self.read.get(arg, "")

    def _read(self) -> dict[Arg, str]:
        """Names of leaves whose variables are gone, read off the lines."""
        known: dict[Any, str] = dict(self.given)
        for arg, leaf in self.capture.leaves.items():
            word = self.names.of_tensor(leaf.tensor)
            if word:
                known[arg] = word
        nameless = self.capture.leaves.keys() - known.keys()
        if not nameless:
            return {}
        found: dict[Arg, str] = {}
        wrong: set[Arg] = set()
        for run in self.runs:
            if all(nameless.isdisjoint(s.inputs) for s in run):
                continue
            words = self.source.operands(run[-1].line)
            if words is None:
                continue
            names = reading.match(words, reading.recorded(run), known)
            statement = self.source.statement(run[-1].line)
            for arg, word in (names or {}).items():
                if statement is not None and word == statement.target:
                    word += "0"  # h = f(h): what the first round starts from
                if found.setdefault(arg, word) != word:
                    wrong.add(arg)
        several = Counter(w for a, w in found.items() if w.endswith("[]"))
        return {
            a: w.removesuffix("[]")
            for a, w in found.items()
            if a not in wrong and several[w] < 2
        }

    def _only_word(self, arg: Arg, leaf: Any) -> str:
        """The name of a leaf that the run let go: the one tensor in its line that it can
        have been."""
        users = self.users.get(arg, [])
        statement = self.source.statement(users[0].line) if users else None
        if statement is None:
            return ""
        if leaf.tensor is not None:
            return ""
        used = {id(x.tensor) for x in self.capture.leaves.values()}
        found = [
            w
            for w in statement.words
            if (t := self.names.words.get(w)) is not None
            and spec_of(t) is arg.spec
            and id(t) not in used
            and t.requires_grad == leaf.wants_grad
            and (None, t._key) not in self.names.states
            and (t._meta is None or t._meta.history is None)
        ]
        return found[0] if len(found) == 1 else ""


def _rounds(run: list[State], statement: Any) -> list[list[State]]:
    """A loop whose body is one statement, h = f(h), as its rounds."""
    if statement.target not in statement.words:
        return [run]
    names = [(s.op.name if s.op is not None else "", id(s.module)) for s in run]
    least = max(1, statement.calls)
    parts: list[list[State]] = []
    end = len(run)
    while end:
        size = _period(names, end, least)
        if not size and parts:  # one round may have an operation more, or less
            first = names[end]
            for more in range(least, min(end, least + 4) + 1):
                if names[end - more] == first:
                    parts.append(run[end - more : end])
                    end -= more
                    break
            else:
                break
            continue
        if not size or (parts and names[end - size] != names[end]):
            break
        last = names[end - size : end]
        while end >= size and names[end - size : end] == last:
            parts.append(run[end - size : end])
            end -= size
    if end and parts and end < len(parts[-1]):  # what only the first round does
        parts[-1] = run[:end] + parts[-1]
    elif end:
        parts.append(run[:end])
    return parts[::-1]


def _period(names: list[Any], end: int, least: int) -> int:
    """After how many operations what ends at *end* comes once more; 0 if it does not."""
    for p in range(least, min(end // 2, LONGEST) + 1):
        if names[end - p : end] == names[end - 2 * p : end - p]:
            return p
    return 0
