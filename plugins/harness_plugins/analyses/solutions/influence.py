"""What one replicate does to the verdict.

What a single replicate does to an estimate of the verdict: each estimate again, without each replicate in turn.
"""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.influence import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer influence."""
    return [ANALYSIS]
