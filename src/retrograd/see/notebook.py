"""What notebooks show of tensors, modules and graphs: static HTML, all text escaped."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from .notation import escape
from .typeset import digits

#: rows and columns of numbers that a tensor shows
MOST = 12
_CELL = "padding:1px 7px;text-align:right;font:12px ui-monospace,monospace"
_TEXT = "font:12px/1.4 ui-monospace,monospace;white-space:pre;overflow-x:auto"
_WORDS = "font:12px system-ui,sans-serif;opacity:.75"


def tensor(t: Any) -> str:
    """A tensor: its type, its numbers as a table coloured by size, its gradient."""
    shape = "×".join(map(str, t.shape)) or "scalar"
    words = [escape(t.dtype), shape]
    if t.requires_grad:
        words.append("requires_grad")
    head = f'<div style="{_WORDS}">{" · ".join(words)}</div>'
    values = t.detach()
    if values.dtype is dtypes.bfloat16:  # NumPy has no name for it
        values = values.float()
    return f"<div>{head}{table(values.numpy())}</div>"


def table(values: Any) -> str:
    """Up to two dimensions as a table; of more, the text."""
    if values.ndim > 2 or values.size == 0:
        return _lines(np.array2string(values, threshold=60, precision=4))
    rows = np.atleast_2d(values)
    most = float(np.nanmax(np.abs(rows[np.isfinite(rows)]), initial=0)) or 1.0
    lines = []
    for row in _ends(rows.tolist()):
        if row is None:
            lines.append("<tr><td>⋮</td></tr>")
            continue
        cells = [_cell(v, most) for v in _ends(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table style="border-collapse:collapse">{"".join(lines)}</table>'


def _ends(items: list[Any]) -> list[Any]:
    if len(items) <= MOST:
        return items
    half = MOST // 2
    return [*items[:half], None, *items[-half:]]


def _cell(v: Any, most: float) -> str:
    if v is None:
        return "<td>…</td>"
    shade = ""
    if type(v) is float and v == v and abs(v) <= most:
        color = "214,96,77" if v < 0 else "67,147,195"
        shade = f";background:rgba({color},{0.45 * abs(v) / most:.2f})"
    return f'<td style="{_CELL}{shade}">{escape(digits(v))}</td>'


def module(m: Any) -> str:
    """A module as a tree that opens and closes, with the sizes of its parameters."""
    return f'<div style="font:13px system-ui,sans-serif">{_branch("", m)}</div>'


def _branch(name: str, m: Any) -> str:
    own = [(n, p) for n, p in m.named_parameters(recurse=False)]
    count = sum(p.numel() for p in m.parameters())
    kind = type(m).__name__
    extra = m.extra_repr().split("\n")[0]
    label = f"<b>{escape(kind)}</b>"
    if name:
        label = f"{escape(name)}: {label}"
    if extra:
        label += f" <code>{escape(extra)}</code>"
    if count:
        label += (
            f' <span style="opacity:.65">{count:,} parameter{"s" * (count != 1)}</span>'
        )
    inside = "".join(
        f'<div style="padding-left:1.4em"><code>{escape(n)} '
        f"{'×'.join(map(str, p.shape))}</code></div>"
        for n, p in own
    )
    inside += "".join(
        f'<div style="padding-left:1.2em">{_branch(n, child)}</div>'
        for n, child in m.named_children()
    )
    if not inside:
        return f"<div>{label}</div>"
    open = " open" if not name else ""
    return f"<details{open}><summary>{label}</summary>{inside}</details>"


def graph(g: Any) -> str:
    """A recorded graph as its lines."""
    lines = [str(x) for x in (*g.leaves, *g.nodes)]
    if len(lines) > 400:
        lines = [*lines[:200], f"… {len(lines) - 400} …", *lines[-200:]]
    return _lines("\n".join(lines))


def _lines(text: str) -> str:
    return f'<pre style="{_TEXT}">{escape(text)}</pre>'
