"""Numbers as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOTHING = "\N{EN DASH}"
LEAST = 0.01  # points that a difference of percentages shows


def number(value: Any) -> str:
    """Return a number with three significant digits; an en dash where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return NOTHING if value is None else str(value)
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else str(value)
    if abs(value) >= 1000 or (isinstance(value, int) and value):
        return f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.2e}"
    return f"{value:#.3g}".removesuffix(".") if value else "0"


def plain(value: Any, unit: str, width: float = math.nan) -> str:
    """Return a value without its unit: a fraction with unit "%" times 100 with two decimals, else three significant digits.

    It has more where the ``width`` of its interval is so small that the ends would read alike.
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return number(value)
    needed = -math.floor(math.log10(width)) if width > 0 and math.isfinite(width) else 0
    if unit == "%":
        return f"{100 * value:.{min(max(2, needed - 2), 8)}f}"
    given = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{needed}f}" if given < needed <= 8 else number(float(value))


def measure(value: Any, unit: str, width: float = math.nan) -> str:
    """Return a value with its unit."""
    text = plain(value, unit, width)
    return f"{text} {unit}" if unit and text != NOTHING else text


def span(low: float, high: float, unit: str) -> str:
    """Return ``LOW to HIGH`` without the unit; "" where there is no interval."""
    return "" if math.isnan(low) else f"{plain(low, unit, high - low)} to {plain(high, unit, high - low)}"


def interval(low: float, high: float, unit: str) -> str:
    """Return ``LOW to HIGH UNIT``; "" where there is no interval."""
    return f"{text} {unit}".rstrip() if (text := span(low, high, unit)) else ""


def gap(value: float, unit: str) -> str:
    """Return a difference with its unit; of percentages, which are "%", it is in points.

    One that is too small for two decimals, and is not zero, is "less than 0.01 points", whichever its sign.
    """
    if unit == "%" and 0 < abs(100 * value) < LEAST / 2:
        return f"less than {LEAST} points"
    return f"{plain(value, unit)} points" if unit == "%" else measure(value, unit)


def gap_interval(low: float, high: float, unit: str) -> str:
    """Return ``LOW to HIGH`` of a difference, with its unit; "" where there is no interval."""
    text = span(low, high, unit)
    return f"{text} points" if text and unit == "%" else interval(low, high, unit)


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if seconds < 120:
        return f"{number(float(seconds))} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def percent(value: float) -> str:
    """Return a probability in percent, never rounded to certainty."""
    shown = min(max(100 * value, 0.01), 99.99)
    return f"{shown:.2f}\u00a0%" if shown > 99 or shown < 1 else f"{shown:.0f}\u00a0%"


def count(many: int, what: str) -> str:
    """Return ``1 seed``, ``2 seeds``."""
    return f"{many:,} {what if many == 1 else f'{what}s'}"


def sampled(covers: Any) -> str:
    """Return ", of test examples" for an interval over these, which another draw of seeds is no part of; "" for others."""
    return (
        f", of {covers}" if isinstance(covers, str) and covers.endswith(" examples") and " and " not in covers else ""
    )


def joined(words: list[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def setting(value: Any) -> str:
    """Return a hyperparameter's value as one would write it in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings(params: Mapping[str, Any]) -> str:
    """Return hyperparameters in one line."""
    return ", ".join(f"{name} {setting(value)}" for name, value in params.items())
