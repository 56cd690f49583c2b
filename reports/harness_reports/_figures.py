"""Figures as static SVG, drawn by matplotlib in seaborn's colours, to stand inline in an HTML page.

Same input, same bytes: no date, no random ids. Text stays text in the page's own font, names are never read as
mathematics, and neutral colours are CSS variables of the page, so one figure serves light and dark.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from harness_reports._numbers import measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

INK, MUTED, GRID, SURFACE = "#0a0b0c", "#0a0b0d", "#0a0b0e", "#0a0b0f"
VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", SURFACE: "var(--surface)"}
WIDE, NARROW = 4.1, 3.3  # inches of 96 CSS pixels, for two and for three side by side; a phone has 3.7
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
LEVELS = (0.0, 0.05, -0.05, 0.1, -0.1)  # of the dots of a row
PALETTE = (0, 1, 2, 3, 4, 5, 9, 7, 6, 8)  # seaborn's "colorblind", its palest colours last


@dataclass(frozen=True)
class Look:
    """How an arm is drawn, the same in every figure."""

    label: str
    color: str  # "#rrggbb"
    dashes: Any


def looks(labels: Mapping[str, str]) -> dict[str, Look]:
    """Return a look per arm; beyond ten arms, colours come again with other dashes."""
    import seaborn

    palette = seaborn.color_palette("colorblind").as_hex()
    colors = [palette[i] for i in PALETTE]
    return {
        arm: Look(label, colors[i % len(colors)], DASHES[(i // 4 + i // len(colors)) % len(DASHES)])
        for i, (arm, label) in enumerate(labels.items())
    }


# --- figures -------------------------------------------------------------------------------------------------


def dots(runs: DataFrame, rows: Sequence[Mapping[str, Any]], looks: Mapping[str, Look], title: str, name: str) -> str:
    """Return a metric's plot: every seed a dot, above it the arm's mean with its interval.

    ``runs`` are those that ended well, ``rows`` the leaderboard's of one metric, in the order they are drawn.
    """
    from matplotlib.ticker import MaxNLocator

    metric, unit = str(rows[0]["metric"]), str(rows[0]["unit"])
    tips: dict[str, list[str]] = {}
    with _style():
        figure, axes = _panel(0.6 + 0.42 * len(rows))
        for place, row in enumerate(rows):
            look = looks[row["arm"]]
            mine = runs[(runs["arm"] == row["arm"]) & _finite(runs[metric])]
            heights = [place + 0.26 + LEVELS[i % len(LEVELS)] for i in range(len(mine))]  # equal values stay apart
            group = f"seeds-{place}"
            axes.scatter(mine[metric], heights, s=15, color=look.color, alpha=0.75, lw=0, gid=group)
            pairs = zip(mine["seed"], mine[metric], strict=True)
            tips[group] = [f"{look.label}, seed {seed}: {measure(float(value), unit)}" for seed, value in pairs]
            _mean(axes, row, place + 0.02, look)
            _row_label(axes, look.label, place, "" if row["n"] else "no result")
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(_formatter(unit))
        if unit == "%" and axes.get_xlim()[1] > 1 >= max(row["max"] for row in rows):
            axes.set_xlim(right=1.0 + 0.03 * (1.0 - axes.get_xlim()[0]))  # no part is larger than the whole
        axes.set_xlabel(_with_unit(title, unit))
        return _svg(figure, name, f"{title}: every seed, and mean with 95 % interval per arm", tips)


def curve(table: DataFrame, looks: Mapping[str, Look], title: str, unit: str, name: str) -> str:
    """Return one metric against the epoch, a line and a seed band per arm; ``table`` is of that metric alone."""
    from matplotlib.ticker import MaxNLocator

    log = _wide(table["mean"])
    # Between powers of ten an interval around a mean reaches below zero; there the seeds' own range is the band.
    low, high = ("lowest", "highest") if log else ("low", "high")
    with _style():
        figure, axes = _panel(2.7)
        for arm, look in looks.items():
            mine = table[table["arm"] == arm].sort_values("epoch")
            dot = "o" if len(mine) == 1 else ""  # one point makes no line
            axes.plot(mine["epoch"], mine["mean"], color=look.color, ls=look.dashes, lw=1.6, marker=dot, ms=4)
            axes.fill_between(mine["epoch"], mine[low], mine[high], color=look.color, alpha=0.16, lw=0)
        _limit(axes, table, log)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.set_xlabel("epoch")
        _name_y(axes, title, unit)
        return _svg(figure, name, f"{title} against epoch, mean and 95 % band over seeds per arm", {})


@dataclass(frozen=True)
class Scale:
    """The axes that the panels of the learning rates share."""

    x: tuple[float, float]
    y: tuple[float, float]
    log_y: bool
    bad: float  # where trials without a value are drawn, as a fraction of the height
    unit: str
    title: str


def scale(table: DataFrame, goal: str, unit: str, title: str) -> Scale:
    """Return axes on which every trial of every arm has a place, one strip kept for those without a value."""
    rates = table.loc[table["lr"] > 0, "lr"]
    values = table.loc[_finite(table["value"]), "value"]
    low, high = (float(rates.min()), float(rates.max())) if len(rates) else (1e-3, 1.0)
    room = max(10**0.15, (high / low) ** 0.07)
    log = _wide(values)
    y = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    below, above = (0.2, 0.08) if goal == "max" else (0.08, 0.2)
    if log:
        span = math.log(y[1] / y[0])
        y = (y[0] * math.exp(-below * span), y[1] * math.exp(above * span))
    else:
        span = (y[1] - y[0]) or abs(y[0]) * 0.1 or 1.0
        y = (y[0] - below * span, y[1] + above * span)
    return Scale((low / room, high * room), y, log, 0.06 if goal == "max" else 0.94, unit, title)


LOST = {"diverged": "x", "failed": "+", "stopped": "v"}  # markers of trials without a value


def rates(trials: DataFrame, look: Look, scale: Scale, name: str) -> str:
    """Return an arm's tune score against the learning rate: every trial a dot, the chosen one ringed.

    Trials without a value stand at the bad border, one marker for each way to end.
    """
    with _style():
        figure, axes = _panel(2.4, NARROW)
        axes.set(xscale="log", xlim=scale.x, yscale="log" if scale.log_y else "linear", ylim=scale.y)
        tips = _marks(axes, trials[trials["lr"] > 0], look, scale)
        _decades(axes, scale.x)
        axes.set_xlabel("learning rate")
        _name_y(axes, scale.title, scale.unit)
        return _svg(figure, name, f"{look.label}: {scale.title} against learning rate", tips)


def _marks(axes: Axes, trials: DataFrame, look: Look, scale: Scale) -> dict[str, list[str]]:
    """Draw a mark per trial; return what each says when it is pointed at, by the id of its group."""
    good = trials[_finite(trials["value"])]
    axes.scatter(good["lr"], good["value"], s=22, color=look.color, alpha=0.8, lw=0, zorder=3, gid="trials")
    ring = good[good["chosen"]]
    axes.plot(ring["lr"], ring["value"], "o", ms=10.5, mfc="none", mec=INK, mew=1.1, zorder=4, gid="chosen")
    tips = {"trials": [_tip(row, scale.unit) for row in good.to_dict("records")]}
    for state, marker in LOST.items():
        lost = trials[trials["state"] == state]
        heights = [scale.bad] * len(lost)
        strip = axes.get_xaxis_transform()  # x in learning rates, y as a fraction of the height
        kind: dict[str, Any] = {"marker": marker, "s": 26, "color": look.color, "lw": 1.3, "zorder": 3, "gid": state}
        axes.scatter(lost["lr"], heights, transform=strip, **kind)
        tips[state] = [_tip(row, scale.unit) for row in lost.to_dict("records")]
    return tips


def swatch(look: Look, name: str) -> str:
    """Return an arm's line and dot for the legend of the page."""
    with _style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(0.42, 0.18))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0.06, 0.94], [0, 0], color=look.color, ls=look.dashes, lw=2)
        axes.plot([0.5], [0], color=look.color, marker="o", ms=6, mec=SURFACE, mew=0.8)
        axes.set(xlim=(0, 1), ylim=(-1, 1))
        axes.axis("off")
        return _svg(figure, name, "", {})


