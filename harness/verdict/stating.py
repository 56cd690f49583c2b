"""From the labels of a network's pairs to a statement on the claim, with everything a reader must know to weigh it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.statistics.labels import MOST_REPLICATES, Label, Statement, overall
from harness.verdict.arms import short_name
from harness.verdict.design import ARMS, CONTROLS
from harness.verdict.entries import DOUBLE, HALF, Entry
from harness.verdict.judging import CHANGED, UNEQUAL, UNLIKE, Examined, combine, units_needed
from harness.verdict.measurements import SEARCHES, Missing
from harness.verdict.measures import PROBES
from harness.verdict.paired_numbers import KINDS

QUIET = ("nowhere different", "told apart everywhere")  # of the A/A arm and of the known-different arm
GATED = "not every arm is at a minimum, see below"
CONDITIONAL, ABOUT = "conditional on these hyperparameters", "loss: about the optimizers"
NOT_MEASURED, NOT_APPLICABLE = "not measured", "not applicable"
A_LEADERBOARD = "this makes a leaderboard, not a comparison of minima"


@dataclass(frozen=True)
class Stated:
    """The statement on one network, and what it rests on."""

    statement: Statement
    half: Statement  # at half the margins
    double: Statement  # at twice the margins
    labels: Mapping[str, str]  # by facet, adjusted within the facet
    power: float  # P(supported | the arms are identical), as far as the distances decide it
    aa: str  # what the A/A arm says: "not run", the facets on which it is different, or "nowhere different"
    different: str  # the same of the known-different arm: the facets on which it was not told apart
    exploratory: bool  # whether the design was too small to expect "supported" of identical arms
    reasons: tuple[str, ...]  # a line each


def state(examined: Examined) -> Stated:
    """Return the statement on a network, and why it is no other."""
    labels = {facet: facet_label(examined, facet) for facet in examined.network.protocol.primaries}
    power = _power(examined, examined.circle)
    statement = _statement(examined, 1.0)
    return Stated(
        statement=statement,
        half=_statement(examined, HALF),
        double=_statement(examined, DOUBLE),
        labels=labels,
        power=power,
        aa=control_text(examined, "aa"),
        different=control_text(examined, "different"),
        exploratory=examined.network.protocol.exploratory(power),
        reasons=tuple(_reasons(examined, labels, statement, power)),
    )


def claim(examined: Examined) -> str:
    """Return what the statement is about, by facet: optimizers, or one set of hyperparameters of each."""
    if examined.searches < SEARCHES:
        return CONDITIONAL
    has_others = any(facet != "loss" for facet in examined.facets)
    return ABOUT + ("; other facets: conditional on the first search" if has_others else "")


def _power(examined: Examined, circle: int | None) -> float:
    """Return P(supported | the arms are identical) if the representation is compared up to ``circle`` seeds apart."""
    network = examined.network
    return network.protocol.power(len(network.arms), network.convex, circle) if len(network.arms) > 1 else 0.0


def facet_label(examined: Examined, facet: str) -> str:
    """Return a facet's label: that of its pairs together, "not measured" or "not applicable"."""
    entries = examined.entries_of(facet)
    if not entries:
        return NOT_APPLICABLE
    if not any(entry.measured for entry in entries):
        return NOT_MEASURED
    return combine(entries, [entry.judge_in_facet().label for entry in entries])


def _statement(examined: Examined, factor: float) -> Statement:
    """Return the overall statement. A facet that was not measured is inconclusive; one that does not apply has no part."""
    labels: dict[str, Label] = {}
    for facet in examined.facets:
        entries = examined.entries_of(facet)
        labels[facet] = combine(entries, [entry.judge_overall(factor).label for entry in entries])
    return overall(labels)


