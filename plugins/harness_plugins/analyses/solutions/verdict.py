"""Do the optimizers reach the same minimum? One statement per registered protocol and network, and one for all networks."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.verdict import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer verdict."""
    return [ANALYSIS]
