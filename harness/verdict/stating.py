"""From the labels of a network's pairs to a statement on the claim, with everything a reader must know to weigh it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.statistics.labels import Label, Statement, overall
from harness.verdict.design import ARMS, CONTROLS
from harness.verdict.gate import PASSED
from harness.verdict.judging import (
    CHANGED,
    DOUBLE,
    HALF,
    UNEQUAL,
    UNLIKE,
    Entry,
    Examined,
    combined,
    needed,
    short,
)
from harness.verdict.measurements import SEARCHES, Missing
from harness.verdict.measures import PROBES
from harness.verdict.numbers import KINDS

QUIET = ("nowhere different", "told apart everywhere")  # of the controls
GATED = "not every arm is at a minimum, see below"
CONDITIONAL, ABOUT = "conditional on these hyperparameters", "loss: about the optimizers"
NOT_MEASURED, NOT_APPLICABLE = "not measured", "not applicable"


@dataclass(frozen=True)
class Stated:
    """What is said of one network."""

    statement: Statement
    half: Statement  # at half the margins
    double: Statement
    labels: Mapping[str, str]  # by facet, adjusted within the facet
    power: float  # P(supported | the arms are identical), as far as the distances decide it
    aa: str  # what the A/A arm says: "not run", or the facets on which it is different, or "nowhere different"
    different: str  # the same of the known-different arm: where it was not told apart
    exploratory: bool  # whether the design was too small to expect "supported" of identical arms
    reasons: tuple[str, ...]


def state(found: Examined) -> Stated:
    """Return the statement of a network, and why it is no other."""
    labels = {facet: facet_label(found, facet) for facet in found.cell.protocol.primaries}
    power = _power(found, found.circle)
    statement = _statement(found, 1.0)
    return Stated(
        statement=statement,
        half=_statement(found, HALF),
        double=_statement(found, DOUBLE),
        labels=labels,
        power=power,
        aa=_control(found, "aa"),
        different=_control(found, "different"),
        exploratory=found.cell.protocol.exploratory(power),
        reasons=tuple(_reasons(found, labels, statement, power)),
    )


def claim(found: Examined) -> str:
    """Return what the statement is about: optimizers, or one set of hyperparameters each, by facet."""
    if found.searches < SEARCHES:
        return CONDITIONAL
    others = any(facet != "loss" for facet in found.facets)
    return ABOUT + ("; other facets: conditional on the first search" if others else "")


def _power(found: Examined, circle: int | None) -> float:
    """Return P(supported | the arms are identical), where pairs up to ``circle`` apart have a known representation."""
    cell = found.cell
    return cell.protocol.power(len(cell.arms), cell.convex, circle) if len(cell.arms) > 1 else 0.0


def facet_label(found: Examined, facet: str) -> str:
    """Return a facet's label: that of its pairs together, "not measured" or "not applicable"."""
    entries = found.of(facet)
    if not entries:
        return NOT_APPLICABLE
    if not any(entry.measured for entry in entries):
        return NOT_MEASURED
    return combined(entries, [entry.in_facet().label for entry in entries])


def _statement(found: Examined, factor: float) -> Statement:
    """Return the overall statement; what was not measured is inconclusive, what does not apply has no part in it."""
    labels: dict[str, Label] = {}
    for facet in found.facets:
        entries = found.of(facet)
        labels[facet] = combined(entries, [entry.in_all(factor).label for entry in entries])
    return overall(labels)


def _control(found: Examined, role: str) -> str:
    if not found.cell.has(role):
        return "promised, and has no result" if role in found.cell.promised else "not run"
    labels = {facet: label for (kind, facet), label in found.control_labels.items() if kind == role}
    if not labels:
        return "not measured"
    if role == "aa":
        where = [facet for facet, label in labels.items() if label == "different"]
        return f"different: {', '.join(where)}" if where else "nowhere different"
    where = [facet for facet, label in labels.items() if label != "different"]
    without = [facet for facet in found.facets if facet not in labels and any(e.measured for e in found.of(facet))]
    said = {"not told apart": where, "not measured": without}
    return "; ".join(f"{what}: {', '.join(facets)}" for what, facets in said.items() if facets) or QUIET[1]


def controls_text(found: Examined, facet: str) -> str:
    """Return what the two controls say of a facet, to stand next to its labels."""
    texts = []
    for role, name in CONTROLS.items():
        label = found.control_labels.get((role, facet), "not measured" if found.cell.has(role) else "not run")
        texts.append(f"{name}: {label}")
    return "; ".join(texts)


