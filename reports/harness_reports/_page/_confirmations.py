"""Whether whole networks, run from pixels to probabilities, predict what the cached features gave."""

from __future__ import annotations

from typing import Any

from harness import numbers
from harness_reports._page._section import Page


def confirmations(page: Page) -> dict[str, Any] | None:
    """Return a row per arm whose whole network was run on test photos; None where none was."""
    recorded = page.records.meta.confirmations
    by_arm = {arm: recorded[arm] for arm in page.looks if arm in recorded}
    if not by_arm:
        return None
    unit = page.outcome.deciding.unit
    rows = []
    for arm, confirmation in by_arm.items():
        equal = confirmation["same"]
        rows.append(
            {
                "arm": page.looks[arm].label,
                "whole": numbers.plain(confirmation["whole"], unit),
                "cached": numbers.plain(confirmation["cached"], unit),
                "same": numbers.NOTHING if equal is None else f"{equal:,} of {confirmation['examples']:,}",
                "largest": f"{confirmation['largest']:.2g}",
                "agrees": confirmation["agrees"],
            }
        )
    first = next(iter(by_arm.values()))
    photos = f"all {first['examples']:,} test photos"
    if first["examples"] != first["all"]:
        photos = f"an even choice of {first['examples']:,} test photos of {first['all']:,}"
    return {"rows": rows, "unit": unit, "photos": photos, "precision": first["precision"]}
