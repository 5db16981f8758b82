"""A description as marks inside boxes that open and close: modules around lines, kernels
around operations, and runs of a long program. Each box is laid out by itself; the page
makes room for those that are open."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..description import Description, Formula, Node
from ..setting import Label

#: things side by side in one box; more are put into boxes of their own
MOST = 36
#: marks that are in sight at first
FIRST = 44


@dataclass
class Thing:
    """A mark (a circle, a block, a square), or a box of them."""

    id: str
    kind: str  # "variable" "function" "scalar" "operation"; "box"
    label: str
    role: str = ""
    caption: str = ""
    entry: str = ""  # identifier in the description
    order: float = 0.0
    children: list[Thing] = field(default_factory=list)
    parent: Thing | None = None
    width: float = 0.0
    height: float = 0.0


class View:
    """One level of detail: things in boxes, links between marks, the order of steps."""

    def __init__(self, words: dict[str, str]) -> None:
        self.words = words
        self.root = Thing("", "box", "")
        self.marks: dict[str, Thing] = {}
        self.boxes: dict[str, Thing] = {"": self.root}
        self.links: list[tuple[str, str]] = []
        self.steps: list[str] = []

    def box(self, id: str, label: str, kind: str, parent: Thing, entry: str = "") -> Thing:  # fmt: skip
        found = self.boxes.get(id)
        if found is None:
            found = self.boxes[id] = Thing(id, "box", label, kind, entry=entry)
            found.parent = parent
            found.order = float(len(self.marks))
            parent.children.append(found)
        return found

    def add(self, mark: Thing, parent: Thing) -> None:
        mark.order, mark.parent = float(len(self.marks)), parent
        self.marks[mark.id] = mark
        parent.children.append(mark)

    def link(self, source: str, target: str) -> None:
        if source in self.marks and target in self.marks:
            self.links.append((source, target))

    # -- boxes ----------------------------------------------------------------------

    def split(self) -> None:
        """Runs of things become boxes wherever a box has too many."""
        for box in list(self.boxes.values()):
            level = 0
            while len(box.children) > MOST:
                level += 1
                old, box.children = box.children, []
                size = MOST * 2 // 3
                for i in range(0, len(old), size):
                    run = old[i : i + size]
                    first, last = _ends(run)
                    part = Thing(f"{box.id}/{level}.{i // size}", "box",
                                 f"{first} … {last}", "run", parent=box)  # fmt: skip
                    part.order, part.children = run[0].order, run
                    for child in run:
                        child.parent = part
                    self.boxes[part.id] = part
                    box.children.append(part)

    def opened(self) -> list[str]:
        """The boxes that are open at first: as many as leave the picture readable."""
        found, seen, waiting = [""], len(self.root.children), [self.root]
        while waiting:
            box = waiting.pop(0)
            for child in box.children:
                if child.kind == "box" and child.role != "kernel":
                    if seen + len(child.children) - 1 <= FIRST:
                        seen += len(child.children) - 1
                        found.append(child.id)
                        waiting.append(child)
        return found

    def as_dict(self) -> dict[str, Any]:
        """What the page reads."""
        self.split()
        for thing in (*self.marks.values(), *self.boxes.values()):
            _measure(thing)
        inside = self._links_inside()
        known: dict[Any, dict[str, Any]] = {}
        boxes = {}
        for box in self.boxes.values():
            boxes[box.id] = {
                "label": box.label, "kind": box.role, "entry": box.entry,
                "parent": None if box.parent is None else box.parent.id,
                "count": _count(box), **_laid_out(box, inside.get(box.id, []), known),
            }  # fmt: skip
        return {
            "marks": [
                [m.id, m.kind, m.label, m.role, m.caption, m.entry,
                 m.parent.id if m.parent else ""] for m in self.marks.values()
            ],
            "boxes": boxes, "links": self.links, "steps": self.steps,
            "open": self.opened(),
        }  # fmt: skip

    def _links_inside(self) -> dict[str, list[tuple[str, str]]]:
        """Links between the things of each box, of whatever is inside them. What comes
        from outside of it comes from its port, ``""``."""
        found: dict[str, dict[tuple[str, str], None]] = {}
        for source, target in self.links:
            a, b = _up(self.marks[source]), _up(self.marks[target])
            above = {id(x) for x in b}
            i = next(i for i, x in enumerate(a) if id(x) in above)
            j = next(j for j, x in enumerate(b) if x is a[i])
            if i and j:
                pair = (a[i - 1].id, b[j - 1].id)
                found.setdefault(a[i].id, {})[pair] = None
            for k in range(1, j):  # the boxes that it enters
                found.setdefault(b[k].id, {})["", b[k - 1].id] = None
        return {box: list(pairs) for box, pairs in found.items()}


def _up(thing: Thing) -> list[Thing]:
    """A thing and the boxes around it, outwards."""
    found: list[Thing] = []
    at: Thing | None = thing
    while at is not None:
        found.append(at)
        at = at.parent
    return found


def _ends(run: list[Thing]) -> tuple[str, str]:
    def first(thing: Thing, end: int) -> str:
        while thing.kind == "box" and thing.role == "run":
            thing = thing.children[end]
        return thing.label

    circles = [x for x in run if x.kind in ("variable", "box")] or run
    return first(circles[0], 0), first(circles[-1], -1)


def _count(box: Thing) -> int:
    count, waiting = 0, list(box.children)
    while waiting:
        x = waiting.pop()
        waiting += x.children
        count += x.kind in ("function", "scalar", "operation")
    return count


def _measure(thing: Thing) -> None:
    if thing.kind == "variable":
        width = max(38.0, min(Label(thing.label, 16, 74).width + 16, 92.0))
        thing.width = thing.height = width
        return
    most = 190.0 if thing.kind == "box" else 150.0
    width = Label(thing.label, 14, most).width
    if thing.caption:
        width = max(width, Label(thing.caption, 10.5, most).width)
    thing.width = max(66.0, width + (44 if thing.kind == "box" else 34))
    thing.height = 56.0 if thing.kind == "box" else 44.0
    if thing.kind == "scalar":
        thing.width = max(48.0, width + 18)


def _laid_out(
    box: Thing, links: list[tuple[str, str]], known: dict[Any, dict[str, Any]]
) -> dict[str, Any]:
    """Where the things of a box stand and which way its links go. The rounds of a loop
    are placed alike, and once: *known* has what was placed."""
    if not box.children:
        return {"width": 0, "height": 0, "things": [], "routes": []}
    number = {x.id: i for i, x in enumerate(box.children)} | {"": len(box.children)}
    # the caption of a circle stands below it
    sizes = tuple(
        (x.width, x.height + (18 if x.kind == "variable" else 0), x.kind == "variable")
        for x in box.children
    )
    pairs = tuple((number[s], number[t]) for s, t in links)
    port = any(not s for s, _ in links)
    if (sizes, pairs, port) not in known:
        known[sizes, pairs, port] = _placed(sizes, pairs, port)
    found = dict(known[sizes, pairs, port])
    things = [
        [x.id, *at, round(x.width, 1), x.height]
        for x, at in zip(box.children, found["things"], strict=True)
    ]
    routes = [
        [s, t, points]
        for (s, t), points in zip(links, found["routes"], strict=True)
        if points
    ]
    return {**found, "things": things, "routes": routes}


def _placed(
    sizes: tuple[tuple[float, float, bool], ...],
    links: tuple[tuple[int, int], ...],
    port: bool,
) -> dict[str, Any]:
    """Places of things of these sizes, and of the links' bends, by graphlay."""
    try:
        import graphlay
    except ImportError:
        raise ImportError(
            "the page needs graphlay to place its graph: pip install retrograd[see]"
        ) from None
    graph = graphlay.Graph()
    for i, (width, height, circle) in enumerate(sizes):
        shape = "ellipse" if circle else "box"
        graph.node(str(i), width=width, height=height, shape=shape)
    if port:
        graph.node(str(len(sizes)), width=8.0, height=14.0, shape="box")
    for source, target in links:
        graph.edge(str(source), str(target))
    found = graphlay.layout(
        graph,
        options={
            "direction": "leftright", "routing": {"style": "diagonal"},
            "effort": "fast", "spacing": {"layer_gap": 34.0, "node_gap": 20.0},
        },
    )  # fmt: skip
    low, high = found.bounds["min"], found.bounds["max"]

    def at(p: dict[str, float]) -> list[float]:
        return [round(p["x"] - low["x"], 1), round(p["y"] - low["y"], 1)]

    inner = {"port": at(found.nodes[-1]["center"])} if port else {}
    return {
        **inner,
        "width": round(high["x"] - low["x"], 1),
        "height": round(high["y"] - low["y"], 1),
        "things": [at(n["center"]) for n in found.nodes[: len(sizes)]],
        "routes": [[at(p) for p in e["points"][1:-1]] for e in found.edges],
    }


