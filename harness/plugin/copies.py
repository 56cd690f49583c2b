"""Copies for plugins: what one plugin writes to, no other plugin sees."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from harness.plugin.meta import Meta

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_CONSTANT = (str, int, float, bool, type(None))


class _LazyCopy:
    """What makes a value copy its fields when they are first looked at; see ``lazy_copy``."""

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__.get("_held")  # a function: what it holds is out of reach
        if held is None or (value := held(name)) is None:
            raise AttributeError(f"records have no '{name}'")
        object.__setattr__(self, name, value)
        return value


_lazy_classes: dict[type, type] = {}


def _lazy_class(kind: type) -> type:
    if issubclass(kind, _LazyCopy):
        return kind
    return _lazy_classes.setdefault(kind, type(f"_Lazy{kind.__name__}", (_LazyCopy, kind), {}))


def lazy_copy(value: T, shared: Mapping[str, Any]) -> T:
    """Return a copy of a frozen dataclass whose fields are copied when they are first looked at.

    ``shared`` are attributes that the copy has in common with the original.
    """
    kind = type(value)
    originals = {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]
    result: T = object.__new__(_lazy_class(kind))
    for name, attribute in shared.items():
        object.__setattr__(result, name, attribute)
    object.__setattr__(result, "_held", lambda name: copied(originals[name]) if name in originals else None)
    for name in originals.keys() - shared.keys():
        if hasattr(kind, name):  # a field with a default would be looked up in the class
            object.__setattr__(result, name, copied(originals[name]))
    return result


def copied(value: Any) -> Any:
    """Return a copy that shares nothing that can be changed: of plain values, or of a table with such values in its cells."""
    from pandas import DataFrame
    from pandas.api.types import is_object_dtype

    if not isinstance(value, DataFrame):
        return _plain_copy(value)
    table = value.copy()
    for position, kind in enumerate(value.dtypes):
        if is_object_dtype(kind):  # anything at all
            cells = [_plain_copy(cell) for cell in value.iloc[:, position]]
            table.isetitem(position, _object_column(cells))
    return table


def _plain_copy(value: Any) -> Any:
    if type(value) in _CONSTANT:
        return value
    if type(value) is dict:
        return {key: inner if type(inner) in _CONSTANT else _plain_copy(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_plain_copy(inner) for inner in value]
    if type(value) is Meta:
        return value.mapped(_plain_copy)
    return copy.deepcopy(value)


def _object_column(cells: list[Any]) -> NDArray[Any]:
    """Return cells as they are, lists too, in one column."""
    import numpy as np

    column: NDArray[np.object_] = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return column
