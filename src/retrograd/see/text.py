"""A description as terminal text, Markdown and LaTeX."""

from __future__ import annotations

import unicodedata

from .description import Description, Formula
from .outline import Item, Outline, Piece

WIDTH = 100


def width_of(text: str) -> int:
    """Columns of a terminal that a text takes: Hangul takes two, accents none."""
    wide = 0
    for c in text:
        if unicodedata.combining(c):
            continue
        wide += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return wide


def _say(piece: Piece) -> str:
    return piece.text if isinstance(piece, Formula) else piece


def plain(d: Description, width: int = WIDTH) -> str:
    """Text for a terminal of that width."""
    outline = Outline(d)
    lines = _title(d, width)
    for section in outline.sections:
        title = section.title
        if section.words:
            title += f" ({section.words})"
        lines += ["", title]
        for i, item in enumerate(section.items):
            if section.gap == i:
                lines.append(f"  … {outline.left_out(section)}")
            lines += _item(item, width, section.key == "given")
    if d.notes:
        lines += ["", *(part for note in d.notes for part in _wrapped(note, width, ""))]
    return "\n".join(line.rstrip() for line in lines)


def _title(d: Description, width: int) -> list[str]:
    loss = d[d.loss]
    value = f" = {loss.value.text}" if loss.value is not None else ""
    where = f"   {d.source.file}:{d.source.line}" if d.source is not None else ""
    return [f"{loss.name.text}{value}{where}"]


def _item(item: Item, width: int, given: bool) -> list[str]:
    parts = [_say(x) for x in item.equals]
    lines, at = [], f"  {parts[0]}"
    indent = " " * min(width_of(at) + 1, 16)
    for part in parts[1:]:
        if width_of(at) + 3 + width_of(part) > width and at.strip():
            lines.append(at)
            at = f"{indent}= {part}"
        else:
            at += f" = {part}"
    notes = ["".join(map(_say, note)) for note in item.notes]
    if given and notes and width_of(at) + 4 + width_of(notes[0]) <= width:
        at += "   " + notes.pop(0)
    where = ""
    if item.source is not None and not given:
        where = f"{item.source.file}:{item.source.line}"
        where = f"{item.module} · {where}" if item.module else where
    space = width - width_of(at) - width_of(where)
    if where and space >= 3:
        at += " " * space + where
    lines.append(at)
    for note in notes:
        lines += _wrapped(note, width, " " * 6)
    return lines


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    lines, at = [], indent
    for word in text.split(" "):
        if at.strip() and width_of(at) + width_of(word) + 1 > width:
            lines.append(at)
            at = indent + "  "
        at += word if at == indent or not at.strip() else f" {word}"
    return [*lines, at]


# -- Markdown and LaTeX -----------------------------------------------------------------

_SPECIAL = {c: "\\" + c for c in "\\`*_{}[]<>#|$"}


def markdown(d: Description) -> str:
    """GitHub's Markdown, formulas between dollar signs."""
    outline = Outline(d)
    loss = d[d.loss]
    lines = [f"## ${loss.name.latex}$"]
    if d.source is not None:
        lines += ["", f"`{d.source.file}:{d.source.line}`"]
    for section in outline.sections:
        lines += ["", f"### {section.title}"]
        if section.words:
            lines += ["", section.words]
        lines.append("")
        for i, item in enumerate(section.items, 1):
            if section.gap == i - 1:
                lines += ["", f"… {outline.left_out(section)}", ""]
            lines.append(f"{i}. {_math(item)}")
            lines += [f"   - {''.join(map(_marked, note))}" for note in item.notes]
    for note in d.notes:
        lines += ["", _marked(note)]
    return "\n".join(lines) + "\n"


def _math(item: Item) -> str:
    """The chain of equals: its formulas as one formula, what is words outside it."""
    out = ""
    for i, piece in enumerate(item.equals):
        joint = " = " if i else ""
        if not isinstance(piece, Formula):
            out += joint + _marked(piece)
        elif out.endswith("$"):
            out = f"{out[:-1]}{joint}{piece.latex}$"
        else:
            out += f"{joint}${piece.latex}$"
    return out


def _marked(piece: Piece) -> str:
    if isinstance(piece, Formula):
        return f"${piece.latex}$"
    return "".join(_SPECIAL.get(c, c) for c in piece)


def latex(d: Description) -> str:
    """The body of a LaTeX document: sections with ``align*``. It needs amsmath and
    amssymb."""
    outline = Outline(d)
    lines = [r"% \usepackage{amsmath, amssymb}"]
    for section in outline.sections:
        title = section.title + (f" ({section.words})" if section.words else "")
        lines += [rf"\subsection*{{{_tex(title)}}}"]
        lines.append(r"\begin{align*}")
        rows = []
        for i, item in enumerate(section.items):
            if section.gap == i:
                rows.append(rf"& \text{{\dots\ {_tex(outline.left_out(section))}}}")
            parts = [
                p.latex if isinstance(p, Formula) else rf"\text{{{_tex(p)}}}"
                for p in item.equals
            ]
            row = parts[0] + ("" if len(parts) == 1 else " &= " + parts[1])
            rows.append(row)
            rows += [f"&= {p}" for p in parts[2:]]
            for note in item.notes:
                rows.append(r"&\quad " + "".join(map(_tex_piece, note)))
        lines.append(" \\\\\n".join(rows))
        lines.append(r"\end{align*}")
    return "\n".join(lines) + "\n"


def _tex_piece(piece: Piece) -> str:
    if isinstance(piece, Formula):
        return piece.latex
    return rf"\text{{{_tex(piece)}}}"


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&",
    "#": r"\#", "%": r"\%", "_": r"\_", "^": r"\^{}", "~": r"\~{}",
    "×": r"$\times$", "·": r"$\cdot$", "…": r"\dots{}", "‖": r"$\|$", "−": r"$-$",
    "∞": r"$\infty$", "→": r"$\to$", "ℓ": r"$\ell$", "∂": r"$\partial$",
    "✓": r"$\checkmark$", "✗": r"$\times$",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)
