"""Was each arm's search good enough?

Was an arm's search good enough for the arm to be judged by it?
"""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tuning import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer alarms."""
    return [ANALYSIS]
