"""Every arm compared with every other one: score, loss, time to the target, and work per step."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.differences import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer differences."""
    return [ANALYSIS]
