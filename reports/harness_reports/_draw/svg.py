"""From matplotlib to static SVG that stands inline in an HTML page.

The same input gives the same bytes: there is no date and no random id. Text stays text in the font of the page, and no name is
read as mathematics. Neutral colours are CSS variables of the page, so one figure serves light and dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup

from harness_reports._draw.figure_data import lines_of, packed_data
from harness_reports._draw.theme import GRID, INK, MUTED, PLAIN, painted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

MANY = 300  # marks of one group that are shapes with a text each; more of them are one picture without texts
SHARPNESS = 144  # dots an inch of such a picture
WIDE, NARROW = 4.1, 3.3  # inches of 96 CSS pixels, for two and for three figures side by side; a phone has 3.7


class Tip(NamedTuple):
    """What a mark says to a reader who points at it."""

    says: str
    seed: str = ""  # the run that it belongs to, in words; marks of one run are highlighted together


def seed_tip(label: str, seed: int, says: str) -> Tip:
    """Return what the mark of a seed of an arm says."""
    run = f"{label}, seed {seed}"
    return Tip(f"{run}: {says}", run)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style, whatever the user's matplotlib settings are."""
    import matplotlib
    import seaborn

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the fonts of the browser draw it
        matplotlib.rcdefaults()
        sizes = {"font.size": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.labelsize": 8.5}
        colors = {"text.color": INK, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED}
        lines = {"axes.edgecolor": GRID, "grid.color": GRID, "grid.linewidth": 0.6, "axes.linewidth": 0.8}
        text = {"text.parse_math": False, "svg.fonttype": "none", "font.family": ["DejaVu Sans"]}
        settings: dict[Any, Any] = {**seaborn.axes_style("whitegrid"), **sizes, **colors, **lines, **text}
        matplotlib.rcParams.update({**settings, "svg.hashsalt": "harness"})
        yield


_collection: ContextVar[dict[str, Figure] | None] = ContextVar("collection", default=None)


@contextmanager
def collected() -> Iterator[dict[str, Figure]]:
    """Give the figures that are drawn inside, by name, as matplotlib has them. No SVG is made of them.

    Each has its title as its label, and plain colours in the place of the page's.
    """
    figures: dict[str, Figure] = {}
    token = _collection.set(figures)
    try:
        yield figures
    finally:
        _collection.reset(token)


def new_panel(height: float, width: float = WIDE) -> tuple[Figure, Axes]:
    """Return an empty figure of this height and width in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def to_svg(
    figure: Figure, name: str, title: str, tips: Mapping[str, Sequence[str | Tip]], data: DataFrame | None = None
) -> Markup:
    """Return a figure as an ``<svg>`` element.

    Its ids begin with ``name``, and its neutral colours are those of the page. A mark shows its text of ``tips``, which are by the id of
    the mark's group. The element carries the ``data`` that a reader may save, by default the named lines of the figure; a figure
    without a title carries none.
    """
    import numpy as np

    prefix = re.sub(r"[^A-Za-z0-9_]+", "-", name)
    collection = _collection.get()
    if collection is not None:
        if title:  # else it is a part of a legend
            figure.set_label(title)
            color_plainly(figure)
            collection[prefix] = figure
        return Markup("")
    for axes in figure.axes:
        for group in axes.collections:
            group.set_rasterized(group.get_rasterized() or len(np.asarray(group.get_offsets())) > MANY)
    _lay_out(figure)
    file = io.StringIO()
    figure.savefig(file, format="svg", dpi=SHARPNESS, transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    _strip_namespaces(root)
    _add_tips(root, tips)
    for element in root.iter():
        element.attrib = {key: _rewritten_attribute(key, value, prefix) for key, value in element.attrib.items()}
    _set_frame(root, title)
    if title:
        ElementTree.SubElement(root, "metadata").text = packed_data(lines_of(figure) if data is None else data)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _lay_out(figure: Figure) -> None:
    """Place the axes of a figure once and for all, where ``savefig`` would place them.

    To place them, ``savefig`` draws the whole figure one more time without output, which is a quarter of its time.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    engine, dpi = figure.get_layout_engine(), figure.dpi
    if engine is not None:
        figure.set_dpi(FigureCanvasSVG(figure).fixed_dpi)
        with suppress(ValueError):  # as where matplotlib draws
            engine.execute(figure)
        figure.set_layout_engine(None)
        figure.set_dpi(dpi)


def color_plainly(figure: Figure) -> None:
    """Give what is neutral in a figure the colours that the page has in the light."""
    from matplotlib.text import Text

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        for which in ("major", "minor"):  # of the ticks that are there, and of those that drawing makes
            known = {"color": MUTED, "labelcolor": MUTED, "grid_color": GRID, **axis.get_tick_params(which)}
            colors = {part: known[part] for part in ("color", "labelcolor", "grid_color")}
            axis.set_tick_params(which, **{part: PLAIN.get(color, color) for part, color in colors.items()})
    artists = figure.findobj()
    boxes = [artist.get_bbox_patch() for artist in artists if isinstance(artist, Text)]
    for artist in [*artists, *(box for box in boxes if box is not None)]:
        for part in ("color", "edgecolor", "facecolor", "markeredgecolor", "markerfacecolor"):
            get, put = (getattr(artist, f"{verb}_{part}", None) for verb in ("get", "set"))
            if get and put and (plain := _plain_colors(get())) is not None:
                put(plain)


def _plain_colors(value: Any) -> Any:
    """Return a colour, or several, with plain ones in the place of the page's; None where none is the page's."""
    from matplotlib.colors import to_hex, to_rgba, to_rgba_array

    rows = to_rgba_array(value)
    names = [to_hex(row) for row in rows]
    if not any(name in PLAIN for name in names):
        return None
    plain = [to_rgba(PLAIN.get(name, name), row[3]) for name, row in zip(names, rows, strict=True)]
    return plain if len(plain) > 1 else plain[0]


def _set_frame(root: ElementTree.Element, title: str) -> None:
    """Give the element a largest width instead of a size, and a title for readers who do not see it."""
    width = float(root.attrib.pop("width").removesuffix("pt")) * 4 / 3  # CSS pixels
    root.attrib.pop("height")
    root.attrib.pop("version", None)
    root.set("style", f"max-width:{1.25 * width:.0f}px")
    root.attrib |= {"role": "img", "aria-label": title} if title else {"aria-hidden": "true"}


def _strip_namespaces(root: ElementTree.Element) -> None:
    """Remove what HTML does not need: namespaces, metadata, and a style that would hold for the whole page."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        for child in list(element):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(child)


def _add_tips(root: ElementTree.Element, tips: Mapping[str, Sequence[str | Tip]]) -> None:
    """Give every mark of a group a text that shows when a reader points at it."""
    for group in root.iter("g"):
        texts, marks = tips.get(group.get("id", ""), ()), list(group.iter("use"))
        for mark, text in zip(marks, texts, strict=bool(texts) and len(texts) <= MANY):
            tip = text if isinstance(text, Tip) else Tip(text)
            ElementTree.SubElement(mark, "title").text = tip.says
            if tip.seed:
                mark.set("data-seed", tip.seed)


def _rewritten_attribute(key: str, value: str, prefix: str) -> str:
    """Return an attribute with a prefix before its ids, neutral colours as CSS variables, and no font."""
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href" and value.startswith("#"):  # any other is an image
        return f"#{prefix}-{value.removeprefix('#')}"
    if key == "d":  # a tenth of 1/72 inch is exact enough for a line, and halves its text
        return re.sub(r"(\.\d)\d+", r"\1", value).replace("\n", "")
    value = re.sub(r"url\(#", f"url(#{prefix}-", value)
    if key == "style":
        value = re.sub(r"font: [^;]*?([\d.]+px)[^;]*", r"font-size: \1", value)  # matplotlib before 3.11
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        value = painted(value)
    return value
