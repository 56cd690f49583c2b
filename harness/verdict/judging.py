"""Every pair of arms on every measure at one look: an estimate, an interval, p-values, and the label that they allow.

Six things take a label back to "inconclusive":

- the design is no longer the one that was registered: every facet;
- no look was reached yet, or a look is at a single search of each arm: every facet;
- an arm is not at a minimum: every facet of its pairs but the loss;
- the tuning of an arm raised an alarm: the loss of its pairs. An arm at the one minimum of a convex objective has none that
  counts, whatever the other arms have;
- an arm lost more than one replicate: its "similar" in every facet;
- two tunings of one optimizer came out different: that facet's "different". A known difference was not found, or was promised
  and not measured: that facet's "similar".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product

from harness.console.numbers import joined
from harness.records import Records
from harness.statistics.intervals import half_width, jackknife_se
from harness.statistics.labels import Label, replicates_needed
from harness.verdict.alarm_words import alarm_texts
from harness.verdict.design import ARMS, Network
from harness.verdict.entries import Entry
from harness.verdict.gate import Gate
from harness.verdict.measurements import MOVABLE, Measurements, Missing
from harness.verdict.measures import MEASURES
from harness.verdict.p_values import with_estimate, with_p_values
from harness.verdict.paired_numbers import FEWEST
from harness.verdict.replicates import CONTROLS
from harness.verdict.sizes import apart_by_facet
from harness.verdict.words import UPPER_BOUND, Word, combine

UNEQUAL = "the arms took unequal numbers of steps"
UNLIKE = "each arm may have an objective of its own (search.objective = free)"
CHANGED = "what was registered has been changed since"
ONE_SEARCH = "one search of each arm: no verdict about optimizers"
NO_SENSITIVITY = "no assay sensitivity: the known-different arm was "
MOST_NAMED = 3  # arms in a reason; further ones are counted
LOST_ALLOWED = 1  # replicates that an arm may have lost and still be called similar


@dataclass(frozen=True)
class Examined:
    """One network under one protocol at one look: everything that its verdict is made of."""

    network: Network
    entries: tuple[Entry, ...]
    gates: Mapping[str, Gate]  # by arm
    alarmed: Mapping[str, Sequence[str]]  # arm -> its tuning alarms
    steps: frozenset[int] = frozenset()  # numbers of steps of the arms' runs; more than one is no fair comparison
    common: bool = True  # whether all arms minimise one objective
    changed: tuple[str, ...] = ()  # keys of the registered design whose values in the records are others now
    apart: Mapping[str, int] = field(
        default_factory=dict
    )  # by facet, of which not all pairs of replicates are measured
    movable: float = 1.0  # the part of the hidden units that alignment could move; NaN where it is not known
    control_labels: Mapping[tuple[str, str], Word] = field(default_factory=dict)  # by role and facet, where measured

    def entries_of(self, facet: str, kind: str = ARMS) -> list[Entry]:
        """Return a facet's entries of one kind of pair, without the measures that do not apply."""
        return [e for e in self.entries if e.measure.facet == facet and e.pair.kind == kind and e.applicable]

    def why_not_applicable(self, facet: str) -> str:
        """Return why a facet means nothing for this network; "" where it means something."""
        missing = (e.compared for e in self.entries if e.measure.facet == facet and not e.applicable)
        return next((entry.reason for entry in missing if isinstance(entry, Missing)), "")

    @property
    def facets(self) -> list[str]:
        """The facets that apply to the network, measured or not."""
        return [facet for facet in self.network.protocol.primaries if self.entries_of(facet)]

    def tuning_settled(self, arm: str) -> bool:
        """Return whether an arm's tuning does not matter: a convex objective has one minimum, and the arm has reached it."""
        return self.network.convex and self.gates[arm].passed

    def word_in_facet(self, facet: str) -> Word:
        """Return a facet's word, adjusted within the facet; "inconclusive" where it has none at this look."""
        entries = self.entries_of(facet)
        return self._bounded(facet, combine(entries, [entry.judge_in_facet().label for entry in entries]))

    def word_overall(self, facet: str, factor: float = 1.0) -> Word:
        """Return the word that a facet has in the overall statement, where "different" is adjusted across facets."""
        entries = self.entries_of(facet)
        return self._bounded(facet, combine(entries, [entry.judge_overall(factor).label for entry in entries]))

    def _bounded(self, facet: str, word: Word) -> Word:
        """Return the word; of barriers that are upper bounds alone, no more than that they are."""
        measured = any(entry.measured and not entry.barred for entry in self.entries_of(facet))
        return UPPER_BOUND if facet == "connectivity" and measured and self.movable < MOVABLE else word

    def is_barred(self, facet: str) -> bool:
        """Return whether no number of replicates could give a facet a word."""
        return all(entry.barred for entry in self.entries_of(facet))