# --- pieces --------------------------------------------------------------------------------------------------


def _mean(axes: Axes, row: Mapping[str, Any], height: float, look: Look) -> None:
    """Draw an arm's mean and interval."""
    if not row["n"]:
        return
    if row["low"] == row["low"]:
        axes.plot([row["low"], row["high"]], [height, height], color=look.color, lw=2.2, solid_capstyle="round")
    axes.plot([row["mean"]], [height], marker="D", ms=6.5, color=look.color, mec=SURFACE, mew=1)


def _row_label(axes: Axes, label: str, place: int, more: str) -> None:
    """Write an arm's name above its row, from the left border: on a phone there is no room beside it."""
    axes.axhline(place + 0.5, color=GRID, lw=0.6)
    text = f"{label}: {more}" if more else label
    axes.text(0, place - 0.27, text, transform=axes.get_yaxis_transform(), color=INK, va="center")


def _tip(row: Mapping[Any, Any], unit: str) -> str:
    value = measure(float(row["value"]), unit) if math.isfinite(row["value"]) else str(row["state"])
    return f"trial {row['number']}{' (chosen)' if row['chosen'] else ''}: {value}\n{row['params']}"


def _finite(values: Any) -> Any:
    import numpy as np

    return np.isfinite(values.to_numpy(dtype=float))


