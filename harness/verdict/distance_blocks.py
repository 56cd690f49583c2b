"""Two arms compared by the distances between their networks: between the arms against within them, across seeds alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics import pairwise
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.verdict.paired_numbers import FEWEST, UNKNOWN, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceBlocks:
    """The distances [S, S] within one arm (``aa``), within the other (``bb``), and between them (``ab``).

    A distance that was not measured is NaN.
    """

    units: tuple[Unit, ...]
    aa: Matrix
    bb: Matrix
    ab: Matrix
    statistic: Callable[[Matrix, Matrix, Matrix], float]  # pairwise.log_rho or pairwise.excess
    covers: str = ""  # what is compared, in words

    def estimate(self, alpha: float) -> Estimate:
        """Return the statistic with its 1 - 2 alpha interval, from leaving out one seed of both arms at a time."""
        return self._jackknife(self.statistic, alpha)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of the hypothesis "the arms are further apart than the margin"."""
        return pairwise.equivalence_p(estimate, margin.size)

    def arranged_statistics(self, signs: Matrix) -> Matrix:
        """Return the energy [A] for each of the arrangements [A, S] of the arms' names within seeds."""
        return pairwise.energies(self.aa, self.bb, self.ab, signs)

    def distance(self, alpha: float) -> Estimate:
        """Return the mean distance between the arms in its own unit, with its 1 - 2 alpha interval."""
        return self._jackknife(pairwise.between, alpha)

    def within(self) -> tuple[float, float]:
        """Return the mean distance within each arm."""
        return pairwise.between(self.aa, self.aa, self.aa), pairwise.between(self.bb, self.bb, self.bb)

    def size_over(self, units: Sequence[Unit]) -> float:
        """Return the statistic over these units."""
        import numpy as np

        kept = [self.units.index(unit) for unit in units]
        return self.statistic(*(block[np.ix_(kept, kept)] for block in (self.aa, self.bb, self.ab)))

    def _jackknife(self, statistic: Callable[[Matrix, Matrix, Matrix], float], alpha: float) -> Estimate:
        if len(self.units) < FEWEST:
            return UNKNOWN
        return pairwise.jackknife(self.aa, self.bb, self.ab, statistic, 1 - 2 * alpha)


def measured_blocks(
    units: Sequence[Unit], within: tuple[Matrix, Matrix], between: Matrix, statistic: Callable[..., float]
) -> DistanceBlocks:
    """Return the comparison over the units that were measured; ``covers`` says how many of the pairs that are."""
    import numpy as np

    across_seeds = ~np.eye(len(units), dtype=bool)
    known = [np.isfinite(block) & across_seeds for block in (*within, between)]
    kept = [s for s in range(len(units)) if all(block[s].any() or block[:, s].any() for block in known)]
    measured, pairs = int(known[2].sum()), len(units) * (len(units) - 1)
    covers = f"{'all' if measured == pairs else f'{measured} of'} {pairs} cross-seed pairs between the arms"
    aa, bb, ab = (block[np.ix_(kept, kept)] for block in (*within, between))
    return DistanceBlocks(tuple(units[s] for s in kept), aa, bb, ab, statistic, covers)
