"""What the axes of all figures have in common: round numbers that differ from each other, and the rule for a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness_reports._draw.theme import INK, MUTED, SURFACE
from harness_reports._words.names import title_with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUAL = 1e-9  # two values that differ by less than this part of their size have one place on an axis
NARROWEST = {
    "%": 0.002,
    "": 0.01,
}  # length of the shortest axis: in the unit "%", and else as a part of the values' size
BORDER = 0.03  # part of an axis that half of a line or a dot at its end takes
MANY_POWERS = 20  # ratio of the largest to the smallest value beyond which an axis is logarithmic
MOST_TICKS = 6
PLAIN_FROM, PLAIN_TO = 1e-4, 1e6  # a number between these is written without a power of ten
MINUS = "\N{MINUS SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_finite(values: Any) -> Any:
    """Return which values of a column are finite numbers, as an array of booleans."""
    import numpy as np

    return np.isfinite(values.to_numpy(dtype=float))


def needs_log_axis(values: Any) -> bool:
    """Return whether values span so many powers that only a logarithmic axis shows them."""
    return len(values) > 1 and float(values.min()) > 0 and float(values.max() / values.min()) > MANY_POWERS


def axis_length(low: float, high: float) -> float:
    """Return how much of an axis values from ``low`` to ``high`` take; it is above zero also where they are all but equal."""
    distance, size = high - low, max(abs(low), abs(high))
    return distance if distance > EQUAL * size else 0.1 * size or 1.0


def axis_ends(low: float, high: float, unit: str) -> tuple[float, float]:
    """Return the ends of an axis; one in "%" ends no further beyond 0 and 100 % than a line or a dot there is wide."""
    border = BORDER * (high - low)
    return (max(low, -border), min(high, 1 + border)) if unit == "%" else (low, high)


def widened(low: float, high: float, unit: str) -> tuple[float, float]:
    """Return the ends of an axis that is long enough for a difference to matter: values that are all but equal look so."""
    least = NARROWEST["%"] if unit == "%" else NARROWEST[""] * max(abs(low), abs(high))
    missing = max(0.0, least - (high - low)) / 2
    return low - missing, high + missing


def differs(values: Any, unit: str) -> bool:
    """Return whether any two finite values read differently: in a hundredth of a point, else in three significant digits."""
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    return len({round(10000 * number) if unit == "%" else f"{number:.3g}" for number in numbers.tolist()}) > 1


# --- ticks -----------------------------------------------------------------------------------------------------


def round_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten between two numbers: as many as there are up to ``most``."""
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = [step * factor for factor in (1, 2, 5, 10, 20, 50)]
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    return [place * step for place in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Return round numbers between two positive ones, evenly spaced on a logarithmic axis; evenly by size in less than a decade."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if 3 <= len(ticks) <= most:
            return ticks
    if len(ticks) < 3:
        return round_ticks(low, high, most)
    stride = math.ceil(len(ticks) / most)
    return ticks[::stride]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return numbers as an axis shows them: with as many digits as tell them apart, and powers of ten where these are shorter."""
    sizes = [abs(tick) for tick in ticks if tick]
    if sizes and (min(sizes) < PLAIN_FROM or max(sizes) >= PLAIN_TO):
        return [power_text(tick) for tick in ticks]
    return [_plain_text(tick) for tick in ticks]


def _plain_text(number: float) -> str:
    """Return a number without a power of ten; a number of one digit or few has no more than these."""
    text = f"{number:.10f}".rstrip("0").rstrip(".")
    whole, point, rest = text.lstrip("-").partition(".")
    grouped = f"{int(whole):,}" if len(whole) > 4 else whole
    sign = MINUS if text.startswith("-") and text != "-0" else ""
    return f"{sign}{grouped}{point}{rest}"


def power_text(number: float) -> str:
    """Return a number as a digit times a power of ten with a raised exponent: ``2·10⁻⁵``; a power alone has no digit."""
    if not number:
        return "0"
    digits, _, exponent = f"{abs(number):.9e}".partition("e")
    digits = digits.rstrip("0").rstrip(".")
    if exponent in ("+00", "+01"):
        return f"{number:g}".replace("-", MINUS)
    power = f"10{f'{int(exponent):d}'.translate(RAISED)}"
    return (MINUS if number < 0 else "") + (power if digits == "1" else f"{digits}·{power}")


def set_ticks(axes: Axes, unit: str = "", which: str = "x", most: int = MOST_TICKS) -> None:
    """Put round numbers at an axis, whose ends must stand; fractions of 1 with the unit "%" become percentages."""
    axis, log = (axes.xaxis, axes.get_xscale()) if which == "x" else (axes.yaxis, axes.get_yscale())
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    scale = 100.0 if unit == "%" else 1.0
    if log == "log":
        ticks = log_ticks(scale * low, scale * high, most)
        axis.set_ticks([], minor=True)
    else:
        ticks = round_ticks(scale * low, scale * high, most)
    if unit == "%":  # room for a dot at 100 % makes no percentage beyond it
        ticks = (
            [tick for tick in ticks if -1e-9 <= tick <= 100 + 1e-9] if low >= -BORDER and high <= 1 + BORDER else ticks
        )
    axis.set_ticks([tick / scale for tick in ticks], tick_texts(ticks))


def set_whole_ticks(axes: Axes, most: int = 8) -> None:
    """Put whole numbers at the x axis, such as epochs or trials."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in round_ticks(low, high, most) if abs(tick - round(tick)) < 1e-9]
    ticks = ticks or [float(math.ceil(low))]
    axes.set_xticks(ticks, tick_texts(ticks))


# --- names -----------------------------------------------------------------------------------------------------


def name_y_axis(axes: Axes, title: str, unit: str) -> None:
    """Put round numbers at the y axis, whose ends must stand, and write its name level above it, where it takes no width."""
    set_ticks(axes, unit, "y")
    write_title(axes, title_with_unit(title, unit))


def write_title(axes: Axes, title: str) -> None:
    """Write a small title above the left end of the axes."""
    axes.set_title(title, loc="left", fontsize=8.5, color=MUTED)


def write_row_name(axes: Axes, text: str, height: float) -> None:
    """Write the name of a row at the left border, on ground of its own, so that no line of the grid crosses it, and below all marks.

    It stands above its row and not beside it, because a phone has no room there.
    """
    ground = {"boxstyle": "square,pad=0.12", "fc": SURFACE, "ec": "none"}
    place = axes.get_yaxis_transform()
    axes.text(0.004, height, text, transform=place, color=INK, va="center", bbox=ground, zorder=1.6)