def examine(
    records: Records, network: Network, alarmed: Mapping[str, Sequence[str]], gates: Mapping[str, Gate]
) -> Examined:
    """Return a network's pairs with their labels at the look that the network stands at."""
    measurements = Measurements(records, network)
    key = ("entries", network.protocol.hash, network.name, network.look)
    examined = Examined(
        network=network,
        entries=records.once(key, lambda: tuple(_entries(measurements))),
        gates=gates,
        alarmed={arm: alarmed[arm] for arm in network.arms if arm in alarmed},
        steps=frozenset(network.step_counts(records.epochs)),
        common=records.meta.benchmark["search"].get("objective", "common") == "common",
        changed=tuple(network.protocol.changed(records.meta)),
        apart=apart_by_facet(network.protocol, records.meta.roles),
        movable=measurements.movable,
    )
    examined = replace(examined, control_labels=_control_labels(examined))
    return replace(examined, entries=tuple(_demoted(examined, entry) for entry in examined.entries))


def _entries(measurements: Measurements) -> list[Entry]:
    network = measurements.network
    measures = [MEASURES[name] for names in network.protocol.primaries.values() for name in names]
    entries = [
        Entry(network, measure, pair, measurements.compare(measure, pair))
        for pair, measure in product(network.pairs, measures)
    ]
    return with_p_values([with_estimate(entry) for entry in entries])


# --- labels


def _control_labels(examined: Examined) -> dict[tuple[str, str], Word]:
    """Return the label of each control, by role and facet, where it was measured."""
    labels: dict[tuple[str, str], Word] = {}
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
        alarmed = tuple(arm for arm in arms if arm in examined.alarmed and not examined.tuning_settled(arm))
        if alarmed:
            clauses = [alarm_texts(examined.network.name_of(arm), examined.alarmed[arm]).values() for arm in alarmed]
            return replace(entry, demotions=_no_label("; ".join(chain.from_iterable(clauses))), bars=alarmed)
    else:
        failed = tuple(arm for arm in arms if not examined.gates[arm].passed)
        if failed:
            return replace(entry, demotions=_no_label(gate_text(examined, failed)), bars=failed)
        if len(examined.steps) > 1 or not examined.common:
            return replace(entry, demotions=_no_label(UNEQUAL if examined.common else UNLIKE))
    return replace(entry, demotions=_too_early(examined) | _lost(examined, entry) | _by_controls(examined, entry))


def _no_label(reason: str) -> dict[Label, str]:
    """Return demotions that leave no label, whatever the numbers are."""
    return {"similar": reason, "different": reason, "inconclusive": reason}


def _too_early(examined: Examined) -> dict[Label, str]:
    """Return the labels that no pair may have before the first look; more replicates can bring them."""
    reason = early_text(examined.network)
    return {"similar": reason, "different": reason} if reason else {}


def early_text(network: Network) -> str:
    """Return that the first look is not reached yet; "" where it is."""
    if network.look:
        return ""
    return f"the first look is after {network.protocol.looks[0]} replicates, and {network.ended} have ended"


def gate_text(examined: Examined, arms: Sequence[str]) -> str:
    """Return that these arms are not shown to be at a minimum; of many, how many further ones there are."""
    named = [examined.network.name_of(arm) for arm in arms]
    if len(named) > MOST_NAMED:
        named = [*named[: MOST_NAMED - 1], f"{len(named) - MOST_NAMED + 1} other arms"]
    return f"{joined(named)} {'is' if len(arms) == 1 else 'are'} not shown to be at a minimum"


def _lost(examined: Examined, entry: Entry) -> dict[Label, str]:
    """Return the labels that a pair may not have because one of its arms lost more than one replicate."""
    texts = [lost_text(examined.network, arm) for arm in (entry.pair.one, entry.pair.other)]
    reasons = [text for text in texts if text]
    return {"similar": "; ".join(reasons)} if reasons else {}


def lost_text(network: Network, arm: str, allowed: int = LOST_ALLOWED) -> str:
    """Return how many replicates an arm has lost and why, "" for no more than are allowed."""
    lost = network.count_lost(arm)
    if sum(lost.values()) <= allowed:
        return ""
    counts = ", ".join(f"{count} {reason}" for reason, count in lost.items())
    return f"{network.name_of(arm)} lost {sum(lost.values())} of {len(network.replicates)} replicates ({counts})"


def _by_controls(examined: Examined, entry: Entry) -> dict[Label, str]:
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
    """Return whether a pair is further apart than a control, by the jackknife of the difference over their replicates."""
    assert not isinstance(entry.compared, Missing)
    assert not isinstance(control.compared, Missing)
    examined_pair, control_pair = entry.compared, control.compared
    units = [unit for unit in examined_pair.units if unit in control_pair.units]
    if len(units) < FEWEST:
        return False
    differences = []
    for left_out in units:
        rest = [unit for unit in units if unit != left_out]
        differences.append(examined_pair.size_over(rest) - control_pair.size_over(rest))
    se = float(jackknife_se(differences))
    reach = float(half_width(se, len(units) - 1, 1 - 2 * entry.network.level))
    return bool(examined_pair.size_over(units) - control_pair.size_over(units) - reach > 0)


def needed(examined: Examined, entry: Entry) -> int | None:
    """Return how many replicates would settle an inconclusive pair at the level of the last look.

    None where the pair is settled, and where more of them would not help.
    """
    judged = entry.judge_in_facet()
    if judged.label != "inconclusive" or not entry.measured or judged.detail in entry.demotions.values():
        return None
    rivals = sum(rival.measured for rival in examined.entries_of(entry.measure.facet))
    return replicates_needed(entry.estimate, entry.margin(), max(rivals, 1), level=entry.network.protocol.levels[-1])
