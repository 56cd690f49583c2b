"""Two arms compared by one number per network, unit by unit: a unit is a seed, or a search whose seeds are averaged."""

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
FEWEST = 3  # units, below which nothing is said


@dataclass(frozen=True)
class Numbers:
    """The numbers of both arms by unit, in the scale that is compared; ``raw`` ones are in the floor's unit."""

    a: Mapping[Unit, float]
    b: Mapping[Unit, float]
    raw: tuple[Mapping[Unit, float], Mapping[Unit, float]] | None = None
    covers: str = ""

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that both arms have."""
        return tuple(unit for unit in self.a if unit in self.b)

    def estimate(self, alpha: float) -> Estimate:
        """Return the mean difference with its 1 - 2 alpha interval."""
        return _difference(self.a, self.b, self.units, alpha)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of "at least as far apart as the margin"."""
        return paired.equivalence_p(estimate, margin.size)

    def arranged(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the test statistic of every arrangement of names within units: squared, as energies are, in any unit."""
        magnitudes = paired.magnitudes(_values(self.a, self.units), _values(self.b, self.units), signs)
        found: NDArray[np.float64] = scaled(magnitudes)[0] ** 2
        return found

    def distance(self, alpha: float) -> Estimate:
        """Return how far apart the raw numbers are, as the ends of |difference|."""
        if self.raw is None:
            return UNKNOWN
        both = [unit for unit in self.raw[0] if unit in self.raw[1]]  # a number of 0 has no logarithm, and is one
        found = _difference(*self.raw, both, alpha)
        most = max(abs(found.low), abs(found.high))
        least = max(0.0, found.low, -found.high)
        return Estimate(abs(found.value), least, most, found.se, found.seeds)

    def within(self) -> tuple[float, float]:
        """Return the standard deviation of each arm's numbers over the units."""
        one, other = (float(standard_deviation(_values(each, self.units))) for each in (self.a, self.b))
        return one, other

    def size(self, units: Sequence[Unit]) -> float:
        """Return |mean difference| over these units."""
        import numpy as np

        return abs(float(np.mean(_values(self.a, units) - _values(self.b, units))))


def _values(numbers: Mapping[Unit, float], units: Sequence[Unit]) -> NDArray[np.float64]:
    import numpy as np

    return np.array([numbers[unit] for unit in units], dtype=float)


def _difference(a: Mapping[Unit, float], b: Mapping[Unit, float], units: Sequence[Unit], alpha: float) -> Estimate:
    if len(units) < FEWEST:
        return UNKNOWN
    return paired.difference(_values(a, units), _values(b, units), 1 - 2 * alpha)