def pool_statements(statements: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the one statement of all networks and "", or "mixed" and the networks of each statement.

    ``statements`` are pairs of a network and its statement.
    """
    different = dict.fromkeys(statement for _, statement in statements)
    if len(different) == 1:
        return next(iter(different)), ""
    networks = {word: [network for network, statement in statements if statement == word] for word in different}
    return "mixed", "; ".join(f"{word}: {', '.join(names)}" for word, names in networks.items())


# --- the controls -----------------------------------------------------------------------------------------------


def control_text(examined: Examined, role: str) -> str:
    """Return what a control says of the whole network."""
    if not examined.network.has_control(role):
        return "promised, and has no result" if role in examined.network.promised else "not run"
    labels = {facet: label for (kind, facet), label in examined.control_labels.items() if kind == role}
    if not labels:
        return "not measured"
    if role == "aa":
        different = [facet for facet, label in labels.items() if label == "different"]
        return f"different: {', '.join(different)}" if different else QUIET[0]
    missed = [facet for facet, label in labels.items() if label != "different"]
    unmeasured = [facet for facet in examined.facets if facet not in labels and _is_measured(examined, facet)]
    texts = {"not told apart": missed, "not measured": unmeasured}
    return "; ".join(f"{text}: {', '.join(facets)}" for text, facets in texts.items() if facets) or QUIET[1]


def _is_measured(examined: Examined, facet: str) -> bool:
    return any(entry.measured for entry in examined.entries_of(facet))


def controls_text(examined: Examined, facet: str) -> str:
    """Return what the two controls say of a facet, to stand beside its labels."""
    texts = []
    for role, name in CONTROLS.items():
        unknown = "not measured" if examined.network.has_control(role) else "not run"
        texts.append(f"{name}: {examined.control_labels.get((role, facet), unknown)}")
    return "; ".join(texts)


# --- the reasons ------------------------------------------------------------------------------------------------


def _reasons(examined: Examined, labels: Mapping[str, str], statement: Statement, power: float) -> Iterator[str]:
    """Yield a line for everything that keeps the statement from being another, and for everything that limits it."""
    if examined.changed:
        yield f"{CHANGED}: {', '.join(examined.changed)}; its measurements were replaced"
    if len(examined.network.arms) < 2:
        yield "there is one arm, and nothing to compare it with"
    for facet, label in labels.items():
        yield from _about_facet(examined, facet, label)
    yield from _about_gates(examined, statement)
    if len(examined.steps) > 1:
        yield f"{UNEQUAL} ({', '.join(map(str, sorted(examined.steps)))}): {A_LEADERBOARD}"
    if not examined.common:
        yield f"{UNLIKE}: {A_LEADERBOARD}"
    yield from _about_seeds(examined)
    for role, name in CONTROLS.items():
        text = control_text(examined, role)
        if text not in QUIET:
            yield f"{name}: {text}"
    yield from _about_too_few_units(examined)
    yield from _about_power(examined, power)
    yield from _about_searches(examined)


def _about_facet(examined: Examined, facet: str, label: str) -> Iterator[str]:
    """Yield the lines that explain a facet's label; a label "similar" needs none."""
    entries = examined.entries_of(facet)
    if label == NOT_MEASURED:
        hint = next(entry.compared.reason for entry in entries if isinstance(entry.compared, Missing))
        yield f"{facet}: not measured; {hint}"
    elif label == NOT_APPLICABLE and facet in PROBES and len(examined.network.arms) > 1:
        yield f"{facet}: not applicable, because nothing of it is trained"
    elif label == "inconclusive":
        yield from _why_inconclusive(entries, facet)
    elif label == "different":
        different = [entry for entry in entries if entry.judge_in_facet().label == "different"]
        yield f"{facet}: different: {'; '.join(map(_sized, different))}"
        if "different" not in {entry.judge_overall().label for entry in entries}:
            yield f"{facet}: different when tested alone, but not after adjusting for all facets"


def _why_inconclusive(entries: Sequence[Entry], facet: str) -> list[str]:
    """Return a line per reason for which a facet's pairs are inconclusive, with the pairs and the seeds needed."""
    pairs_of: dict[str, list[str]] = {}
    for entry in entries:
        judged = entry.judge_in_facet()
        if judged.label != "inconclusive":
            continue
        if judged.detail in entry.demotions.values():
            pairs_of.setdefault(GATED if entry.gated else judged.detail, [])
        elif isinstance(entry.compared, Missing):
            pairs_of.setdefault(entry.compared.reason, []).append(_pair_text(entry))
        else:
            pairs = pairs_of.setdefault(judged.detail or _interval_text(entry), [])
            pairs.append(f"{_pair_text(entry)} ({_needed_text(entry)})")
    if not pairs_of:
        return [f"{facet}: inconclusive, because its measures disagree"]
    return [f"{facet}: {reason}" + (f": {'; '.join(pairs)}" if pairs else "") for reason, pairs in pairs_of.items()]


def _pair_text(entry: Entry) -> str:
    return f"{entry.measure.name} of {short_name(entry.pair.one)} and {short_name(entry.pair.other)}"


def _interval_text(entry: Entry) -> str:
    """Return how an inconclusive interval lies to the margin."""
    if entry.margin().outside(entry.estimate):
        return f"beyond the margin, with too few {entry.unit_kind} to rule out chance"
    return "the interval straddles the margin"


def _needed_text(entry: Entry) -> str:
    """Return how many seeds or searches would settle a pair."""
    count, kind = units_needed(entry), entry.unit_kind
    return (
        f"about {count} {kind} would settle it"
        if count
        else f"no number of {kind} up to {MOST_REPLICATES} is sure to settle it"
    )


def _sized(entry: Entry) -> str:
    """Return a pair with its estimate, as a ratio where that is a logarithm."""
    value = entry.estimate.value
    size = f"x{math.exp(value):.3g}" if entry.measure.is_log else f"{value:.3g}"
    return f"{_pair_text(entry)} {size}"


def _about_gates(examined: Examined, statement: Statement) -> Iterator[str]:
    failed = {arm: gate for arm, gate in examined.gates.items() if not gate.passed}
    for arm, gate in failed.items():
        yield f"{short_name(arm)}: {gate.state}: {gate.reason}"
    if failed and statement == "refuted":
        yield "the loss was compared before every arm had reached a minimum: train longer before you blame the minima"


def _about_seeds(examined: Examined) -> Iterator[str]:
    network = examined.network
    for arm in network.arms:
        lost = network.count_lost(arm)
        if lost:
            counts = ", ".join(f"{count} {state}" for state, count in lost.items())
            yield f"{short_name(arm)}: {sum(lost.values())} of {len(network.seeds)} seeds have no result ({counts})"
    if len(network.seeds) < network.protocol.seeds:
        yield f"{len(network.seeds)} of the {network.protocol.seeds} promised seeds were run"


def _about_too_few_units(examined: Examined) -> Iterator[str]:
    """Yield a line for each kind of unit of which there are too few for any difference, whatever its size."""
    rivals, alpha = len(examined.network.arm_pairs), examined.network.protocol.alpha
    counts: dict[str, int] = {}
    for entry in examined.entries:
        if entry.pair.kind == ARMS and not isinstance(entry.compared, Missing):
            counts[entry.unit_kind] = max(counts.get(entry.unit_kind, 0), len(entry.compared.units))
    for kind, count in counts.items():
        if 2.0 ** (1 - count) * rivals >= alpha:
            fewest = math.floor(1 - math.log2(alpha / rivals)) + 1
            facet = "loss: " if kind == KINDS["search"] else ""
            yield f"{facet}with {count} {kind} nothing can be called different; {fewest} could"


def _about_power(examined: Examined, power: float) -> Iterator[str]:
    network, circle = examined.network, examined.circle
    if not network.convex and len(network.arms) > 1 and circle and circle < network.protocol.seeds // 2:
        yield (
            f"power {power:.2f}, or {_power(examined, None):.2f} with all pairs: the representation was compared between "
            f"seeds at most {circle} apart in a circle of all seeds"
        )
    if network.protocol.exploratory(power):
        yield f"exploratory: identical arms would be called similar with probability {power:.2f}"


def _about_searches(examined: Examined) -> Iterator[str]:
    if examined.searches < SEARCHES:
        searches = "one search" if examined.searches == 1 else f"{examined.searches} searches"
        yield f"{CONDITIONAL}: {searches} of each arm"
    elif claim(examined) != ABOUT:
        yield "only the loss is averaged over searches: the other facets are conditional on the first search of each arm"
