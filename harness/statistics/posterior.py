"""How probable it is that a difference lies within its margin: a number that moves gradually where a word would jump.

With a flat prior, the posterior of the true value is Student's t around the estimate, scaled by its standard error. The
margin is then a region of practical equivalence, "ROPE" (Benavoli, Corani, Demsar and Zaffalon 2017,
https://jmlr.org/papers/v18/16-305.html). The three probabilities stand beside the word and decide nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import arguments
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate


@dataclass(frozen=True)
class Posterior:
    """Three probabilities that sum to 1; all are NaN where the estimate has no standard error."""

    within: float  # that the true value lies within the margin
    above: float  # that it lies above the margin
    below: float  # that it lies below minus the margin; 0 for a margin of one side


def posterior(estimate: Estimate, margin: Margin) -> Posterior:
    """Return how probable it is that the true value lies within, above and below a margin.

    Args:
        estimate: The estimate; its standard error has one degree of freedom less than it has replicates.
        margin: How large the value may be and still not matter, in the estimate's unit. Under a margin of one side
            everything below it is within.

    Returns:
        The probabilities; NaN where the value, its standard error or the margin is not finite.

    Source: Benavoli et al. 2017, https://jmlr.org/papers/v18/16-305.html.

    >>> chance = posterior(Estimate(0.014, 0.008, 0.020, se=0.003, replicates=12), Margin(0.005, two_sided=True))
    >>> print(f"{chance.within:.3f} {chance.above:.3f} {chance.below:.3f}")
    0.006 0.994 0.000
    """
    from scipy import stats

    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    arguments.instance("margin", margin, Margin, "a Margin")
    if not (math.isfinite(estimate.value) and math.isfinite(estimate.se) and math.isfinite(margin.size)):
        return Posterior(math.nan, math.nan, math.nan)
    if estimate.se == 0:  # nothing scatters: all of it lies at the estimate
        above = float(estimate.value > margin.size)
        below = float(margin.two_sided and estimate.value < -margin.size)
        return Posterior(1.0 - above - below, above, below)
    free = estimate.replicates - 1
    above = float(stats.t.sf((margin.size - estimate.value) / estimate.se, free))
    below = float(stats.t.cdf((-margin.size - estimate.value) / estimate.se, free)) if margin.two_sided else 0.0
    return Posterior(max(0.0, 1.0 - above - below), above, below)
