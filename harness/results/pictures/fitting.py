"""A figure at another width: legends and titles are folded and ticks left out, so that all words can be read and none is cut."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

LOWEST = 0.8  # of the height: a figure that is made narrower becomes no lower
SPACE = 2.0  # points between two ticks' words
LINE = 1.2  # of the size of its letters, the height of a line
ROUNDS = 4  # of looking again after something was folded


def at_width(figure: Figure, inches: float) -> Figure:
    """Return a copy of a figure that is so wide. A narrower one is lower too, and a wider one is not higher."""
    fitted = copy.deepcopy(figure)
    width, height = fitted.get_size_inches()
    fitted.set_size_inches(inches, height * min(1.0, max(inches / width, LOWEST)))
    for legend in fitted.legends:
        _fold_legend(legend, fitted.bbox.width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there may be too little room before anything is folded
        for _ in range(ROUNDS):
            fitted.draw_without_rendering()
            if not _changed(fitted):
                break
    return fitted


def _changed(figure: Figure) -> bool:
    """Fold what leaves its place, and leave out ticks whose words meet; return whether there was any."""
    changed = [_fold_text(text, figure.bbox.width) for text in _level_texts(figure)]
    for axes in figure.axes:
        if (legend := axes.get_legend()) is not None:
            changed.append(_fold_legend(legend, axes.bbox.width))
        changed += [_leave_out_ticks(axis) for axis in (axes.xaxis, axes.yaxis) if axis.get_visible()]
    return any(changed)


def _level_texts(figure: Figure) -> Iterator[Text]:
    """Yield the titles of a figure's axes, and the names of their x axes."""
    for axes in figure.axes:
        untyped: Any = axes
        yield from (axes.title, untyped._left_title, untyped._right_title, axes.xaxis.label)


def _fold_text(text: Text, width: float) -> bool:
    """Put a text that leaves the figure into one line more, for which the figure gets room; return whether it was."""
    words, box = text.get_text(), text.get_window_extent()
    lines = words.count("\n") + 1
    if not words or (box.x0 >= 0 and box.x1 <= width) or " " not in words:
        return False
    joined = words.replace("\n", " ")
    folded = wrap(joined, max(1, len(joined) // (lines + 1) + 2), break_long_words=False, break_on_hyphens=False)
    text.set_text("\n".join(folded))
    figure: Any = text.get_figure(root=True)
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + (len(folded) - lines) * LINE * float(text.get_fontsize()) / 72)
    return len(folded) != lines


def _fold_legend(legend: Legend, width: float) -> bool:
    """Write a legend's names in as few rows as fit a width in pixels; return whether these are more than before."""
    from matplotlib.backends.backend_agg import RendererAgg

    untyped: Any = legend
    figure: Any = legend.get_figure(root=True)
    renderer: Any = RendererAgg(1, 1, figure.dpi)  # type: ignore[no-untyped-call]
    before = untyped._ncols
    names, height = legend.get_texts(), legend.get_window_extent(renderer).height
    outside = untyped._outside_loc is not None
    for columns in range(len(names) if outside else min(before, len(names)), 0, -1):
        untyped._ncols = columns
        _lay_out(legend, names)
        if legend.get_window_extent(renderer).width <= width:
            break
    if outside:  # the figure has room for it beside the axes
        wide, high = figure.get_size_inches()
        figure.set_size_inches(wide, high + (legend.get_window_extent(renderer).height - height) / figure.dpi)
    return bool(columns < before)


def _lay_out(legend: Legend, names: list[Text]) -> None:
    """Place a legend's names anew, which matplotlib does only for a new legend; their looks stay."""
    untyped: Any = legend
    title = legend.get_title().get_text()
    untyped._init_legend_box(legend.legend_handles, [name.get_text() for name in names])
    untyped._legend_box.set_offset(untyped._findoffset)
    legend.set_title(title)  # an empty one takes no room
    for name, old in zip(legend.get_texts(), names, strict=True):
        name.set(color=old.get_color(), parse_math=old.get_parse_math())


def _leave_out_ticks(axis: Axis) -> bool:
    """Keep every second tick of an axis where the words of two would meet; return whether they did."""
    low, high = sorted(axis.get_view_interval())
    places, labels = axis.get_majorticklocs(), axis.get_majorticklabels()
    shown = [
        (place, label)
        for place, label in zip(places.tolist(), labels, strict=False)
        if low <= place <= high and label.get_visible() and label.get_text()
    ]
    boxes = [label.get_window_extent().padded(SPACE / 2) for _, label in shown]
    if len(shown) < 3 or not any(first.overlaps(second) for first, second in pairwise(boxes)):
        return False
    axis.set_ticks([place for place, _ in shown[::2]], [label.get_text() for _, label in shown[::2]])
    return True
