"""The arms ranked: mean and 95 % interval over seeds of every final metric of the comparison."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.leaderboard import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer leaderboard."""
    return [ANALYSIS]
