"""The ways in which the steps of a stage can be taken on a device that has graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

WayName = Literal["captured", "halves", "eager"]
WORDS: Mapping[WayName, str] = {
    "captured": "a whole step is one graph",
    "halves": "forward and backward are a graph, the optimizer steps eagerly",
    "eager": "no graph, every step is eager",
}


@dataclass(frozen=True)
class Way:
    """How the steps of a stage are taken, and why not in a faster way."""

    name: WayName
    reason: str = ""

    @property
    def line(self) -> str:
        """The way for a person."""
        return WORDS[self.name] + (f": {self.reason}" if self.reason else "")
