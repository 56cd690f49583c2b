"""All arms of a network at once, by every primary distance: do they differ at all, in place or in spread?"""

from __future__ import annotations

from harness import Analysis, hookimpl
from harness.verdict.tables.omnibus import ANALYSIS


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer omnibus."""
    return [ANALYSIS]
