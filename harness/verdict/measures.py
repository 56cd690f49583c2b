"""The primary measures: what each compares, in which unit, within which margin and above which floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.statistics.labels import Margin
from harness.verdict.protocol import Protocol


@dataclass(frozen=True)
class Measure:
    """A measure: its facet, its scale, and where in a protocol its margin and floor stand."""

    name: str
    facet: str
    scale: str  # of the estimate: "difference", "log ratio", "log rho" (between over within), "excess" (between less within)
    margin: str  # its key in protocol.margins
    unit: str = ""
    floor: str = ""  # its key in protocol.floors
    from_floor: Callable[[float], float] = float  # from the unit of the floor to that of the distance

    def margin_of(self, protocol: Protocol, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale, times ``factor`` there; a ratio of m is log m."""
        size = float(protocol.margins[self.margin])
        logs = self.scale in ("log ratio", "log rho")
        two_sided = self.scale in ("difference", "log ratio")
        return Margin(factor * (math.log(size) if logs else size), two_sided, self.floor_of(protocol))

    def floor_of(self, protocol: Protocol) -> float:
        """Return the floor in the distance's unit; 0 where there is none."""
        return self.from_floor(float(protocol.floors[self.floor])) if self.floor else 0.0


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
            "procrustes", lambda part: math.sqrt(2 * part),
        ),
        Measure("aligned_error", "connectivity", "excess", "barrier", "train error", "barrier"),
        Measure("sharpness", "geometry", "log ratio", "sharpness", "nats", "sharpness"),
    )
}  # fmt: skip

PROBES = Protocol.probes  # by facet
