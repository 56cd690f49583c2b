"""What several analyses need of the same records is worked out once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from harness import Records

T = TypeVar("T")

_kept: dict[int, dict[Hashable, Any]] = {}  # by the identity of records, for as long as they are there


def once(records: Records, key: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``, called once for these very records and this key; nobody may write to what is returned."""
    if id(records) not in _kept:
        _kept[id(records)] = {}
        weakref.finalize(records, _kept.pop, id(records), None)
    found = _kept[id(records)]
    if key not in found:
        found[key] = make()
    made: T = found[key]
    return made
