"""The primary measures: what each one compares, its unit, its margin and its floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.console.numbers import setting
from harness.statistics.labels import Margin
from harness.verdict.protocol import Protocol

LOG_SCALES = ("log ratio", "log rho", "log scatter")  # whose values are logarithms of ratios
TWO_SIDED = ("difference", "log ratio", "log scatter")  # whose values say which of two arms is ahead
PARTS = ("part of the test examples", "train error")  # units whose differences are in points
RHO = {"sharpness_001": 0.001, "sharpness_002": 0.002, "sharpness_005": 0.005}  # by which part each weight moves
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "representation": ("cka_", "procrustes_"),
    "connectivity": ("naive_", "aligned_", "repaired_", "path_"),
}  # of the distances that a facet's probe of two networks measures
FLOOR_RHO = 0.001  # that the floor of sharpness is given for


@dataclass(frozen=True)
class Measure:
    """A measure: its facet, its scale, and the keys of its margin and its floor in a protocol.

    The scale says what the estimate is.

    - "difference": the mean difference of numbers that are paired by replicate.
    - "log ratio": the same of their logarithms.
    - "log rho": the logarithm of the mean distance between the arms over the mean distance within them.
    - "log scatter": the logarithm of the mean distance within the first arm over that within the second.
    - "excess": the mean distance between the arms less the mean distance within them.
    - "barrier": the mean distance between the arms.
    """

    name: str
    facet: str
    scale: str
    margin: str  # its key in protocol.margins
    unit: str = ""
    floor: str = ""  # its key in protocol.floors
    from_floor: Callable[[float], float] = float  # from the unit of the floor to that of the distance
    title: str = ""  # in words; "" for a measure that is in no sentence

    @property
    def is_log(self) -> bool:
        """Whether the estimate is a logarithm."""
        return self.scale in LOG_SCALES

    @property
    def is_part(self) -> bool:
        """Whether it is a part of one, whose differences are in points."""
        return self.unit in PARTS

    @property
    def in_sentence(self) -> str:
        """The title as a sentence has it without a following "of"."""
        return f"the {self.title}" if self.name == "objective" else self.title

    @property
    def is_scatter(self) -> bool:
        """Whether it compares how widely two arms scatter."""
        return self.scale == "log scatter"

    def margin_of(self, protocol: Protocol, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale, times ``factor`` there; a margin that is a ratio becomes its logarithm."""
        size = float(protocol.margins[self.margin])
        two_sided = self.scale in TWO_SIDED
        return Margin(factor * (math.log(size) if self.is_log else size), two_sided, self.floor_of(protocol))

    def floor_of(self, protocol: Protocol) -> float:
        """Return the floor in the distance's unit; 0 for a measure without one."""
        if self.is_scatter:
            return self.distances_in(protocol).floor_of(protocol)
        return self.from_floor(float(protocol.floors[self.floor])) if self.floor else 0.0

    def distances_in(self, protocol: Protocol) -> Measure:
        """Return the measure whose distances it is made from: of scatter, the first of its facet; else the measure itself."""
        return MEASURES[protocol.primaries[self.facet][0]] if self.is_scatter else self


def _procrustes_distance(dissimilarity: float) -> float:
    """Return the distance sqrt(2 - 2 similarity) for 1 - similarity."""
    return math.sqrt(2 * dissimilarity)


def _sharpness(name: str) -> Measure:
    """Return the measure of sharpness at one rho. Near a minimum sharpness grows with rho squared, and so does its floor."""
    factor = (RHO[name] / FLOOR_RHO) ** 2
    title = f"sharpness at rho {setting(RHO[name])}"
    return Measure(
        name, "geometry", "log ratio", "sharpness", "nats", "sharpness", lambda floor: floor * factor, title=title
    )


def _cka(name: str, title: str) -> Measure:
    unit = "sqrt(1 - CKA)"
    return Measure(name, "representation", "log rho", "representation", unit, "cka", math.sqrt, title)


def _procrustes(name: str, title: str) -> Measure:
    unit = "sqrt(2 - 2 similarity)"
    return Measure(name, "representation", "log rho", "representation", unit, "procrustes", _procrustes_distance, title)


def _of_predictions(name: str, title: str, unit: str, floor: str) -> Measure:
    return Measure(name, "function", "log rho", "function", unit, floor, title=title)


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("objective", "loss", "difference", "objective", "nats", title="objective"),
        Measure("train_loss", "loss", "difference", "train_loss", "nats", title="train loss"),
        Measure("accuracy", "loss", "difference", "accuracy", "part of the test examples", title="test accuracy"),
        Measure("calibrated_loss", "loss", "log ratio", "test_loss", title="calibrated test loss"),
        Measure("test_loss", "loss", "log ratio", "test_loss", title="test loss"),
        _of_predictions("disagreement", "disagreement", "part of the test examples", "disagreement"),
        _of_predictions("root_jsd", "root Jensen-Shannon divergence", "root of nats", "root_jsd"),
        _of_predictions("prediction_distance", "distance of predictions", "SDs of the test targets", "prediction"),
        Measure("function_scatter", "function", "log scatter", "scatter", title="scatter of predictions"),
        _cka("cka_penultimate", "CKA distance"),
        _procrustes("procrustes_penultimate", "Procrustes distance"),
        _cka("cka_within_penultimate", "CKA distance within classes"),
        _procrustes("procrustes_within_penultimate", "Procrustes distance within classes"),
        Measure(
            "representation_scatter", "representation", "log scatter", "scatter", title="scatter of representations"
        ),
        Measure("barrier", "connectivity", "barrier", "barrier", "train error", title="barrier between the arms"),
        Measure(
            "excess_barrier", "connectivity", "excess", "barrier", "train error", "barrier",
            title="barrier above that within the arms",
        ),
        *map(_sharpness, RHO),
    )
}  # fmt: skip

PROBES = Protocol.probes  # by facet


def facet_of(distance: str) -> str:
    """Return the facet whose probe measures distances of that name; "" for any other name.

    >>> facet_of("repaired_error"), facet_of("representation_scatter")
    ('connectivity', '')
    """
    return next((facet for facet, prefixes in PREFIXES.items() if distance.startswith(prefixes)), "")
