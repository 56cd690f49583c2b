"""Drawing walks over landscapes; from the table that ``walk_all`` returns, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import arguments
from harness.results.pictures.writing import write_picture
from harness.training.landscapes import LANDSCAPES, Landscape
from harness.training.walks import TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

EVERY = 10  # steps from dot to dot
ROOM = 0.012  # of the window's width, between marks
NOTE = "○ start   + minimum   a mark every 10 steps, a contour line a power of ten   the best constant learning rate of a grid"
LONGEST = 60  # characters of a legend's line, which a panel is wide enough for
FINE = 101  # points along each side from which contours are made
INK, MUTED, PAPER = "#1b1f24", "#5b6470", "#ffffff"  # of a file; a report has its own


@dataclass(frozen=True)
class Stroke:
    """How an arm is drawn: by a color and a marker, so that it is told apart without seeing colors.

    >>> Stroke(color="#0173b2", marker="o").marker
    'o'
    """

    color: str
    marker: str  # matplotlib's sign for it


STROKES = tuple(  # seaborn's "colorblind"
    Stroke(color, marker)
    for color, marker in zip(("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161"), "os^DvP", strict=True)
)


def draw_walks(
    axes: Axes,
    walks: DataFrame,
    landscape: str,
    strokes: Mapping[str, Stroke],
    ink: str = INK,
    muted: str = MUTED,
    paper: str = PAPER,
) -> None:
    """Draw one landscape, as contours of the logarithm of its value, and over it every arm's walk.

    There is a line for every power of ten, and the lower it is the darker. A ring marks the start, a cross the minimum. A
    mark stands at every ten steps where there is room, so that the distance between marks shows the speed.

    Args:
        axes: Where to draw, of matplotlib.
        walks: Rows of ``records.paths``.
        landscape: The name of the landscape.
        strokes: How the arms are drawn, by name: only these, the first on top.
        ink: Of texts.
        muted: Of what stands back.
        paper: Of the ground.

    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> walk = pd.DataFrame({"arm": ["sgd"] * 2, "landscape": ["Beale"] * 2, "step": [0, 1], "x": [1.0, 1.5], "y": [1.0, 0.8]})
    >>> draw_walks(axes, walk, "Beale", {"sgd": Stroke("#0173b2", "o")})
    >>> len(axes.lines) > 0
    True
    """
    arguments.having("axes", axes, "matplotlib's axes", "plot", "set_xlim")
    arguments.table("walks", walks, "arm", "landscape", "step", "x", "y")
    surface = LANDSCAPES[arguments.one_of("landscape", landscape, LANDSCAPES)]
    for stroke in arguments.mapping("strokes", strokes, "a mapping from arms to a Stroke").values():
        arguments.instance("strokes", stroke, Stroke, "a mapping from arms to a Stroke")
    for name, color in (("ink", ink), ("muted", muted), ("paper", paper)):
        arguments.color(name, color)
    (left, right), (bottom, top) = surface.window
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    _draw_contours(axes, surface, ink, muted)
    for layer, (arm, stroke) in enumerate(strokes.items()):
        walk = walks[(walks["arm"] == arm) & (walks["landscape"] == landscape)].sort_values("step")
        if len(walk) < 2:
            continue
        order: dict[str, Any] = {"color": stroke.color, "zorder": 3 - layer / 100}
        axes.plot(walk["x"], walk["y"], lw=1.3, solid_joinstyle="round", **order)
        marks = _sparse_marks(walk, ROOM * (right - left))
        axes.plot(*marks, stroke.marker, ms=4.4, mec=paper, mew=0.5, **order)
    axes.plot(*surface.start, "o", ms=8, mfc="none", mec=ink, mew=1.3, zorder=6)
    axes.plot(*surface.minimum, "+", ms=12, color=ink, mew=1.6, zorder=6)


def _sparse_marks(walk: DataFrame, room: float) -> tuple[list[float], list[float]]:
    """Return x and y of every tenth step that lies further than ``room`` from the mark before it."""
    steps = walk[(walk["step"] % EVERY == 0) & (walk["step"] > 0)]
    marks: list[tuple[float, float]] = []
    for point in zip(steps["x"], steps["y"], strict=True):
        if not marks or math.dist(point, marks[-1]) > room:
            marks.append(point)
    return [x for x, _ in marks], [y for _, y in marks]


def _draw_contours(axes: Axes, surface: Landscape, ink: str, muted: str) -> None:
    """Draw a line a power of ten, and every region below one a shade darker than the one around it."""
    import numpy as np
    from matplotlib.colors import to_rgba

    (left, right), (bottom, top) = surface.window
    x, y = np.meshgrid(np.linspace(left, right, FINE), np.linspace(bottom, top, FINE))
    heights = np.log10(np.maximum(surface.value(x, y), 1e-12))
    for level in range(math.ceil(float(heights.max()))):  # an edge is the line: two in one, to keep files small
        region = axes.contourf(x, y, heights, levels=[-12.5, level], colors=[to_rgba(ink, 0.045)], zorder=1)
        region.set(edgecolor=to_rgba(muted, 0.5), linewidth=0.6)


def describe_walk(walk: DataFrame) -> str:
    """Return in words how one arm's walk on one landscape went.

    Args:
        walk: The rows of ``records.paths`` of one arm and landscape.

    Raises:
        ValueError: There is no row.

    >>> import pandas as pd
    >>> columns = ["step", "gradients", "value", "lr", "problem"]
    >>> describe_walk(pd.DataFrame([[0, 0, 9.0, 0.03, ""], [1, 1, 4.0, 0.03, ""]], columns=columns))
    'lr 0.03, value 4 after 1 step'
    """
    rows = arguments.table("walk", walk, "step", "gradients", "value", "lr", "problem").sort_values("step")
    if not len(rows):
        raise ValueError("walk: must be a table with a row or more, got none")
    last = rows.iloc[-1]
    problem = str(last["problem"])
    if problem.startswith("failed"):
        return problem
    rate = [f"lr {last['lr']:g}"] if last["lr"] == last["lr"] else []
    if problem:
        return ", ".join([*rate, problem])
    above = rows.index[rows["value"] > TARGET]
    settled = max(1, (len(rows) - 1) // 20)  # steps; a dip at the very end is luck
    arrived = bool((rows["value"].iloc[-settled:] <= TARGET).all())
    end = rows.loc[above[-1] :].iloc[1] if arrived else last  # from which on it stays below
    steps, gradients = int(end["step"]), int(end["gradients"])
    spent = f"{steps} step{'' if steps == 1 else 's'}"
    if gradients != steps:
        spent += f" ({gradients} gradients)"
    return ", ".join([*rate, f"{spent} to 1e-4" if arrived else f"value {last['value']:.2g} after {spent}"])


def save_picture(walks: DataFrame, arms: Sequence[str], file: Path) -> list[Path]:
    """Write the walks of up to six arms on all landscapes side by side, a legend under each; return the files.

    The file's ending is the format. The same walks give the same bytes. Raises DiskError for a file that cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    strokes = dict(zip(arms, STROKES, strict=False))
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False, "font.size": 8.5})
        figure = Figure(figsize=(11.4, 4.2 + 0.21 * len(strokes)), layout="constrained", facecolor=PAPER)
        for axes, landscape in zip(figure.subplots(1, len(LANDSCAPES)), LANDSCAPES, strict=True):
            draw_walks(axes, walks, landscape, strokes)
            axes.set_title(landscape, color=INK, fontsize=10)
            axes.spines[:].set_color(MUTED)
            _add_legend(axes, walks[walks["landscape"] == landscape], strokes)
        figure.supxlabel(NOTE, fontsize=8, color=MUTED)
        return write_picture(figure, file, "name another file with --plot")


def _add_legend(axes: Axes, walks: DataFrame, strokes: Mapping[str, Stroke]) -> None:
    """Write under the panel what each arm did."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=stroke.color, lw=1.6, marker=stroke.marker, ms=5) for stroke in strokes.values()]
    texts = [_shorten_line(f"{arm}: {describe_walk(walks[walks['arm'] == arm])}") for arm in strokes]
    axes.legend(lines, texts, loc="upper left", bbox_to_anchor=(-0.02, -0.02), frameon=False, labelcolor=INK)


def _shorten_line(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
