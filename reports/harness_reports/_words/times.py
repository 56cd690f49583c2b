"""Which arms' times are no measure against the others': those of runs that were trained elsewhere, at another time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import Records
from harness_reports._words.names import some_names
from harness_reports._words.outcome import Outcome

TAKEN_OVER = "trained elsewhere"  # stands beside a time
PHASES = {"compare": "run", "search": "trial"}  # whose times are shown, and what they are called


def arms_timed_elsewhere(records: Records, phase: str = "compare") -> list[str]:
    """Return the arms with times from another run folder or a baseline; none where all times are of one place and so comparable."""
    places: dict[str, set[str]] = {}
    for arm, place in _places(records, phase):
        places.setdefault(arm, set()).add(place)
    if len(set().union(*places.values())) < 2:
        return []
    return [str(arm) for arm in records.arms["arm"] if places.get(str(arm), set()) - {""}]


def _places(records: Records, phase: str) -> list[tuple[str, str]]:
    """Return the arm of each run that ended well, and where it was trained: a run folder, a baseline's file, or "" for here."""
    baseline: Mapping[str, Any] = records.meta.baseline or {}
    runs = records.compared() if phase == "compare" else records.runs[records.runs["phase"] == phase]
    if "taken_from" not in runs:  # a comparison that has not begun has no columns of runs
        return []
    imported, done = set(baseline.get("arms", ())), runs[runs["state"] == "done"]
    return [
        (str(arm), str(baseline["file"]) if arm in imported else str(folder))
        for arm, folder in zip(done["arm"], done["taken_from"], strict=True)
    ]


def time_sentence(outcome: Outcome, phase: str = "compare") -> str:
    """Return whose times were measured elsewhere, in a sentence; "" where all times are comparable."""
    arms = arms_timed_elsewhere(outcome.records, phase)
    if not arms:
        return ""
    names = some_names([outcome.labels[arm] for arm in arms if arm in outcome.labels])
    return (
        f"Times do not compare these arms: {PHASES[phase]}s of {names} were trained elsewhere (in another run folder, or for a "
        "baseline), at another time and perhaps beside other work or on another machine."
    )
