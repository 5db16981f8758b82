"""A description as HTML with MathML: static, safe (all text is escaped, no scripts), for
notebooks and for files."""

from __future__ import annotations

from .description import Description, Formula
from .notation import escape
from .outline import Item, Outline, Piece, Section

#: colours follow the reader's theme
STYLE = """
.rg-story{font:14px/1.5 system-ui,sans-serif;max-width:62rem;color:inherit}
.rg-story h3{font-size:1em;margin:1.2em 0 .3em}
.rg-story h3 small{font-weight:normal;opacity:.7}
.rg-story ol{margin:0;padding-left:2.2em}
.rg-story li{margin:.3em 0}
.rg-story li>div{overflow-x:auto;overflow-y:hidden}
.rg-story math{font-size:1.08em}
.rg-story mtd{padding:.1em .35em}
.rg-story .eq{opacity:.6;padding:0 .35em}
.rg-story .note{font-size:.9em;opacity:.75;padding-left:1.2em}
.rg-story .where{float:right;font:11px ui-monospace,monospace;opacity:.6;padding-left:1em}
.rg-story .gap{list-style:none;opacity:.7}
"""


def fragment(d: Description) -> str:
    """One ``<div>``, with its style."""
    outline = Outline(d)
    loss = d[d.loss]
    head = _piece(loss.name)
    if loss.value is not None:
        head += f'<span class="eq">=</span>{escape(loss.value.text)}'
    parts = [f"<style>{STYLE}</style>", f'<div class="rg-story" lang="{d.language}">']
    parts.append(f"<div>{head} {_where(outline, d)}</div>")
    for section in outline.sections:
        parts.append(_section(outline, section))
    parts += [f'<p class="note">{escape(note)}</p>' for note in d.notes]
    return "\n".join([*parts, "</div>"])


def document(d: Description) -> str:
    """A page of its own."""
    return (
        f'<!doctype html>\n<html lang="{d.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(d.title)}</title>"
        "<style>body{margin:2rem auto;padding:0 1rem;max-width:64rem}</style></head>\n"
        f"<body>\n{fragment(d)}\n</body></html>\n"
    )


def _where(outline: Outline, d: Description) -> str:
    if d.source is None:
        return ""
    place = f"{d.source.file}:{d.source.line}"
    return f'<span class="where">{escape(place)}</span>'


def _section(outline: Outline, section: Section) -> str:
    words = f" <small>{escape(section.words)}</small>" if section.words else ""
    rows = [f"<h3>{escape(section.title)}{words}</h3>", "<ol>"]
    for i, item in enumerate(section.items):
        if section.gap == i:
            text = outline.left_out(section)
            rows.append(f'<li class="gap">… {escape(text)}</li>')
        rows.append(_item(item))
    return "\n".join([*rows, "</ol>"])


def _item(item: Item) -> str:
    where = ""
    if item.source is not None:
        place = f"{item.source.file}:{item.source.line}"
        if item.module:
            place = f"{item.module} · {place}"
        where = (
            f'<span class="where" title="{escape(item.source.text)}">'
            f"{escape(place)}</span>"
        )
    equals = '<span class="eq">=</span>'.join(_piece(p, True) for p in item.equals)
    notes = "".join(
        f'<div class="note">{"".join(map(_piece, note))}</div>' for note in item.notes
    )
    return f"<li><div>{where}{equals}</div>{notes}</li>"


def _piece(piece: Piece, large: bool = False) -> str:
    if isinstance(piece, Formula):
        style = ' displaystyle="true"' if large else ""
        return f"<math{style}>{piece.mathml}</math>"
    return escape(piece)
