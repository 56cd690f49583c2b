"""Every pair of arms on every primary measure: how far apart, how sure, and what may be said of it."""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.facets import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer facets."""
    return [ANALYSIS]
