"""What a baseline brought, laid beside what the run itself is about, so that all that read records see one set of arms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LISTS = ("arms", "compare_runs", "comparison")
TABLES = ("spaces", "optimizers", "references", "roles", "convex", "exhausted")


def with_imported(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the meta table with the arms of ``meta["baseline"]`` after the run's own; as it is where there are none."""
    found = meta.get("baseline")
    if not found:
        return dict(meta)
    lists = {key: [*meta.get(key, ()), *found[key]] for key in LISTS}
    return {**meta, **lists, **{key: {**found[key], **meta.get(key, {})} for key in TABLES}}
