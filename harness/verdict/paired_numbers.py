"""Two arms compared by numbers of their networks, replicate by replicate: each number is the mean over a replicate's seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics import paired
from harness.statistics.intervals import standard_deviation
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.statistics.variance import Components, components

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

Unit = int  # the number of a replicate
Numbers = Mapping[Unit, Sequence[float]]  # of an arm: by replicate, a number for each of its seeds
UNKNOWN = Estimate(math.nan, -math.inf, math.inf, math.nan, 0)
FEWEST = 3  # replicates; with fewer there is no estimate


@dataclass(frozen=True)
class PairedNumbers:
    """The numbers of two arms by replicate, in the scale that is compared, and the same in the floor's unit as ``raw``.

    A replicate counts where both arms have all their numbers of it.
    """

    a: Numbers
    b: Numbers
    raw: tuple[Numbers, Numbers] | None = None
    covers: str = ""  # what is compared, in words

    @property
    def units(self) -> tuple[Unit, ...]:
        """The replicates that both arms have."""
        return _common(self.a, self.b)

    def estimate(self, level: float) -> Estimate:
        """Return the mean difference with its 1 - 2 level interval."""
        return _difference(self.a, self.b, level)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are at least as far apart as the margin"."""
        return paired.equivalence_p(estimate, margin.size)

    def minimum_effect_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are at most as far apart as the margin"."""
        return paired.minimum_effect_p(estimate, margin.size)

    def names_p(self) -> float:
        """Return 0: the test of permuted names is of distances."""
        return 0.0

    def distance(self, level: float) -> Estimate:
        """Return the size of the difference in the floor's unit, with the ends of its 1 - 2 level interval."""
        return UNKNOWN if self.raw is None else size_of(_difference(*self.raw, level))

    def within(self) -> tuple[float, float]:
        """Return the standard deviation of each arm's numbers over the replicates."""
        first_sd, second_sd = (float(standard_deviation(_means(numbers, self.units))) for numbers in (self.a, self.b))
        return first_sd, second_sd

    def influence(self) -> dict[Unit, float]:
        """Return the mean difference without each replicate."""
        if len(self.units) < FEWEST:
            return {}
        values = paired.influence(_means(self.a, self.units), _means(self.b, self.units))
        return dict(zip(self.units, map(float, values), strict=True))

    def size_over(self, units: Sequence[Unit]) -> float:
        """Return the size of the mean difference over these replicates."""
        import numpy as np

        return abs(float(np.mean(_means(self.a, units) - _means(self.b, units))))

    def scatter(self) -> Components:
        """Return how much the numbers scatter between searches and between seeds; the arms' variances are averaged."""
        import numpy as np

        of_arms = [components(np.array([numbers[unit] for unit in self.units])) for numbers in (self.a, self.b)]
        searches, seeds = (
            math.sqrt(sum(value**2 for value in values) / 2)
            for values in zip(*((parts.searches, parts.seeds) for parts in of_arms), strict=True)
        )
        return Components(searches, seeds)

    def single_searches(self, margin: Margin) -> paired.SingleSearches:
        """Return what pairs of single searches would have called, by the means over their seeds."""
        return paired.single_searches(_means(self.a, self.units), _means(self.b, self.units), margin.size)


def size_of(difference: Estimate) -> Estimate:
    """Return the size of a difference, with the ends of its interval."""
    largest = max(abs(difference.low), abs(difference.high))
    smallest = max(0.0, difference.low, -difference.high)
    return Estimate(abs(difference.value), smallest, largest, difference.se, difference.replicates)


def _common(a: Numbers, b: Numbers) -> tuple[Unit, ...]:
    return tuple(unit for unit in a if unit in b)


def _means(numbers: Numbers, units: Sequence[Unit]) -> Values:
    import numpy as np

    return np.array([sum(numbers[unit]) / len(numbers[unit]) for unit in units], dtype=float)


def _difference(a: Numbers, b: Numbers, level: float) -> Estimate:
    units = _common(a, b)
    if len(units) < FEWEST:
        return UNKNOWN
    return paired.difference(_means(a, units), _means(b, units), 1 - 2 * level)
