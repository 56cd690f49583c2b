"""Reasons to doubt the report: what went wrong, what this run could not have seen, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness_reports._page._section import Page
from harness_reports._words.coverage import SEEDS_ALONE
from harness_reports._words.headline import Headline
from harness_reports._words.names import metric_title
from harness_reports._words.notices import notices
from harness_reports._words.outcome import Outcome


def doubts(page: Page, headline: Headline) -> list[dict[str, Any]]:
    """Return groups of ``title`` and ``items``, each item a ``level`` and a ``text``, the gravest group first."""
    every_notice = notices(page.outcome)
    unmeasured = [headline.caveat, *_unmeasured_probes(page)]
    groups: list[tuple[str, list[tuple[str, str]]]] = [
        (
            "What went wrong or may mislead",
            [(notice.level, notice.text) for notice in every_notice if notice.level != "note"],
        ),
        (
            "How small a difference it could have seen",
            [("note", text) for text in _detectable_difference(page.outcome)],
        ),
        ("What was not measured", [("note", text) for text in unmeasured]),
        ("Good to know", [(notice.level, notice.text) for notice in every_notice if notice.level == "note"]),
    ]
    shown = []
    for title, pairs in groups:
        items = [{"level": level, "text": text} for level, text in pairs if text]
        if items:
            shown.append({"title": title, "items": items})
    return shown


def _detectable_difference(outcome: Outcome) -> list[str]:
    """Return in a sentence how large a true difference had to be for this run to find it; none where that is not known."""
    leads = [lead for lead in outcome.leads if lead["detectable"] == lead["detectable"]]
    if not leads:
        return []
    labels, first = outcome.labels, leads[0]
    ordered = sorted(leads, key=lambda lead: float(lead["detectable"]))
    least, most = (numbers.difference(lead["detectable"], first["unit"]) for lead in (ordered[0], ordered[-1]))
    size = least
    if most != least:
        size = f"{least} ({labels[ordered[0]['arm']]}) to {most} ({labels[ordered[-1]['arm']]})"
    alone = any(lead["covers"] == "seeds" for lead in leads)
    covers = f" That is over seeds alone: {SEEDS_ALONE}." if alone else ""
    sentence = (
        f"In {metric_title(first['metric'])}, against {labels[first['best']]}: a true difference of {size} is found four "
        f"times in five; a smaller one may well have been missed, and “no difference” says no more than that.{covers}"
    )
    return [sentence]


def _unmeasured_probes(page: Page) -> list[str]:
    """Return what the probes left out, a sentence each."""
    sentences = []
    probes: Mapping[str, Mapping[str, Any]] = page.records.meta.probes
    for name, probe in probes.items():
        title = metric_title(name).capitalize()
        if left_out := str(probe.get("left_out") or ""):
            sentences.append(left_out)
        elif subset := str(probe.get("subset") or ""):
            sentences.append(f"{title}: {subset}")
        if problems := list(probe.get("problems") or ()):
            failed = numbers.counted(len(problems), "measurement")
            sentences.append(f"{title}: {failed} failed: {problems[0]}")
        done, planned = int(probe.get("done", 0)), int(probe.get("planned", 0))
        if done < planned:
            sentences.append(f"{title}: {done:,} of {planned:,} planned were done.")
    return sentences
