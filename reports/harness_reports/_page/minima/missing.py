"""What was not measured of a network, and what would measure it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import Records, numbers

PARTS = {  # by part of the section: the probe that measures it, and what it would show
    "between": ("connectivity", "Barriers between solutions"),
    "depth": ("representation", "How alike the hidden layers are"),
    "sharpness": ("sharpness", "Sharpness"),
    "plane": ("surface", "The loss on the plane through three solutions"),
    "spectrum": ("hessian", "Eigenvalues of the Hessian"),
    "moved": ("distance", "How far the weights have moved"),
    "gradient": ("gradient_norm", "The length of the gradient"),
}
COLUMNS = {
    "sharpness": "Sharpness",
    "moved": "Distance from",
    "gradient": "gradient",
}  # in the table of single solutions


def missing(records: Records, network: str, parts: Mapping[str, Any]) -> list[str]:
    """Return a line for each part that was not measured, with what would measure it."""
    heads = " ".join(parts["alone"]["table"]["heads"]) if parts["alone"] else ""
    shown = {**parts, **{part: words in heads for part, words in COLUMNS.items()}}
    convex = records.meta.convex.get(network, False)
    lines, not_asked = [], {}
    for part, (probe, title) in PARTS.items():
        without_layers = convex and part == "depth"  # a convex network has no hidden layers
        if shown[part] or without_layers:
            continue
        if _was_asked(records, probe):
            lines.append(f"{title}: {_why_missing(records, probe)}")
        else:
            not_asked[title] = probe
    if not_asked:
        titles = numbers.joined([title[0].lower() + title[1:] for title in not_asked])
        lines.append(f"Not measured: {titles}. To measure: {records.measuring(not_asked.values())}")
    return lines


def _was_asked(records: Records, probe: str) -> bool:
    """Return whether a probe has measured, or the benchmark names it."""
    return probe in records.meta.probes or probe in records.meta.benchmark.get("compare", {}).get("probes", ())


def _why_missing(records: Records, probe: str) -> str:
    """Return why a probe has measured nothing."""
    measured = records.meta.probes.get(probe)
    if measured is None:
        return f"not measured by “{probe}”."
    if measured.get("problems"):
        return f"“{probe}” failed: {measured['problems'][0]}"
    if not measured.get("planned") and measured.get("left_out"):
        return str(measured["left_out"])
    return f"“{probe}” measured nothing that can be shown here."
