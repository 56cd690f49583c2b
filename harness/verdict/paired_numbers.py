"""Two arms compared by one number per network, unit by unit. A unit is a seed, or a search whose seeds are averaged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics import paired
from harness.statistics.intervals import standard_deviation
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.statistics.scale import scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Unit = tuple[str, int]  # ("seed", 3) or ("search", 0)
KINDS = {"seed": "seeds", "search": "searches"}  # of units, in words
UNKNOWN = Estimate(math.nan, -math.inf, math.inf, math.nan, 0)
FEWEST = 3  # units; with fewer there is no estimate


@dataclass(frozen=True)
class PairedNumbers:
    """The numbers of two arms by unit, in the scale that is compared, and the same in the floor's unit as ``raw``."""

    a: Mapping[Unit, float]
    b: Mapping[Unit, float]
    raw: tuple[Mapping[Unit, float], Mapping[Unit, float]] | None = None
    covers: str = ""  # what is compared, in words

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that both arms have."""
        return tuple(unit for unit in self.a if unit in self.b)

    def estimate(self, alpha: float) -> Estimate:
        """Return the mean difference with its 1 - 2 alpha interval."""
        return _difference(self.a, self.b, self.units, alpha)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are at least as far apart as the margin"."""
        return paired.equivalence_p(estimate, margin.size)

    def arranged_statistics(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the test statistic [A] for each of the arrangements [A, S] of the arms' names within units.

        It is the squared mean difference, as an energy is a squared distance, in an arbitrary unit.
        """
        magnitudes = paired.magnitudes(_values(self.a, self.units), _values(self.b, self.units), signs)
        statistics: NDArray[np.float64] = scaled(magnitudes)[0] ** 2
        return statistics

    def distance(self, alpha: float) -> Estimate:
        """Return the size of the difference in the floor's unit, with the ends of its 1 - 2 alpha interval."""
        if self.raw is None:
            return UNKNOWN
        units = [
            unit for unit in self.raw[0] if unit in self.raw[1]
        ]  # also those whose number is 0 and has no logarithm
        difference = _difference(*self.raw, units, alpha)
        largest = max(abs(difference.low), abs(difference.high))
        smallest = max(0.0, difference.low, -difference.high)
        return Estimate(abs(difference.value), smallest, largest, difference.se, difference.seeds)

    def within(self) -> tuple[float, float]:
        """Return the standard deviation of each arm's numbers over the units."""
        one, other = (float(standard_deviation(_values(numbers, self.units))) for numbers in (self.a, self.b))
        return one, other

    def size_over(self, units: Sequence[Unit]) -> float:
        """Return the size of the mean difference over these units."""
        import numpy as np

        return abs(float(np.mean(_values(self.a, units) - _values(self.b, units))))


def _values(numbers: Mapping[Unit, float], units: Sequence[Unit]) -> NDArray[np.float64]:
    import numpy as np

    return np.array([numbers[unit] for unit in units], dtype=float)


def _difference(a: Mapping[Unit, float], b: Mapping[Unit, float], units: Sequence[Unit], alpha: float) -> Estimate:
    if len(units) < FEWEST:
        return UNKNOWN
    return paired.difference(_values(a, units), _values(b, units), 1 - 2 * alpha)
