"""How long each comparison run took to a target tune score: epochs, steps and seconds of training."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.times import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer times."""
    return [ANALYSIS]
