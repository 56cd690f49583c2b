"""Where the learning rate of each optimizer of a library is searched.

Written by benchmarks/science/optimizer_ranges.py, which measures every name; a correction belongs there.
"""

from __future__ import annotations

from typing import NamedTuple


class Range(NamedTuple):
    """What was measured of an optimizer: the range that holds its best rate, that rate and its loss, and its checks."""

    low: float
    high: float
    best: float
    loss: float
    state: str


WIDE = (1e-5, 1.0)  # for a name that was not measured
RANGES: dict[str, Range] = {}


def of(name: str) -> tuple[float, float]:
    """Return the ends of the range in which a learning rate is searched, by the full name ``LIBRARY:NAME``."""
    measured = RANGES.get(name)
    return (measured.low, measured.high) if measured else WIDE
