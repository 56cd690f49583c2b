"""Secondary measures: shown beside the primary ones, they decide nothing.

- P(A > B) is the mean of [A > B] + [A = B] / 2 over replicates, with a bootstrap interval over replicates
  (Bouthillier et al. 2021, arXiv:2103.03098).
- The difference of interquartile means, which one odd replicate does not move (Agarwal et al. 2021, arXiv:2108.13264).
- The test loss as it is, which says how sure networks are too: the calibrated one decides.
- The representation at other depths, and the barriers without alignment.
- Cohen's kappa of the errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugin.runs import digest
from harness.records import Records
from harness.statistics.pairwise import Estimate
from harness.statistics.power import replicates_for_better
from harness.statistics.proportions import clopper_pearson
from harness.verdict.course import Course
from harness.verdict.design import Pair
from harness.verdict.distance_blocks import DistanceBlocks
from harness.verdict.distances import KAPPA
from harness.verdict.entries import Entry
from harness.verdict.estimate_columns import estimate_columns
from harness.verdict.judging import Examined
from harness.verdict.measurements import Measurements, Missing
from harness.verdict.measures import MEASURES, PREFIXES, PROBES, Measure, facet_of
from harness.verdict.paired_numbers import FEWEST, PairedNumbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 1_000  # of the bootstrap
BETTER = {"accuracy": 1, "calibrated_loss": -1, "test_loss": -1}  # the sign of a better value
NO_DISTANCES = ("cka_value_",)  # similarities among the numbers of a probe


@dataclass(frozen=True)
class SecondaryEstimate:
    """A secondary measure of one pair of arms."""

    facet: str
    measure: str
    scale: str
    unit: str
    estimate: Estimate


def secondary_rows(records: Records, course: Course) -> Iterator[dict[str, Any]]:
    """Yield rows of the table ``facets`` without p-values and labels."""
    network = course.network
    measurements = Measurements(records, network)
    for pair in network.arm_pairs:
        for secondary in (
            *_of_losses(course.last, pair),
            *_raw_loss(measurements, pair),
            *_of_probes(measurements, pair),
        ):
            estimate, is_probability = secondary.estimate, secondary.scale == "probability"
            yield {
                "facet": secondary.facet, "measure": secondary.measure, "primary": False, "arm": pair.one,
                "other": pair.other, "pair": pair.kind, "scale": secondary.scale, "unit": secondary.unit,
                **estimate_columns(estimate, secondary.scale), "below_floor": False, "label": "",
                "detail": "secondary: decides nothing", "label_half_margin": "", "label_double_margin": "",
                "look": network.look, "looks": len(network.protocol.looks), "level": network.level,
                "replicates": estimate.replicates, "replicates_lost": len(network.replicates) - estimate.replicates,
                "replicates_needed": replicates_for_better() if is_probability else math.nan, "covers": "", "controls": "",
            }  # fmt: skip


def _of_losses(examined: Examined, pair: Pair) -> Iterator[SecondaryEstimate]:
    """Yield P(A > B) and the difference of interquartile means, for each measure of the loss that tells better from worse."""
    for entry in examined.entries:
        numbers = entry.compared
        if entry.measure.name not in BETTER or entry.pair != pair or not isinstance(numbers, PairedNumbers):
            continue
        if len(numbers.units) >= FEWEST:
            yield from _of_loss(entry, numbers)


def _raw_loss(measurements: Measurements, pair: Pair) -> Iterator[SecondaryEstimate]:
    """Yield the ratio of the test losses as they are, where the calibrated ones decide."""
    measure = MEASURES["test_loss"]
    if measure.name in measurements.network.protocol.primaries["loss"]:
        return
    numbers = measurements.compare(measure, pair)
    if isinstance(numbers, PairedNumbers) and len(numbers.units) >= FEWEST:
        estimate = numbers.estimate(measurements.network.level)
        yield SecondaryEstimate("loss", measure.name, measure.scale, measure.unit, estimate)


def _of_loss(entry: Entry, numbers: PairedNumbers) -> Iterator[SecondaryEstimate]:
    import numpy as np

    measure, sign = entry.measure, BETTER[entry.measure.name]
    a, b = (sign * np.array([np.mean(values[unit]) for unit in numbers.units]) for values in (numbers.a, numbers.b))
    key = digest([entry.pair.one, entry.pair.other, measure.name])
    probability = probability_of_better(a, b, key, entry.network.level)
    yield SecondaryEstimate("loss", f"{measure.name}: P(arm better)", "probability", "", probability)
    gap = sign * (_interquartile_mean(a) - _interquartile_mean(b))
    unit = measure.unit if measure.scale == "difference" else "log"
    estimate = Estimate(gap, math.nan, math.nan, math.nan, len(numbers.units))
    yield SecondaryEstimate("loss", f"{measure.name}: IQM difference", "iqm difference", unit, estimate)


def probability_of_better(a: NDArray[np.float64], b: NDArray[np.float64], key: str, level: float) -> Estimate:
    """Return P(A > B) of numbers [R] and [R], ties half, with the 1 - 2 level interval of a bootstrap over replicates.

    ``key`` is a hexadecimal number that the draws follow from.
    """
    import numpy as np

    if not (np.isfinite(a) & np.isfinite(b)).all():
        return Estimate(math.nan, math.nan, math.nan, math.nan, len(a))
    wins = np.where(a == b, 0.5, (a > b).astype(float))
    random = np.random.default_rng(int(key[:8], 16))
    means = wins[random.integers(0, len(wins), (DRAWS, len(wins)))].mean(axis=1)
    low, high = np.quantile(means, [level, 1 - level])
    if low == high:  # the outcomes are equal, and a bootstrap of them says nothing of other replicates
        low, high = map(float, clopper_pearson(wins.mean(), len(wins), 1 - 2 * level))
    return Estimate(float(wins.mean()), float(low), float(high), float(means.std(ddof=1)), len(wins))


def _interquartile_mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the middle half."""
    from scipy.stats import trim_mean

    return float(trim_mean(values, 0.25))