def _wide(values: Any) -> bool:
    """Return whether values span so many powers that only a logarithmic axis shows them."""
    return len(values) > 1 and float(values.min()) > 0 and float(values.max() / values.min()) > 20


def _limit(axes: Axes, table: DataFrame, log: bool) -> None:
    """Choose the y axis from the means: the band of two seeds is so wide that it would hide all lines."""
    import numpy as np

    low, high = float(table["mean"].min()), float(table["mean"].max())
    if log:
        axes.set_yscale("log")
        axes.set_ylim(0.85 * float(table["lowest"].min()), 1.15 * float(table["highest"].max()))
        _decades(axes, axes.get_ylim(), "y")
        return
    ends = [float(np.nanmin([table["low"].min(), low])), float(np.nanmax([table["high"].max(), high]))]
    span = (high - low) or abs(high) * 0.1 or 1.0
    ends = [max(ends[0], low - 0.3 * span), min(ends[1], high + 0.3 * span)]
    axes.set_ylim(ends[0] - 0.04 * span, ends[1] + 0.04 * span)


def _decades(axes: Axes, ends: tuple[float, float], which: str = "x") -> None:
    """Put plain numbers, not powers, at a logarithmic axis; finer ones where it spans few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = math.log10(ends[1] / ends[0])
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.2 else (1.0, 2.0, 5.0), numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _formatter(unit: str) -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{100 * value:.4g}" if unit == "%" else f"{value:.4g}")


def _with_unit(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title


def _name_y(axes: Axes, title: str, unit: str) -> None:
    """Write the y axis's name above it, level, where it takes no width."""
    if axes.get_yscale() != "log":
        axes.yaxis.set_major_formatter(_formatter(unit))
    else:
        _decades(axes, axes.get_ylim(), "y")
    axes.set_title(_with_unit(title, unit), loc="left", fontsize=8.5, color=MUTED)


# --- matplotlib to inline SVG --------------------------------------------------------------------------------


@contextmanager
def _style() -> Iterator[None]:
    """Draw in the house style whatever the user's own matplotlib settings are."""
    import matplotlib
    import seaborn

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser's fonts draw it, not ours
        matplotlib.rcdefaults()
        style: dict[Any, Any] = seaborn.axes_style("whitegrid")
        sizes: dict[Any, Any] = {"font.size": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.labelsize": 8.5}
        colors: dict[Any, Any] = {
            "text.color": INK,
            "axes.labelcolor": MUTED,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
        }
        lines: dict[Any, Any] = {
            "axes.edgecolor": GRID,
            "grid.color": GRID,
            "grid.linewidth": 0.6,
            "axes.linewidth": 0.8,
        }
        text: dict[Any, Any] = {"text.parse_math": False, "svg.fonttype": "none", "font.family": ["DejaVu Sans"]}
        matplotlib.rcParams.update({**style, **sizes, **colors, **lines, **text, "svg.hashsalt": "harness"})
        yield


def _panel(height: float, width: float = WIDE) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure, name: str, title: str, tips: Mapping[str, Sequence[str]]) -> str:
    """Return the figure as an ``<svg>`` element: ids under ``name``, colours from the page, tips on the dots."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    _strip(root)
    _add_tips(root, tips)
    for element in root.iter():
        element.attrib = {key: _rewritten(key, value, prefix) for key, value in element.attrib.items()}
    width = float(root.attrib.pop("width").removesuffix("pt")) * 4 / 3  # CSS pixels
    root.attrib.pop("height")
    root.attrib.pop("version", None)
    root.set("style", f"max-width:{1.25 * width:.0f}px")
    root.attrib |= {"role": "img", "aria-label": title} if title else {"aria-hidden": "true"}
    return ElementTree.tostring(root, encoding="unicode")


def _strip(root: ElementTree.Element) -> None:
    """Remove namespaces, which HTML does not need, and what is not drawn: metadata and a style for the whole page."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        for child in list(element):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(child)


def _add_tips(root: ElementTree.Element, tips: Mapping[str, Sequence[str]]) -> None:
    """Give every mark of a group, by the group's id, a text that shows when it is pointed at."""
    for group in root.iter("g"):
        texts = tips.get(group.get("id", ""), ())
        for mark, text in zip(group.iter("use"), texts, strict=bool(texts)):
            ElementTree.SubElement(mark, "title").text = text


def _rewritten(key: str, value: str, prefix: str) -> str:
    """Return an attribute with its ids prefixed, neutral colours as CSS variables and no font of its own."""
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href":
        return f"#{prefix}-{value.removeprefix('#')}"
    value = re.sub(r"url\(#", f"url(#{prefix}-", value)
    if key == "style":
        value = re.sub(r"font: [^;]*?([\d.]+px)[^;]*", r"font-size: \1", value)  # matplotlib before 3.11
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        value = re.sub("#0a0b0[c-f]", lambda match: VARIABLES[match[0]], value)
    return value
