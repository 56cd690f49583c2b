"""From intervals and p-values to words, and from words to the overall statement. Never from the absence of evidence.

"similar" is said only by an equivalence test, "different" only by a difference test whose interval lies outside the
margin, and everything else is inconclusive, with the number of seeds that would settle it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from harness.errors import arguments
from harness.statistics.pairwise import Estimate

Label = Literal["similar", "different", "inconclusive"]
Statement = Literal["supported", "value only", "refuted", "inconclusive"]
ALPHA = 0.05
MOST_SEEDS = 999  # beyond which no number of seeds is named
LABELS = ("similar", "different", "inconclusive")


@dataclass(frozen=True)
class Margin:
    """How large a difference may be and still not matter.

    ``size`` is in the estimate's own unit. A one-sided margin limits distances between arms, which may well be smaller
    than within; a two-sided one limits a difference. Below its ``floor`` a distance is negligible whatever its ratio.
    """

    size: float
    two_sided: bool
    floor: float = 0.0

    def outside(self, estimate: Estimate) -> bool:
        """Return whether the whole interval lies beyond the margin."""
        return estimate.low > self.size or (self.two_sided and estimate.high < -self.size)


@dataclass(frozen=True)
class Judged:
    """One pair's label on one measure."""

    label: Label
    detail: str  # "", "detectable, negligible" or "detectable, size unresolved"


def judge(
    estimate: Estimate, margin: Margin, p_same: float, p_different: float, negligible: bool = False,
    alpha: float = ALPHA,
) -> Judged:  # fmt: skip
    """Return the label of an estimate from its margin and its two p-values, adjusted or not as the caller needs.

    ``p_same`` is of the equivalence test, ``p_different`` of the difference test; ``negligible`` says that the distance
    itself lies below its floor. A p-value that is NaN shows nothing.
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    arguments.instance("margin", margin, Margin, "a Margin")
    p_same = arguments.number("p_same", p_same, 0, 1, nan=True)
    p_different = arguments.number("p_different", p_different, 0, 1, nan=True)
    alpha = arguments.share("alpha", alpha)
    detected = p_different < alpha
    if arguments.flag("negligible", negligible) or p_same < alpha:
        return Judged("similar", "detectable, negligible" if detected else "")
    if detected and margin.outside(estimate):
        return Judged("different", "")
    return Judged("inconclusive", "detectable, size unresolved" if detected else "")


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in their order (Holm 1979, https://www.jstor.org/stable/4615733).

    A NaN stays NaN in its place, and the others are adjusted as if it were not there: it is of a test that was not made.
    R's ``p.adjust`` does the same.
    """
    values = known_or_nan("p_values", p_values)
    order = sorted((i for i, p in enumerate(values) if not math.isnan(p)), key=lambda i: values[i])
    adjusted, largest = [math.nan] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def known_or_nan(name: str, p_values: Iterable[float]) -> list[float]:
    """Return p-values, each in [0, 1] or NaN."""
    return [arguments.number(name, p, 0, 1, nan=True) for p in arguments.items(name, p_values, "p-values")]


def together(labels: Iterable[Label]) -> Label:
    """Return the label of a facet: any different is different, all similar is similar, no label is inconclusive.

    "All similar" is an intersection-union test, which needs no adjustment (Berger 1982).
    """
    found = {arguments.one_of("labels", label, LABELS) for label in arguments.items("labels", labels, "labels")}
    if "different" in found:
        return "different"
    return "similar" if found == {"similar"} else "inconclusive"


def overall(facets: Mapping[str, Label]) -> Statement:
    """Return the statement on the claim "almost the same minima" from the facets' labels; ``loss`` is one of them.

    Supported: all similar. Refuted: the loss is different. Value only: equally good, and not the same minima: the loss
    is similar and another facet is different. Else inconclusive.
    """
    arguments.instance("facets", facets, Mapping, "a mapping of labels by facet")
    for label in facets.values():
        arguments.one_of("facets", label, LABELS)
    others = [label for name, label in facets.items() if name != "loss"]
    if facets.get("loss") == "different":
        return "refuted"
    if facets.get("loss") == "similar" and "different" in others:
        return "value only"
    if others and {facets.get("loss"), *others} == {"similar"}:
        return "supported"
    return "inconclusive"


def seeds_needed(
    estimate: Estimate, margin: Margin, comparisons: int = 1, power: float = 0.8, alpha: float = ALPHA
) -> int | None:
    """Return how many seeds would settle it with that probability, if the truth is what was estimated.

    The standard error is taken to shrink with the root of the seeds. Inside the margin it must shrink until the
    equivalence test passes, outside until the interval leaves the margin and a permutation test of ``comparisons``
    adjusted p-values can fall below alpha at all. None where nothing is known or more than 999 would be needed, as for
    an estimate on the margin itself.
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    arguments.instance("margin", margin, Margin, "a Margin")
    comparisons = arguments.whole("comparisons", comparisons, 1)
    power, alpha = arguments.share("power", power), arguments.share("alpha", alpha)
    if not math.isfinite(estimate.se) or not math.isfinite(estimate.value):
        return None
    distance = abs(margin.size - (abs(estimate.value) if margin.two_sided else estimate.value))
    beyond = (abs(estimate.value) if margin.two_sided else estimate.value) > margin.size
    for seeds in range(2, MOST_SEEDS + 1):
        if beyond and 2.0 ** -(seeds - 1) * comparisons >= alpha:
            continue
        se = estimate.se * math.sqrt(estimate.seeds / seeds)
        if distance > _reach(seeds, power, alpha) * se:
            return max(seeds, estimate.seeds) if seeds <= estimate.seeds else seeds
    return None


@cache
def _reach(seeds: int, power: float, alpha: float) -> float:
    """Return how many standard errors away a margin must lie for a test at alpha to have that power."""
    from scipy import stats

    return float(stats.t.ppf(1 - alpha, seeds - 1) + stats.t.ppf(power, seeds - 1))
