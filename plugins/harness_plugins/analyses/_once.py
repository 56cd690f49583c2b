"""What several analyses need of the same records is worked out once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from harness import Records

T = TypeVar("T")

_kept: dict[
    int, dict[Hashable, Any]
] = {}  # by the token of records, which their copies share, for as long as it is there


def once(records: Records, key: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``, called once for these very records and this key; nobody may write to what is returned."""
    token = records.token
    if id(token) not in _kept:
        _kept[id(token)] = {}
        weakref.finalize(token, _kept.pop, id(token), None)
    found = _kept[id(token)]
    if key not in found:
        found[key] = make()
    made: T = found[key]
    return made
