"""Photos that may be wrong in the data: their label, what they show, or that they are there twice."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.results.tables.suspects import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer suspects."""
    return [ANALYSIS]