def _reasons(found: Examined, labels: Mapping[str, str], statement: Statement, power: float) -> list[str]:
    """Return a line for everything that keeps the statement from being another, and for what limits it."""
    cell = found.cell
    lines = [f"{CHANGED}: {', '.join(found.changed)}; its measurements were replaced"] if found.changed else []
    lines += [] if len(cell.arms) > 1 else ["there is one arm, and nothing to compare it with"]
    for facet, label in labels.items():
        if label == NOT_MEASURED:
            hint = next(e.compared.reason for e in found.of(facet) if isinstance(e.compared, Missing))
            lines.append(f"{facet}: not measured; {hint}")
        elif label == NOT_APPLICABLE and facet in PROBES and len(cell.arms) > 1:
            lines.append(f"{facet}: not applicable, because nothing of it is trained")
        elif label == "inconclusive":
            lines += _open(found, facet)
        elif label == "different":
            lines += _apart(found, facet)
            if "different" not in {entry.in_all().label for entry in found.of(facet)}:
                lines.append(f"{facet}: different by itself, and not when all facets are adjusted for together")
    lines += [f"{short(arm)}: {g.state}: {g.reason}" for arm, g in found.gates.items() if g.state != PASSED]
    if statement == "refuted" and any(g.state != PASSED for g in found.gates.values()):
        lines.append("the loss is that of arms that are not at a minimum: train longer before it is laid to the minima")
    if len(found.steps) > 1:
        counts = ", ".join(map(str, sorted(found.steps)))
        lines.append(f"{UNEQUAL} ({counts}): that is a leaderboard, and no comparison of minima")
    if not found.common:
        lines.append(f"{UNLIKE}: that is a leaderboard, and no comparison of minima")
    for arm in cell.arms:
        if lost := cell.lost(arm):
            counts = ", ".join(f"{count} {state}" for state, count in lost.items())
            lines.append(f"{short(arm)}: {sum(lost.values())} of {len(cell.seeds)} seeds have no result ({counts})")
    if len(cell.seeds) < cell.protocol.seeds:
        lines.append(f"{len(cell.seeds)} of the {cell.protocol.seeds} promised seeds were run")
    lines += [f"{name}: {text}" for role, name in CONTROLS.items() if (text := _control(found, role)) not in QUIET]
    lines += _too_few(found)
    if not cell.convex and len(cell.arms) > 1 and found.circle and found.circle < cell.protocol.seeds // 2:
        lines.append(
            f"power {power:.2f}, and {_power(found, None):.2f} with all pairs: of the representation those of seeds up to "
            f"{found.circle} apart in a circle were measured"
        )
    if cell.protocol.exploratory(power):
        lines.append(f"exploratory: identical arms would be called similar with probability {power:.2f}")
    if found.searches < SEARCHES:
        searches = "one search" if found.searches == 1 else f"{found.searches} searches"
        lines.append(f"{CONDITIONAL}: {searches} of each arm")
    elif claim(found) != ABOUT:
        lines.append(
            "only the loss is averaged over searches: the other facets are conditional on the first of each arm"
        )
    return lines


def _too_few(found: Examined) -> list[str]:
    """Return a line for each kind of unit of which there are too few for any difference, whatever its size."""
    rivals, alpha, lines = found.cell.rivals, found.cell.protocol.alpha, []
    counts: dict[str, int] = {}
    for entry in found.entries:
        if entry.pair.kind == ARMS and entry.measured:
            units = 0 if isinstance(entry.compared, Missing) else len(entry.compared.units)
            counts[entry.unit_kind] = max(counts.get(entry.unit_kind, 0), units)
    for kind, count in counts.items():
        if 2.0 ** (1 - count) * rivals >= alpha:
            least = math.floor(1 - math.log2(alpha / rivals)) + 1
            where = "loss: " if kind == KINDS["search"] else ""
            lines.append(f"{where}with {count} {kind} nothing can be called different; {least} could")
    return lines


def _open(found: Examined, facet: str) -> list[str]:
    """Return a line per reason for which a facet's pairs are inconclusive, with the pairs and the seeds needed."""
    why: dict[str, list[str]] = {}
    for entry in found.of(facet):
        judged = entry.in_facet()
        if judged.label != "inconclusive":
            continue
        pair = f"{entry.measure.name} of {short(entry.pair.one)} and {short(entry.pair.other)}"
        if judged.detail in entry.demotions.values():
            why.setdefault(GATED if entry.gated else judged.detail, [])
        elif isinstance(entry.compared, Missing):
            why.setdefault(entry.compared.reason, []).append(pair)
        else:
            seeds = needed(entry, found.cell.rivals)
            kind = entry.unit_kind
            more = f"about {seeds} {kind}" if seeds else f"no number of {kind} up to 999 is sure to"
            more += " would settle it" if seeds else " settle it"
            far = entry.margin().outside(entry.estimate)
            wide = (
                f"beyond the margin, with too few {kind} to rule out chance"
                if far
                else "the interval straddles the margin"
            )
            why.setdefault(judged.detail or wide, []).append(f"{pair} ({more})")
    if not why:
        return [f"{facet}: inconclusive, because its measures disagree"]
    return [f"{facet}: {reason}" + (f": {'; '.join(pairs)}" if pairs else "") for reason, pairs in why.items()]


def _apart(found: Examined, facet: str) -> list[str]:
    apart = [entry for entry in found.of(facet) if entry.in_facet().label == "different"]
    return [f"{facet}: different: {'; '.join(_sized(entry) for entry in apart)}"]


def _sized(entry: Entry) -> str:
    pair = f"{entry.measure.name} of {short(entry.pair.one)} and {short(entry.pair.other)}"
    value = entry.estimate.value
    ratio = entry.measure.scale in ("log rho", "log ratio")
    return f"{pair} {'x' if ratio else ''}{math.exp(value) if ratio else value:.3g}"


def pooled(statements: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the statement of all networks, or "mixed", with what each network says where they differ."""
    words = dict.fromkeys(statement for _, statement in statements)
    if len(words) == 1:
        return next(iter(words)), ""
    cells = {word: [network for network, statement in statements if statement == word] for word in words}
    return "mixed", "; ".join(f"{word}: {', '.join(networks)}" for word, networks in cells.items())
