"""The word of a facet, from the labels of its pairs and measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.statistics.labels import Label, together

if TYPE_CHECKING:
    from harness.verdict.design import Pair
    from harness.verdict.entries import Entry

Word = str  # a label, or one of these two, which connectivity alone can have
NOT_CONNECTED = "not connected"  # the barrier between the arms is high, and no higher than within them
UPPER_BOUND = "upper bound only"  # too few units could be moved: the barrier may lie anywhere below
NO_WORD = "inconclusive"


def combine(entries: Sequence[Entry], labels: Sequence[Label]) -> Word:
    """Return a facet's word from the labels of its entries.

    One different pair makes a facet different, and all pairs similar make it similar. Three facets have more to agree on.

    - Representation: a pair that is different by CKA and similar by Procrustes, or the other way round, is inconclusive.
    - Geometry: a pair has a label where the sharpness at all three rho gives it that.
    - Connectivity: the excess of the barrier makes it different. If it is similar, and the barrier itself is high, the word
      is "not connected".
    """
    if not entries:
        return NO_WORD
    facet = entries[0].measure.facet
    if facet == "connectivity":
        return _connectivity(entries, labels)
    if facet == "geometry":
        return together([_agreed(of_pair) for of_pair in _by_pair(entries, labels)])
    if facet == "representation":
        return together(_without_disputes(entries, labels))
    return together(labels)


def _connectivity(entries: Sequence[Entry], labels: Sequence[Label]) -> Word:
    by_scale: dict[str, list[Label]] = {"excess": [], "barrier": []}
    for entry, label in zip(entries, labels, strict=True):
        by_scale[entry.measure.scale].append(label)
    excess, barrier = together(by_scale["excess"]), together(by_scale["barrier"])
    if excess == "different":
        return "different"
    if excess == "similar" and barrier != "inconclusive":
        return "similar" if barrier == "similar" else NOT_CONNECTED
    return NO_WORD


def _by_pair(entries: Sequence[Entry], labels: Sequence[Label]) -> Iterator[list[Label]]:
    of_pair: dict[Pair, list[Label]] = {}
    for entry, label in zip(entries, labels, strict=True):
        of_pair.setdefault(entry.pair, []).append(label)
    yield from of_pair.values()


def _agreed(labels: Sequence[Label]) -> Label:
    """Return the label that all have, else "inconclusive"."""
    return labels[0] if len(set(labels)) == 1 else "inconclusive"


def _without_disputes(entries: Sequence[Entry], labels: Sequence[Label]) -> list[Label]:
    """Return labels in which two measures of distance that contradict each other on a pair are both inconclusive."""
    of_pair: dict[Pair, set[Label]] = {}
    for entry, label in zip(entries, labels, strict=True):
        if not entry.measure.is_scatter:
            of_pair.setdefault(entry.pair, set()).add(label)
    disputed = {pair for pair, labels_of_pair in of_pair.items() if {"similar", "different"} <= labels_of_pair}
    settled: list[Label] = []
    for entry, label in zip(entries, labels, strict=True):
        in_dispute = entry.pair in disputed and not entry.measure.is_scatter
        settled.append("inconclusive" if in_dispute else label)
    return settled
