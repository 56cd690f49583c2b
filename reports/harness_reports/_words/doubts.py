"""Why a reader might doubt a report: what the verdict, the alarms, the runs and the probes say against it, the gravest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness import numbers
from harness.verdict.doubts import KINDS
from harness.verdict.reading import read_verdicts
from harness_reports._words import alarms
from harness_reports._words.facets import ADD
from harness_reports._words.headline import Headline
from harness_reports._words.names import capitalized, metric_title
from harness_reports._words.notices import Notice, notices
from harness_reports._words.outcome import Outcome

OWN = {
    "changed": (
        "limit",  # a time limit left something out, with the command that goes on
    ),
    "replicates": (
        "equal",  # two arms are one algorithm
    ),
    "lost": (
        "below",  # an arm is worse than its own defaults, by less than an alarm takes
        "problem",  # a part of the report failed, or its scores are wrong
    ),
    "power": (
        "weighed",  # an alarm of an arm's search that the verdict does not depend on
        "values",  # runs without a finite value
        "trials",  # trials that failed, or a learning rate near the edge
        "data",  # examples that could not be read
        "setup",  # plugins, environments, imported arms
    ),
    "uncontrolled": (
        "note",  # good to know
    ),
}  # the report's own kinds, by the kind of the verdict's doubts that they stand behind
ORDER = tuple(kind for common in KINDS for kind in (common, *OWN.get(common, ())))  # the gravest first
TOLD_BETTER = ("chance", "defaults", "tuning")  # doubts of a verdict that the alarms tell with their sizes
LEVELS = {"control": "warn", "power": "note", "unmeasured": "warn", "unfinished": "note", "uncontrolled": "note"}
CONTROLS = {"A/A": "one optimizer tuned twice (A/A)", "known different": "an arm that is known to be different"}
MOST_OF_A_KIND = 1  # doubts about arms that are told one by one; further arms are named behind the first
MOST_NAMED = 2
MOST_SHOWN = 5  # doubts on the first screen
REPLICATES = 6  # of the shortest design with a verdict


@dataclass(frozen=True)
class Remark:
    """One doubt in a sentence."""

    kind: str  # one of ``ORDER``
    level: str  # "bad", "warn" or "note"
    text: str
    arm: str = ""  # the label of the arm that it is about


def doubts(outcome: Outcome, headline: Headline) -> list[Remark]:
    """Return every doubt, the gravest first; no two say the same."""
    listed = notices(outcome)
    remarks = [
        *_of_limit(outcome),
        *_of_verdict(outcome, listed),
        *_of_controls(outcome),
        *_below_defaults(outcome),
        *_of_notices(outcome, listed),
        *_of_caveat(outcome, headline),
        *_of_probes(outcome),
        *_of_power(outcome, headline),
    ]
    return _without_repeats(sorted(remarks, key=lambda remark: ORDER.index(remark.kind)))


def gravest(remarks: list[Remark]) -> list[Remark]:
    """Return at most ``MOST_SHOWN`` doubts, the gravest first; those of one kind about many arms are one doubt."""
    grave = [remark for remark in _grouped(remarks) if remark.kind != "note"]
    return grave[:MOST_SHOWN]


def untold(headline: Headline, first: list[Remark]) -> list[str]:
    """Return what limits the answer, its power and its caveat, where none of the first doubts says it."""
    told = [remark.text for remark in first]
    return [text for text in (headline.power, headline.caveat) if text and text not in told]


def others(remarks: list[Remark]) -> list[Remark]:
    """Return the doubts that ``gravest`` does not tell in full."""
    told = [remark.text for remark in gravest(remarks)]
    return [remark for remark in remarks if not any(text.startswith(remark.text) for text in told)]


# --- where doubts come from ----------------------------------------------------------------------------------


def _of_verdict(outcome: Outcome, listed: Sequence[Notice]) -> Iterator[Remark]:
    """Yield the doubts about the standing verdict, those aside that the alarms and the runs tell better."""
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    networks = verdicts[0].networks if verdicts else ()
    known = {notice.arm for notice in listed if notice.kind == "lost"}
    names = {part for label in outcome.labels.values() for part in (label, label.rpartition("/")[2]) if part}
    names |= {str(name) for name in outcome.records.arms["optimizer"]}
    addable: dict[str, list[str]] = {}
    for network in networks:
        for doubt in network.doubts:
            arm = doubt.text.partition(" ")[0].rstrip(":")
            if (doubt.kind in TOLD_BETTER and outcome.rows("alarms")) or (doubt.kind == "lost" and arm in known):
                continue
            if doubt.kind == "uncontrolled":
                continue
            if doubt.kind == "unmeasured" and ADD in doubt.text:
                addable.setdefault(doubt.text.rpartition(f"{ADD} ")[2], []).append(doubt.text.partition(" ")[0])
                continue
            of_network = f" ({network.network})" if len(networks) > 1 else ""
            begins = doubt.text if any(doubt.text.startswith(name) for name in names) else capitalized(doubt.text)
            text = f"{begins}{of_network}."
            one_search = outcome.records.meta.planned_replicates == 1 or int(network.row["replicates"]) == 1
            if doubt.kind == "replicates" and one_search:
                text = _one_search_text(outcome)
            level = LEVELS.get(doubt.kind, "bad" if doubt.kind in ("changed", "replicates", "lost") else "warn")
            yield Remark(doubt.kind, level, text, arm if doubt.kind in ("lost", "minimum") else "")
    for command, facets in addable.items():
        which = list(dict.fromkeys(facets))
        text = f"{capitalized(numbers.joined(which))} {'was' if len(which) == 1 else 'were'} not measured. To measure: {command}"
        yield Remark("unmeasured", "warn", text)


def _of_limit(outcome: Outcome) -> Iterator[Remark]:
    """Yield what a time limit has left out of searches and comparison."""
    if left_out := str(outcome.records.meta.looks.get("left_out") or ""):
        yield Remark("limit", "warn", capitalized(left_out))


def _of_controls(outcome: Outcome) -> Iterator[Remark]:
    """Yield in one sentence which controls were not run."""
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    kinds = {
        doubt.text
        for network in (verdicts[0].networks if verdicts else ())
        for doubt in network.doubts
        if doubt.kind == "uncontrolled"
    }
    missing = (
        []
        if len(outcome.labels) < 2
        else [words for name, words in CONTROLS.items() if any(name in text for text in kinds)]
    )
    if missing:
        text = f"No control was run: {' and '.join(missing)}. Controls show whether the rules work on these data."
        yield Remark("uncontrolled", "note", text)


def _one_search_text(outcome: Outcome) -> str:
    """Return that one search of each arm gives no verdict, with the command that gives one."""
    command = outcome.records.again("compare.looks", [REPLICATES])
    if len(outcome.labels) < 2:
        return f"One search: how well another search would do is not known. {REPLICATES} searches tell: {command}"
    return (
        f"One search of each arm: this run ranks the arms and cannot tell a good optimizer from a lucky search. "
        f"{REPLICATES} searches of each can: {command}"
    )


def _below_defaults(outcome: Outcome) -> Iterator[Remark]:
    """Yield the arms whose own defaults score higher on test than they do, if no alarm says so already."""
    alarmed = {outcome.labels.get(arm, arm) for arm in alarms.alarmed_arms(outcome, "defaults")}
    for row in outcome.rows("untuned"):
        label = outcome.labels.get(row["arm"], "")
        if label and label not in alarmed and row["gain"] < 0:
            tuned, untuned = (numbers.measure(row[key], row["unit"]) for key in ("tuned", "untuned"))
            text = f"{label} scores {tuned} tuned and {untuned} with its own defaults: on test, its search brought no gain that can be seen."
            yield Remark("below", "warn", text, label)


def _of_notices(outcome: Outcome, listed: Sequence[Notice]) -> Iterator[Remark]:
    """Yield everything that went wrong, is missing or may mislead; what the verdict says already is left out."""
    with_verdict = outcome.table("verdict") is not None
    for notice in listed:
        if not (with_verdict and notice.kind == "replicates"):
            yield Remark(notice.kind, notice.level, notice.text, notice.arm)


def _of_caveat(outcome: Outcome, headline: Headline) -> Iterator[Remark]:
    if headline.caveat and outcome.table("verdict") is None and len(outcome.labels) > 1:
        yield Remark("unmeasured", "warn", headline.caveat)


def _of_probes(outcome: Outcome) -> Iterator[Remark]:
    """Yield what the probes left out, a sentence each."""
    for name, probe in outcome.records.meta.probes.items():
        title = metric_title(name).capitalize()
        if left_out := str(probe.get("left_out") or ""):
            yield Remark("unmeasured", "warn", left_out)
        elif subset := str(probe.get("subset") or ""):
            yield Remark("note", "note", f"{title}: {subset}")
        if problems := list(probe.get("problems") or ()):
            failed = numbers.counted(len(problems), "measurement")
            yield Remark("unmeasured", "warn", f"{title}: {failed} failed: {problems[0]}")
        done, planned = int(probe.get("done", 0)), int(probe.get("planned", 0))
        if done < planned:
            yield Remark("unfinished", "note", f"{title}: {done:,} of {planned:,} planned were done.")


def _of_power(outcome: Outcome, headline: Headline) -> Iterator[Remark]:
    """Yield how small a difference this run could have seen: a doubt where no arm leads, else good to know."""
    if headline.power:
        yield Remark("power" if outcome.ties else "note", "note", headline.power)


# --- few words -----------------------------------------------------------------------------------------------


def _grouped(remarks: list[Remark]) -> list[Remark]:
    """Return the doubts with those about many arms in one: the first in full, and the names of the other arms."""
    shown: list[Remark] = []
    for kind in dict.fromkeys(remark.kind for remark in remarks):
        alike = [remark for remark in remarks if remark.kind == kind]
        arms = list(dict.fromkeys(remark.arm for remark in alike if remark.arm))
        if len(arms) <= MOST_OF_A_KIND or kind == "note":
            shown += alike
            continue
        first = next(remark for remark in alike if remark.arm)
        shape = _shape(first)
        like_first = {remark.arm for remark in alike if _shape(remark) == shape}
        same = [arm for arm in arms[1:] if arm in like_first]
        different = [arm for arm in arms[1:] if arm not in like_first]
        ends = "" if first.text.endswith(".") else "."
        text = f"{first.text}{ends}"
        text += f" Much the same holds for {_named(same)}." if same else ""
        text += f" Other doubts hold for {_named(different)}." if different else ""
        shown += [replace(first, text=text), *(remark for remark in alike if not remark.arm)]
    return shown


def _shape(remark: Remark) -> str:
    """Return a doubt without the name of its arm and without numbers: what is said is the same where these are equal."""
    return re.sub(r"\d[\d.,]*", "#", remark.text.replace(remark.arm, "ARM"))


def _named(arms: Sequence[str]) -> str:
    """Return arms as a list in a sentence, where many are a number."""
    shown = len(arms) if len(arms) <= MOST_NAMED + 1 else MOST_NAMED  # a single further arm has a name too
    more = [f"{len(arms) - shown} more arms"] if len(arms) > shown else []
    return numbers.joined([*arms[:shown], *more])


def _without_repeats(remarks: list[Remark]) -> list[Remark]:
    """Return the doubts without those whose words stand in an earlier one."""
    kept: list[Remark] = []
    for remark in remarks:
        words = _words_of(remark.text)
        if not any(words in _words_of(earlier.text) for earlier in kept):
            kept.append(remark)
    return kept


def _words_of(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()
