"""The score of the best constant answer, and by how much a score must be better to show that something was learned."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from harness.records import Records

BY_CHANCE = 0.05  # how often another draw of the examples alone makes a score so much better than a constant's


@dataclass(frozen=True)
class ConstantScore:
    """The score of a constant answer, with its standard error over another draw of the examples."""

    score: float  # as recorded
    se: float  # 0 where it is not known

    @property
    def allowance(self) -> float:
        """By how much a score must be better to show that it is."""
        return NormalDist().inv_cdf(1 - BY_CHANCE) * self.se


def constant_score(records: Records, split: str, metric: str) -> ConstantScore | None:
    """Return what the constant answer scores in a metric of the task on a split; None where that is not known."""
    scores = records.meta.constant.get("scores", {})
    score = scores.get(split, {}).get(metric)
    return ConstantScore(float(score["score"]), float(score["se"])) if score else None
