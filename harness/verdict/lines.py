"""The line of a facet in the statement: its word, the look, one pair with its size and interval, and how probable it is.

    loss: different (look 3 of 5, 12 searches x 2 seeds): rmsprop ahead of sgd by 1.40 points
    (90 % interval 0.80 to 2.00); P(beyond 0.50) 0.99

The pair is the one that the word rests on most: the largest difference in margins, or the pair that is nearest to its margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.console import numbers
from harness.statistics.pairwise import Estimate
from harness.statistics.posterior import posterior
from harness.verdict.course import Course
from harness.verdict.design import Network
from harness.verdict.entries import Entry
from harness.verdict.judging import Examined
from harness.verdict.measures import RHO, Measure
from harness.verdict.paired_numbers import FEWEST
from harness.verdict.why import STRADDLES
from harness.verdict.words import NO_WORD, NOT_CONNECTED

SCATTERED = {"function": "predictions", "representation": "representations"}  # what a facet's networks differ in


def facet_line(course: Course, facet: str, word: str, why: str) -> str:
    """Return the line of a facet that has this word, which may also be that it was not measured or does not apply.

    ``why`` says why it has no word. Its numbers stand beside that only where the width of the interval is why.
    """
    examined = course.shown(facet)
    if not any(entry.measured for entry in examined.entries_of(facet)):
        return f"{facet}: {word}{f': {why}' if why else ''}"
    head = f"{facet}: {word} ({look_text(examined.network)})"
    if why and why != STRADDLES:
        return f"{head}: {why}"
    entry = _telling(examined, facet, word)
    return f"{head}: {_sentence(examined, entry, word)}" if entry is not None else head


def look_text(network: Network) -> str:
    """Return the look and the sizes that it rests on: "look 3 of 5, 12 searches x 2 seeds"."""
    protocol, count = network.protocol, len(network.replicates)
    look = f"look {network.look} of {len(protocol.looks)}" if network.look else "before the first look"
    searches = f"{count} search{'' if count == 1 else 'es'}"
    return f"{look}, {searches} x {protocol.seeds} seed{'' if protocol.seeds == 1 else 's'}"


def interval_name(level: float) -> str:
    """Return what the interval is called that belongs to tests at a level.

    >>> interval_name(0.05), interval_name(0.0125)
    ('90 % interval', '97.5 % interval')
    """
    return f"{100 * (1 - 2 * level):.3g} % interval"


# --- the pair that the word rests on


def _telling(examined: Examined, facet: str, word: str) -> Entry | None:
    """Return the entry that a word rests on most; None where no entry has an estimate."""
    entries = [entry for entry in examined.entries_of(facet) if entry.measured and entry.estimate.replicates >= FEWEST]
    entries = [entry for entry in entries if math.isfinite(entry.estimate.value)]
    if word == NOT_CONNECTED:
        entries = [entry for entry in entries if entry.measure.scale == "barrier"]
    labelled = [entry for entry in entries if entry.judge_in_facet().label == word] or entries
    return max(labelled, key=_in_margins(word), default=None)


def _in_margins(word: str) -> Callable[[Entry], tuple[bool, float]]:
    """Return how much an entry tells: by its size for a difference, else by how near it comes to its margin."""

    def size(entry: Entry) -> tuple[bool, float]:
        value, margin = entry.estimate.value, entry.margin()
        return True, (abs(value) if margin.two_sided else value) / margin.size

    def nearness(entry: Entry) -> tuple[bool, float]:
        return not entry.below_floor, entry.p.same.get(1.0, 1.0)

    return nearness if word in ("similar", NO_WORD) else size


# --- its sentence


def _sentence(examined: Examined, entry: Entry, word: str) -> str:
    size, unit = size_text(examined.network, entry)
    if word == "similar" and entry.below_floor:
        return f"{size}, but {_negligible(entry)}"
    wide = f"; {STRADDLES}" if word == NO_WORD else ""
    return f"{size}; {_probability(entry, word, unit)}{wide}"


def _negligible(entry: Entry) -> str:
    """Return why the size of a pair below the floor decides nothing: "at most .0004 nats, and below .002 nats no ratio matters"."""
    protocol = entry.network.protocol
    unit = entry.measure.distances_in(protocol).unit
    most, floor = (
        f"{numbers.number(value)} {unit}".rstrip() for value in (entry.distance.high, entry.measure.floor_of(protocol))
    )
    return f"it is at most {most}, and below {floor} no ratio matters"


def size_text(network: Network, entry: Entry) -> tuple[str, Callable[[float], str]]:
    """Return how far two arms are apart, in words, and a function that writes the margin in the same unit."""
    first, second = (network.name_of(arm) for arm in (entry.pair.one, entry.pair.other))
    measure, estimate = entry.measure, entry.estimate
    name = numbers_of(measure)
    in_unit = _written(measure)
    if _is_level(estimate, in_unit):
        exact = estimate.low == estimate.high == 0
        return _level_text(measure, first, second, exact), in_unit
    ordered = measure.scale == "difference" or (measure.is_log and entry.margin().two_sided)
    if ordered:
        first_leads = (estimate.value >= 0) == (measure.name == "accuracy" or measure.facet != "loss")
        first, second = (first, second) if first_leads else (second, first)
        estimate = estimate if estimate.value >= 0 else _turned(estimate)
    size, ends = in_unit(estimate.value), f"{in_unit(estimate.low)} to {in_unit(estimate.high)}"
    turns = (
        f"; below {1 if measure.is_log else 0}, {second} is {_ahead(measure)}" if ordered and estimate.low < 0 else ""
    )
    interval = f"({interval_name(network.level)} {ends}{turns})"
    if measure.name == "accuracy":
        return f"{first} ahead of {second} by {size} points of test accuracy {interval}", in_unit
    if measure.scale == "difference":
        return f"{first} ahead of {second} by {size} nats of {name} {interval}", in_unit
    if measure.facet == "loss":
        return f"{first} ahead of {second} by a factor of {size} in {name} {interval}", in_unit
    if measure.facet == "geometry":
        at_rho = numbers.setting(RHO[measure.name])
        return f"{first} sharper than {second} by a factor of {size} at rho {at_rho} {interval}", in_unit
    if measure.is_scatter:
        return f"{name} of {first} scatter {size} times as widely as of {second} {interval}", in_unit
    if measure.scale == "log rho":
        return f"{name} between {first} and {second} {size} times that within them {interval}", in_unit
    above = " above those within them" if measure.scale == "excess" else ""
    return f"barriers between {first} and {second} {size} points{above} {interval}", in_unit


def numbers_of(measure: Measure) -> str:
    """Return what a sentence calls the numbers of a measure where the arms' names follow."""
    if measure.facet == "connectivity":
        return measure.name.replace("_", " ")
    return SCATTERED[measure.facet] if measure.is_scatter else measure.in_sentence


