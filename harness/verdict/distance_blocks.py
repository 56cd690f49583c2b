"""Two arms compared by the distances between their networks, across replicates alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics import paired, pairwise, permuted
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.verdict.paired_numbers import FEWEST, UNKNOWN, Unit, size_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Statistic = Callable[[Matrix, Matrix, Matrix], float]

STATISTICS: dict[str, Statistic] = {
    "log rho": pairwise.log_rho,
    "log scatter": pairwise.log_scatter,
    "excess": pairwise.excess,
    "barrier": pairwise.between,
}  # by the scale of a measure
OF_NAMES = ("log rho", "excess")  # scales whose pairs are tested with permuted names too


@dataclass(frozen=True)
class DistanceBlocks:
    """The distances [R, R] within one arm (``aa``), within the other (``bb``), and between them (``ab``).

    Each replicate has one network of each arm. A distance that was not measured is NaN.
    """

    units: tuple[Unit, ...]
    aa: Matrix
    bb: Matrix
    ab: Matrix
    scale: str  # one of ``STATISTICS``
    covers: str = ""  # what is compared, in words

    @property
    def statistic(self) -> Statistic:
        """What is estimated from the three blocks."""
        return STATISTICS[self.scale]

    def estimate(self, level: float) -> Estimate:
        """Return the statistic with its 1 - 2 level interval, from leaving out one replicate of both arms at a time."""
        return self._jackknife(self.statistic, level)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are further apart than the margin"."""
        test = paired.equivalence_p if margin.two_sided else pairwise.equivalence_p
        return test(estimate, margin.size)

    def minimum_effect_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are at most as far apart as the margin"."""
        test = paired.minimum_effect_p if margin.two_sided else pairwise.minimum_effect_p
        return test(estimate, margin.size)

    def names_p(self) -> float:
        """Return the p-value of "the arm's name does not matter", by permuting names over all replicates of both arms.

        It is 0 for a scale that is not tested so: how widely two arms scatter, and the barrier itself.
        """
        return permuted.names_p(self.aa, self.bb, self.ab) if self.scale in OF_NAMES else 0.0

    def distance(self, level: float) -> Estimate:
        """Return the mean distance between the arms in its own unit, with its 1 - 2 level interval.

        Of scatter it is the size of the difference of the mean distances within the arms.
        """
        if self.scale == "log scatter":
            return size_of(self._jackknife(_difference_of_scatter, level))
        return self._jackknife(pairwise.between, level)

    def within(self) -> tuple[float, float]:
        """Return the mean distance within each arm."""
        return pairwise.between(self.aa, self.aa, self.aa), pairwise.between(self.bb, self.bb, self.bb)

    def influence(self) -> dict[Unit, float]:
        """Return the statistic without each replicate."""
        if len(self.units) < FEWEST:
            return {}
        values = pairwise.influence(self.aa, self.bb, self.ab, self.statistic)
        return dict(zip(self.units, map(float, values), strict=True))

    def size_over(self, units: Sequence[Unit]) -> float:
        """Return the statistic over these replicates; of scatter, its size."""
        import numpy as np

        places = [self.units.index(unit) for unit in units]
        value = self.statistic(*(block[np.ix_(places, places)] for block in (self.aa, self.bb, self.ab)))
        return abs(value) if self.scale == "log scatter" else value

    def _jackknife(self, statistic: Statistic, level: float) -> Estimate:
        if len(self.units) < FEWEST:
            return UNKNOWN
        return pairwise.jackknife(self.aa, self.bb, self.ab, statistic, 1 - 2 * level)


def _difference_of_scatter(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    return pairwise.between(aa, aa, aa) - pairwise.between(bb, bb, bb)


def measured_blocks(
    units: Sequence[Unit], within: tuple[Matrix, Matrix], between: Matrix, scale: str
) -> DistanceBlocks:
    """Return the comparison over the replicates that were measured; ``covers`` says how many of the pairs that are."""
    import numpy as np

    across = ~np.eye(len(units), dtype=bool)
    is_measured = [np.isfinite(block) & across for block in (*within, between)]
    places = [s for s in range(len(units)) if all(block[s].any() or block[:, s].any() for block in is_measured)]
    measured, pairs = int(is_measured[2].sum()), len(units) * (len(units) - 1)
    covers = (
        f"{'all' if measured == pairs else f'{measured} of'} {pairs} pairs of different replicates between the arms"
    )
    aa, bb, ab = (block[np.ix_(places, places)] for block in (*within, between))
    return DistanceBlocks(tuple(units[s] for s in places), aa, bb, ab, scale, covers)
