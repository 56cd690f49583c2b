"""What a plugin's values must be: one rule per field of the contracts, checked when they come in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from harness.contracts import KINDS, Catalogue, Metric, Offer


def check(offer: Offer | Catalogue, found: bool = False) -> str:
    """Return what is wrong with an offer, ``optimizer 'x': build must be ..., got ...``, or ``""``.

    The name of one ``found`` in a catalogue may have a colon in it.
    """
    rules = {**_RULES, "name": _found_name} if found else _RULES
    wrong = _first_fault(offer, rules)
    return wrong and f"{type(offer).__name__.lower()} {brief(offer.name)}: {wrong}"


def brief(value: object) -> str:
    """Return a value for a message: its ``repr`` on one line of at most 80 characters."""
    return f"{' '.join(repr(value).split()):.80}"


def _first_fault(value: Any, rules: Mapping[str, Callable[[Any], str]]) -> str:
    """Return the first field that breaks its rule, and how."""
    names = (each.name for each in fields(value) if each.name in rules)  # a subclass may have more
    faults = ((name, rules[name](getattr(value, name))) for name in names)
    return next((f"{name}{fault}" for name, fault in faults if fault), "")


def _must_be(ok: object, what: str, value: object) -> str:
    return "" if ok else f" must be {what}, got {brief(value)}"


def _name(value: Any, marks: str = "._+-") -> str:
    ok = isinstance(value, str) and re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9{marks}]{{,99}}", value)
    return _must_be(ok, f"up to 100 letters, digits and {' '.join(marks)}, a letter or digit first", value)


def _found_name(value: Any) -> str:
    return _name(value, ":._+-")


def _text(value: Any) -> str:
    return _must_be(isinstance(value, str), "a text", value)


def _flag(value: Any) -> str:
    return _must_be(isinstance(value, bool), "True or False", value)


def _function(value: Any) -> str:
    return _must_be(callable(value), "a function", value)


def _function_or_none(value: Any) -> str:
    return _must_be(value is None or callable(value), "a function or None", value)


def _kind(value: Any) -> str:
    return _must_be(value in KINDS, f"one of {', '.join(KINDS)}", value)


def _goal(value: Any) -> str:
    return _must_be(value in ("min", "max"), "'min' or 'max'", value)


def _named(value: Any) -> str:
    ok = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    return _must_be(ok, "a mapping with texts as keys", value)


def _space(value: Any) -> str:
    return _named(value) or _first_of((key, _distribution(each)) for key, each in value.items())


def _distribution(value: Any) -> str:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution  # not for no space

    if isinstance(value, CategoricalDistribution):
        faults = (_choice(each) for each in value.choices)
        return next(filter(None, faults), "")
    if isinstance(value, FloatDistribution):
        return _must_be(math.isfinite(value.low) and math.isfinite(value.high), "finite at both ends", value)
    return _must_be(isinstance(value, BaseDistribution), "a Float, Int or Choice", value)


def _choice(value: Any) -> str:
    """Return what is wrong with a choice: records are JSON, from which only plain values come back as they were."""
    fault = _must_be(
        value is None or isinstance(value, str | int | float), "a Choice of texts, numbers, True, False and None", value
    )
    return fault and f"{fault}; search its parts one by one"


def _metrics(value: Any) -> str:
    fault = _named(value) or _must_be(value, "at least one Metric", value)
    return fault or _first_of((key, _metric(each)) for key, each in value.items())


def _metric(value: Any) -> str:
    if not isinstance(value, Metric):
        return _must_be(False, "a Metric", value)
    fault = _first_fault(value, _RULES)
    return fault and f".{fault}"


def _first_of(faults: Iterable[tuple[str, str]]) -> str:
    return next((f"[{key!r}]{fault}" for key, fault in faults if fault), "")


_RULES: Mapping[str, Callable[[Any], str]] = {  # of every field of every contract
    **dict.fromkeys(("name", "extension"), _name),
    **dict.fromkeys(("reference", "unit"), _text),
    **dict.fromkeys(("closure", "switches", "per_epoch", "qualified"), _flag),
    **dict.fromkeys(
        ("build", "compute", "find", "loss", "measure", "names", "open", "outputs", "predict", "render"), _function
    ),
    **dict.fromkeys(("defaults", "options"), _named),
    "weights": _function_or_none,
    "kind": _kind,
    "goal": _goal,
    "space": _space,
    "metrics": _metrics,
}
