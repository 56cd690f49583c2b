"""Is every arm at a minimum? Where one is not, nothing is said of its minimum, only of its loss."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.gate import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer gate."""
    return [ANALYSIS]
