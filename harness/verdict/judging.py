"""Every pair of arms on every measure: an estimate, an interval, two p-values, and the labels they allow.

Five things take a label back to "inconclusive": a design that is no longer what was registered (all facets), an arm that
is not at a minimum (all facets but the loss), an arm whose tuning raised an alarm (the loss), two tunings of one optimizer
that came out different (that facet's "different"), and a known difference that was not found, or promised and not measured
(that facet's "similar").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.records import Records
from harness.statistics import joint
from harness.statistics.intervals import half_width, jackknife_se
from harness.statistics.labels import Judged, Label, Margin, holm, judge, seeds_needed, together
from harness.statistics.pairwise import Estimate, arrangements
from harness.verdict.design import ARMS, CONTROLS, Cell, Pair
from harness.verdict.gate import PASSED, Gate, gate
from harness.verdict.matrices import Matrices
from harness.verdict.measurements import Missing, Sources
from harness.verdict.measures import MEASURES, PROBES, Measure
from harness.verdict.numbers import FEWEST, KINDS, UNKNOWN, Numbers, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNEQUAL = "the arms took unequal numbers of steps"
UNLIKE = "each arm may have an objective of its own (search.objective = free)"
CHANGED = "what was registered has been changed since"
HALF, DOUBLE = 0.5, 2.0  # of the margins, for the sensitivity of every label


@dataclass
class Entry:
    """One pair of arms on one primary measure."""

    cell: Cell
    measure: Measure
    pair: Pair
    compared: Numbers | Matrices | Missing
    estimate: Estimate = UNKNOWN
    distance: Estimate = UNKNOWN
    p_different: float = 1.0
    p_different_holm: float = 1.0  # within the facet
    p_different_overall: float = 1.0  # across all facets
    p_same: Mapping[float, float] = field(default_factory=dict)  # by factor of the margin
    p_same_holm: Mapping[float, float] = field(default_factory=dict)
    demotions: dict[Label, str] = field(default_factory=dict)  # why it may not be called so
    gated: bool = False  # one of the arms is not at a minimum

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
        return self.distance.high < self.measure.floor_of(self.cell.protocol)

    def margin(self, factor: float = 1.0) -> Margin:
        """Return the margin in the estimate's scale."""
        return self.measure.margin_of(self.cell.protocol, factor)

    def holm(self, factor: float = 1.0) -> Judged:
        """Return the pair's own label, adjusted within its facet."""
        return self._judge(self.p_same_holm.get(factor, 1.0), self.p_different_holm, factor)

    def in_facet(self, factor: float = 1.0) -> Judged:
        """Return its part in the facet's label: "all similar" needs no adjustment, "any different" does."""
        return self._judge(self.p_same.get(factor, 1.0), self.p_different_holm, factor)

    def in_all(self, factor: float = 1.0) -> Judged:
        """Return its part in the overall statement, where "different" is adjusted across the facets."""
        return self._judge(self.p_same.get(factor, 1.0), self.p_different_overall, factor)

    def _judge(self, p_same: float, p_different: float, factor: float) -> Judged:
        if not self.measured or self.estimate.seeds < FEWEST:
            return Judged("inconclusive", "" if not self.measured else f"fewer than {FEWEST} seeds")
        alpha = self.cell.protocol.alpha
        found = judge(self.estimate, self.margin(factor), p_same, p_different, self.below_floor, alpha)
        if found.label in self.demotions:
            return Judged("inconclusive", self.demotions[found.label])
        if found.label == "inconclusive" and not found.detail and "inconclusive" in self.demotions:
            return Judged("inconclusive", self.demotions["inconclusive"])
        return found


@dataclass(frozen=True)
class Examined:
    """One network under one protocol: everything its verdict is made of."""

    cell: Cell
    entries: tuple[Entry, ...]
    gates: Mapping[str, Gate]
    alarmed: Mapping[str, Sequence[str]]
    control_labels: Mapping[tuple[str, str], Label]  # (role, facet) of the controls that were measured
    searches: int  # of each arm
    steps: frozenset[int] = frozenset()  # that the arms' runs took; more than one number is no fair comparison
    common: bool = True  # whether all arms minimise one objective
    changed: tuple[str, ...] = ()  # what of the registered design is not what the records hold now
    circle: int | None = None  # so far apart in a circle of seeds the pairs are whose representation was measured; all

    def of(self, facet: str, kind: str = ARMS) -> list[Entry]:
        """Return a facet's entries of one kind of pair, those that apply."""
        return [e for e in self.entries if e.measure.facet == facet and e.pair.kind == kind and e.applicable]

    @property
    def facets(self) -> list[str]:
        """The facets that apply to the network, measured or not."""
        return [facet for facet in self.cell.protocol.primaries if self.of(facet)]


