"""Optimizer or order of the data: which moves more?

Does the optimizer move the solution more than the order of the data does?
"""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.twins import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer twins."""
    return [ANALYSIS]
