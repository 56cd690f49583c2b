"""The ranges that a search tried, in words, and where a tuned value lies in its range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import Records, numbers

EDGE = 0.1  # a tuned learning rate in this outer part of its range lies at the edge


@dataclass(frozen=True)
class Range:
    """A searched range in words, with its ends where it is a range of numbers."""

    text: str
    low: float | None = None
    high: float | None = None
    log: bool = False

    def position(self, value: Any) -> float | None:
        """Return where a value lies, from 0 at the low end to 1 at the high end; None where the range has no ends."""
        if self.low is None or self.high is None or self.low >= self.high or not isinstance(value, int | float):
            return None
        points = [float(value), self.low, self.high]
        if self.log and min(points) > 0:
            points = [math.log(point) for point in points]
        return min(1.0, max(0.0, (points[0] - points[1]) / (points[2] - points[1])))


def read_range(space: Mapping[str, Any]) -> Range:
    """Return the range of a parameter, which the records describe as {low, high, log}, {choices} or {fixed}.

    Its words say beside which other values it is in force ({when}), and what holds between it and others ({constraints}).
    """
    rules = _rules_text(space)
    if "fixed" in space:
        return Range(f"fixed by the benchmark{rules}")
    if "choices" in space:
        return Range(f"one of {', '.join(numbers.setting(choice) for choice in space['choices'])}{rules}")
    low, high, log = float(space["low"]), float(space["high"]), bool(space["log"])
    text = f"{numbers.setting(space['low'])} to {numbers.setting(space['high'])}{', log' if log else ''}{rules}"
    return Range(text, low, high, log)


def _rules_text(space: Mapping[str, Any]) -> str:
    """Return in words under which other values a parameter is in force, and which constraints name it."""
    conditions = []
    for other, values in space.get("when", {}).items():
        conditions.append(f"{other} is {' or '.join(map(numbers.setting, values))}")
    where = f", only where {' and '.join(conditions)}" if conditions else ""
    return where + "".join(f", {text}" for text in space.get("constraints", ()))


def at_edge(records: Records, arm: str, params: Mapping[str, Any]) -> bool:
    """Return whether the tuned learning rate of an arm lies in the outer tenth of its range.

    Only the learning rate is looked at: of three to five other parameters, the best value of some is nearly always near an edge.
    """
    space = records.meta.spaces.get(arm, {}).get("lr")
    position = read_range(space).position(params.get("lr")) if space else None
    return position is not None and not EDGE <= position <= 1 - EDGE
