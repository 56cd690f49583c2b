"""From intervals and p-values to words, and from words to the overall statement. Never from the absence of evidence.

Only an equivalence test says "similar". Only a difference test whose interval lies outside the margin says "different".
Everything else is inconclusive, with the number of seeds that would settle it.
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

    A one-sided margin limits a distance between arms, which may well be smaller than the distance within them. A two-sided
    one limits a difference. Below its ``floor`` a distance is negligible, whatever its ratio.
    """

    size: float  # the largest that does not matter, in the estimate's unit
    two_sided: bool
    floor: float = 0.0  # in the distance's own unit

    def outside(self, estimate: Estimate) -> bool:
        """Return whether the whole interval of an estimate lies beyond the margin."""
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
    """Return the label of an estimate from its margin and its two p-values.

    Args:
        estimate: The estimate with its interval.
        margin: How large it may be and still not matter, in the estimate's unit.
        p_same: The p-value of the equivalence test, in [0, 1]; NaN shows nothing.
        p_different: The p-value of the difference test, in [0, 1]; NaN shows nothing. Both are adjusted as the caller needs.
        negligible: Whether the distance itself lies below its floor.
        alpha: The level of both tests, in (0, 1).

    Returns:
        "similar" where the equivalence test rejects or the distance is negligible, "different" where the difference test
        rejects and the interval lies outside the margin, else "inconclusive".

    >>> small, margin = Estimate(0.01, -0.01, 0.03, se=0.01, seeds=8), Margin(0.05, two_sided=True)
    >>> judge(small, margin, p_same=0.003, p_different=0.4).label
    'similar'
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
    """Return p-values adjusted for their number.

    A NaN stays NaN in its place, and the others are adjusted as if it were not there: it belongs to a test that was not
    made. R's ``p.adjust`` does the same.

    Args:
        p_values: P-values, each in [0, 1] or NaN.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: A p-value is outside of [0, 1].

    Source: Holm 1979, https://www.jstor.org/stable/4615733.

    >>> holm([0.01, 0.04, 0.02])
    [0.03, 0.04, 0.04]
    """
    values = known_or_nan("p_values", p_values)
    order = sorted((i for i, p in enumerate(values) if not math.isnan(p)), key=lambda i: values[i])
    adjusted, largest = [math.nan] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def known_or_nan(name: str, p_values: Iterable[float]) -> list[float]:
    """Return p-values as a list of floats, each in [0, 1] or NaN.

    Args:
        name: What the error line calls them.
        p_values: The p-values.

    Raises:
        ValueError: A p-value is outside of [0, 1].

    >>> known_or_nan("p_values", [0.5, float("nan")])
    [0.5, nan]
    """
    return [arguments.number(name, p, 0, 1, nan=True) for p in arguments.items(name, p_values, "p-values")]


def together(labels: Iterable[Label]) -> Label:
    """Return the label of a facet from the labels of its measures.

    One different measure makes the facet different. All similar make it similar. Otherwise, and without a measure, it is
    inconclusive. "All similar" is an intersection-union test, which needs no adjustment.

    Args:
        labels: "similar", "different" or "inconclusive", one per measure.

    Raises:
        ValueError: One of them is another word.

    Source: Berger 1982, doi:10.1080/00401706.1982.10487790.

    >>> together(["similar", "different"])
    'different'
    """
    distinct = {arguments.one_of("labels", label, LABELS) for label in arguments.items("labels", labels, "labels")}
    if "different" in distinct:
        return "different"
    return "similar" if distinct == {"similar"} else "inconclusive"


def overall(facets: Mapping[str, Label]) -> Statement:
    """Return the statement on the claim "almost the same minima" from the facets' labels.

    Args:
        facets: The label of every facet; ``loss`` is one of them.

    Returns:
        "supported" where all are similar. "refuted" where the loss is different. "value only" where the loss is similar and
        another facet is different: equally good, and not the same minima. Else "inconclusive".

    Raises:
        ValueError: A label is another word.

    >>> overall({"loss": "similar", "function": "different"})
    'value only'
    """
    arguments.instance("facets", facets, Mapping, "a mapping of labels by facet")
    for label in facets.values():
        arguments.one_of("facets", label, LABELS)
    rest = [label for name, label in facets.items() if name != "loss"]
    if facets.get("loss") == "different":
        return "refuted"
    if facets.get("loss") == "similar" and "different" in rest:
        return "value only"
    if rest and {facets.get("loss"), *rest} == {"similar"}:
        return "supported"
    return "inconclusive"


def seeds_needed(
    estimate: Estimate, margin: Margin, comparisons: int = 1, power: float = 0.8, alpha: float = ALPHA
) -> int | None:
    """Return how many seeds would settle a comparison, if the truth is what was estimated.

    The standard error is taken to shrink with the root of the seeds. Inside the margin it must shrink until the equivalence
    test passes. Outside of it, it must shrink until the interval leaves the margin, and there must be enough seeds for a
    permutation test of ``comparisons`` adjusted p-values to fall below alpha at all.

    Args:
        estimate: The estimate so far.
        margin: How large it may be and still not matter, in the estimate's unit.
        comparisons: For how many p-values the difference test is adjusted, at least 1.
        power: The probability of settling it, in (0, 1).
        alpha: The level of the tests, in (0, 1).

    Returns:
        The number of seeds, in all. None where the estimate is not known, or more than 999 would be needed, as for an
        estimate on the margin itself.

    >>> seeds_needed(Estimate(0.01, -0.05, 0.07, se=0.03, seeds=8), Margin(0.05, two_sided=True))
    30
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
