"""Numbers in words: the one place that says how a score, an interval, a duration or a count reads.

The console, the page, Markdown, LaTeX, the notebook and the model card all write their numbers with these functions, so that one
score reads the same everywhere. A unit of "%" means that the value is a fraction of 1; a difference of two such values is in points.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "\N{EN DASH}"  # stands where there is no number
MINUS = "\N{MINUS SIGN}"
SMALLEST_POINTS = 0.01  # the smallest difference of percentages that is written as a number
SMALLEST = 0.0001  # the smallest number that is written as one; records and tables have every digit
LARGEST = 1e9  # numbers from here on are written with a power of ten
NEGLIGIBLE = 0.01  # of a margin: what is smaller is only said to be smaller than a thousandth
MOST_DIGITS = 5  # significant digits that a narrow interval can ask for
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any) -> str:
    """Return a number with three significant digits, and an en dash for None and NaN.

    A value that is no number is returned as its text.

    Example:
        >>> number(0.123456), number(12345), number(0.00001), number(None) == NOTHING
        ('0.123', '12,345', '< 0.0001', True)
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return NOTHING if value is None else str(value)
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else str(value)
    if 0 < abs(value) < SMALLEST:
        return f"< {SMALLEST}" if value > 0 else f"> {MINUS}{SMALLEST}"
    if abs(value) >= LARGEST:
        return _with_power(float(value))
    if abs(value) >= 999.5 or isinstance(value, int):
        return signed(f"{value:,.0f}")
    return signed(f"{value:#.3g}".removesuffix(".")) if value else "0"


def signed(text: str) -> str:
    """Return a number that is written already with a real minus sign, and without a sign where it is zero.

    Example:
        >>> signed("-0.50") == "\N{MINUS SIGN}0.50", signed("-0.00")
        (True, '0.00')
    """
    plain_text = text.removeprefix("-")
    if plain_text == text:
        return text
    return f"{MINUS}{plain_text}" if plain_text.strip("0.,") else plain_text


def _with_power(value: float) -> str:
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{signed(digits)} \N{MULTIPLICATION SIGN} 10{str(int(power)).translate(RAISED)}"


def beside_margin(value: float, margin: float, unit: str = "") -> str:
    """Return a value that is judged against a margin: what is below a hundredth of the margin is "< 0.001".

    A small value below zero is "> −0.001". A margin that is not known (NaN) makes no value small.

    Example:
        >>> beside_margin(0.000036, 0.02, "nats"), beside_margin(0.0123, 0.02, "nats")
        ('< 0.001 nats', '0.0123 nats')
    """
    small = 0 < abs(value) < NEGLIGIBLE * margin and abs(value) < 0.001
    text = ("< 0.001" if value > 0 else f"> {MINUS}0.001") if small else number(float(value))
    return f"{text} {unit}".rstrip()


def plain(value: Any, unit: str, width: float = math.nan) -> str:
    """Return a value without its unit: a fraction with unit "%" as percent with two decimals, else three significant digits.

    Args:
        value: The value, in ``unit``.
        unit: The unit; "%" for a fraction of 1.
        width: The width of the value's interval. Where it is so small that both ends would read alike, more digits are written.

    Example:
        >>> plain(0.97, "%"), plain(0.97, "%", width=0.00002), plain(1.5, "nats")
        ('97.00', '97.000', '1.50')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return number(value)
    needed = -math.floor(math.log10(width)) if width > 0 and math.isfinite(width) else 0
    if unit == "%":
        return signed(f"{100 * value:.{min(max(2, needed - 2), 3)}f}")
    given = 2 - math.floor(math.log10(abs(value))) if value else 0
    decimals = max(0, min(needed, given + MOST_DIGITS - 3))
    in_words = SMALLEST <= abs(value) < LARGEST
    return signed(f"{value:,.{decimals}f}") if in_words and given < decimals <= 8 else number(float(value))


def measure(value: Any, unit: str, width: float = math.nan) -> str:
    """Return a value with its unit; the arguments are those of ``plain``.

    Example:
        >>> measure(0.9797, "%"), measure(0.25, "nats"), measure(None, "%") == NOTHING
        ('97.97 %', '0.250 nats', True)
    """
    text = plain(value, unit, width)
    return f"{text} {unit}" if unit and text != NOTHING else text


def span(low: float, high: float, unit: str) -> str:
    """Return both ends of an interval without the unit, and "" where ``low`` is NaN.

    Example:
        >>> span(0.951, 0.984, "%")
        '95.10 to 98.40'
    """
    return "" if math.isnan(low) else f"{plain(low, unit, high - low)} to {plain(high, unit, high - low)}"


def interval(low: float, high: float, unit: str) -> str:
    """Return both ends of an interval and its unit, and "" where ``low`` is NaN.

    Example:
        >>> interval(0.951, 0.984, "%")
        '95.10 to 98.40 %'
    """
    return f"{text} {unit}".rstrip() if (text := span(low, high, unit)) else ""


def difference(value: float, unit: str) -> str:
    """Return a difference with its unit; a difference of percentages is in points.

    A difference of less than half of 0.01 points, zero excepted, is "less than 0.01 points", whatever its sign. For a value
    that is not finite it is an en dash.

    Example:
        >>> difference(0.0105, "%"), difference(0.00001, "%"), difference(0.25, "nats")
        ('1.05 points', 'less than 0.01 points', '0.250 nats')
    """
    if not math.isfinite(value):
        return NOTHING
    if unit == "%" and 0 < abs(100 * value) < SMALLEST_POINTS / 2:
        return f"less than {SMALLEST_POINTS} points"
    return f"{plain(value, unit)} points" if unit == "%" else measure(value, unit)


def difference_interval(low: float, high: float, unit: str) -> str:
    """Return both ends of a difference's interval and its unit, and "" where ``low`` is NaN.

    Example:
        >>> difference_interval(-0.002, 0.011, "%") == "\N{MINUS SIGN}0.20 to 1.10 points"
        True
    """
    text = span(low, high, unit)
    return f"{text} points" if text and unit == "%" else interval(low, high, unit)


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours.

    Example:
        >>> duration(4.2), duration(200), duration(300), duration(7500)
        ('4.20 s', '3 min 20 s', '5 min', '2 h 5 min')
    """
    if seconds < 120:
        return f"{number(float(seconds))} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def percent(probability: float) -> str:
    r"""Return a probability in percent; it is never rounded to 0 or to 100.

    Example:
        >>> percent(0.5), percent(0.99999)
        ('50\xa0%', '99.99\xa0%')
    """
    shown = min(max(100 * probability, 0.01), 99.99)
    return f"{shown:.2f}\u00a0%" if shown > 99 or shown < 1 else f"{shown:.0f}\u00a0%"


