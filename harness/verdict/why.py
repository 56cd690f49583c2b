"""Why a facet has no word: the reasons, the gravest first. Every format tells them in these words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from harness.console.numbers import first_of
from harness.verdict.alarm_words import alarm_texts
from harness.verdict.entries import Entry
from harness.verdict.judging import ONE_SEARCH, Examined, early_text, gate_text
from harness.verdict.measurements import Missing
from harness.verdict.paired_numbers import FEWEST

STRADDLES = "the interval reaches across the margin"
NOT_ADJUSTED = "it lies beyond the margin by itself, but not once adjusted for all pairs and measures of the facet"
NAMES_ALIKE = "it lies beyond the margin, but arms whose names are permuted are as far apart too often"
DISAGREE = {
    "representation": "the CKA distance and the Procrustes distance contradict each other",
    "geometry": "the sharpness has another word at another rho",
}  # where each measure of a facet has a word
MEASURES_DISAGREE = "its measures disagree"
MOST_ALARMS = 2  # in a reason; further ones are counted


@dataclass(frozen=True)
class Reason:
    """One reason: a clause without a full stop, and the pairs that it names; none where it is about arms or the design."""

    text: str
    entries: tuple[Entry, ...] = ()


def why_no_word(examined: Examined, facet: str) -> list[Reason]:
    """Return the reasons for which a facet has no word at this look, the gravest first; at least one."""
    texts: dict[str, list[Entry]] = {}
    for entry in examined.entries_of(facet):
        if entry.judge_in_facet().label == "inconclusive":
            text, is_named = _reason_of(entry)
            texts.setdefault(text, []).extend([entry] if is_named else [])
    possible = [
        *(Reason(text) for text in _of_design(examined)),
        *([Reason(of_arms)] if (of_arms := _of_arms(examined, facet)) else []),
        *(Reason(text, tuple(entries)) for text, entries in texts.items() if text),
    ]
    reasons = list({reason.text: reason for reason in possible}.values())
    return reasons or [Reason(DISAGREE.get(facet, MEASURES_DISAGREE))]


def _of_design(examined: Examined) -> Iterator[str]:
    """Yield why no facet can have a word at this look."""
    if examined.network.protocol.most_replicates == 1:
        yield ONE_SEARCH
    elif text := early_text(examined.network):
        yield text


def _of_arms(examined: Examined, facet: str) -> str:
    """Return what bars the pairs of some arms from any word: minima that are not reached, or searches in doubt."""
    network, barred = examined.network, [entry for entry in examined.entries_of(facet) if entry.bars]
    arms = {arm for entry in barred for arm in entry.bars}
    named = [arm for arm in network.arms if arm in arms]
    if not named or facet != "loss":
        return gate_text(examined, named) if named else ""
    clauses = [alarm_texts(network.name_of(arm), examined.alarmed[arm]).values() for arm in named]
    return first_of([*chain.from_iterable(clauses)], MOST_ALARMS, "; ")


def _reason_of(entry: Entry) -> tuple[str, bool]:
    """Return why a pair has no label, and whether the pair is named beside it; "" where the arms or the design are why."""
    if isinstance(entry.compared, Missing):
        return entry.compared.reason, True
    if entry.bars:
        return "", False
    detail = entry.judge_in_facet().detail
    if detail in entry.demotions.values():
        return ("", False) if detail == early_text(entry.network) else (detail, False)
    if entry.estimate.replicates < FEWEST:
        return detail, True
    if not entry.margin().outside(entry.estimate):
        return STRADDLES, True
    return (NAMES_ALIKE if entry.p.names >= entry.network.protocol.alpha else NOT_ADJUSTED), True
