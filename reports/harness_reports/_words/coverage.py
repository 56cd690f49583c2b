"""What an interval covers, and its two ends, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness import numbers

DRAWS_ALONE = ("seeds", "replicates")  # what an interval covers that covers no test examples
SEEDS_ALONE = "the sample of test examples is not accounted for"


def sampled_examples(covers: Any) -> str:
    """Return "4,096 test examples" where an interval is over these alone and covers no other seeds; "" for any other."""
    over_examples = isinstance(covers, str) and covers.endswith(" examples") and " and " not in covers
    return str(covers) if over_examples else ""


def draws_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what means and their intervals in a table are over: "seeds", or "replicates" of one seed or more each."""
    covers = {row["covers"] for row in rows}
    return numbers.joined([draws for draws in DRAWS_ALONE if draws in covers]) or DRAWS_ALONE[0]


def ends(low: float, high: float, unit: str) -> str:
    """Return both ends of an interval; "" where they read alike, for a width of nothing would be no news."""
    text = numbers.span(low, high, unit)
    first, _, last = text.partition(" to ")
    return "" if first == last else text