def _of_probes(measurements: Measurements, pair: Pair) -> Iterator[SecondaryEstimate]:
    """Yield the kappa of the errors, and whatever a probe of two networks measured besides the primary measures."""
    level = measurements.network.level
    kappa = measurements.distances.by(KAPPA)
    if kappa is not None:
        blocks = measurements.compare_distances(kappa, Measure(KAPPA, "function", "excess", ""), pair)
        if isinstance(blocks, DistanceBlocks) and len(blocks.units) >= FEWEST:
            name = "Cohen's kappa of errors, between the arms"
            yield SecondaryEstimate("function", name, "mean", "", blocks.distance(level))
    for facet in PREFIXES:
        for name in _secondary_names(measurements, facet):
            is_barrier = facet == "connectivity"
            scale = "excess" if is_barrier else "log rho"
            distances = measurements.distances.probed(PROBES[facet], name)
            blocks = measurements.compare_distances(distances, Measure(name, facet, scale, ""), pair)
            if not isinstance(blocks, Missing) and len(blocks.units) >= FEWEST:
                unit = _barrier_unit(name) if is_barrier else ""
                yield SecondaryEstimate(facet, name, scale, unit, blocks.estimate(level))


def _secondary_names(measurements: Measurements, facet: str) -> list[str]:
    """Return the names of the distances that a facet's probe measured besides the primary measures."""
    primary = measurements.network.protocol.primaries[facet]
    names = sorted(measurements.distances.probe_names(PROBES[facet]))
    names = [name for name in names if facet_of(name) == facet and not name.startswith(NO_DISTANCES)]
    return [name for name in names if name not in primary]


def _barrier_unit(name: str) -> str:
    return "train error" if name.endswith("error") else "nats"
