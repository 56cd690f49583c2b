"""What a benchmark may give a plugin, by the limits that the plugin declares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.console.numbers import joined_with_or
from harness.errors import shown


def limit_of(offer: Any, name: str) -> Any:
    """Return the distribution that a value of an offer must fit, else the default whose type it must have, else None."""
    for declared in (
        offer.limits,
        getattr(offer, "space", {}),
        getattr(offer, "defaults", {}),
        getattr(offer, "options", {}),
    ):
        if declared.get(name) is not None:
            return declared[name]
    return None


def fault(offer: Any, name: str, value: Any) -> str:
    """Return the fault of a value that a benchmark gives an offer, ``must be ..., got ...``, or ``""``.

    Its type is that of the offer's limits, else of its space or its default; its ends are those of the limits alone. Where a
    number is wanted a whole number will do, but not the other way round.
    """
    limit, ends = limit_of(offer, name), name in offer.limits
    if limit is None:
        return _refused(isinstance(value, bool | int | float | str), "a string, a number, true or false", value)
    if hasattr(limit, "choices"):
        if ends:
            right = any(value == choice and type(value) is type(choice) for choice in limit.choices)
            return _refused(right, joined_with_or([shown(choice) for choice in limit.choices]), value)
        kinds = {type(choice) for choice in limit.choices}
    else:
        kinds = {(float if _is_float(limit) else int) if hasattr(limit, "low") else type(limit)}
    right = type(value) in kinds or (type(value) is int and float in kinds)
    if right and ends:
        right = limit.low <= value <= limit.high and (not limit.step or _on_grid(value, limit))
    return _refused(right, _kinds_in_words(kinds, limit if ends else None), value)


def takes_fractions(offer: Any, name: str) -> bool:
    """Return whether a value of an offer's own is a number that need not be whole."""
    limit = limit_of(offer, name)
    return _is_float(limit) or isinstance(limit, float)


def _is_float(limit: Any) -> bool:
    return hasattr(limit, "low") and isinstance(limit.low, float)


def _on_grid(value: float, limit: Any) -> bool:
    steps = (value - limit.low) / limit.step
    return bool(abs(steps - round(steps)) < 1e-9 * max(1.0, steps))


def _kinds_in_words(kinds: Iterable[type], limit: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    kinds_in_words = " or ".join(sorted(names.get(kind, kind.__name__) for kind in kinds))
    if limit is None:
        return kinds_in_words
    step = f" in steps of {limit.step} from {limit.low}" if limit.step and limit.step != 1 else ""
    return f"{kinds_in_words} >= {limit.low:.15g} and <= {limit.high:.15g}{step}"


def _refused(ok: object, what: str, value: object) -> str:
    return "" if ok else f" must be {what}, got {shown(value)}"
