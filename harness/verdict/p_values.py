"""The estimates of a network's entries, and their p-values: adjusted within the facets, and across them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.statistics.labels import holm
from harness.verdict.design import ARMS
from harness.verdict.entries import FACTORS, Entry, Key, PValues
from harness.verdict.measurements import Missing
from harness.verdict.paired_numbers import FEWEST
from harness.verdict.replicates import CONTROLS

ByFactor = Mapping[float, float]


def with_estimate(entry: Entry) -> Entry:
    """Return the entry with its estimate and its distance; of fewer than ``FEWEST`` replicates nothing is known."""
    if isinstance(entry.compared, Missing):
        return entry
    level = entry.network.level
    estimate, distance = entry.compared.estimate(level), entry.compared.distance(level)
    if estimate.replicates < FEWEST or not math.isfinite(estimate.value):
        estimate = replace(estimate, low=-math.inf, high=math.inf, se=math.nan)
    return replace(entry, estimate=estimate, distance=distance)


def with_p_values(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with their p-values, adjusted within facets and across them, for each kind of pair by itself.

    Holm's method adjusts the minimum-effect p-values for all pairs and measures of a facet, and for those of all facets.
    """
    tested = [entry for entry in entries if entry.measured and entry.estimate.replicates >= FEWEST]
    different = {entry.key: _different_p(entry) for entry in tested if math.isfinite(entry.estimate.value)}
    p_values: dict[Key, PValues] = {}
    for kind in (ARMS, *CONTROLS):
        of_kind = [entry for entry in tested if entry.pair.kind == kind and entry.key in different]
        overall = _adjusted(of_kind, different)
        for facet in dict.fromkeys(entry.measure.facet for entry in of_kind):
            members = [entry for entry in of_kind if entry.measure.facet == facet]
            within = _adjusted(members, different)
            for entry in members:
                p_values[entry.key] = PValues(
                    _same_p(entry), different[entry.key], within[entry.key], overall[entry.key], _names_p(entry)
                )
    return [replace(entry, p=p_values.get(entry.key, entry.p)) for entry in entries]


def _same_p(entry: Entry) -> dict[float, float]:
    assert not isinstance(entry.compared, Missing)
    return {factor: entry.compared.equivalence_p(entry.estimate, entry.margin(factor)) for factor in FACTORS}


def _different_p(entry: Entry) -> dict[float, float]:
    assert not isinstance(entry.compared, Missing)
    return {factor: entry.compared.minimum_effect_p(entry.estimate, entry.margin(factor)) for factor in FACTORS}


def _names_p(entry: Entry) -> float:
    assert not isinstance(entry.compared, Missing)
    return entry.compared.names_p()


def _adjusted(entries: Sequence[Entry], different: Mapping[Key, ByFactor]) -> dict[Key, ByFactor]:
    """Return the p-values of these entries, by factor of the margin, adjusted for their number."""
    by_factor = {factor: holm([different[entry.key][factor] for entry in entries]) for factor in FACTORS}
    return {entry.key: {factor: by_factor[factor][place] for factor in FACTORS} for place, entry in enumerate(entries)}