# -- levels -----------------------------------------------------------------------------


def lines(d: Description, models: Collection[str] = ()) -> View:
    """Circles and blocks for the lines of a description, in boxes for its modules. What
    the model itself computes, the only one of *models*, stands beside its parts."""
    view = View(d.words)
    kinds = {m.path: m.kind for m in d.modules}
    whole = {x.module for x in d.nodes if x.module in models}

    def inside(path: str) -> Thing:
        at = view.root
        parts = path.split(".") if path and whole != {path} else []
        for i in range(1, len(parts) + 1):
            here = ".".join(parts[:i])
            at = view.box(here, kinds.get(here) or parts[i - 1], "module", at)
        return at

    users: dict[str, list[Node]] = {}
    for x in d.nodes:
        for i in x.inputs:
            users.setdefault(i, []).append(x)
    known = {x.id for x in d.nodes}
    for x in d.nodes:
        if x.formula is None:  # a leaf stands where it is used
            paths = [u.module for u in users.get(x.id, ()) if u.role != "element"]
            if not paths:
                continue
            path = _common(paths)
            view.add(_circle(x, path), inside(path))
            continue
        box = inside(x.module)
        block = Thing(
            f"{x.id}.f", "scalar" if x.block == "scalar" else "function",
            _short(x), entry=x.id,
        )  # fmt: skip
        view.add(block, box)
        view.add(_circle(x), box)
        view.link(block.id, x.id)
    for x in d.nodes:
        for i in x.inputs:
            if i in known and x.formula is not None:
                view.link(i, f"{x.id}.f")
    view.steps = list(d.steps)
    return view