def _ahead(measure: Measure) -> str:
    """Return what the other arm is where a difference lies on its side."""
    if measure.facet == "loss":
        return "ahead"
    return "sharper" if measure.facet == "geometry" else "the wider one"


def _written(measure: Measure) -> Callable[[float], str]:
    """Return the function that writes an estimate of a measure: as a ratio, in points, or as it is."""
    if measure.is_log:
        return _as_ratio
    return _in_points if measure.is_part else numbers.number


def _is_level(estimate: Estimate, in_unit: Callable[[float], str]) -> bool:
    """Return whether an estimate and both ends of its interval all read as no difference: a factor of 1 [1, 1] says nothing."""
    shown = (estimate.value, estimate.low, estimate.high)
    return all(in_unit(value) == in_unit(0.0) or in_unit(value)[0] in "<>" for value in shown)


def _level_text(measure: Measure, one: str, other: str, exact: bool) -> str:
    """Return that two arms do not differ in a measure, with the digits to which that holds where it is not exact."""
    name, arms = numbers_of(measure), f"{one} and {other}"
    digits = "" if exact else ", to three digits" if measure.is_log else ", to four decimals"
    if measure.facet == "geometry":
        return f"{arms} equally sharp at rho {numbers.setting(RHO[measure.name])}{digits}"
    if measure.is_scatter:
        return f"{name} of {arms} scatter equally widely{digits}"
    if measure.scale == "log rho":
        return f"{name} between {arms} as large as within them{digits}"
    if measure.facet == "connectivity":
        return f"no barrier between {arms}{' above that within them' if measure.scale == 'excess' else ''}{digits}"
    return f"{arms} have the same {measure.title}{digits}"


def _turned(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low, estimate.se, estimate.replicates)


def _as_ratio(logarithm: float) -> str:
    return numbers.number(math.exp(min(logarithm, 700.0)))


def _in_points(part: float) -> str:
    return numbers.plain(part, "%")


def _probability(entry: Entry, word: str, unit: Callable[[float], str]) -> str:
    """Return how probable it is that the truth lies beyond the margin, on the side of the estimate, or within it."""
    beliefs = posterior(entry.estimate, entry.margin())
    margin = unit(entry.margin().size)
    if word in ("similar", NO_WORD):
        return f"P(within {margin}) {beliefs.within:.2f}"
    return f"P(beyond {margin}) {beliefs.above if entry.estimate.value >= 0 else beliefs.below:.2f}"
