"""How wide a LaTeX table is, and a layout of it that fits a paper: letters, heads in lines, cells in lines.

Widths are those of Computer Modern, LaTeX's own font; the fonts of most conferences are narrower.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

COLUMN, PAGE = (
    221.0,
    345.0,
)  # points: a column of two on A4 paper, and the text of one column, both of the class article
USUAL_GAP = 6.0  # points on either side of a column, where nobody says another
LEAST_TEXT = 11.0  # em of a column of text that takes the rest of the width
LEAST_HEAD = 4.5  # em of a head before it is folded
BREAK = "\n"  # in a cell: where it may go on below
_LETTERS = {
    **dict.fromkeys("il.,:;'()[]|!`j", 0.3), **dict.fromkeys("frts-I", 0.39), **dict.fromkeys("cezq", 0.45),
    **dict.fromkeys("mMW%", 0.9), "w": 0.72, " ": 0.333, "=": 0.78, "_": 0.36,
}  # em; all other small letters and digits are narrower than 0.556  # fmt: skip
_SMALL, _CAPITAL, _DIGIT = 0.556, 0.78, 0.5
_PLACES = re.compile(  # where a name may be broken: behind its signs, and in a word that is longer than any; [1] is a command
    r"(\\(?!ldots)[A-Za-z]+(?:\{\})?)|\\ldots\{\}|\.{3}|(?<=[\w}])(?:[/+:.(]|\\_|\{-\})(?=[A-Za-z])|[A-Za-z0-9]{8}(?=[A-Za-z0-9]{8})"
)
_RAGGED = r"\rightskip=0pt plus 1fil\hspace{0pt}"  # no space is stretched, and the first word may be hyphenated

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Size:
    """Letters and spaces of a table."""

    environment: str
    command: str
    em: float  # points
    gap: float  # points on either side of a column
    width: float  # points that there are


SIZES = (
    Size("table", "", 10.0, USUAL_GAP, COLUMN),
    Size("table", r"\small", 9.25, 4.0, COLUMN),
    Size("table*", r"\small", 9.25, USUAL_GAP, PAGE),
    Size("table*", r"\footnotesize", 8.5, 3.0, PAGE),
)


@dataclass(frozen=True)
class Layout:
    """A table as it is set."""

    size: Size
    columns: str
    heads: Rows  # in as many lines as the longest head takes
    rows: Rows

    @property
    def widths(self) -> list[float]:
        """How many em each column takes where nothing is folded."""
        return [max(map(width_of, column)) for column in zip(*self.heads, *self.rows, strict=True)]

    @property
    def room(self) -> float:
        """How many em there are for letters."""
        return (self.size.width - 2 * self.size.gap * (len(self.columns) - 1)) / self.size.em


def fitting(heads: Sequence[str], columns: str, rows: Rows) -> Layout:
    """Return the first layout that fits: in one column of a paper, else over the page; with whole heads, else with folded ones.

    ``columns`` has a letter a column: "l", "r", or "p" for a text that takes what the others leave. Heads and cells are LaTeX. A
    cell with a ``BREAK`` goes on below where the page is too narrow. Where even that does not fit, names are folded too.
    """
    for layout in _layouts(heads, columns, rows):
        least = (
            min(width, LEAST_TEXT) if kind == "p" else width for width, kind in zip(layout.widths, columns, strict=True)
        )
        if sum(least) <= layout.room:
            return _filled(layout)
    return _folded(layout)


def _layouts(heads: Sequence[str], columns: str, rows: Rows) -> Iterator[Layout]:
    """Yield the layouts, the plainest first."""
    joined = [[cell.replace(BREAK, " ") for cell in row] for row in rows]
    stacked = [line for row in rows for line in _stacked([cell.split(BREAK) for cell in row])]
    for size in SIZES:
        yield Layout(size, columns, [heads], joined)
        yield Layout(size, columns, _broken_heads(heads, joined), joined)
        if size.width == PAGE:
            yield Layout(size, columns, _broken_heads(heads, stacked), stacked)


def _stacked(cells: Sequence[Sequence[str]], at_bottom: bool = False) -> list[list[str]]:
    """Return cells of several lines as rows; a cell of fewer lines than others has empty ones below it, or above."""
    most = max(map(len, cells))
    empty = [[""] * (most - len(cell)) for cell in cells]
    filled = [[*none, *cell] if at_bottom else [*cell, *none] for cell, none in zip(cells, empty, strict=True)]
    return [list(row) for row in zip(*filled, strict=True)]


def _broken_heads(heads: Sequence[str], rows: Rows) -> list[list[str]]:
    """Return heads in as many lines as it takes for them to be no wider than their cells, their longest word or ``LEAST_HEAD``."""
    broken = []
    for head, cells in zip(heads, zip(*rows, strict=True), strict=True):
        words = head.split(" ")
        most = max(LEAST_HEAD, *map(width_of, [*words, *cells]))
        lines = [words[0]]
        for word in words[1:]:
            if width_of(longer := f"{lines[-1]} {word}") <= most:
                lines[-1] = longer
            else:
                lines.append(word)
        broken.append(lines)
    return _stacked(broken, at_bottom=True)


def width_of(text: str) -> float:
    """Return about how many em a text of LaTeX takes, and rather more than less."""
    plain = text.replace(r"\footnotesize", "").replace("~", " ")
    plain = re.sub(r"\\[A-Za-z]+(?:\{\})?", "m", plain)
    plain = re.sub(r"[{}$^]|\\(?=.)", "", plain)
    return sum(map(_letter, plain))


def _letter(letter: str) -> float:
    if letter in _LETTERS:
        return _LETTERS[letter]
    if letter.isdigit():
        return _DIGIT
    return _SMALL if letter.islower() else _CAPITAL


def _filled(layout: Layout) -> Layout:
    """Return the layout with a column of text as wide as what the others leave; a short text needs no such column."""
    if "p" not in layout.columns or sum(layout.widths) <= layout.room:
        return _with_folded(layout, {})
    place, widths = layout.columns.index("p"), layout.widths
    others = sum(widths) - widths[place]
    return _with_folded(
        layout, {place: rf"p{{\dimexpr\linewidth-{others:.1f}em-{2 * (len(widths) - 1)}\tabcolsep\relax}}"}
    )


def _folded(layout: Layout) -> Layout:
    """Return the layout with its columns of text folded, the widest ones most."""
    texts = {place: width for place, width in enumerate(layout.widths) if layout.columns[place] != "r"}
    left = layout.room - (sum(layout.widths) - sum(texts.values()))
    folded: dict[int, str] = {}
    for number, (place, width) in enumerate(sorted(texts.items(), key=lambda text: text[1])):
        share = max(left / (len(texts) - number), 2.0)
        if width > share:
            folded[place] = f"p{{{math.floor(10 * share) / 10:.1f}em}}"
        left -= min(width, share)
    return _with_folded(layout, folded)


def _with_folded(layout: Layout, folded: Mapping[int, str]) -> Layout:
    """Return the layout with these columns folded."""
    columns = "".join(folded.get(place, kind.replace("p", "l")) for place, kind in enumerate(layout.columns))
    heads, rows = (
        [[_foldable(cell) if place in folded and cell else cell for place, cell in enumerate(row)] for row in part]
        for part in (layout.heads, layout.rows)
    )
    return Layout(layout.size, columns, heads, rows)


def _foldable(cell: str) -> str:
    """Return a cell that may be broken between words, and in a name behind its signs."""
    return _RAGGED + breakable(cell)


def breakable(text: str) -> str:
    """Return a text of LaTeX whose names may be broken behind their signs, as one between words can be."""
    return _PLACES.sub(lambda place: place[0] if place[1] else rf"{place[0]}\allowbreak{{}}", text)
