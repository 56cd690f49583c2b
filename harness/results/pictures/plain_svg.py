"""Small pictures as SVG text, made without matplotlib: for a notebook's summary, the live page and the page over all runs.

They take a millisecond, so a page that is made again every few seconds costs the training nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.console.numbers import plain

COLORS = (
    "#0173b2",
    "#de8f05",
    "#029e73",
    "#d55e00",
    "#cc78bc",
    "#ca9161",
    "#56b4e9",
    "#949494",
)  # readable on both grounds
LETTER = 7.0  # pixels, the width of a letter at most
MARGIN, ROW, RADIUS = 10.0, 24.0, 4.0


@dataclass(frozen=True)
class Dots:
    """A row of dots: filled ones, and hollow ones beside them."""

    label: str
    filled: Sequence[float]
    hollow: Sequence[float] = ()


def dot_plot(rows: Sequence[Dots], title: str, unit: str, width: float = 620.0) -> Any:
    """Return a dot plot with a line for each row as markup; empty where no row has a dot."""
    from markupsafe import Markup

    values = [value for row in rows for value in (*row.filled, *row.hollow) if math.isfinite(value)]
    if not values:
        return Markup("")
    left = MARGIN + LETTER * max(len(row.label) for row in rows)
    low, high = _widened(min(values), max(values))
    scale = (width - left - 3 * MARGIN) / (high - low)
    height = ROW * (len(rows) + 1)
    parts = []
    for number, row in enumerate(rows):
        y, color = ROW * (number + 0.5), COLORS[number % len(COLORS)]
        parts.append(_text(0, y + 4, row.label))
        parts.append(_line(left, y, width - MARGIN, y))
        for shown, fill, radius in ((row.hollow, "none", 1.5 * RADIUS), (row.filled, color, RADIUS)):
            parts += [
                _dot(left + MARGIN + scale * (x - low), y, color, fill, radius) for x in shown if math.isfinite(x)
            ]
    for value, anchor in ((low, "start"), (high, "end")):
        x = left + MARGIN + scale * (value - low)
        parts.append(_text(x, height - 6, f"{plain(value, unit, high - low)} {unit}".strip(), anchor))
    return _picture(width, height, title, parts)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], title: str, colors: Mapping[str, str]) -> Any:
    """Return lines of points as markup; the key of a line gives it its colour. Empty where no line has a point."""
    from markupsafe import Markup

    lines = {key: [point for point in points if all(map(math.isfinite, point))] for key, points in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return Markup("")
    width, height = 620.0, 200.0
    (left, right), (low, high) = (_widened(min(axis), max(axis)) for axis in zip(*points, strict=True))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = 60 + (width - 80) * (point[0] - left) / (right - left)
        return x, 10 + (height - 40) * (high - point[1]) / (high - low)

    parts = [_line(60, height - 30, width - 20, height - 30)]
    for key, line in lines.items():
        color = colors.get(key, COLORS[0])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line))
        parts.append(Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.5"/>').format(path, color))
        if line:
            parts.append(_dot(*place(line[-1]), color, color, 2.5))
    parts += [_text(54, 16, f"{high:.3g}", "end"), _text(54, height - 30, f"{low:.3g}", "end")]
    parts += [_text(60, height - 12, f"{left:g}", "middle"), _text(width - 20, height - 12, f"{right:g}", "middle")]
    return _picture(width, height, title, parts)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis; one number alone gets some room on both sides."""
    if high > low:
        return low, high
    room = abs(low) / 100 or 1.0
    return low - room, high + room


def _picture(width: float, height: float, title: str, parts: Sequence[Any]) -> Any:
    from markupsafe import Markup

    frame = Markup(
        '<svg role="img" aria-label="{}" viewBox="0 0 {:g} {:g}" style="max-width:{:g}px;width:100%;font:12px sans-serif">'
        "<title>{}</title>{}</svg>"
    )
    return frame.format(title, width, height, width, title, Markup("").join(parts))


def _text(x: float, y: float, text: str, anchor: str = "start") -> Any:
    from markupsafe import Markup

    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="currentColor">{}</text>').format(
        x, y, anchor, text
    )


def _line(x: float, y: float, to_x: float, to_y: float) -> Any:
    from markupsafe import Markup

    line = '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="currentColor" stroke-opacity=".2"/>'
    return Markup(line).format(x, y, to_x, to_y)


def _dot(x: float, y: float, color: str, fill: str, radius: float = RADIUS) -> Any:
    from markupsafe import Markup

    dot = '<circle cx="{:.1f}" cy="{:.1f}" r="{:g}" stroke="{}" fill="{}" fill-opacity=".75"/>'
    return Markup(dot).format(x, y, radius, color, fill)