def examine(records: Records, cell: Cell, alarmed: Mapping[str, Sequence[str]]) -> Examined:
    """Return a network's pairs with their labels."""
    sources = Sources(records, cell)
    names = [name for names in cell.protocol.primaries.values() for name in names]
    entries = [
        Entry(cell, MEASURES[n], pair, sources.compared(MEASURES[n], pair)) for pair in cell.pairs for n in names
    ]
    _estimate(entries)
    gates = {arm: gate(cell, arm, records.meta) for arm in cell.arms}
    searches = min((sources.searches(pair) for pair in cell.pairs if pair.kind == ARMS), default=1)
    steps = frozenset(cell.steps(records.epochs))
    own = {arm: alarmed[arm] for arm in cell.arms if arm in alarmed}
    common = records.meta.benchmark["search"].get("objective", "common") == "common"
    changed = tuple(cell.protocol.changed(records.meta))
    circle = records.meta.probes.get(PROBES["representation"], {}).get("groups") or None
    found = Examined(cell, tuple(entries), gates, own, {}, searches, steps, common, changed, circle)
    found = replace(found, control_labels=_control_labels(found))
    for entry in entries:
        if entry.pair.kind == ARMS and entry.measured:
            entry.demotions.update(_demotions(found, entry))
    return found


# --- numbers --------------------------------------------------------------------------------------------------


def _estimate(entries: list[Entry]) -> None:
    """Fill in estimates and p-values, adjusted within facets and across them."""
    measured = [entry for entry in entries if entry.measured]
    signs = _arrangements(measured)
    arranged = {}
    for entry in measured:
        assert not isinstance(entry.compared, Missing)
        alpha = entry.cell.protocol.alpha
        entry.estimate, entry.distance = entry.compared.estimate(alpha), entry.compared.distance(alpha)
        if entry.estimate.seeds < FEWEST or not math.isfinite(entry.estimate.value):
            entry.estimate = replace(entry.estimate, low=-math.inf, high=math.inf, se=math.nan)
            continue
        factors = (HALF, 1.0, DOUBLE)
        entry.p_same = {f: entry.compared.equivalence_p(entry.estimate, entry.margin(f)) for f in factors}
        arranged[id(entry)] = entry.compared.arranged(signs(entry.compared.units))
    for kind in (ARMS, *CONTROLS):
        tested = [entry for entry in measured if entry.pair.kind == kind and id(entry) in arranged]
        for facet in dict.fromkeys(entry.measure.facet for entry in tested):
            _adjust([entry for entry in tested if entry.measure.facet == facet], arranged)
        if tested:
            for entry, p in zip(tested, _different(tested, arranged), strict=True):
                entry.p_different_overall = p


def _adjust(entries: list[Entry], arranged: Mapping[int, NDArray[np.float64]]) -> None:
    """Fill in what one facet's p-values are, alone and adjusted within it."""
    import numpy as np

    for entry, p in zip(entries, _different(entries, arranged), strict=True):
        entry.p_different = float(joint.p_values(np.stack([arranged[id(entry)]]))[0, 0])
        entry.p_different_holm = p
    for factor in (HALF, 1.0, DOUBLE):
        adjusted = holm([entry.p_same[factor] for entry in entries])
        for entry, p in zip(entries, adjusted, strict=True):
            entry.p_same_holm = {**entry.p_same_holm, factor: p}


def _different(entries: list[Entry], arranged: Mapping[int, NDArray[np.float64]]) -> list[float]:
    """Return the difference p-values adjusted for all of these: a pair's measures together, the pairs by Holm.

    Names are swapped within seeds or within searches; measures of the one and of the other are two blocks for Holm.
    """
    import numpy as np

    adjusted: dict[int, float] = {}
    blocks = [(entry.pair, entry.unit_kind) for entry in entries]
    for block in dict.fromkeys(blocks):
        mine = [entry for entry, its in zip(entries, blocks, strict=True) if its == block]
        p_values = joint.together(np.stack([arranged[id(entry)] for entry in mine]))
        adjusted |= {id(entry): float(p) for entry, p in zip(mine, p_values, strict=True)}
    return joint.over_pairs([adjusted[id(entry)] for entry in entries], blocks)


def _arrangements(entries: Iterable[Entry]) -> Callable[[Sequence[Unit]], NDArray[np.float64]]:
    """Return a function from units to the arrangements [A, S] of names within them, the same ones for all measures.

    All of its units are of one kind, and so are those that are arranged together.
    """
    found = {unit for entry in entries if not isinstance(entry.compared, Missing) for unit in entry.compared.units}
    places = {kind: [unit for unit in sorted(found) if unit[0] == kind] for kind in KINDS}
    signs = {kind: arrangements(max(1, len(units))) for kind, units in places.items()}

    def arranged(units: Sequence[Unit]) -> NDArray[np.float64]:
        kind = units[0][0]
        return signs[kind][:, [places[kind].index(unit) for unit in units]]

    return arranged