def kernels(d: Description) -> View:
    """A box for each kernel of the compiler, with the operations that it computes."""
    view = View(d.words)
    of = {o.id: o for o in d.operations}
    leaves = {x.id: x for x in d.nodes if x.formula is None}
    for kernel in d.kernels:
        for o in kernel.operations:
            for i in of[o].inputs if o in of else ():
                if isinstance(i, str) and i in leaves and i not in view.marks:
                    view.add(_circle(leaves[i]), view.root)
        box = view.box(kernel.id, kernel.words, "kernel", view.root, kernel.id)
        for o in kernel.operations:
            if o in of and o not in view.marks:
                about = of[o]
                view.add(
                    Thing(o, "operation", about.op, about.phase,
                          "×".join(map(str, about.shape)), o), box,
                )  # fmt: skip
    shown: dict[str, list[str]] = {}  # where a view's numbers come from

    def sources(i: str) -> list[str]:
        if i in view.marks or i not in of:
            return [i]
        return shown.get(i, [])

    for operation in d.operations:  # in order: operands first
        found = [s for i in operation.inputs if isinstance(i, str) for s in sources(i)]
        shown[operation.id] = found
        for i in found:
            view.link(i, operation.id)
    view.steps = [k.id for k in d.kernels]
    return view


def _circle(x: Node, inside: str = "") -> Thing:
    role, name = x.role, x.name.text
    if inside:  # the box says where
        name = name.removesuffix(f"[{inside}]").removeprefix(f"{inside}.")
        name = name.replace(f"[{inside}.", "[")
    if role == "element":
        role = "parameter" if x.wants_grad else "input"
    return Thing(x.id, "variable", name, role, "×".join(map(str, x.shape)), x.id)


def _short(x: Node) -> str:
    if isinstance(x.formula, Formula) and x.function == x.formula.text:
        return x.formula.text
    return x.function or x.label


def _common(paths: Iterable[str]) -> str:
    """The innermost module that all are in."""
    first, *rest = [p.split(".") if p else [] for p in paths]
    for parts in rest:
        n = 0
        while n < min(len(first), len(parts)) and first[n] == parts[n]:
            n += 1
        first = first[:n]
    return ".".join(first)
