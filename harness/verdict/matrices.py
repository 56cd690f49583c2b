"""Two arms compared by the distances between their networks: between the arms against within them, cross-seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics import pairwise
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.verdict.numbers import FEWEST, UNKNOWN, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Matrices:
    """The distances [S, S] within one arm, within the other, and between them; NaN where not measured."""

    units: tuple[Unit, ...]
    aa: Matrix
    bb: Matrix
    ab: Matrix
    statistic: Callable[[Matrix, Matrix, Matrix], float]  # pairwise.log_rho or pairwise.excess
    covers: str = ""

    def estimate(self, alpha: float) -> Estimate:
        """Return the statistic with its 1 - 2 alpha interval, from leaving out one seed of both arms at a time."""
        return self._jackknife(self.statistic, alpha)

    def equivalence_p(self, estimate: Estimate, margin: Margin) -> float:
        """Return the p-value of "further apart than the margin"."""
        return pairwise.equivalence_p(estimate, margin.size)

    def arranged(self, signs: Matrix) -> Matrix:
        """Return the energy of every arrangement of names within seeds."""
        return pairwise.energies(self.aa, self.bb, self.ab, signs)

    def distance(self, alpha: float) -> Estimate:
        """Return the mean distance between the arms, in its own unit."""
        return self._jackknife(pairwise.between, alpha)

    def within(self) -> tuple[float, float]:
        """Return the mean distance within each arm."""
        return pairwise.between(self.aa, self.aa, self.aa), pairwise.between(self.bb, self.bb, self.bb)

    def size(self, units: Sequence[Unit]) -> float:
        """Return the statistic over these units."""
        import numpy as np

        kept = [self.units.index(unit) for unit in units]
        return self.statistic(*(each[np.ix_(kept, kept)] for each in (self.aa, self.bb, self.ab)))

    def _jackknife(self, statistic: Callable[[Matrix, Matrix, Matrix], float], alpha: float) -> Estimate:
        if len(self.units) < FEWEST:
            return UNKNOWN
        return pairwise.jackknife(self.aa, self.bb, self.ab, statistic, 1 - 2 * alpha)


def matrices(
    units: Sequence[Unit], within: tuple[Matrix, Matrix], across: Matrix, statistic: Callable[..., float]
) -> Matrices:
    """Return the comparison over the units that were measured at all; ``covers`` says how many pairs that is."""
    import numpy as np

    off = ~np.eye(len(units), dtype=bool)
    known = [np.isfinite(each) & off for each in (*within, across)]
    kept = [s for s in range(len(units)) if all(each[s].any() or each[:, s].any() for each in known)]
    found, there = int(known[2].sum()), len(units) * (len(units) - 1)
    covers = f"{'all' if found == there else f'{found} of'} {there} cross-seed pairs between the arms"
    aa, bb, ab = (each[np.ix_(kept, kept)] for each in (*within, across))
    return Matrices(tuple(units[s] for s in kept), aa, bb, ab, statistic, covers)
