"""The work of each arm: gradient evaluations, examples and operations, so that arms are compared by steps and by work."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.work import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer work."""
    return [ANALYSIS]
