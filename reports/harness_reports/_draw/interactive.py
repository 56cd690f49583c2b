"""Interactive views: figures that a reader opens, drawn by plotly.js, which stands in the page once.

A section adds a view in three lines::

    figure = views.add("Loss surface", [{"type": "surface", "x": x, "y": y, "z": z}], {"scene": axes})

and puts what it gets, a closed ``<details>``, below its static figure. Nothing is drawn or unpacked before it is
opened. Every string is text, however hostile; a ``Markup`` is plotly's own markup (``<br>`` in a hover template).
Traces that plotly draws with regl (parcoords, scattergl, splom) need ``eval``, which the page forbids: use others.
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

DIGITS = 5  # of a number in a view
LONG = 20_000  # characters of JSON beyond which it is packed
NEEDS_EVAL = {"parcoords", "parcats", "scattergl", "scatterpolargl", "splom"}


class Library(NamedTuple):
    """plotly.js as the page carries it."""

    packed: str  # base64 of its gzip
    source: str  # for the Content-Security-Policy: only this text may run


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
        """Return the ``<details>`` that draws these traces of plotly when it is opened; "" for no trace.

        Colours of ground, text and grid come from the page's theme, so leave them out. ``height`` is in CSS pixels.
        Raises ValueError for a trace that cannot be drawn under the page's policy.
        """
        if barred := {str(trace.get("type")) for trace in traces} & NEEDS_EVAL:
            raise ValueError(f"view {title!r}: must have traces that need no eval, got {min(barred)}")
        if not traces:
            return Markup("")
        self._figures.append(embedded({"title": title, "data": _clean(traces), "layout": _clean(layout or {})}))
        said = Markup('<p class="small">{}</p>').format(note) if note else ""
        return Markup(
            '<details class="explore" data-view="{}"><summary>Explore: {}</summary>{}<div class="plot" style="height:{}px">'
            "</div></details>"
        ).format(len(self._figures) - 1, title, said, height)

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
    """Return a text as the page's script unpacks it, gzip in base64; one that is not ``LONG`` as it is."""
    if len(text) <= LONG:
        return Markup(text)
    return Markup(base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode())


def digest(script: str) -> str:
    """Return the source expression of a Content-Security-Policy that lets exactly this script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def library() -> Library:
    """Return plotly.js, packed to a third of its size; the page unpacks it when the first view is opened."""
    from importlib.resources import files

    script = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return Library(packed(script), digest(script))


def _clean(value: Any) -> Any:
    """Return a value that JSON has words for: short numbers, none that is not finite, and text that is no markup."""
    if isinstance(value, Mapping):
        return {str(key): _clean(each) for key, each in value.items()}
    if isinstance(value, str):
        return str(escape(value))
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy's and pandas'
        return _clean(value.tolist())
    return [_clean(each) for each in value]
