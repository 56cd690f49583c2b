"""Interactive views: figures that a reader opens. plotly.js, which the page holds once, draws them.

A section adds a view in one call::

    view = views.add("Loss surface", [{"type": "surface", "x": x, "y": y, "z": z}], {"scene": axes})

and puts the result, a closed ``<details>``, below its static figure. Nothing is unpacked or drawn before a reader opens it. A
string is always text, however hostile; a ``Markup`` is plotly's own markup (``<br>`` in a hover template). Traces that plotly draws
with regl (parcoords, scattergl, splom) need ``eval``, which the page forbids: use other traces, or ``add_parallel``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from harness_reports._draw.theme import paint

DIGITS = 5  # of a number in a view
LONG = 20_000  # characters of JSON; a longer one is packed
NEEDS_EVAL = {"parcoords", "parcats", "scattergl", "scatterpolargl", "splom"}


class Library(NamedTuple):
    """plotly.js as it stands in the page."""

    packed: str  # base64 of its gzip
    source: str  # its entry in the Content-Security-Policy: no other text may run


class Views:
    """The views of one page."""

    def __init__(self) -> None:
        self._figures: list[str] = []

    def __len__(self) -> int:
        return len(self._figures)

    def add(
        self,
        title: str,
        traces: Sequence[Mapping[str, Any]],
        layout: Mapping[str, Any] | None = None,
        note: str = "",
        height: int = 460,
    ) -> Markup:
        """Return the ``<details>`` that draws these traces of plotly when it is opened; "" where there is no trace.

        The theme of the page gives the colours of ground, text and grid, so leave them out; colours of arms follow it as well. ``height`` is in CSS pixels.
        Raises ValueError for a trace that the policy of the page forbids.
        """
        if forbidden := {str(trace.get("type")) for trace in traces} & NEEDS_EVAL:
            raise ValueError(f"view {title!r}: must have traces that need no eval, got {min(forbidden)}")
        if not traces:
            return Markup("")
        figure = {"title": title, "data": traces, "layout": layout or {}}
        return self._kept(_plain_json(figure), title, note, height)

    def add_parallel(self, title: str, axes: Sequence[Any], lines: Sequence[Any], note: str = "") -> Markup:
        """Return the ``<details>`` that draws parallel coordinates; "" where there is no line.

        An axis has a ``name`` and ``marks``, pairs of a place and a text; a line has ``places``, one on each axis, a ``quality`` and
        what it ``says``. Places and qualities are from 0 to 1; a place is None where a line lacks it.
        """
        if not lines:
            return Markup("")
        figure = {"title": title, "parallel": {"axes": axes, "lines": lines}}
        return self._kept(_plain_json(figure, is_markup=False), title, note, 380)

    def _kept(self, figure: Mapping[str, Any], title: str, note: str, height: int) -> Markup:
        """Keep a figure for the page, and return the ``<details>`` that draws it."""
        self._figures.append(embedded(figure))
        below = Markup('<p class="small">{}</p>').format(note) if note else ""
        return Markup(
            '<details class="explore" data-view="{}"><summary>Explore: {}</summary>{}<div class="plot" style="height:{}px">'
            "</div></details>"
        ).format(len(self._figures) - 1, title, below, height)

    @property
    def json(self) -> Markup:
        """All views, for a ``<script type="application/json">``."""
        return Markup("[" + ",\n".join(self._figures) + "]")


def embedded(value: Any) -> Markup:
    """Return a value as JSON that cannot end the ``<script>`` that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def packed(text: str) -> Markup:
    """Return a text as gzip in base64, which the page's script unpacks; a text of at most ``LONG`` characters stays as it is."""
    if len(text) <= LONG:
        return Markup(text)
    return Markup(base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode())


def digest(script: str) -> str:
    """Return the entry of a Content-Security-Policy that lets exactly this script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def library() -> Library:
    """Return plotly.js, packed to a third of its size; the page unpacks it when a reader opens the first view."""
    from importlib.resources import files

    script = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return Library(packed(script), digest(script))


def _plain_json(value: Any, is_markup: bool = True) -> Any:
    """Return a value that JSON can hold: numbers are short and finite.

    Where the reader of the JSON takes text for markup, as plotly does, text is escaped.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain_json(item, is_markup) for key, item in value.items()}
    if isinstance(value, Markup):
        return str(value)
    if isinstance(value, str):
        return str(escape(value)) if is_markup and paint(value) == value else paint(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # of numpy or pandas
        return _plain_json(value.tolist(), is_markup)
    return [_plain_json(item, is_markup) for item in value]