def p_value(p: float) -> str:
    """Return a p-value with three decimals, and an en dash for NaN.

    Example:
        >>> p_value(0.0412), p_value(0.00001), p_value(1.0)
        ('.041', '< .001', '1')
    """
    if not math.isfinite(p):
        return NOTHING
    if p < 0.001:
        return "< .001"
    return f"{p:.3f}".lstrip("0") if p < 1 else "1"


def with_p(p: float) -> str:
    """Return a p-value as a statement.

    Example:
        >>> with_p(0.0412), with_p(0.00001)
        ('p = .041', 'p < .001')
    """
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def counted(many: int, thing: str) -> str:
    """Return a number with the thing that it counts, in the plural where it is not 1.

    Example:
        >>> counted(1, "seed"), counted(2048, "example")
        ('1 seed', '2,048 examples')
    """
    return f"{many:,} {thing if many == 1 else f'{thing}s'}"


def joined(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> joined(["a"]), joined(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def joined_with_or(words: Sequence[str]) -> str:
    """Return words as a list of which one holds.

    Example:
        >>> joined_with_or(["a"]), joined_with_or(["a", "b", "c"])
        ('a', 'a, b or c')
    """
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def with_article(noun: str) -> str:
    """Return a noun with "a" or "an" before it, by its first letter.

    Example:
        >>> with_article("probe"), with_article("optimizer")
        ('a probe', 'an optimizer')
    """
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def first_of(texts: Sequence[str], most: int, between: str = ", ") -> str:
    """Return the first texts of a list in one line, and how many more there are.

    Args:
        texts: All of them, in their order.
        most: How many are shown at the most.
        between: What stands between two texts.

    Example:
        >>> first_of(["a", "b", "c", "d"], 2), first_of(["a", "b"], 2)
        ('a, b and 2 more', 'a, b')
        >>> first_of(["a", "b", "c"], 2, "; ")
        'a; b; and 1 more'
    """
    shown, more = between.join(texts[:most]), len(texts) - most
    last = " " if between == ", " else between
    return f"{shown}{last}and {more} more" if more > 0 else shown


def setting(value: Any) -> str:
    """Return the value of a hyperparameter as a benchmark file has it, with four significant digits.

    Example:
        >>> setting(0.00123456), setting(True), setting("cosine")
        ('0.001235', 'true', 'cosine')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short_power(text: str) -> str:
    """Return a number in Python's notation without the zeros before its power of ten.

    Example:
        >>> short_power("1e-07"), short_power("2.5e+10"), short_power("0.1")
        ('1e-7', '2.5e+10', '0.1')
    """
    return re.sub(r"(?<=\d)e([+-])0+(?=\d)", r"e\1", text)


def settings(params: Mapping[str, Any]) -> str:
    """Return hyperparameters by name in one line.

    Example:
        >>> settings({"lr": 0.1, "nesterov": True})
        'lr 0.1, nesterov true'
    """
    return ", ".join(f"{name} {setting(value)}" for name, value in params.items())


def assignments(params: Mapping[str, Any]) -> str:
    """Return hyperparameters as assignments in one line, for the terminal.

    Example:
        >>> assignments({"lr": 0.1, "epochs": 12})
        'lr=0.1 epochs=12'
    """
    return " ".join(f"{name}={setting(value)}" for name, value in params.items())
