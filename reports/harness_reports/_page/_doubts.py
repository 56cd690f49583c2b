"""Why one might doubt the report: what went wrong, what this run could not have seen, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import Results
from harness_reports._words.facts import labels, notices, title_of
from harness_reports._words.headline import SEEDS_ALONE, Headline, leads_of
from harness_reports._words.numbers import count, gap


def doubts(results: Results, headline: Headline) -> list[dict[str, Any]]:
    """Return groups of ``title`` and ``items``, each item a ``level`` and a ``text``, the gravest group first."""
    said = notices(results)
    groups: list[tuple[str, list[tuple[str, str]]]] = [
        ("What went wrong or may mislead", [(each.level, each.text) for each in said if each.level != "note"]),
        ("How small a difference it could have seen", [("note", text) for text in _power(results)]),
        ("What was not measured", [("note", text) for text in (headline.caveat, *_unmeasured(results))]),
        ("Good to know", [(each.level, each.text) for each in said if each.level == "note"]),
    ]
    return [
        {"title": title, "items": [{"level": level, "text": text} for level, text in items if text]}
        for title, items in groups
        if any(text for _, text in items)
    ]


def _power(results: Results) -> list[str]:
    """Return what a true difference had to be for this run to find it, in a sentence; none where that is not known."""
    known = [row for row in leads_of(results) if row["detectable"] == row["detectable"]]
    if not known:
        return []
    names, unit = labels(results.records), known[0]["unit"]
    ordered = sorted(known, key=lambda row: float(row["detectable"]))
    least, most = ordered[0], ordered[-1]
    what = title_of(known[0]["metric"])
    size = gap(least["detectable"], unit)
    if gap(most["detectable"], unit) != size:
        size = f"{size} ({names[least['arm']]}) to {gap(most['detectable'], unit)} ({names[most['arm']]})"
    best = names[known[0]["best"]]
    covers = f" That is over seeds alone: {SEEDS_ALONE}." if any(row["covers"] == "seeds" for row in known) else ""
    found = f"In {what}, against {best}: a true difference of {size} is found four times in five"
    return [f"{found}; a smaller one may well have been missed, and “no difference” says no more than that.{covers}"]


def _unmeasured(results: Results) -> list[str]:
    """Return what the late probes left out, a sentence each."""
    found = []
    probes: Mapping[str, Mapping[str, Any]] = results.records.meta.probes
    for name, about in probes.items():
        if left_out := str(about.get("left_out") or ""):
            found.append(left_out)
        elif subset := str(about.get("subset") or ""):
            found.append(f"{title_of(name).capitalize()}: {subset}")
        if problems := list(about.get("problems") or ()):
            found.append(f"{title_of(name).capitalize()}: {count(len(problems), 'measurement')} failed: {problems[0]}")
        if int(about.get("done", 0)) < int(about.get("planned", 0)):
            found.append(
                f"{title_of(name).capitalize()}: {int(about['done']):,} of {int(about['planned']):,} planned were done."
            )
    return found
