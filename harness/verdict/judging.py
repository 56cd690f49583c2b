"""Every pair of arms on every measure: an estimate, an interval, two p-values, and the label that they allow.

Five things take a label back to "inconclusive":

- the design is no longer the one that was registered: every facet;
- an arm is not at a minimum: every facet but the loss;
- the tuning of an arm raised an alarm: the loss;
- two tunings of one optimizer came out different: that facet's "different";
- a known difference was not found, or was promised and not measured: that facet's "similar".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from harness.records import Records
from harness.statistics import joint
from harness.statistics.intervals import half_width, jackknife_se
from harness.statistics.labels import Judged, Label, Margin, holm, judge, seeds_needed, together
from harness.statistics.pairwise import Estimate, arrangements
from harness.verdict.arms import short_name
from harness.verdict.design import ARMS, CONTROLS, Network, Pair
from harness.verdict.gate import Gate, judge_gate
from harness.verdict.measurements import Comparison, Measurements, Missing
from harness.verdict.measures import MEASURES, PROBES, Measure
from harness.verdict.paired_numbers import FEWEST, KINDS, UNKNOWN, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arranged = Mapping["Key", NDArray[np.float64]]  # the test statistic of every arrangement, by entry

Key = tuple[Pair, str]  # a pair and the name of a measure

UNEQUAL = "the arms took unequal numbers of steps"
UNLIKE = "each arm may have an objective of its own (search.objective = free)"
CHANGED = "what was registered has been changed since"
NO_SENSITIVITY = "no assay sensitivity: the known-different arm was "
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


@dataclass(frozen=True)
class Examined:
    """One network under one protocol: everything that its verdict is made of."""

    network: Network
    entries: tuple[Entry, ...]
    gates: Mapping[str, Gate]  # by arm
    alarmed: Mapping[str, Sequence[str]]  # arm -> its tuning alarms
    searches: int  # of each arm
    steps: frozenset[int] = frozenset()  # numbers of steps of the arms' runs; more than one is no fair comparison
    common: bool = True  # whether all arms minimise one objective
    changed: tuple[str, ...] = ()  # keys of the registered design whose values in the records are others now
    circle: int | None = None  # the representation was compared up to so many seeds apart in a circle; None for all
    control_labels: Mapping[tuple[str, str], Label] = field(default_factory=dict)  # by role and facet, where measured

    def entries_of(self, facet: str, kind: str = ARMS) -> list[Entry]:
        """Return a facet's entries of one kind of pair, without the measures that do not apply."""
        return [e for e in self.entries if e.measure.facet == facet and e.pair.kind == kind and e.applicable]

    @property
    def facets(self) -> list[str]:
        """The facets that apply to the network, measured or not."""
        return [facet for facet in self.network.protocol.primaries if self.entries_of(facet)]

    @property
    def tuning_settled(self) -> bool:
        """Whether tuning does not matter: a convex objective has one minimum, and every arm has reached it."""
        return self.network.convex and all(gate.passed for gate in self.gates.values())


def examine(records: Records, network: Network, alarmed: Mapping[str, Sequence[str]]) -> Examined:
    """Return a network's pairs with their labels."""
    measurements = Measurements(records, network)
    measures = [MEASURES[name] for names in network.protocol.primaries.values() for name in names]
    entries = [
        Entry(network, measure, pair, measurements.compare(measure, pair))
        for pair, measure in product(network.pairs, measures)
    ]
    examined = Examined(
        network=network,
        entries=tuple(_with_p_values([_estimated(entry) for entry in entries])),
        gates={arm: judge_gate(network, arm, records.meta) for arm in network.arms},
        alarmed={arm: alarmed[arm] for arm in network.arms if arm in alarmed},
        searches=min(map(measurements.count_searches, network.arm_pairs), default=1),
        steps=frozenset(network.step_counts(records.epochs)),
        common=records.meta.benchmark["search"].get("objective", "common") == "common",
        changed=tuple(network.protocol.changed(records.meta)),
        circle=records.meta.probes.get(PROBES["representation"], {}).get("groups") or None,
    )
    examined = replace(examined, control_labels=_control_labels(examined))
    return replace(examined, entries=tuple(_demoted(examined, entry) for entry in examined.entries))


# --- estimates and p-values -----------------------------------------------------------------------------------


def _estimated(entry: Entry) -> Entry:
    """Return the entry with its estimate and its distance; of fewer than ``FEWEST`` units nothing is known."""
    if isinstance(entry.compared, Missing):
        return entry
    alpha = entry.network.protocol.alpha
    estimate, distance = entry.compared.estimate(alpha), entry.compared.distance(alpha)
    if estimate.seeds < FEWEST or not math.isfinite(estimate.value):
        estimate = replace(estimate, low=-math.inf, high=math.inf, se=math.nan)
    return replace(entry, estimate=estimate, distance=distance)


def _with_p_values(entries: Sequence[Entry]) -> list[Entry]:
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


def kind_of(units: Sequence[Unit]) -> str:
    """Return what units are called, "seeds" where there are none."""
    return KINDS[units[0][0]] if units else KINDS["seed"]


