"""One pair of arms on one primary measure: what was compared, the numbers that follow, and the label that they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.statistics.labels import Judged, Label, Margin, judge
from harness.statistics.pairwise import Estimate
from harness.verdict.design import Network, Pair
from harness.verdict.measurements import Comparison, Missing
from harness.verdict.measures import Measure
from harness.verdict.paired_numbers import FEWEST, KINDS, UNKNOWN, Unit

Key = tuple[Pair, str]  # a pair and the name of a measure
HALF, DOUBLE = 0.5, 2.0  # of the margins, for the sensitivity of every label
FACTORS = (HALF, 1.0, DOUBLE)


@dataclass(frozen=True)
class PValues:
    """The p-values of a pair on a measure; 1 where there is no test."""

    different: float = 1.0
    different_holm: float = 1.0  # adjusted within the facet
    different_overall: float = 1.0  # adjusted across all facets
    same: Mapping[float, float] = field(default_factory=dict)  # by factor of the margin
    same_holm: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One pair of arms on one primary measure."""

    network: Network
    measure: Measure
    pair: Pair
    compared: Comparison
    estimate: Estimate = UNKNOWN
    distance: Estimate = UNKNOWN
    p: PValues = PValues()
    demotions: Mapping[Label, str] = field(default_factory=dict)  # the labels it may not have, with the reason
    gated: bool = False  # whether it is demoted because one of the arms is not at a minimum

    @property
    def key(self) -> Key:
        """What tells it from the network's other entries."""
        return self.pair, self.measure.name

    @property
    def measured(self) -> bool:
        """Whether there is anything to compare."""
        return not isinstance(self.compared, Missing)

    @property
    def unit_kind(self) -> str:
        """What its units are: "seeds", or "searches" whose seeds are averaged; "" where nothing was measured."""
        return "" if isinstance(self.compared, Missing) else kind_of(self.compared.units)

    @property
    def applicable(self) -> bool:
        """Whether the measure means anything for this network."""
        return not isinstance(self.compared, Missing) or self.compared.applicable

    @property
    def below_floor(self) -> bool:
        """Whether the distance is negligible: the upper end of its interval lies below the floor."""
        return self.distance.high < self.measure.floor_of(self.network.protocol)

    def margin(self, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale."""
        return self.measure.margin_of(self.network.protocol, factor)

    def judge_alone(self, factor: float = 1.0) -> Judged:
        """Return the pair's own label, from p-values that are adjusted within its facet."""
        return self._judge(self.p.same_holm.get(factor, 1.0), self.p.different_holm, factor)

    def judge_in_facet(self, factor: float = 1.0) -> Judged:
        """Return its part in the facet's label: "all similar" needs no adjustment, "any different" does."""
        return self._judge(self.p.same.get(factor, 1.0), self.p.different_holm, factor)

    def judge_overall(self, factor: float = 1.0) -> Judged:
        """Return its part in the overall statement, where "different" is adjusted across the facets."""
        return self._judge(self.p.same.get(factor, 1.0), self.p.different_overall, factor)

    def _judge(self, p_same: float, p_different: float, factor: float) -> Judged:
        if not self.measured or self.estimate.seeds < FEWEST:
            return Judged("inconclusive", "" if not self.measured else f"fewer than {FEWEST} seeds")
        alpha = self.network.protocol.alpha
        judged = judge(self.estimate, self.margin(factor), p_same, p_different, self.below_floor, alpha)
        if judged.label in self.demotions:
            return Judged("inconclusive", self.demotions[judged.label])
        if judged.label == "inconclusive" and not judged.detail and "inconclusive" in self.demotions:
            return Judged("inconclusive", self.demotions["inconclusive"])
        return judged


def kind_of(units: Sequence[Unit]) -> str:
    """Return what units are called, "seeds" where there are none."""
    return KINDS[units[0][0]] if units else KINDS["seed"]
