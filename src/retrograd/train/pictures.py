"""Small pictures and charts for the report, as text that a page can hold."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np

#: The colours that leather is given; the page's style sheet turns them into its own,
#: light or dark.
TRAINING, HELD, BEST = "#111111", "#222222", "#333333"
TINY = 16 * 16


def line_chart(
    lines: dict[str, tuple[str, list[tuple[float, float]]]],
    marked: tuple[float, float] | None,
    label: str,
) -> str:
    """Curves over the epochs: name ↦ (colour, points); *marked* gets a dot."""
    import leather

    chart = leather.Chart()
    everything = [p for _, points in lines.values() for p in points]
    for name, (colour, points) in lines.items():
        if len(points) > 1:
            chart.add_line(points, name=name, stroke_color=colour, width=2)
        else:
            chart.add_dots(points, name=name, fill_color=colour)
    if marked is not None:
        chart.add_dots([marked], name="best", fill_color=BEST, radius=4)
    chart.add_x_scale(0, max(2.0, *(x for x, _ in everything)))
    low, high = _bounds([y for _, y in everything])
    chart.add_y_scale(low, high)
    chart.add_x_axis(name="epoch")
    chart.add_y_axis(name=label)
    return _svg(chart, 520, 320)


def scatter(truth: Any, predicted: Any, target: str, most: int = 600) -> str:
    """Predicted against true values, with the line on which they agree."""
    import leather

    low, high = _bounds([*truth.tolist(), *predicted.tolist()])
    step = max(1, len(truth) // most)
    points = [(float(a), float(b)) for a, b in zip(truth, predicted, strict=True)][
        ::step
    ]
    chart = leather.Chart()
    chart.add_line([(low, low), (high, high)], name="exact", stroke_color=BEST, width=1)
    chart.add_dots(points, name="rows held out", fill_color=HELD, radius=3)
    chart.add_x_scale(low, high)
    chart.add_y_scale(low, high)
    chart.add_x_axis(name=f"true {target}"[:40])
    chart.add_y_axis(name="predicted")
    return _svg(chart, 520, 420)


def _bounds(values: list[float]) -> tuple[float, float]:
    """Limits that differ, for a scale."""
    low, high = min(values), max(values)
    room = 1e-6 + 1e-6 * max(abs(low), abs(high))
    return (low - room, high + room) if high - low < room else (low, high)


def _svg(chart: Any, width: int, height: int) -> str:
    """The chart without a size of its own, so that it fills the place it gets."""
    text: str = chart.to_svg(width=width, height=height)
    size = f'width="{width}" height="{height}"'
    text = text.replace(size, f'viewBox="0 0 {width} {height}" class="chart"', 1)
    # Decimal places beyond a hundredth of a pixel only make the page larger.
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", text)


def picture(image: Any) -> str:
    """A [C, H, W] image as HTML: tiny ones drawn pixel by pixel, others as PNG. Empty
    where a larger one cannot be packed, because Pillow is missing."""
    channels, height, width = image.shape
    low, high = float(image.min()), float(image.max())
    grey = (image - low) / ((high - low) or 1.0)
    if height * width <= TINY:
        return _drawn(grey, height, width)
    try:
        from PIL import Image
    except ImportError:
        return ""
    pixels = (grey * 255).round().astype(np.uint8)
    packed = pixels[0] if channels == 1 else pixels[:3].transpose(1, 2, 0)
    small = Image.fromarray(np.ascontiguousarray(packed))
    small.thumbnail((160, 160))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'


def _drawn(grey: Any, height: int, width: int) -> str:
    """One square a pixel. Grey ones are ink on the page, in whatever colour it has."""
    squares = []
    for y in range(height):
        for x in range(width):
            at = f'<rect x="{x}" y="{y}" width="1.02" height="1.02"'
            if grey.shape[0] == 1:
                if grey[0, y, x] > 0.01:
                    squares.append(f'{at} fill-opacity="{grey[0, y, x]:.2f}"/>')
            else:
                r, g, b = (round(float(v) * 255) for v in grey[:3, y, x])
                squares.append(f'{at} fill="#{r:02x}{g:02x}{b:02x}"/>')
    inside = "".join(squares)
    return f'<svg viewBox="0 0 {width} {height}" class="ink">{inside}</svg>'
