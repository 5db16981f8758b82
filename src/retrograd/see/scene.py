"""A description as marks and links, in the block notation of the lectures: circles for
variables, blocks for deterministic functions, rounded on the side that is easy to
compute, squares for functions whose value is one number; and its derivative graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import notation as n
from .description import Description, Formula, Gradient, Node
from .outline import gap

#: marks that a drawing has at most, unless asked for more
MOST = 240

Label = str | Formula


@dataclass
class Mark:
    """Something that is drawn: a circle, a block, a square."""

    id: str
    kind: str  # "variable" "function" "scalar" "gradient" "jacobian" "gap"
    label: Label
    role: str = ""  # of a variable: "parameter" "input" "random" "value" "loss"
    caption: Label = ""  # small, beside it
    about: str = ""  # shown when the pointer rests on it
    entry: str = ""  # identifier in the description
    sum: bool = False  # several arrows are added up here
    node: str = ""  # of a gradient: the node whose it is
    again: bool = False  # drawn elsewhere too


@dataclass
class Link:
    source: str
    target: str
    label: str = ""


@dataclass
class Scene:
    marks: list[Mark] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def add(self, mark: Mark) -> Mark:
        self.marks.append(mark)
        return mark

    def link(self, source: str, target: str, label: str = "") -> None:
        self.links.append(Link(source, target, label))


def forward(d: Description, depth: int | None = None) -> Scene:
    """The graph as it is computed. *depth* draws a module of that depth as one block."""
    scene = Scene()
    group = _groups(d, depth)
    users: dict[str, list[Node]] = {}
    for x in d.nodes:
        for i in x.inputs:
            users.setdefault(i, []).append(x)
    made: dict[str, str] = {}  # node → the mark that its value is
    blocks: dict[str, str] = {}  # group → its block
    linked: set[tuple[str, str]] = set()
    for x in d.nodes:
        if x.formula is None:
            whole = [u for u in users.get(x.id, ()) if u.role != "element"]
            if not whole:
                continue  # nobody uses it, or only its parts are used
            own = {group.get(u.id, u.id) for u in whole}
            if (
                depth is not None
                and len(own) == 1
                and next(iter(own)) in group.values()
            ):
                continue  # a parameter inside one block
            scene.add(_variable(x))
            made[x.id] = x.id
            continue
        here = group.get(x.id)
        outside = any(group.get(u.id) != here for u in users.get(x.id, ()))
        block = blocks.get(here) if here is not None else None
        if block is None:
            block = f"{x.id}.f"
            label: Label = _block_label(x)
            if here is not None:
                kind = next((m.kind for m in d.modules if m.path == here), "")
                label = kind or here
                blocks[here] = block
            scalar = x.block == "scalar" and here is None
            scene.add(
                Mark(
                    block, "scalar" if scalar else "function", label,
                    caption=here or x.module, about=_about(x), entry=x.id,
                )
            )  # fmt: skip
        for i in x.inputs:
            source = made.get(i)
            if source and source != block and (source, block) not in linked:
                linked.add((source, block))
                scene.link(source, block)
        if here is None or outside or x.role == "loss":
            scene.add(_variable(x))
            scene.link(block, x.id)
            made[x.id] = x.id
        else:
            made[x.id] = block
    _gaps(d, scene)
    return scene


def backward(d: Description) -> Scene:
    """The derivative graph: from ∂ℓ/∂ℓ = 1 to the gradients of the leaves. Each block
    multiplies what comes in by a local Jacobian; what arrives at one circle is added."""
    scene = Scene()
    loss = d[d.loss]
    name = loss.name.expr.parts[0]
    scene.add(
        Mark(
            "seed", "gradient", Formula(n.partial(name, name)) if d.seeded else "1",
            "loss", about=f"∂{name}/∂{name}", entry=loss.id, node=loss.id,
        )
    )  # fmt: skip
    by_node = {g.node: g for g in d.gradients}
    for g in by_node.values():
        node: Node = d[g.node]
        if node.id == d.loss:
            continue
        scene.add(
            Mark(
                g.id, "gradient", g.name, node.role, about=_told(g), entry=g.id,
                sum=g.ways > 1, node=g.node,
            )
        )  # fmt: skip
    for g in by_node.values():
        for k, p in enumerate(g.products):
            up = by_node.get(p.through)
            source = "seed" if p.through == d.loss else up.id if up else None
            if source is None:
                continue
            row = d.layout == "numerator"
            kind = p.jacobian.kind in ("mask", "diagonal")
            local = scene.add(
                Mark(
                    f"{g.id}.{k}", "jacobian", p.jacobian.name, _size(p.jacobian.shape),
                    p.jacobian.matrix or ("diag" if kind else ""), p.jacobian.words,
                    p.through,
                )
            )  # fmt: skip
            incoming = p.shapes[1] if row else p.shapes[2]
            scene.link(source, local.id, _size(incoming))
            scene.link(local.id, g.id, _size(p.shapes[0]))
    used = {x.source for x in scene.links} | {x.target for x in scene.links}
    scene.marks = [m for m in scene.marks if m.id in used]
    return scene


def _size(shape: list[int]) -> str:
    return "" if shape == [1, 1] else "×".join(map(str, shape))


def _variable(x: Node) -> Mark:
    role = x.role
    if role == "element":
        role = "parameter" if x.wants_grad else "input"
    return Mark(x.id, "variable", x.name, role, _dims(x), _about(x), x.id)


def _dims(x: Node) -> str:
    return "×".join(map(str, x.shape))


def _block_label(x: Node) -> Label:
    """The function's name; a short formula is its own name."""
    if x.formula is not None and x.function == x.formula.text:
        return x.formula
    return x.function


def _about(x: Node) -> str:
    parts = [x.name.text]
    if x.formula is not None:
        parts.append(x.formula.text)
    if x.value is not None:
        parts.append(x.value.text)
    text = " = ".join(parts)
    if x.source is not None:
        text += f"\n{x.source.file}:{x.source.line}  {x.source.text}"
    return text


def _told(g: Gradient) -> str:
    text = f"{g.name.text} = {g.formula.text}"
    return text if g.value is None else f"{text} = {g.value.text}"


def _groups(d: Description, depth: int | None) -> dict[str, str]:
    """Which nodes are inside which block."""
    if depth is None:
        return {}
    return {
        x.id: ".".join(x.module.split(".")[:depth])
        for x in d.nodes
        if x.module and x.formula is not None and x.id != d.loss
    }


def _gaps(d: Description, scene: Scene) -> None:
    """Where lines were left out."""
    missing = d.omitted.get("nodes", 0)
    if not missing:
        return
    lines = [x for x in d.nodes if x.formula is not None]
    place = gap([x.id for x in lines])
    before, after = lines[place - 1], lines[place]
    scene.add(Mark("gap", "gap", f"⋯ {missing} ⋯"))
    scene.link(before.id, "gap")
    scene.link("gap", f"{after.id}.f")
