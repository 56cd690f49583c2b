"""From the values of a file to a checked model, and one clear line for what the model does not allow."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.benchmark.keys import kinds_at, words
from harness.benchmark.meaning import key_meanings
from harness.benchmark.sections.base import LONGEST, MOST
from harness.benchmark.toml import Source
from harness.errors import BenchmarkError, did_you_mean, nearest, shown

DEEPEST = 32  # tables in tables
# Control characters, ends of lines and of paragraphs, directions of writing, and what cannot be encoded.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Any, source: Source, *above: str) -> Model:
    """Return the model of the values that stand at the key ``above``; raises BenchmarkError with the first complaint."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _complaint(error.errors()[0], model, source, above) from error


def _complaint(error: ErrorDetails, model: type[BaseModel], source: Source, above: tuple[str, ...]) -> BenchmarkError:
    """Return pydantic's complaint about a model as an error that names the place in the file."""
    place, value = error["loc"], error["input"]
    kinds, depth = kinds_at(model, place)
    key = tuple(part for part in place if isinstance(part, str))  # a number is a place in a list
    if error["type"] == "missing":
        return source.refusal((*above, *key[:-1]), f"have '{key[-1]}'", "none", f"add {key[-1]} = ...")
    if error["type"] == "extra_forbidden":
        hint = _meant_key(key[-1], model, place)
        return source.refusal((*above, *key), "be a known key", shown(key[-1]), hint)
    if place[-1] == "[key]":
        table, _ = kinds_at(model, place[:-2])
        return source.refusal((*above, *key[:-2]), f"be named with {words(table[0].names)}", shown(key[-2]))
    if error["type"] == "value_error":
        return BenchmarkError(f"{source.where(*above, *key)}: {error['ctx']['error']}")
    key = tuple(part for part in place[:depth] if isinstance(part, str))
    choices: list[Any] = []
    for kind in kinds:
        choices += kind.choices
    hint = did_you_mean(value, choices) if isinstance(value, str) and choices else ""
    hint = hint if "did you mean" in hint else ""
    if isinstance(value, str) and not hint and any(kind.type == "list" for kind in kinds):
        hint = _as_list(value, (*above, *key), source)
    return source.refusal((*above, *key), f"be {words(kinds)}", shown(value), hint)


def _as_list(text: str, key: tuple[str, ...], source: Source) -> str:
    """Return how to write a list whose entries were given without quotes or without brackets."""
    entries = [entry.strip(" \"'") for entry in text.strip("[] ").split(",")]
    written = json.dumps([entry for entry in entries if entry], ensure_ascii=False)
    typed = source.places.get(key) == "--set"
    return f"write --set '{'.'.join(key)}={written}'" if typed else f"write it in brackets: {written}"


def _meant_key(name: str, model: type[BaseModel], place: Sequence[str | int]) -> str:
    """Return what to do about an unknown key: the nearest one there, the same one of another section, or all that there are."""
    keys = _known_keys(model, place[:-1])
    elsewhere: list[str] = []
    with suppress(TypeError):  # tables that stand open have keys without a meaning
        elsewhere = [".".join(key) for key, *_ in key_meanings(model) if key[-1] == name]
    if elsewhere and not nearest(name, keys):
        return f"did you mean '{elsewhere[0]}'?"
    return did_you_mean(name, keys)


def _known_keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Return the keys of the section at a place of the model."""
    (kind, *_), _depth = kinds_at(model, place)
    return list(kind.section.model_fields) if kind.section else []


def check_values(value: Any, source: Source, *key: str) -> None:
    """Refuse what no key may hold: dates, numbers that are not finite or too large, long texts, lists and tables."""
    if len(key) > DEEPEST:
        raise source.refusal(key[:3], f"be nested at most {DEEPEST} tables deep", "more")
    if not isinstance(value, bool | int | float | str | list | Mapping):
        must = "be a string, a number, true or false, a list or a table"
        raise source.refusal(key, must, f"{type(value).__name__} {shown(str(value))}", "put it in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise source.refusal(key, "be a finite number", repr(value))
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise source.refusal(key, "be a whole number of at most 64 bits", "a larger one")
    if isinstance(value, str):
        _check_text(value, "a string", source, key)
    if isinstance(value, list | Mapping) and len(value) > MOST:
        kind = "a list" if isinstance(value, list) else "a table"
        raise source.refusal(key, f"be {kind} of at most {MOST} entries", str(len(value)))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_text(name, "a key", source, key)
            if not name:
                raise source.refusal(key, "have keys with a name", "an empty one")
            check_values(inner, source, *key, name)
    if isinstance(value, list):
        for inner in value:
            check_values(inner, source, *key)


def _check_text(text: str, what: str, source: Source, key: tuple[str, ...]) -> None:
    """Refuse a text that is too long, or that would not stand on one line."""
    if len(text) > LONGEST:
        raise source.refusal(key, f"be {what} of at most {LONGEST} characters", f"{shown(text)} of {len(text)}")
    if match := _UNPRINTABLE.search(text):
        raise source.refusal(
            key, f"be {what} on one line without control characters", f"U+{ord(match[0]):04X} in {shown(text)}"
        )
