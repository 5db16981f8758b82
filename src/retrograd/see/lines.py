"""The recorded graph as the lines of a calculation, as one would write it by hand.

A line is a value with a name: a variable of the user's, the output of a module, of a
composition, or a value that several lines need. What lies between two lines is written
out in the formula. Level "operations" makes every operation a line.
"""

from __future__ import annotations

from typing import Any

from ..trace import Arg, Const, State
from . import notation as n
from .capture import Capture
from .formulas import RANDOM, expression, index_text
from .line import Line
from .names import Names, Source
from .naming import Naming
from .notation import Expr, Symbol

#: the size of an expression past which a part gets a name of its own
LIMIT = 26
#: operations in a composition up to which its formula is spelled out
SMALL = 4
#: compositions that are shown as one function however small they are
_ALWAYS = ("_max_pool", "_avg_pool", "_normalized")
_LINEAR = ("Linear", "Conv1d", "Conv2d", "Conv3d", "Embedding", "Bilinear")
_VIEWS = ("reshape", "permute", "expand", "cast", "clone", "detach", "slice")


class Lines:
    """All lines of a capture: ``leaves``, ``elements`` of leaves, and ``forward``."""

    def __init__(self, capture: Capture, names: Names, level: str = "modules") -> None:
        self.capture, self.names, self.level = capture, names, level
        self.source = Source()
        self.of: dict[Any, Line] = {}  # key → its line
        self.inline: dict[State, int] = {}  # … or the size of its formula, at most
        self._formulas: dict[State, Any] = {}  # formulas, or what they are written with
        self.parts: dict[State, list[State]] = {}  # the operations in that formula
        self.needs: dict[State, list[Line]] = {}  # the lines it refers to
        self.constants: dict[int, Expr] = {}  # of a Const, by identity
        self.numbers: dict[str, Any] = {}  # … by the name of its variable
        self.taken: set[str] = set()
        self.counts: dict[str, int] = {}
        self.users: dict[Any, list[State]] = {}
        for state in capture.nodes:
            for key in dict.fromkeys(state.inputs):
                self.users.setdefault(key, []).append(state)
        names.keep_apart(s.module for s in capture.nodes)
        self.module_of = [names.of_module(s.module) for s in capture.nodes]
        self.position = {s: i for i, s in enumerate(capture.nodes)}
        self.called: dict[
            State, tuple[str, list[State]]
        ] = {}  # output → (name, inside)
        self.hidden: set[State] = set()
        self.leaves: list[Line] = []
        self.elements: list[Line] = []
        self.forward: list[Line] = []
        self.drawn: list[Line] = []  # random numbers
        self.naming = Naming(capture, names, self.source, self.users)
        self.given = self.naming.given
        if level != "operations":
            self._compositions()
        self.visible = self._visible()
        self._name_leaves()
        for state in capture.nodes:
            self._place(state)
        self._in_order()

    def _in_order(self) -> None:
        """Leaves and their parts in the order in which the formulas name them."""
        place: dict[Symbol, int] = {}
        waiting = {x.symbol for x in (*self.leaves, *self.elements)}
        for line in self.forward:
            if not waiting:
                break
            if waiting.isdisjoint(x.symbol for x in line.inputs):
                continue
            for symbol in line.expr.names():
                place.setdefault(symbol, len(place))
                waiting.discard(symbol)
        for part in (self.leaves, self.elements):
            part.sort(key=lambda x: place.get(x.symbol, len(place)))

    # -- what is shown --------------------------------------------------------------

    def _compositions(self) -> None:
        """Compositions that are shown as one function, and what they hide."""
        members: dict[int, list[State]] = {}
        for state in self.capture.nodes:
            if state.group:
                members.setdefault(id(state.group[0]), []).append(state)
        for states in members.values():
            inside = set(states)
            outputs = [
                s
                for s in states
                if s is self.capture.root
                or any(u not in inside for u in self.users.get(s, []))
            ]
            real = [s for s in states if s.op and s.op.name not in _VIEWS]
            name = states[0].group[0]
            if len(outputs) != 1 or (len(real) <= SMALL and name not in _ALWAYS):
                continue
            self.called[outputs[0]] = (name.lstrip("_"), states)
            self.hidden.update(s for s in states if s is not outputs[0])

    def _visible(self) -> set[State]:
        capture = self.capture
        if self.level == "operations":
            return set(capture.nodes)
        visible = {capture.root} | set(self.given) | set(self.called)
        for i, state in enumerate(capture.nodes):
            if state in self.hidden or self._is_part_of_leaf(state):
                continue
            users = self.users.get(state, [])
            if state.op is not None and state.op.name in RANDOM and not state.group:
                visible.add(state)
            if self.module_of[i][0]:
                here = state.module
                if any(u.module is not here for u in users):
                    visible.add(state)
            if len(users) > 1 and not state.group and state.op is not None:
                if state.op.name not in _VIEWS:
                    visible.add(state)
        return visible - self.hidden

    def _is_part_of_leaf(self, state: State) -> bool:
        op: Any = state.op
        while op.name in _VIEWS:
            key = state.inputs[0]
            if type(key) is not State:
                return type(key) is Arg
            state, op = key, key.op
        return False

    # -- names ----------------------------------------------------------------------

    def _symbol(self, word: str) -> Symbol:
        symbol = Symbol.of(word)
        base, k = symbol, 1
        while symbol.text() in self.taken:
            k += 1
            symbol = Symbol(base.base, f"{base.sub},{k}" if base.sub else str(k))
        self.taken.add(symbol.text())
        return symbol

    def _numbered(self, letter: str, start: int) -> Symbol:
        while True:
            k = self.counts.get(letter, start)
            self.counts[letter] = k + 1
            symbol = Symbol(letter, str(k))
            if symbol.text() not in self.taken:
                self.taken.add(symbol.text())
                return symbol

    def _name_leaves(self) -> None:
        reserved = {Symbol.of(w).text() for w in self.given.values()}
        for arg, leaf in self.capture.leaves.items():
            if arg is self.capture.seed:
                continue
            word = self.naming.of_leaf(arg, leaf)
            symbol = None
            if leaf.parameter and "." in word:
                path, last = word.rsplit(".", 1)
                short = {"weight": "W", "bias": "b"}.get(last)
                if short:
                    plain = path.replace(".", "").isdigit()
                    symbol = Symbol(short, path.replace(".", ",") if plain else path)
                    if symbol.text() in self.taken | reserved:
                        symbol = None
                    else:
                        self.taken.add(symbol.text())
            if symbol is None:
                if word:
                    symbol = self._symbol(word)
                elif leaf.spec.dtype.is_floating_point:
                    symbol = self._numbered("w" if leaf.wants_grad else "c", 1)
                else:
                    symbol = self._numbered("i", 1)
            line = Line(arg, symbol)
            line.expr = n.name(symbol, arg.spec.shape)
            line.label = word
            self.of[arg] = line
            self.leaves.append(line)

    def _name(self, state: State) -> Symbol:
        word = self.given.get(state)
        if word:
            return self._symbol(word)
        if state is self.capture.root:
            return self._symbol("loss" if not state.spec.shape else "out")
        module, kind = self.module_of[self.position[state]]
        if module and any(
            u.module is not state.module for u in self.users.get(state, [])
        ):
            if kind in _LINEAR:
                return self._numbered("f", 0)
            owner = state.module() if state.module is not None else None
            if type(owner).__module__.endswith("modules.activation"):
                return self._numbered("h", 1)
            return self._numbered("z", 1)
        if state.op is not None and state.op.name in RANDOM:
            return self._numbered("x", 1)
        return self._numbered("v", 1)

    # -- formulas -------------------------------------------------------------------

    def _place(self, state: State) -> None:
        """Give a state a line, or the formula that will stand for it."""
        if state in self.hidden:
            return
        if state in self.called:
            self._place_call(state)
            return
        if self.level != "operations" and self._is_element(state):
            return
        operands, parts, needs = self._operands(state)
        size = 1 + sum(x[1] for x in operands)
        if size > LIMIT and self.level != "operations":
            expr = expression(state, [self._read_operand(x) for x in operands])
            size = expr.size
            inner = [k for k in state.inputs if k in self.inline]
            if size > LIMIT and inner:
                sizes = {k: self.written(k).size for k in inner}
                largest = max(inner, key=sizes.__getitem__)
                if sizes[largest] > 3:
                    self._show(largest)
                    operands, parts, needs = self._operands(state)
                    size = 1 + sum(x[1] for x in operands)
        self.inline[state] = size
        self._formulas[state] = operands
        self.parts[state], self.needs[state] = parts, needs
        if state in self.visible:
            self._show(state)

    def written(self, state: State) -> Expr:
        """The formula of a value, as it was to be written when its place was found."""
        found = self._formulas[state]
        if type(found) is not Expr:
            found = expression(state, [self._read_operand(x) for x in found])
            self._formulas[state] = found
        return found

    def _read_operand(self, operand: tuple[Any, int]) -> Expr:
        what = operand[0]
        return self.written(what) if type(what) is State else what

    def _place_call(self, state: State) -> None:
        name, inside = self.called[state]
        members = set(inside)
        operands: list[Expr] = []
        parts: list[State] = list(inside)
        needs: list[Line] = []
        outside = dict.fromkeys(
            k
            for s in inside
            for k in s.inputs
            if k not in members and type(k) is not Const
        )
        for key in outside:
            operands.append(self.operand(key, parts, needs))
        expr = n.call(name, *operands, shape=state.spec.shape)
        self.inline[state], self._formulas[state] = expr.size, expr
        self.parts[state], self.needs[state] = parts, needs
        self._show(state)

    def _is_element(self, state: State) -> bool:
        """beta[0] of a leaf: a parameter with a name of its own."""
        op: Any = state.op
        key = state.inputs[0] if state.inputs else None
        if op.name != "slice" or type(key) is not Arg or state in self.given:
            return False
        index = state.attrs["index"]
        if not all(part[0] == "i" for part in index):
            return False
        leaf = self.of[key]
        text = index_text(index).replace(" ", "")
        if leaf.symbol.sub:
            text = f"{leaf.symbol.sub},{text}"
        symbol = Symbol(leaf.symbol.base, text)
        known = next((e for e in self.elements if e.symbol == symbol), None)
        line = Line(state, symbol)
        line.element, line.inputs = True, [leaf]
        line.label = f"{leaf.label or leaf.symbol}[{index_text(index)}]"
        line.where = state.line
        line.expr = n.name(symbol, state.spec.shape)
        line.states = [state]
        self.of[state] = line
        if known is None:
            self.elements.append(line)
        return True

    def _operands(
        self, state: State
    ) -> tuple[list[tuple[Any, int]], list[State], list[Line]]:
        """What a formula is written with: expressions, and values whose formulas are part
        of it, with their sizes."""
        parts: list[State] = [state]
        needs: list[Line] = []
        operands: list[tuple[Any, int]] = []
        op: Any = state.op
        statement = self.source.statement(state.line)
        for key in state.inputs:
            if op.name in ("le", "gt") and type(key) is State:
                if key.op is not None and key.op.name == "relu":
                    key = key.inputs[0]  # max(0, f) > 0 just where f > 0
            if type(key) is Const:
                operands.append((self._constant(key, statement), 1))
            elif self._brought(key, parts, needs):
                operands.append((key, self.inline[key]))
            else:
                operands.append((self._named(key), 1))
        return operands, parts, needs

    def operand(self, key: Any, parts: list[State], needs: list[Line]) -> Expr:
        """A value as it is written in a formula; notes what it brings with it."""
        inline = self._brought(key, parts, needs)
        return self.written(key) if inline else self._named(key)

    def _brought(self, key: Any, parts: list[State], needs: list[Line]) -> bool:
        """Whether a value is written out; notes what it brings with it."""
        line = self.of.get(key)
        if line is not None:
            if line not in needs:
                needs.append(line)
            return False
        parts.extend(p for p in self.parts.get(key, ()) if p not in parts)
        needs.extend(x for x in self.needs.get(key, ()) if x not in needs)
        return key in self.inline

    def _named(self, key: Any) -> Expr:
        line = self.of.get(key)
        return n.name(Symbol("?") if line is None else line.symbol, key.spec.shape)

    def _constant(self, key: Const, statement: Any) -> Expr:
        """A number; by the name of the variable that it is in the user's line."""
        expr = self.constants[id(key)] = self._numeral(key, statement)
        return expr

    def _numeral(self, key: Const, statement: Any) -> Expr:
        value = key.value.item() if hasattr(key.value, "item") else key.value
        if statement is not None:
            words = []
            for w in statement.words:
                known = self.names.numbers.get(w)
                if type(known) in (int, float) and _same(known, key.value):
                    if (type(known), known) not in statement.literals:
                        words.append(w)
            if len(words) == 1:
                self.numbers[words[0]] = value
                return n.name(words[0])
        return n.number(value)

    def _show(self, state: State) -> Line:
        """Make a line of a value."""
        line = Line(state, self._name(state))
        del self.inline[state]
        line.writer = self.written
        line.states, line.inputs = self.parts[state], self.needs[state]
        module, kind = self.module_of[self.position[state]]
        line.module, line.kind = module, kind
        op: Any = state.op
        line.group = state.group[0].lstrip("_") if state.group else ""
        called = self.called.get(state)
        line.label = called[0] if called else line.group or op.name
        line.where = state.line
        self.of[state] = line
        (self.drawn if op.name in RANDOM else self.forward).append(line)
        return line


def _same(known: Any, value: Any) -> bool:
    """Whether a number became *value* when it took the type that it has there."""
    try:
        return bool(type(value)(known) == value)
    except (OverflowError, TypeError, ValueError):
        return False