# --- labels -----------------------------------------------------------------------------------------------------


def combine(entries: Sequence[Entry], labels: Sequence[Label]) -> Label:
    """Return a facet's label from those of its entries.

    The two measures of the representation must agree on a pair. A pair that is different by one and similar by the other is
    inconclusive.
    """
    combined: list[Label] = list(labels)
    for place, entry in enumerate(entries):
        of_pair = {label for other, label in zip(entries, labels, strict=True) if other.pair == entry.pair}
        if entry.measure.facet == "representation" and {"similar", "different"} <= of_pair:
            combined[place] = "inconclusive"
    return together(combined)


def _control_labels(examined: Examined) -> dict[tuple[str, str], Label]:
    """Return the label of each control, by role and facet, where it was measured."""
    labels: dict[tuple[str, str], Label] = {}
    for role in CONTROLS:
        for facet in examined.facets:
            entries = [entry for entry in examined.entries_of(facet, role) if _has_units(entry)]
            if entries:
                labels[role, facet] = combine(entries, [entry.judge_in_facet().label for entry in entries])
    return labels


def _has_units(entry: Entry) -> bool:
    return not isinstance(entry.compared, Missing) and bool(entry.compared.units)


def _demoted(examined: Examined, entry: Entry) -> Entry:
    """Return a pair of arms with the labels that it may not have; anything else as it is."""
    if entry.pair.kind != ARMS or not entry.measured:
        return entry
    facet, arms = entry.measure.facet, (entry.pair.one, entry.pair.other)
    if examined.changed:
        return replace(entry, demotions=_no_label(CHANGED))
    if facet == "loss":
        alarmed = [] if examined.tuning_settled else [arm for arm in arms if arm in examined.alarmed]
        if alarmed:
            texts = [f"{short_name(arm)} ({', '.join(examined.alarmed[arm])})" for arm in alarmed]
            return replace(entry, demotions=_no_label(f"tuning: {'; '.join(texts)}"))
    else:
        failed = [arm for arm in arms if not examined.gates[arm].passed]
        if failed:
            text = "; ".join(f"{short_name(arm)} is {examined.gates[arm].state}" for arm in failed)
            return replace(entry, demotions=_no_label(text), gated=True)
        if len(examined.steps) > 1 or not examined.common:
            return replace(entry, demotions=_no_label(UNEQUAL if examined.common else UNLIKE))
    return replace(entry, demotions=_demotions_by_controls(examined, entry))


def _no_label(reason: str) -> dict[Label, str]:
    """Return demotions that leave no label, whatever the numbers are."""
    return {"similar": reason, "different": reason, "inconclusive": reason}


def _demotions_by_controls(examined: Examined, entry: Entry) -> dict[Label, str]:
    """Return the labels that the controls of the facet do not allow this pair."""
    facet, reasons = entry.measure.facet, dict[Label, str]()
    known_different = examined.control_labels.get(("different", facet))
    if known_different is None and "different" in examined.network.promised:
        reasons["similar"] = f"{NO_SENSITIVITY}promised, and not measured here"
    elif known_different not in (None, "different"):
        reasons["similar"] = f"{NO_SENSITIVITY}not told apart"
    if examined.control_labels.get(("aa", facet)) == "different" and not _beyond_tuning(examined, entry):
        reasons["different"] = "two tunings of one optimizer (A/A) are different too"
    return reasons


def _beyond_tuning(examined: Examined, entry: Entry) -> bool:
    """Return whether the pair is further apart than two tunings of one optimizer."""
    controls = examined.entries_of(entry.measure.facet, "aa")
    controls = [control for control in controls if control.measure == entry.measure and control.measured]
    return bool(controls) and all(_further_apart(entry, control) for control in controls)


def _further_apart(entry: Entry, control: Entry) -> bool:
    """Return whether a pair is further apart than a control, by the jackknife of the difference over their common units."""
    assert not isinstance(entry.compared, Missing)
    assert not isinstance(control.compared, Missing)
    one, other = entry.compared, control.compared
    units = [unit for unit in one.units if unit in other.units]
    if len(units) < FEWEST:
        return False
    differences = []
    for left_out in units:
        rest = [unit for unit in units if unit != left_out]
        differences.append(one.size_over(rest) - other.size_over(rest))
    se = float(jackknife_se(differences))
    reach = float(half_width(se, len(units) - 1, 1 - 2 * entry.network.protocol.alpha))
    return bool(one.size_over(units) - other.size_over(units) - reach > 0)


def units_needed(entry: Entry) -> int | None:
    """Return how many seeds, or searches where these are its units, would settle an inconclusive pair.

    None where the pair is settled, and where more of them would not help.
    """
    judged = entry.judge_alone()
    if judged.label != "inconclusive" or not entry.measured or judged.detail in entry.demotions.values():
        return None
    rivals = max(len(entry.network.arm_pairs), 1)
    return seeds_needed(entry.estimate, entry.margin(), rivals, alpha=entry.network.protocol.alpha)
