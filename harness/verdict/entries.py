"""One pair of arms on one primary measure: what was compared, the numbers that follow, and the label that they allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.statistics.labels import Judged, Label, Margin, judge
from harness.statistics.pairwise import Estimate
from harness.verdict.design import Network, Pair
from harness.verdict.measurements import Comparison, Missing
from harness.verdict.measures import Measure
from harness.verdict.paired_numbers import FEWEST, UNKNOWN

Key = tuple[Pair, str]  # a pair and the name of a measure
HALF, DOUBLE = 0.5, 2.0  # of the margins, for the sensitivity of every label
FACTORS = (HALF, 1.0, DOUBLE)


@dataclass(frozen=True)
class PValues:
    """The p-values of a pair on a measure, by factor of the margin; 1 where there is no test."""

    same: Mapping[float, float] = field(default_factory=dict)  # of the equivalence test
    different: Mapping[float, float] = field(default_factory=dict)  # of the minimum-effect test
    different_holm: Mapping[float, float] = field(default_factory=dict)  # adjusted for the facet's pairs and measures
    different_overall: Mapping[float, float] = field(default_factory=dict)  # adjusted for those of all facets
    names: float = 1.0  # of permuted names; 0 for a measure that is not tested so


@dataclass(frozen=True)
class Entry:
    """One pair of arms on one primary measure, at one look."""

    network: Network
    measure: Measure
    pair: Pair
    compared: Comparison
    estimate: Estimate = UNKNOWN
    distance: Estimate = UNKNOWN
    p: PValues = PValues()
    demotions: Mapping[Label, str] = field(default_factory=dict)  # the labels it may not have, with the reason
    bars: tuple[str, ...] = ()  # arms that take every label from it: not at a minimum, or (of the loss) badly tuned

    @property
    def key(self) -> Key:
        """What tells it from the network's other entries."""
        return self.pair, self.measure.name

    @property
    def measured(self) -> bool:
        """Whether there is anything to compare."""
        return not isinstance(self.compared, Missing)

    @property
    def applicable(self) -> bool:
        """Whether the measure means anything for this network."""
        return not isinstance(self.compared, Missing) or self.compared.applicable

    @property
    def barred(self) -> bool:
        """Whether no number of replicates could give it a label."""
        return not self.measured or "inconclusive" in self.demotions

    @property
    def below_floor(self) -> bool:
        """Whether the distance is negligible: the upper end of its interval lies below the floor."""
        return self.distance.high < self.measure.floor_of(self.network.protocol)

    def margin(self, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale."""
        return self.measure.margin_of(self.network.protocol, factor)

    def judge_in_facet(self, factor: float = 1.0) -> Judged:
        """Return its part in the facet's label: "all similar" needs no adjustment, "any different" does."""
        return self._judge(self.p.different_holm.get(factor, 1.0), factor)

    def judge_overall(self, factor: float = 1.0) -> Judged:
        """Return its part in the overall statement, where "different" is adjusted across the facets."""
        return self._judge(self.p.different_overall.get(factor, 1.0), factor)

    def _judge(self, p_different: float, factor: float) -> Judged:
        if not self.measured or self.estimate.replicates < FEWEST:
            return Judged("inconclusive", "" if not self.measured else f"fewer than {FEWEST} replicates")
        judged = judge(
            self.estimate, self.margin(factor), self.p.same.get(factor, 1.0), p_different, self.below_floor,
            self.network.level, self.p.names, self.network.protocol.alpha,
        )  # fmt: skip
        if judged.label in self.demotions:
            return Judged("inconclusive", self.demotions[judged.label])
        if judged.label == "inconclusive" and not judged.detail and "inconclusive" in self.demotions:
            return Judged("inconclusive", self.demotions["inconclusive"])
        return judged
