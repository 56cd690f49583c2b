"""From the words of a network's facets to a statement on the claim, with everything a reader must know to weigh it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.console.numbers import first_of
from harness.statistics.labels import Label, overall
from harness.verdict.course import Course
from harness.verdict.doubts import NOT_RUN, Doubt, find_doubts
from harness.verdict.entries import DOUBLE, HALF, Entry
from harness.verdict.judging import Examined, needed
from harness.verdict.lines import facet_line, numbers_of, size_text
from harness.verdict.measurements import MOVABLE, Missing
from harness.verdict.measures import PROBES
from harness.verdict.power import course_power
from harness.verdict.replicates import CONTROLS
from harness.verdict.why import why_no_word
from harness.verdict.words import NO_WORD, NOT_CONNECTED, UPPER_BOUND

QUIET = ("nowhere different", "told apart everywhere")  # of the A/A arm and of the known-different arm
NO_VERDICT = "no verdict"  # of a design that ranks the arms and compares no minima
NOT_MEASURED, NOT_APPLICABLE = "not measured", "not applicable"
MOST_PAIRS = 3  # in a reason; further ones are counted
MOST_ADVISED = 99  # replicates that anybody could run


@dataclass(frozen=True)
class Stated:
    """The statement on one network, and what it rests on."""

    statement: str  # supported, value only, refuted, inconclusive, or ``NO_VERDICT``
    half: str  # at half the margins
    double: str  # at twice the margins
    words: Mapping[str, str]  # by facet, adjusted within the facet
    why: Mapping[str, str]  # by facet: the gravest reason that it has no word; "" where it has one
    looks: Mapping[str, int | None]  # by facet: the look at which it got its word
    power: float  # P(supported | the arms are identical), of the facets that were measured; NaN before the first look
    aa: str  # what the A/A arm says: "not run", the facets on which it is different, or "nowhere different"
    different: str  # the same of the known-different arm: the facets on which it was not told apart
    exploratory: bool  # whether the design was too small to expect "supported" of identical arms
    lines: tuple[str, ...]  # one for each facet
    doubts: tuple[Doubt, ...]  # the gravest first
    reasons: tuple[str, ...]  # a line each


def state(course: Course) -> Stated:
    """Return the statement on a network, and why it is no other."""
    facets = tuple(course.network.protocol.primaries)
    words = {facet: facet_word(course, facet) for facet in facets}
    reasons = {facet: _why(course, facet, word) for facet, word in words.items()}
    power, controls = course_power(course), {role: control_text(course.last, role) for role in CONTROLS}
    exploratory = course.network.protocol.exploratory(power)
    statement = _statement(course, 1.0)
    too_small = exploratory and statement == "inconclusive" and len(course.network.arms) > 1
    named = [(CONTROLS[role], text) for role, text in controls.items()]
    return Stated(
        statement=statement,
        half=_statement(course, HALF),
        double=_statement(course, DOUBLE),
        words=words,
        why=reasons,
        looks={facet: _look_of(course, facet) for facet in facets},
        power=power,
        aa=controls["aa"],
        different=controls["different"],
        exploratory=exploratory,
        lines=tuple(facet_line(course, facet, words[facet], reasons[facet]) for facet in facets),
        doubts=find_doubts(
            course,
            named,
            QUIET,
            _power_text(power) if too_small else "",
            {facet: reasons[facet] for facet, word in words.items() if word == NOT_MEASURED},
        ),
        reasons=tuple(_reasons(course, words)),
    )


def _power_text(power: float) -> str:
    """Return how seldom identical arms would be called similar by this design; that it is not known where it is not."""
    often = f"in only {100 * power:.0f} of 100 cases" if power >= 0.01 else "in less than 1 of 100 cases"
    return f"there are few replicates: even identical arms would be called similar {often}"


def _why(course: Course, facet: str, word: str) -> str:
    """Return why a facet has no word; of one that was not measured, what would measure it; "" where it has a word."""
    examined = course.shown(facet)
    if word == NOT_MEASURED:
        return next(e.compared.reason for e in examined.entries_of(facet) if isinstance(e.compared, Missing))
    if word == NOT_APPLICABLE:
        return examined.why_not_applicable(facet)
    return why_no_word(examined, facet)[0].text if word == NO_WORD else ""


def _look_of(course: Course, facet: str) -> int | None:
    """Return the look at which a facet got its word; None without one."""
    deciding = course.deciding_look(facet)
    return deciding.network.look if deciding is not None and deciding.entries_of(facet) else None


def facet_word(course: Course, facet: str) -> str:
    """Return a facet's word: that of its first look with one, "not measured" or "not applicable"."""
    entries = course.last.entries_of(facet)
    if not entries:
        return NOT_APPLICABLE
    if not any(entry.measured for entry in entries):
        return NOT_MEASURED
    return course.word(facet)


