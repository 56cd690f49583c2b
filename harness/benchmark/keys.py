"""What may stand at each key of the benchmark file, read from the model: types, ranges, lengths and words for them.

Errors, tests and the reference of the file take it from here, so that a range is written down once, at the key.
"""

from __future__ import annotations

import builtins
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.console.numbers import joined_with_or

Type = Literal["bool", "int", "float", "str", "list", "table", "section", "any"]
_TYPES: dict[Any, Type] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    dict: "table",
    Any: "any",
}
_WORDS: dict[Type, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "list": "a list",
    "table": "a table",
    "section": "a table",
    "any": "a value",
}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True)
class NameOf:
    """Marks a string, or a list of strings, as names of plugins of a kind, or of metrics, samplers or pruners."""

    kind: str


@dataclass(frozen=True)
class Kind:
    """What may stand at a key. Where several types may stand, one of them."""

    type: Type
    ge: float | None = None  # the ends of a number, which belong to it or (gt, lt) do not
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    shortest: int = 0  # characters of a string, entries of a list or a table
    longest: int | None = None
    pattern: str = ""  # of a whole string
    description: str = ""  # of what the pattern says, in words
    choices: tuple[Any, ...] = ()  # where only these may stand
    items: tuple[Kind, ...] = ()  # of a list's entries or a table's values
    names: tuple[Kind, ...] = ()  # of a table's own keys
    section: builtins.type[BaseModel] | None = None
    name_of: str = ""  # what it names: a plugin's kind, a metric, a sampler or a pruner

    @property
    def words(self) -> str:
        """The kind in the words of an error: ``a whole number >= 1 and <= 100``."""
        if self.choices or self.description:
            return self.description or joined_with_or([repr(choice) for choice in self.choices])
        limits = []
        for name, sign in _SIGNS.items():
            if getattr(self, name) is not None:
                limits.append(f"{sign} {getattr(self, name):.15g}")
        size = self._size if self.type in ("str", "list", "table") else ""
        return f"{_WORDS[self.type]}{size}{' ' if limits else ''}{' and '.join(limits)}"

    @property
    def _size(self) -> str:
        parts = "characters" if self.type == "str" else "entries"
        if self.longest is None:
            return f" of at least {self.shortest} {parts}" if self.shortest else ""
        if self.shortest == self.longest:
            return f" of {self.longest} {parts}"
        if self.shortest:
            return f" of {self.shortest} to {self.longest} {parts}"
        return f" of at most {self.longest} {parts}"


def words(kinds: Sequence[Kind]) -> str:
    """Return in words what may stand where one of several kinds may."""
    return joined_with_or([kind.words for kind in kinds])


def keys(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], tuple[Kind, ...]]]:
    """Yield every key of a model and of its sections with its kinds; ``*`` stands for a name that the user chooses."""
    for name, field in model.model_fields.items():
        yield from _keys_below((*above, name), kinds_of(field.annotation, field.metadata, field.description))


def _keys_below(key: tuple[str, ...], kinds: tuple[Kind, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Kind, ...]]]:
    (first, *_) = kinds
    if first.section:
        yield from keys(first.section, key)
        return
    yield key, kinds
    if first.type == "table":
        yield from _keys_below((*key, "*"), first.items)


def kinds_at(model: type[BaseModel], place: Sequence[str | int]) -> tuple[tuple[Kind, ...], int]:
    """Return the kinds at a place of a model, and how many parts of the place lead there.

    A place may lead into a list, by a number, or into a table of named entries. The parts beyond are what pydantic adds:
    the member of a union that it tried. There are no kinds where there is no such key.
    """
    kinds: tuple[Kind, ...] = (Kind("section", section=model),)
    for depth, part in enumerate(place):
        first = kinds[0]
        if first.section:
            field = first.section.model_fields.get(str(part))
            if field is None:
                return (), depth
            kinds = kinds_of(field.annotation, field.metadata, field.description)
        elif first.items:
            kinds = first.items
        else:
            return kinds, depth
    return kinds, len(place)


def kinds_of(annotation: Any, metadata: Sequence[Any] = (), description: str | None = None) -> tuple[Kind, ...]:
    """Return the kinds that an annotation with its constraints allows. None is no kind, for TOML has no such value."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        descriptions = [part.description for part in arguments[1:] if getattr(part, "description", None)]
        constraints = [*_flat_constraints(arguments[1:]), *metadata]
        return kinds_of(arguments[0], constraints, descriptions[0] if descriptions else description)
    if origin in (typing.Union, types.UnionType):
        kinds: list[Kind] = []
        for member in arguments:
            if member is not type(None):
                kinds += kinds_of(member, metadata, description)
        return tuple(kinds)
    if origin is Literal:
        return (Kind("str", choices=arguments),)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (Kind("section", section=annotation),)
    kind = Kind(_TYPES[origin or annotation], description=description or "")
    if arguments:
        names = kinds_of(arguments[0]) if kind.type == "table" else ()
        kind = replace(kind, items=kinds_of(arguments[-1]), names=names)
    for constraint in metadata:
        kind = _narrow(kind, constraint)
    return (kind,)


def _flat_constraints(metadata: Sequence[Any]) -> list[Any]:
    """Return the constraints in an annotation's metadata; a ``Field(...)`` holds several."""
    constraints: list[Any] = []
    for part in metadata:
        constraints += part.metadata if isinstance(part, FieldInfo) else [part]
    return constraints


def _narrow(kind: Kind, constraint: Any) -> Kind:
    """Return the kind with one more constraint: pydantic's own, or one of ``annotated_types``."""
    if isinstance(constraint, NameOf):
        return replace(kind, name_of=constraint.kind)
    limits = {name: getattr(constraint, name) for name in _SIGNS if hasattr(constraint, name)}
    for name, field in (("min_length", "shortest"), ("max_length", "longest"), ("pattern", "pattern")):
        if getattr(constraint, name, None) is not None:
            limits[field] = getattr(constraint, name)
    return replace(kind, **limits) if limits else kind
