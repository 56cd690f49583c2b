"""The primary measures: what each one compares, its unit, its margin and its floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.statistics.labels import Margin
from harness.verdict.protocol import Protocol

LOG_SCALES = ("log ratio", "log rho")


@dataclass(frozen=True)
class Measure:
    """A measure: its facet, its scale, and the keys of its margin and its floor in a protocol.

    The scale says what the estimate is. "difference" is the mean difference of numbers paired by seed, and "log ratio" the
    same of their logarithms. "log rho" is the logarithm of the mean distance between the arms over the mean distance within
    them, and "excess" is the first distance less the second.
    """

    name: str
    facet: str
    scale: str
    margin: str  # its key in protocol.margins
    unit: str = ""
    floor: str = ""  # its key in protocol.floors
    from_floor: Callable[[float], float] = float  # from the unit of the floor to that of the distance

    @property
    def is_log(self) -> bool:
        """Whether the estimate is a logarithm."""
        return self.scale in LOG_SCALES

    def margin_of(self, protocol: Protocol, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale, times ``factor`` there; a margin that is a ratio becomes its logarithm."""
        size = float(protocol.margins[self.margin])
        two_sided = self.scale in ("difference", "log ratio")
        return Margin(factor * (math.log(size) if self.is_log else size), two_sided, self.floor_of(protocol))

    def floor_of(self, protocol: Protocol) -> float:
        """Return the floor in the distance's unit; 0 for a measure without one."""
        return self.from_floor(float(protocol.floors[self.floor])) if self.floor else 0.0


def _procrustes_distance(dissimilarity: float) -> float:
    """Return the distance sqrt(2 - 2 similarity) for 1 - similarity."""
    return math.sqrt(2 * dissimilarity)


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("accuracy", "loss", "difference", "accuracy", "part of the test examples"),
        Measure("test_loss", "loss", "log ratio", "test_loss"),
        Measure("train_loss", "loss", "difference", "train_loss", "nats"),
        Measure("disagreement", "function", "log rho", "function", "part of the test examples", "disagreement"),
        Measure("root_jsd", "function", "log rho", "function", "root of nats", "root_jsd"),
        Measure("prediction_distance", "function", "log rho", "function", "SDs of the test targets", "prediction"),
        Measure("cka_penultimate", "representation", "log rho", "representation", "sqrt(1 - CKA)", "cka", math.sqrt),
        Measure(
            "procrustes_penultimate", "representation", "log rho", "representation", "sqrt(2 - 2 similarity)",
            "procrustes", _procrustes_distance,
        ),
        Measure("aligned_error", "connectivity", "excess", "barrier", "train error", "barrier"),
        Measure("sharpness", "geometry", "log ratio", "sharpness", "nats", "sharpness"),
    )
}  # fmt: skip

PROBES = Protocol.probes  # by facet
