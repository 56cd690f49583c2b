"""The picture of a learning-rate range test: loss against rate, and a line at every suggestion. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import arguments
from harness.results.pictures import writing
from harness.training.lr_curve import WORDS, RangeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DASHES: Mapping[str, Any] = {"steepest": (0, (1.5, 1.2)), "minimum_tenth": (0, (5, 1.5, 1.2, 1.5)), "valley": "solid"}
FOR_PAPERS = (".pdf", ".pgf")  # formats whose pictures are as wide as columns of a paper
ON_SCREEN, WIDTH, HEIGHT = 3, 4.6, 3.2  # panels side by side in other pictures, and a panel in inches


def draw_range_test(
    axes: Axes,
    lr: Sequence[float],
    loss: Sequence[float],
    smoothed: Sequence[float],
    suggestions: Mapping[str, float],
    tuned: float | None = None,
    color: str = "#0173b2",
    ink: str = "#222222",
    muted: str = "#777777",
    legend: bool = True,
) -> None:
    """Draw one learning-rate range test: every batch's loss pale, the smoothed one strong, vertical lines at named rates.

    The height is that of the smoothed curve, so that one explosion does not flatten the rest.

    Args:
        axes: Where to draw, of matplotlib.
        lr: Learning rates ``[T]``, rising.
        loss: The loss of the batch at each rate, ``[T]``.
        smoothed: The smoothed loss, ``[T]``.
        suggestions: Learning rates by the name of the rule that suggests them.
        tuned: The learning rate that the search chose; None where there is none.
        color: Of the curve.
        ink: Of axes and texts.
        muted: Of what stands back.
        legend: Whether to name the lines.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> draw_range_test(axes, lr=[0.001, 0.01, 0.1], loss=[2.0, 1.0, 3.0], smoothed=[2.0, 1.5, 2.2], suggestions={"steepest": 0.01})
    >>> axes.get_xscale()
    'log'
    """
    arguments.having("axes", axes, "matplotlib's axes", "plot", "set_xlim")
    rates, losses, smooth = arguments.arrays(("lr", lr, "N"), ("loss", loss, "N"), ("smoothed", smoothed, "N"))
    for rule, rate in arguments.mapping("suggestions", suggestions, "a mapping from rules to rates").items():
        arguments.one_of("suggestions", rule, WORDS)
        arguments.number("suggestions", rate, 0, 1e308)
    tuned = None if tuned is None else arguments.number("tuned", tuned, 0, 1e308)
    for name, text in (("color", color), ("ink", ink), ("muted", muted)):
        arguments.color(name, text)
    legend = arguments.flag("legend", legend)
    axes.plot(rates, losses, color=color, alpha=0.3, lw=0.6)
    axes.plot(rates, smooth, color=color, lw=1.8)
    for rule, rate in suggestions.items():
        axes.axvline(rate, color=muted, ls=DASHES[rule], lw=1.2, label=f"{WORDS[rule]} {rate:.2g}")
    if tuned is not None:
        axes.axvline(tuned, color=ink, ls=(0, (6, 2)), lw=1.8, label=f"tuned {tuned:.2g}")
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = float(smooth.min()), float(smooth.max())
    room = 0.15 * (high - low) or 0.1
    axes.set(xscale="log", ylim=(low - room, high + room))
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))  # plain numbers, not powers
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("learning rate")
    if legend and (suggestions or tuned is not None):
        axes.legend(fontsize="x-small", frameon=False, labelcolor=ink, loc="best")


def draw_panels(tests: Sequence[RangeTest], across: int = ON_SCREEN, width: float = WIDTH) -> Figure:
    """Return a figure with a panel for every arm that has a curve, so many panels across, each so many inches wide."""
    import matplotlib
    import seaborn
    from matplotlib.figure import Figure

    drawn = [test for test in tests if test.curve is not None and len(test.curve.lr)]
    style: dict[Any, Any] = {
        **seaborn.axes_style("whitegrid"),
        "text.parse_math": False,
        "font.size": 9,
        "grid.linewidth": 0.6,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        columns = min(across, max(1, len(drawn)))
        rows = max(1, -(-len(drawn) // columns))
        figure = Figure(
            figsize=(width * columns, HEIGHT * min(1.0, max(width / WIDTH, 0.8)) * rows), layout="constrained"
        )
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, test in zip(panels, drawn, strict=False):
            _draw_panel(axes, test)
        for axes in panels[len(drawn) :]:
            axes.axis("off")
    return figure


def _draw_panel(axes: Axes, test: RangeTest) -> None:
    """Draw the curve of one arm."""
    curve = test.curve
    assert curve is not None
    draw_range_test(axes, curve.lr.tolist(), curve.loss.tolist(), curve.smoothed.tolist(), test.suggestions or {})
    axes.set_title(test.arm, loc="left", fontsize=9)
    axes.set_ylabel("training loss")
    axes.spines[["top", "right"]].set_visible(False)


def write_picture(file: Path, tests: Sequence[RangeTest], columns: int = 2) -> list[Path]:
    """Write the panels as a picture; the same tests give the same bytes.

    A PDF or PGF is as wide as so many columns of a paper, with a panel in each. Returns the files.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        if file.suffix.lower() in FOR_PAPERS:
            figure = draw_panels(tests, columns, writing.INCHES[columns] / columns)
            figure.set_size_inches(writing.INCHES[columns], figure.get_size_inches()[1])
        else:
            figure = draw_panels(tests)
        return writing.write_picture(figure, file, "name another file with --out")
