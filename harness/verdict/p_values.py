"""The estimates of a network's entries, and their p-values: adjusted within the facets, and across them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.statistics import joint
from harness.statistics.labels import holm
from harness.statistics.pairwise import arrangements
from harness.verdict.design import ARMS, CONTROLS
from harness.verdict.entries import FACTORS, Entry, Key, PValues
from harness.verdict.measurements import Missing
from harness.verdict.paired_numbers import FEWEST, KINDS, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arranged = Mapping[Key, NDArray[np.float64]]  # the test statistic of every arrangement, by entry


def with_estimate(entry: Entry) -> Entry:
    """Return the entry with its estimate and its distance; of fewer than ``FEWEST`` units nothing is known."""
    if isinstance(entry.compared, Missing):
        return entry
    alpha = entry.network.protocol.alpha
    estimate, distance = entry.compared.estimate(alpha), entry.compared.distance(alpha)
    if estimate.seeds < FEWEST or not math.isfinite(estimate.value):
        estimate = replace(estimate, low=-math.inf, high=math.inf, se=math.nan)
    return replace(entry, estimate=estimate, distance=distance)


def with_p_values(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with their p-values, adjusted within facets and across them, for each kind of pair by itself."""
    measured = [entry for entry in entries if entry.measured]
    tested = [entry for entry in measured if entry.estimate.seeds >= FEWEST and math.isfinite(entry.estimate.value)]
    arranged = _arranged_statistics(tested, measured)
    p_values: dict[Key, PValues] = {}
    for kind in (ARMS, *CONTROLS):
        of_kind = [entry for entry in tested if entry.pair.kind == kind]
        overall = _different_p(of_kind, arranged)
        for facet in dict.fromkeys(entry.measure.facet for entry in of_kind):
            p_values |= _facet_p_values([entry for entry in of_kind if entry.measure.facet == facet], arranged, overall)
    return [replace(entry, p=p_values.get(entry.key, entry.p)) for entry in entries]


def _facet_p_values(entries: Sequence[Entry], arranged: Arranged, overall: Mapping[Key, float]) -> dict[Key, PValues]:
    """Return the p-values of one facet's entries, alone and adjusted within the facet."""
    import numpy as np

    within = _different_p(entries, arranged)
    same = {entry.key: _same_p(entry) for entry in entries}
    adjusted = {factor: holm([same[entry.key][factor] for entry in entries]) for factor in FACTORS}
    p_values = {}
    for place, entry in enumerate(entries):
        p_values[entry.key] = PValues(
            different=float(joint.p_values(np.stack([arranged[entry.key]]))[0, 0]),
            different_holm=within[entry.key],
            different_overall=overall[entry.key],
            same=same[entry.key],
            same_holm={factor: adjusted[factor][place] for factor in FACTORS},
        )
    return p_values


def _same_p(entry: Entry) -> dict[float, float]:
    """Return the p-value of the equivalence test by factor of the margin."""
    assert not isinstance(entry.compared, Missing)
    return {factor: entry.compared.equivalence_p(entry.estimate, entry.margin(factor)) for factor in FACTORS}


def _different_p(entries: Sequence[Entry], arranged: Arranged) -> dict[Key, float]:
    """Return the p-values of the difference test, adjusted for all of these entries.

    A pair's measures are adjusted together, and the pairs by Holm. The names of the arms are swapped within seeds or within
    searches; the measures by seed and those by search are two blocks for Holm.
    """
    import numpy as np

    together_p: dict[Key, float] = {}
    blocks = [(entry.pair, entry.unit_kind) for entry in entries]
    for block in dict.fromkeys(blocks):
        members = [entry.key for entry, its_block in zip(entries, blocks, strict=True) if its_block == block]
        p_values = joint.together(np.stack([arranged[key] for key in members]))
        together_p |= {key: float(p) for key, p in zip(members, p_values, strict=True)}
    if not entries:
        return {}
    adjusted = joint.over_pairs([together_p[entry.key] for entry in entries], blocks)
    return {entry.key: p for entry, p in zip(entries, adjusted, strict=True)}


def _arranged_statistics(tested: Iterable[Entry], measured: Iterable[Entry]) -> Arranged:
    """Return the test statistic of every arrangement of the arms' names, by entry that is tested.

    All measures of one kind of unit see the same arrangements, those of the units of everything that was measured.
    """
    arrange = _arrangements(measured)
    arranged = {}
    for entry in tested:
        assert not isinstance(entry.compared, Missing)
        arranged[entry.key] = entry.compared.arranged_statistics(arrange(entry.compared.units))
    return arranged


def _arrangements(entries: Iterable[Entry]) -> Callable[[Sequence[Unit]], NDArray[np.float64]]:
    """Return a function from units of one kind to the arrangements [A, S] of the arms' names within them."""
    units: set[Unit] = set()
    for entry in entries:
        if not isinstance(entry.compared, Missing):
            units.update(entry.compared.units)
    by_kind = {kind: [unit for unit in sorted(units) if unit[0] == kind] for kind in KINDS}
    signs = {kind: arrangements(max(1, len(members))) for kind, members in by_kind.items()}

    def arrange(units: Sequence[Unit]) -> NDArray[np.float64]:
        kind = units[0][0]
        return signs[kind][:, [by_kind[kind].index(unit) for unit in units]]

    return arrange
