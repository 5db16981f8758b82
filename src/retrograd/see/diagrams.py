"""Scenes as text for other programs: Mermaid and Graphviz' DOT."""

from __future__ import annotations

from .description import Formula
from .scene import Mark, Scene

_DOT = {
    "variable": "shape=circle", "gradient": "shape=circle, color=darkgreen",
    "scalar": "shape=square", "gap": "shape=plaintext",
    "function": 'shape=box, style="rounded"',
    "jacobian": 'shape=box, style="rounded", color=darkgreen',
}  # fmt: skip


def _text(mark: Mark) -> str:
    return mark.label.text if isinstance(mark.label, Formula) else mark.label


def mermaid(scenes: list[tuple[str, Scene]], direction: str) -> str:
    """A flowchart for Mermaid (GitHub shows it between ```mermaid fences)."""
    lines = [f"flowchart {'LR' if direction == 'right' else 'BT'}"]
    for k, (title, scene) in enumerate(scenes):
        name = _names(scene, k)
        if title:
            lines.append(f'  subgraph s{k}["{_entities(title)}"]')
        for m in scene.marks:
            text = f'"{_entities(_text(m))}"'
            shape = {
                "variable": f"(({text}))", "gradient": f"(({text}))",
                "scalar": f"[{text}]", "gap": f"[{text}]",
            }.get(m.kind, f"([{text}])")  # fmt: skip
            observed = ":::observed" if m.role == "input" else ""
            lines.append(f"    {name[m.id]}{shape}{observed}")
        for link in scene.links:
            label = f'|"{_entities(link.label)}"|' if link.label else ""
            lines.append(f"    {name[link.source]} -->{label} {name[link.target]}")
        if title:
            lines.append("  end")
    lines.append("  classDef observed fill:#d8dee6,stroke:#1d2733")
    return "\n".join(lines) + "\n"


def dot(scenes: list[tuple[str, Scene]], direction: str) -> str:
    """A digraph for Graphviz."""
    lines = [
        "digraph retrograd {",
        f"  rankdir={'LR' if direction == 'right' else 'BT'}",
    ]
    for k, (title, scene) in enumerate(scenes):
        name = _names(scene, k)
        lines.append(f"  subgraph cluster_{k} {{")
        lines.append(f"    label={_quoted(title)}")
        for m in scene.marks:
            style = _DOT[m.kind]
            if m.role == "input" and m.kind == "variable":
                style += ', style=filled, fillcolor="#d8dee6"'
            lines.append(f"    {name[m.id]} [label={_quoted(_text(m))}, {style}]")
        for link in scene.links:
            label = f" [label={_quoted(link.label)}]" if link.label else ""
            lines.append(f"    {name[link.source]} -> {name[link.target]}{label}")
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _names(scene: Scene, k: int) -> dict[str, str]:
    return {m.id: f"m{k}_{i}" for i, m in enumerate(scene.marks)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(text: str) -> str:
    """What Mermaid reads as text whatever stands in it."""
    for sign in "&#\"'<>[]{}()|`\\":
        if sign == "&":
            continue
        if sign == "#":
            text = text.replace("#", "\x00")
        else:
            text = text.replace(sign, f"\x00{ord(sign)};")
    return text.replace("\x00", "#").replace("\n", " ")
