"""The power of a design: how likely identical arms are to come out similar in every facet, over all looks.

It follows from how widely the measures scatter from replicate to replicate (``harness.statistics.power``). That is registered
in ``[verdict.scatter]``, or it is estimated at the first look. A facet that is registered keeps what was registered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from harness.statistics.power import supported
from harness.statistics.scatter import (
    DistancesScatter,
    NumbersScatter,
    cloud_parts,
    distances_scatter,
    numbers_scatter,
)
from harness.verdict.course import Course
from harness.verdict.distance_blocks import STATISTICS, DistanceBlocks
from harness.verdict.entries import Entry
from harness.verdict.judging import Examined
from harness.verdict.measures import MEASURES, PROBES, Measure
from harness.verdict.paired_numbers import PairedNumbers
from harness.verdict.protocol import Protocol
from harness.verdict.sizes import Roles, apart_by_facet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scatter = NumbersScatter | DistancesScatter
DRAWN = ("log rho", "excess")  # scales of the measures whose distances are drawn; the others are made from these
BARRIER = "connectivity, barrier"  # the part of connectivity that asks how high the barrier itself is
FACETS = {BARRIER: "connectivity"}  # of which a scatter has only a part
MEAN = "barrier_mean"  # a key of protocol.scatter that is no margin: the mean barrier


def design_power(
    protocol: Protocol, arms: int, convex: bool = False, probes: Collection[str] = tuple(PROBES.values()),
    roles: Roles | None = None,
) -> float:  # fmt: skip
    """Return P(supported | that many arms of a network are identical), from the registered scatter alone.

    Facets whose probe is not among ``probes`` are left out, and so is the representation of a convex network. NaN where the
    scatter of one of the others is not registered: then nobody knows before the first look. ``roles`` are those of the
    controls, which are among the networks that the size of a probe counts.
    """
    asked = [facet for facet in protocol.primaries if facet not in PROBES or PROBES[facet] in probes]
    facets = [facet for facet in asked if not (convex and facet == "representation")]
    scatters = {facet: _registered(protocol, facet) for facet in facets}
    return _power(protocol, arms, scatters, apart_by_facet(protocol, roles or {}))


def course_power(course: Course) -> float:
    """Return P(supported | the arms are identical) of the facets that were measured.

    From the registered scatter, or else from that of the first look. NaN where one of them is not known.
    """
    first, protocol = course.looks[0], course.network.protocol
    scatters = {facet: _registered(protocol, facet) for facet in _measured_facets(first)}
    measured = measured_scatters(first, [facet for facet, scatter in scatters.items() if scatter is None])
    known = {facet: scatter for facet, scatter in scatters.items() if scatter is not None}
    return _power(protocol, len(course.network.arms), {**known, **measured}, first.apart)


def measured_scatters(first: Examined, facets: Sequence[str] | None = None) -> dict[str, Scatter | None]:
    """Return how the measures of the facets scatter at a look; None where too little was measured.

    Without a list these are all facets that were measured. Connectivity has two entries: ``"connectivity"`` of what the
    straight lines between two arms have above those within them, and ``BARRIER`` of the barrier that is judged. Before the
    first look nothing is known.
    """
    names = _measured_facets(first) if facets is None else facets
    scatters = {facet: _scatter(first, facet, _measured) for facet in names}
    if "connectivity" in scatters:
        scatters[BARRIER] = _scatter(first, "connectivity", _measured_barriers)
    return scatters


def _measured_facets(first: Examined) -> list[str]:
    return [facet for facet in first.facets if any(entry.measured for entry in first.entries_of(facet))]


def _power(protocol: Protocol, arms: int, scatters: Mapping[str, Scatter | None], apart: Mapping[str, int]) -> float:
    """Return the power; of a facet in ``apart``, each replicate is measured with so many before it."""
    if arms < 2:
        return 0.0
    known = {
        name: replace(scatter, apart=apart.get(FACETS.get(name, name)))
        if isinstance(scatter, DistancesScatter)
        else scatter
        for name, scatter in scatters.items()
        if scatter is not None
    }
    if len(known) < len(scatters):
        return math.nan
    return supported(known, arms, protocol.looks, protocol.alpha).supported


# --- registered


def _registered(protocol: Protocol, facet: str) -> Scatter | None:
    """Return the scatter of a facet as it was registered; None where it was not, or not for all of its measures."""
    measures = [MEASURES[name] for name in protocol.primaries[facet]]
    sizes = [protocol.scatter.get(measure.distances_in(protocol).margin, 0.0) for measure in measures]
    if not all(sizes):
        return None
    if facet in ("loss", "geometry"):
        return _registered_numbers(protocol, facet, measures, sizes)
    networks, pairs = cloud_parts(sizes[0])
    count = sum(measure.scale in DRAWN for measure in measures)
    mean = protocol.scatter.get(MEAN, 0.0) if facet == "connectivity" else 1.0
    margins = _margins(protocol, measures)
    return DistancesScatter(
        means=(mean,) * count,
        networks=(networks,) * count,
        pairs=(pairs,) * count,
        log_rho=margins["log rho"],
        log_scatter=margins["log scatter"],
        excess=margins["excess"],
        between=margins["barrier"],
    )


def _registered_numbers(
    protocol: Protocol, facet: str, measures: Sequence[Measure], sizes: Sequence[float]
) -> NumbersScatter:
    """Return the scatter of numbers. The sharpness at all rho is one number; the measures of the loss are independent.

    No means are registered, so nothing is known of where the numbers lie, and floors have no part in it.
    """
    import numpy as np

    covariance = np.outer(sizes, sizes) if facet == "geometry" else np.diag(np.square(sizes))
    rows = tuple(map(tuple, covariance.tolist()))
    return NumbersScatter(rows, tuple(measure.margin_of(protocol).size for measure in measures))


def _margins(protocol: Protocol, measures: Iterable[Measure]) -> dict[str, float]:
    """Return the margins of a facet of distances by scale, infinite for a scale that it does not judge."""
    margins = dict.fromkeys(STATISTICS, math.inf)
    return margins | {measure.scale: measure.margin_of(protocol).size for measure in measures}


# --- measured at the first look


def _scatter(first: Examined, facet: str, measured: Callable[[Examined, Sequence[Entry]], Scatter]) -> Scatter | None:
    """Return what ``measured`` makes of a facet's measured entries; None where too little was measured."""
    if not first.network.look:
        return None
    try:
        return measured(first, [entry for entry in first.entries_of(facet) if entry.measured])
    except ValueError:  # of too few replicates or arms
        return None