def _statement(course: Course, factor: float) -> str:
    """Return the overall statement. A facet that was not measured is inconclusive; one that does not apply has no part.

    "Not connected" and "upper bound only" are no part of "supported", and do not make a facet different. There is no verdict
    where each arm may have an objective of its own, for then there are no minima to compare, and none of one search of each arm.
    """
    if not course.last.common or course.network.protocol.most_replicates == 1:
        return NO_VERDICT
    labels: dict[str, Label] = {}
    for facet in course.last.facets:
        word = course.word_overall(facet, factor)
        labels[facet] = "similar" if word == "similar" else "different" if word == "different" else "inconclusive"
    return overall(labels)


def pool_statements(statements: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the one statement of all networks and "", or "mixed" and the networks of each statement.

    ``statements`` are pairs of a network and its statement. One that does not apply to a network disagrees with nothing.
    """
    statements = [pair for pair in statements if pair[1] != NOT_APPLICABLE] or statements
    different = dict.fromkeys(statement for _, statement in statements)
    if len(different) == 1:
        return next(iter(different)), ""
    networks = {word: [network for network, statement in statements if statement == word] for word in different}
    return "mixed", "; ".join(f"{word}: {', '.join(names)}" for word, names in networks.items())


# --- the controls


def control_text(examined: Examined, role: str) -> str:
    """Return what a control says of the whole network."""
    if not examined.network.has_control(role):
        return "promised, and has no result" if role in examined.network.promised else NOT_RUN
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
        unknown = "not measured" if examined.network.has_control(role) else NOT_RUN
        texts.append(f"{name}: {examined.control_labels.get((role, facet), unknown)}")
    return "; ".join(texts)


# --- the reasons


def _reasons(course: Course, words: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for everything that keeps a facet from another word. What is doubtful about the whole stands elsewhere."""
    network = course.network
    if len(network.arms) < 2:
        yield "there is one arm, and nothing to compare it with"
    for facet, word in words.items():
        yield from _about_facet(course, facet, word)
    if _statement(course, 1.0) == "refuted" and not all(gate.passed for gate in course.last.gates.values()):
        yield "the loss was compared before every arm had reached a minimum: train longer before you blame the minima"


def _about_facet(course: Course, facet: str, word: str) -> Iterator[str]:
    """Yield the lines that explain a facet's word; "similar" needs none."""
    examined = course.shown(facet)
    entries = examined.entries_of(facet)
    if word == NOT_APPLICABLE and facet in PROBES and len(course.network.arms) > 1:
        yield f"{facet}: not applicable, because {examined.why_not_applicable(facet)}"
    elif word == NO_WORD:
        yield from _why_inconclusive(examined, facet)
    elif word == UPPER_BOUND:
        yield f"{facet}: {word}: {examined.movable:.0%} of the hidden units could be moved, fewer than {MOVABLE:.0%}"
    elif word == NOT_CONNECTED:
        barriers = [e for e in entries if e.measure.scale == "barrier" and e.judge_in_facet().label == "different"]
        yield f"{facet}: {word}, and no further apart than two searches of one arm: {_first_pairs(barriers)}"
    elif word == "different":
        different = [entry for entry in entries if entry.judge_in_facet().label == "different"]
        yield f"{facet}: different: {_first_pairs(different)}"
        if course.word_overall(facet) == NO_WORD:
            yield f"{facet}: different when tested alone, but not after adjusting for all facets"


def _why_inconclusive(examined: Examined, facet: str) -> list[str]:
    """Return a line per reason for which a facet's pairs are inconclusive, with the pairs and the replicates needed."""
    reasons = why_no_word(examined, facet)
    return [f"{facet}: {_with_pairs(examined, reason.text, reason.entries)}" for reason in reasons]


def _with_pairs(examined: Examined, reason: str, entries: Sequence[Entry]) -> str:
    """Return a reason with the first of its pairs, and how many replicates would settle all of them."""
    counts = [needed(examined, entry) for entry in entries]
    pairs = f": {_first_pairs(entries)}" if entries else ""
    if not any(counts):
        return f"{reason}{pairs}"
    most = max(count or MOST_ADVISED + 1 for count in counts)
    return f"{reason}{pairs}; " + (
        f"about {most} replicates would settle it: set compare.looks = [{most}]"
        if most <= MOST_ADVISED
        else f"more than {MOST_ADVISED} replicates would be needed to settle it"
    )


def _first_pairs(entries: Sequence[Entry]) -> str:
    """Return the first pairs, those farthest beyond their margins first, and how many more there are."""
    ordered = sorted(entries, key=lambda entry: -_in_margins(entry))
    return first_of([*map(_sized, ordered)], MOST_PAIRS, "; ")


def _in_margins(entry: Entry) -> float:
    """Return the size of a pair's estimate in margins; 0 where there is none."""
    value = entry.estimate.value
    size = abs(value) if entry.margin().two_sided else value
    return size / entry.margin().size if math.isfinite(size) else 0.0


def _sized(entry: Entry) -> str:
    """Return a pair with its size and interval in words; the measure and the arms alone where nothing is estimated."""
    if math.isfinite(entry.estimate.value) and math.isfinite(entry.estimate.low):
        return size_text(entry.network, entry)[0]
    first, second = (entry.network.name_of(arm) for arm in (entry.pair.one, entry.pair.other))
    return f"{numbers_of(entry.measure)} of {first} and {second}"