def kind_of(units: Sequence[Unit]) -> str:
    """Return what units are called, "seeds" where there are none."""
    return KINDS[units[0][0]] if units else KINDS["seed"]


# --- what may not be said -------------------------------------------------------------------------------------


def combined(entries: Sequence[Entry], labels: Sequence[Label]) -> Label:
    """Return a facet's label from those of its pairs and measures.

    Of the representation the two measures must agree on a pair: one that is different by one and similar by the other
    is inconclusive.
    """
    found: list[Label] = list(labels)
    for i, entry in enumerate(entries):
        mine = {label for each, label in zip(entries, labels, strict=True) if each.pair == entry.pair}
        if entry.measure.facet == "representation" and {"similar", "different"} <= mine:
            found[i] = "inconclusive"
    return together(found)


def _control_labels(found: Examined) -> dict[tuple[str, str], Label]:
    labels: dict[tuple[str, str], Label] = {}
    for role in CONTROLS:
        for facet in found.facets:
            entries = [
                entry
                for entry in found.of(facet, role)
                if not isinstance(entry.compared, Missing) and entry.compared.units
            ]
            if entries:
                labels[role, facet] = combined(entries, [entry.in_facet().label for entry in entries])
    return labels


def _demotions(found: Examined, entry: Entry) -> dict[Label, str]:
    """Return the labels that this pair may not have, each with the reason."""
    facet, reasons = entry.measure.facet, dict[Label, str]()
    arms = (entry.pair.one, entry.pair.other)
    if found.changed:
        return dict.fromkeys(("similar", "different", "inconclusive"), CHANGED)
    told = found.control_labels.get(("different", facet))
    if told is None and "different" in found.cell.promised:
        reasons["similar"] = "no assay sensitivity: the known-different arm was promised, and not measured here"
    elif told not in (None, "different"):
        reasons["similar"] = "no assay sensitivity: the known-different arm was not told apart"
    if found.control_labels.get(("aa", facet)) == "different" and not _beyond_tuning(found, entry):
        reasons["different"] = "two tunings of one optimizer (A/A) are different too"
    below = [arm for arm in arms if found.gates[arm].state != PASSED]
    if facet != "loss" and below:
        text = "; ".join(f"{short(arm)} is {found.gates[arm].state}" for arm in below)
        entry.gated = True
        return {"similar": text, "different": text, "inconclusive": text}
    if facet != "loss" and (len(found.steps) > 1 or not found.common):
        return dict.fromkeys(("similar", "different", "inconclusive"), UNEQUAL if found.common else UNLIKE)
    badly = [arm for arm in arms if arm in found.alarmed and not _settled(found)]
    if facet == "loss" and badly:
        text = "tuning: " + "; ".join(f"{short(arm)} ({', '.join(found.alarmed[arm])})" for arm in badly)
        return {"similar": text, "different": text, "inconclusive": text}
    return reasons


def _settled(found: Examined) -> bool:
    """Return whether tuning does not matter: a convex objective has one minimum, and every arm has reached it."""
    return found.cell.convex and all(gate.state == PASSED for gate in found.gates.values())


def _beyond_tuning(found: Examined, entry: Entry) -> bool:
    """Return whether the pair is further apart than two tunings of one optimizer, by the jackknife of the difference."""
    others = [e for e in found.of(entry.measure.facet, "aa") if e.measure == entry.measure and e.measured]
    return bool(others) and all(_further(entry, other) for other in others)


def _further(entry: Entry, other: Entry) -> bool:
    assert not isinstance(entry.compared, Missing)
    assert not isinstance(other.compared, Missing)
    one, two = entry.compared, other.compared
    units = [unit for unit in one.units if unit in two.units]
    if len(units) < FEWEST:
        return False
    less = [[unit for unit in units if unit != left] for left in units]
    se = float(jackknife_se([one.size(some) - two.size(some) for some in less]))
    reach = float(half_width(se, len(units) - 1, 1 - 2 * entry.cell.protocol.alpha))
    return bool(one.size(units) - two.size(units) - reach > 0)


def needed(entry: Entry, rivals: int) -> int | None:
    """Return how many seeds, or searches where these are its units, would settle an inconclusive pair; None where it is settled, or seeds would not help."""
    found = entry.holm()
    if found.label != "inconclusive" or not entry.measured or found.detail in entry.demotions.values():
        return None
    return seeds_needed(entry.estimate, entry.margin(), max(rivals, 1), alpha=entry.cell.protocol.alpha)


def short(arm: str) -> str:
    """Return an arm's name without its network."""
    return "/".join(arm.rsplit("/", 2)[1:])
