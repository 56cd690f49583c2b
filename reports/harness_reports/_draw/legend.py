"""A legend in a figure, for where the legend of the page is not: in a notebook and in a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness_reports._draw.arm_styles import ArmLook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTER, HANDLE = 0.062, 0.55  # inches: of a letter of the legend, and of what stands before a name
ROW = 0.17  # inches


def add_legend(figure: Figure, looks: Mapping[str, ArmLook]) -> None:
    """Write below a figure which arm each colour is, as far as the figure has the colour and does not name the arm itself."""
    from matplotlib.lines import Line2D

    title, texts = figure.get_label(), _texts_in(figure)
    colors = set(_colors_in(figure))
    drawn = [look for look in looks.values() if look.color in colors]
    titled = [look for look in drawn if str(title).startswith(f"{look.label}:")]
    shown = titled or drawn
    if not shown or figure.legends or all(any(look.label in text for text in texts) for look in shown):
        return
    if type(figure.get_layout_engine()).__name__ != "ConstrainedLayoutEngine":
        return  # only that one makes room
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (HANDLE + LETTER * max(len(look.label) for look in shown))))
    handles = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, ms=4, lw=1.6, label=look.label)
        for look in shown
    ]
    figure.set_size_inches(width, height + ROW * -(-len(shown) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=7.5)


def _texts_in(figure: Figure) -> Sequence[str]:
    from matplotlib.text import Text

    return [artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text) and artist.get_visible()]


def _colors_in(figure: Figure) -> Iterator[str]:
    """Yield the colours of the lines and of the marks of a figure, as ``#rrggbb``."""
    from matplotlib.collections import Collection
    from matplotlib.colors import to_hex, to_rgba_array
    from matplotlib.lines import Line2D

    for axes in figure.axes:
        values: list[Any] = []
        for artist in axes.findobj():
            if isinstance(artist, Line2D):
                values.append(artist.get_color())
            elif isinstance(artist, Collection):
                values += [artist.get_facecolor(), artist.get_edgecolor()]
        for value in values:
            yield from (to_hex(row) for row in to_rgba_array(value))
