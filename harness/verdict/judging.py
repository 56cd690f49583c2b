"""Every pair of arms on every measure: an estimate, an interval, two p-values, and the label that they allow.

Five things take a label back to "inconclusive":

- the design is no longer the one that was registered: every facet;
- an arm is not at a minimum: every facet but the loss;
- the tuning of an arm raised an alarm: the loss;
- two tunings of one optimizer came out different: that facet's "different";
- a known difference was not found, or was promised and not measured: that facet's "similar".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from harness.records import Records
from harness.statistics.intervals import half_width, jackknife_se
from harness.statistics.labels import Label, replicates_needed, together
from harness.verdict.arms import short_name
from harness.verdict.design import ARMS, CONTROLS, Network
from harness.verdict.entries import Entry
from harness.verdict.gate import Gate, judge_gate
from harness.verdict.measurements import Measurements, Missing
from harness.verdict.measures import MEASURES, PROBES
from harness.verdict.p_values import with_estimate, with_p_values
from harness.verdict.paired_numbers import FEWEST

UNEQUAL = "the arms took unequal numbers of steps"
UNLIKE = "each arm may have an objective of its own (search.objective = free)"
CHANGED = "what was registered has been changed since"
NO_SENSITIVITY = "no assay sensitivity: the known-different arm was "


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
        entries=tuple(with_p_values([with_estimate(entry) for entry in entries])),
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
    return replicates_needed(entry.estimate, entry.margin(), rivals, level=entry.network.protocol.alpha)
