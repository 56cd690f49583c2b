"""What a key of the benchmark file means, said once, at the key: ``Annotated[int, Field(ge=1), Meaning(...)]``.

What a run folder is named after, what a baseline must have in common, what the protocol of the verdict consists of, and
the reference of the file are all derived from it. So no module but those of ``benchmark.sections`` lists keys by name.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Key = tuple[str, ...]  # a dotted key: ("train", "l2"); "*" stands for a name that the user chooses
Identity = Literal["in", "data", "total", "out"]
Baseline = Literal["equal", "apart", "free"]
Protocol = Literal["rule", "design", "probe", "shown", "none"]

# What another value of a key changes, in the words of the reference; "" where there is nothing to say.
IDENTITY: Mapping[Identity, str] = {
    "in": "Another value starts a new run folder.",
    "data": "Another value changes the data, and so starts a new run folder.",
    "total": "Another value goes on in the same run folder.",
    "out": "Another value goes on in the same run folder.",
}
BASELINE: Mapping[Baseline, str] = {
    "equal": "A baseline must have the same value.",
    "apart": "",  # what the value leads to is compared: the data, the weights, the machine or the metric
    "free": "",
}
PROTOCOL: Mapping[Protocol, str] = {
    "rule": "It is a rule of the protocol.",
    "design": "It belongs to the protocol.",
    "probe": "It belongs to the protocol for the probes that the verdict rests on.",
    "shown": "The protocol notes it, and it decides nothing.",
    "none": "",
}


@dataclass(frozen=True)
class Effect:
    """What another value of a key changes."""

    identity: Identity  # whether the run folder is named after it; a total is not, and may grow
    baseline: Baseline  # whether a baseline may have another value
    protocol: Protocol  # whether the protocol of the verdict is registered with it
    compared: bool  # whether 'harness compare' names a difference in it


# The effects that several keys share.
RECIPE = Effect("in", "equal", "none", compared=True)  # how each arm is tuned and trained
ARMS = Effect("in", "free", "none", compared=True)  # which arms there are, and what concerns one arm alone
APART = Effect("in", "apart", "none", compared=True)  # what leads to the data, the weights, the machine or the metric
BUDGET = Effect("total", "equal", "design", compared=True)  # how much tuning each arm gets
DESIGN = Effect("in", "equal", "design", compared=True)  # how each arm is tuned, where the verdict depends on it
CONTROL = Effect("out", "free", "design", compared=True)  # runs beside the arms that the verdict depends on
RULE = Effect("out", "free", "rule", compared=True)  # how the verdict is reached
MEASURED = Effect("out", "free", "probe", compared=True)  # what is measured at the networks
BESIDE = Effect("out", "free", "none", compared=True)  # what is done beside, and changes no result of an arm
OUTSIDE = Effect("out", "free", "none", compared=False)  # what is loaded and what is written, by which no run differs


@dataclass(frozen=True)
class Meaning:
    """What a key means, for a reader and for what is derived from it."""

    text: str  # plain sentences
    example: Any  # a value that is not the default
    effect: Effect
    regimes: tuple[str, ...] = ()  # the only regimes in which it may be set; () for all of them
    belongs_to: Key = ()  # the key whose choice these options belong to, as ("search", "sampler")


def meaning_of(field: FieldInfo) -> Meaning:
    """Return the meaning that stands at a field; raises TypeError where none does."""
    for part in field.metadata:
        if isinstance(part, Meaning):
            return part
    raise TypeError(f"a key of the benchmark file must have a Meaning, got none at {field!r}")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation is; None for any other type."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def named_section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section of a table of sections, ``dict[NAME, SECTION]``; None for any other type."""
    arguments = typing.get_args(annotation)
    return section_of(arguments[-1]) if typing.get_origin(annotation) is dict else None


def key_meanings(model: type[BaseModel], above: Key = ()) -> Iterator[tuple[Key, FieldInfo, Meaning]]:
    """Yield every key of a model that has a value, with its field and its meaning, in the order of the model."""
    for name, field in model.model_fields.items():
        key = (*above, name)
        if section := section_of(field.annotation):
            yield from key_meanings(section, key)
            continue
        yield key, field, meaning_of(field)
        if section := named_section_of(field.annotation):
            yield from key_meanings(section, (*key, "*"))


def select_values(model: type[BaseModel], plain: Mapping[str, Any], keep: Callable[[Meaning], bool]) -> dict[str, Any]:
    """Return the plain values of a model whose keys have a meaning that is kept.

    A section that loses all of its values is left out; one that never had any stays.
    """
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name not in plain:
            continue
        if section := section_of(field.annotation):
            inner = select_values(section, plain[name], keep)
            if inner or not plain[name]:
                values[name] = inner
        elif keep(meaning_of(field)):
            named = named_section_of(field.annotation)
            values[name] = (
                {key: select_values(named, inner, keep) for key, inner in plain[name].items()} if named else plain[name]
            )
    return values
