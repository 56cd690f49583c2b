"""From intervals and p-values to words, and from words to the overall statement. Never from the absence of evidence.

Only an equivalence test says "similar": the true value lies within the margin. Only a minimum-effect test says "different":
the true value lies beyond the margin. Everything else is inconclusive, with the number of replicates that would settle it.
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
MOST_REPLICATES = 999  # beyond which no number of replicates is named
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
    estimate: Estimate, margin: Margin, p_same: float, p_different: float, negligible: bool = False, level: float = ALPHA,
    p_names: float = 0.0, alpha: float = ALPHA,
) -> Judged:  # fmt: skip
    """Return the label of an estimate from its margin and its p-values.

    Args:
        estimate: The estimate with its interval.
        margin: How large it may be and still not matter, in the estimate's unit.
        p_same: The p-value of the equivalence test, in [0, 1]; NaN shows nothing.
        p_different: The p-value of the minimum-effect test, in [0, 1]; NaN shows nothing. Both are adjusted as the caller
            needs.
        negligible: Whether the distance itself lies below its floor.
        level: The level of both tests at this look, in (0, 1).
        p_names: The p-value of permuted names, in [0, 1], where the estimate is of distances; 0 for numbers.
        alpha: The level of permuted names, in (0, 1).

    Returns:
        "similar" where the equivalence test rejects or the distance is negligible, "different" where the minimum-effect test
        rejects and the names matter, else "inconclusive". The detail says whether the interval excludes 0.

    >>> small, margin = Estimate(0.01, -0.01, 0.03, se=0.01, replicates=8), Margin(0.05, two_sided=True)
    >>> judge(small, margin, p_same=0.003, p_different=0.4).label
    'similar'
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    arguments.instance("margin", margin, Margin, "a Margin")
    p_same = arguments.number("p_same", p_same, 0, 1, nan=True)
    p_different = arguments.number("p_different", p_different, 0, 1, nan=True)
    p_names = arguments.number("p_names", p_names, 0, 1, nan=True)
    level, alpha = arguments.share("level", level), arguments.share("alpha", alpha)
    detected = estimate.low > 0 or (margin.two_sided and estimate.high < 0)
    if arguments.flag("negligible", negligible) or p_same < level:
        return Judged("similar", "detectable, negligible" if detected else "")
    if p_different < level and p_names < alpha:
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


def replicates_needed(
    estimate: Estimate, margin: Margin, comparisons: int = 1, power: float = 0.8, level: float = ALPHA
) -> int | None:
    """Return how many replicates would settle a comparison, if the truth is what was estimated.

    The standard error is taken to shrink with the root of the replicates. Inside the margin it must shrink until the
    equivalence test passes. Outside of it, it must shrink until the minimum-effect test passes, which is adjusted for
    ``comparisons`` p-values.

    Args:
        estimate: The estimate so far.
        margin: How large it may be and still not matter, in the estimate's unit.
        comparisons: For how many p-values the minimum-effect test is adjusted, at least 1.
        power: The probability of settling it, in (0, 1).
        level: The level of the tests, in (0, 1).

    Returns:
        The number of replicates, in all. None where the estimate is not known, or more than 999 would be needed, as for an
        estimate on the margin itself.

    >>> replicates_needed(Estimate(0.01, -0.05, 0.07, se=0.03, replicates=8), Margin(0.05, two_sided=True))
    30
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    arguments.instance("margin", margin, Margin, "a Margin")
    comparisons = arguments.whole("comparisons", comparisons, 1)
    power, level = arguments.share("power", power), arguments.share("level", level)
    if not math.isfinite(estimate.se) or not math.isfinite(estimate.value):
        return None
    size = abs(estimate.value) if margin.two_sided else estimate.value
    adjusted = level / comparisons if size > margin.size else level
    for count in range(2, MOST_REPLICATES + 1):
        se = estimate.se * math.sqrt(estimate.replicates / count)
        if abs(margin.size - size) > _reach(count, power, adjusted) * se:
            return max(count, estimate.replicates)
    return None


@cache
def _reach(replicates: int, power: float, level: float) -> float:
    """Return how many standard errors away a margin must lie for a test at that level to have that power."""
    from scipy import stats

    return float(stats.t.ppf(1 - level, replicates - 1) + stats.t.ppf(power, replicates - 1))