def _measured(first: Examined, entries: Sequence[Entry]) -> Scatter:
    if isinstance(entries[0].compared, PairedNumbers):
        return _measured_numbers(first, entries)
    return _measured_distances(first, entries)


def _measured_numbers(first: Examined, entries: Sequence[Entry]) -> NumbersScatter:
    import numpy as np

    network, names = first.network, list(dict.fromkeys(entry.measure.name for entry in entries))
    numbers = np.full((len(network.arms), len(network.replicates), len(names)), np.nan)
    for entry in entries:
        assert isinstance(entry.compared, PairedNumbers)
        for arm, of_arm in ((entry.pair.one, entry.compared.a), (entry.pair.other, entry.compared.b)):
            for replicate, values in of_arm.items():
                place = network.arms.index(arm), network.replicates.index(replicate), names.index(entry.measure.name)
                numbers[place] = sum(values) / len(values)
    margins = [MEASURES[name].margin_of(network.protocol) for name in names]
    return numbers_scatter(numbers, [margin.size for margin in margins], [margin.floor for margin in margins])


def _measured_distances(first: Examined, entries: Sequence[Entry]) -> DistancesScatter:
    """Return the scatter of distances within the arms; of barriers those of straight lines."""
    import numpy as np

    protocol = first.network.protocol
    measures = {entry.measure.name: entry.measure for entry in entries}
    drawn = [measure for measure in measures.values() if measure.scale in DRAWN]
    margins = _margins(protocol, measures.values())
    return distances_scatter(
        np.stack([_within(first, entries, measure) for measure in drawn]),
        np.stack([_across(first, entries, measure) for measure in drawn]),
        floors=[measure.floor_of(protocol) for measure in drawn],
        log_rho=margins["log rho"],
        log_scatter=margins["log scatter"],
        excess=margins["excess"],
    )


def _measured_barriers(first: Examined, entries: Sequence[Entry]) -> DistancesScatter:
    """Return the scatter of the barriers between two arms, which are those of bent paths where these were walked.

    Within an arm no bent path need be walked. So the only distances are those from one arm to another.
    """
    import numpy as np

    (measure,) = {entry.measure for entry in entries if entry.measure.scale == "barrier"}
    across = _across(first, entries, measure)
    arms, replicates = len(first.network.arms), len(first.network.replicates)
    unknown = np.full((1, arms, replicates, replicates), np.nan)
    return distances_scatter(unknown, across[None], between=_margins(first.network.protocol, [measure])["barrier"])


def _within(first: Examined, entries: Sequence[Entry], measure: Measure) -> NDArray[np.float64]:
    """Return the distances within every arm [k, R, R] by one measure; NaN where they were not measured."""
    import numpy as np

    network = first.network
    count = len(network.replicates)
    within = np.full((len(network.arms), count, count), np.nan)
    for compared, one, other, places in _compared(first, entries, measure):
        for arm, block in ((one, compared.aa), (other, compared.bb)):
            within[arm][places] = block
    return within


def _across(first: Examined, entries: Sequence[Entry], measure: Measure) -> NDArray[np.float64]:
    """Return the distances between the arms of every pair [P, R, R] by one measure; NaN where they were not measured."""
    import numpy as np

    arms, count = len(first.network.arms), len(first.network.replicates)
    pairs = list(combinations(range(arms), 2))
    across = np.full((len(pairs), count, count), np.nan)
    for compared, one, other, places in _compared(first, entries, measure):
        ordered = one < other
        across[pairs.index((one, other) if ordered else (other, one))][places] = (
            compared.ab if ordered else compared.ab.T
        )
    return across


def _compared(
    first: Examined, entries: Sequence[Entry], measure: Measure
) -> Iterator[tuple[DistanceBlocks, int, int, tuple[NDArray[np.int_], ...]]]:
    """Yield the distances of every pair of arms by one measure, the places of both arms, and those of the replicates."""
    import numpy as np

    network = first.network
    for entry in entries:
        if entry.measure != measure:
            continue
        assert isinstance(entry.compared, DistanceBlocks)
        units = np.array([network.replicates.index(unit) for unit in entry.compared.units], dtype=int)
        yield (
            entry.compared,
            network.arms.index(entry.pair.one),
            network.arms.index(entry.pair.other),
            np.ix_(units, units),
        )
