"""What a plugin's values must be: one rule per field of the contracts, checked when they come in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from inspect import Parameter, signature
from typing import Any

from harness.errors import repr_of
from harness.plugin.contracts import KINDS, NEEDS, Analysis, Catalogue, Download, Metric, Offer, Report
from harness.plugin.limits import fault
from harness.plugin.rules import constraint_fault, declared_fault

RECORD_TABLES = (
    "arms",
    "trials",
    "runs",
    "epochs",
    "range_tests",
    "paths",
    "examples",
    "comparison",
    "measured",
    "repeated",
)  # written beside the analyses' tables, so no name for one


def check(offer: Offer | Catalogue, found: bool = False) -> str:
    """Return the first fault of an offer, ``optimizer 'x': build must be ..., got ...``, or ``""``.

    The name of one ``found`` in a catalogue may have a colon in it.
    """
    rules = {**_RULES, "name": _found_name} if found else _RULES
    if isinstance(offer, Analysis):
        rules = {**rules, "name": _analysis_name}
    wrong = _first_fault(offer, rules) or _outside_its_limits(offer) or _cannot_be_given(offer) or _wrong_rules(offer)
    return wrong and f"{type(offer).__name__.lower()} {brief(offer.name)}: {wrong}"


def clash(reports: Iterable[Report]) -> str:
    """Return which two formats would be written over each other, ``must ..., got ...``, or ``""``."""
    first: dict[str, Report] = {}
    for report in reports:
        earlier = first.setdefault(report.extension.lower(), report)  # some file systems know no case
        if earlier.name != report.name:
            return (
                f"must write files of their own, got '{earlier.name}' and '{report.name}', which both write "
                f"report.{report.extension}; choose one of them"
            )
    return ""


PENALTIES = ("weight_decay", "wd", "l1", "l2", "l1_reg", "l2_reg", "l1_penalty", "l2_penalty", "lambd")


def is_penalty(name: str, value: object = 1.0) -> bool:
    """Return whether a hyperparameter of that name and value is a penalty on the weights of the optimizer's own.

    The names are ``PENALTIES``, and those that begin with ``weight_decay``; a flag or a text is none, and neither is 0.
    """
    named = name in PENALTIES or name.startswith("weight_decay")
    return named and isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _outside_its_limits(offer: Any) -> str:
    """Return the fault of an offer whose own space, defaults or options lie outside of its limits, or ``""``."""
    if not getattr(offer, "limits", None):
        return ""
    named_settings = [("defaults", getattr(offer, "defaults", {})), ("options", getattr(offer, "options", {}))]
    for field, values in named_settings:
        for name, value in values.items():
            if value is not None and (wrong := fault(offer, name, value)):
                return f"{field}[{name!r}]{wrong}, as limits say"
    for name, distribution in getattr(offer, "space", {}).items():
        for value in getattr(distribution, "choices", None) or (distribution.low, distribution.high):
            if value is not None and (wrong := fault(offer, name, value)):
                return f"space[{name!r}]{wrong}, as limits say"
    return ""


def _wrong_rules(offer: Any) -> str:
    """Return the fault of the rules that an offer declares for its space, or ``""``."""
    if not getattr(offer, "when", None) and not getattr(offer, "constraints", None):
        return ""
    return declared_fault(offer.space, offer.defaults, offer.when, offer.constraints)


def _cannot_be_given(offer: Any) -> str:
    """Return the fault of an optimizer whose ``build`` does not take what it needs, or ``""``."""
    needs = getattr(offer, "needs", ())
    if not needs:
        return ""
    try:
        parameters = signature(offer.build).parameters
    except (TypeError, ValueError):  # one that is written in C says nothing of its arguments
        return ""
    takes_all = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
    missing = next((name for name in needs if name not in parameters and not takes_all), "")
    return missing and f"build must have an argument {missing!r}, as needs says, got {', '.join(parameters)}"


def brief(value: object) -> str:
    """Return a value for a message: its ``repr`` on one line of at most 80 characters."""
    return f"{repr_of(value):.80}"


def _first_fault(value: Any, rules: Mapping[str, Callable[[Any], str]]) -> str:
    """Return the first field that breaks its rule, and how."""
    names = (field_.name for field_ in fields(value) if field_.name in rules)  # a subclass may have more
    faults = ((name, rules[name](getattr(value, name))) for name in names)
    return next((f"{name}{fault}" for name, fault in faults if fault), "")


def _must_be(ok: object, what: str, value: object) -> str:
    return "" if ok else f" must be {what}, got {brief(value)}"


def _name(value: Any, marks: str = "._+-") -> str:
    ok = isinstance(value, str) and re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9{marks}]{{,99}}", value)
    return _must_be(ok, f"up to 100 letters, digits and {' '.join(marks)}, a letter or digit first", value)


def _found_name(value: Any) -> str:
    return _name(value, ":._+()-")


def _analysis_name(value: Any) -> str:
    free = not (isinstance(value, str) and value.lower() in RECORD_TABLES)
    return _name(value) or _must_be(free, f"other than the records' own tables {', '.join(RECORD_TABLES)}", value)


def _text(value: Any) -> str:
    return _must_be(isinstance(value, str), "a text", value)


def _needs(value: Any) -> str:
    ok = isinstance(value, list | tuple) and all(name in NEEDS for name in value)
    return _must_be(ok, f"some of {', '.join(NEEDS)}", value)


def _flag(value: Any) -> str:
    return _must_be(isinstance(value, bool), "True or False", value)


def _one_to_three(value: Any) -> str:
    return _must_be(value in (1, 2, 3) and not isinstance(value, bool), "1, 2 or 3", value)


def _whole(value: Any) -> str:
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return _must_be(ok, "a whole number, 0 or more", value)


def _named_or_none(value: Any) -> str:
    return "" if value is None else _named(value)


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


def _when(value: Any) -> str:
    ok = isinstance(value, Mapping) and all(
        isinstance(conditions, Mapping) and conditions for conditions in value.values()
    )
    return _named(value) or _must_be(ok, "a mapping of mappings, {'x': {'amsgrad': True}}", value)


def _constraints(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return _must_be(False, "a tuple of texts, ('beta2 > beta1',)", value)
    return next(filter(None, map(constraint_fault, value)), "")


def _meanings(value: Any) -> str:
    is_known = isinstance(value, Mapping) and all(
        isinstance(text, str) and text.strip() and text.isprintable() for pair in value.items() for text in pair
    )
    return _must_be(is_known, "the meaning of each column, a line by its name", value)


def _reasons(value: Any) -> str:
    return _named(value) or _must_be(
        all(isinstance(reason, str) and reason for reason in value.values()), "reasons", value
    )


def _download(value: Any) -> str:
    if not isinstance(value, Download):
        return _must_be(value is None, "a Download or None", value)
    faults = {
        "url": _must_be(re.match(r"https?://", str(value.url)), "an address, http or https", value.url),
        "sha256": _must_be(re.fullmatch(r"([0-9a-f]{64})?", str(value.sha256)), "64 hex digits", value.sha256),
        "files": _named(value.files) or _must_be(value.files, "at least one folder", value.files),
    }
    return next((f".{part}{fault}" for part, fault in faults.items() if fault), "")


def _space(value: Any) -> str:
    return _named(value) or _first_of((key, _distribution(distribution)) for key, distribution in value.items())


def _distribution(value: Any) -> str:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution  # not for no space

    if isinstance(value, CategoricalDistribution):
        faults = (_choice(choice) for choice in value.choices)
        return next(filter(None, faults), "")
    if isinstance(value, FloatDistribution):
        return _must_be(math.isfinite(value.low) and math.isfinite(value.high), "finite at both ends", value)
    return _must_be(isinstance(value, BaseDistribution), "a Float, Int or Choice", value)


def _choice(value: Any) -> str:
    """Return the fault of a choice that is no plain value, or ``""``: records are JSON, which keeps only plain values."""
    fault = _must_be(
        value is None or isinstance(value, str | int | float), "a Choice of texts, numbers, True, False and None", value
    )
    return fault and f"{fault}; search its parts one by one"


def _bounds(value: Any) -> str:
    ok = isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
    return _must_be(ok and value[0] < value[1], "two numbers, the least and the greatest value", value)


def _metrics(value: Any) -> str:
    fault = _named(value) or _must_be(value, "at least one Metric", value)
    return fault or _first_of((key, _metric(metric)) for key, metric in value.items())


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
    **dict.fromkeys(("closure", "switches", "second_order", "scheduled", "resumes", "per_epoch", "qualified"), _flag),
    "needs": _needs,
    **dict.fromkeys(("thumbnails", "costly", "convex", "takes_folder", "labels"), _flag),
    "networks": _one_to_three,
    "threads": _whole,
    "captured": _named_or_none,
    **dict.fromkeys(
        ("build", "compute", "find", "loss", "measure", "names", "open", "outputs", "predict", "render"), _function
    ),
    **dict.fromkeys(("defaults", "options"), _named),
    **dict.fromkeys(
        (
            "weights",
            "groups",
            "plain",
            "around",
            "weighted_loss",
            "each",
            "cycle_ends",
            "table",
            "compare",
            "headline",
            "figures",
            "across",
            "workloads",
            "refused",
        ),
        _function_or_none,
    ),
    "known_failures": _reasons,
    "columns": _meanings,
    **dict.fromkeys(("photos", "check", "on_device"), _function_or_none),
    "download": _download,
    "kind": _kind,
    "goal": _goal,
    "space": _space,
    "when": _when,
    "constraints": _constraints,
    "limits": _space,
    "bounds": _bounds,
    "metrics": _metrics,
}
