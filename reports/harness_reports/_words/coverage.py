"""What an interval covers, in words."""

from __future__ import annotations

from typing import Any

DRAWS_ALONE = ("seeds", "replicates")  # what an interval covers that covers no test examples
SEEDS_ALONE = "the sample of test examples is not accounted for"


def sampled_examples(covers: Any) -> str:
    """Return "4,096 test examples" where an interval is over these alone and covers no other seeds; "" for any other."""
    over_examples = isinstance(covers, str) and covers.endswith(" examples") and " and " not in covers
    return str(covers) if over_examples else ""
