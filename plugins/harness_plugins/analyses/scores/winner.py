"""The winner: the best pipeline over all arms, and the score to be expected of it, which is not the score it was chosen by."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.winner import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer winner."""
    return [ANALYSIS]
