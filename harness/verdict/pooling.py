"""The verdicts of several workloads together: one word for each facet, and one statement.

An effect is an estimate over its margin, so that 1 is on the margin whatever the measure, its unit and the workload's own
margin are. The two measures of a role, as accuracy where classes are learned and the test loss where numbers are, are one
effect: plus is better for the first arm of the pair.

- Five workloads or more have an effect: its word is that of the prediction interval of their random-effects mean
  (``harness.statistics.pooling``). It says what one more workload will show.
- Fewer have one: the word is that of all workloads where they agree, else "mixed".

A workload in which both distances lie below their floor has no ratio to be pooled; it counts as similar. One whose word was
barred, by the gate or by an alarm, says nothing of the effect. Several networks of one workload are one effect, their mean,
with the mean of their standard errors: they share their data, so they are not taken for independent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from harness.statistics.labels import Label, Statement, holm, overall
from harness.statistics.pooling import Pooled, beyond_p, random_effects, within_p
from harness.verdict.arms import short_name
from harness.verdict.measures import TWO_SIDED
from harness.verdict.protocol import FACETS
from harness.verdict.reading import ProtocolVerdict, Row
from harness.verdict.stating import NO_VERDICT, NOT_APPLICABLE, NOT_MEASURED
from harness.verdict.words import NOT_CONNECTED, UPPER_BOUND

FEWEST = 5  # workloads whose effects are pooled
MIXED = "mixed"
INCONCLUSIVE: Label = "inconclusive"
PREDICTION, AGREEMENT = "prediction interval", "agreement"  # what a word rests on
ROLES: Mapping[str, tuple[str, int]] = {
    "accuracy": ("test score", 1),
    "test_loss": ("test score", -1),
    "disagreement": ("predictions", 1),
    "prediction_distance": ("predictions", 1),
    "cka_within_penultimate": ("CKA", 1),
    "cka_penultimate": ("CKA", 1),
    "procrustes_within_penultimate": ("Procrustes", 1),
    "procrustes_penultimate": ("Procrustes", 1),
}  # of measures that stand for each other: their role, and the sign of what is better
BETTER_IS_LESS = ("objective", "train_loss", "calibrated_loss")


@dataclass(frozen=True)
class Effect:
    """How far apart a pair of arms is on one measure in one workload, in margins."""

    workload: str
    facet: str
    role: str  # the measure, or the name that it shares with those that stand for it
    pair: tuple[str, str]  # the arms without their network, in the order of the alphabet
    value: float  # 1 is on the margin; plus is better for the first arm, or further apart; NaN where it is not known
    se: float
    two_sided: bool
    label: str  # the word of the pair in its workload
    below_floor: bool = False  # the distance is so small that no ratio matters
    barred: bool = False  # the gate or an alarm allows no word

    @property
    def usable(self) -> bool:
        """Whether it can be pooled."""
        is_finite = math.isfinite(self.value) and math.isfinite(self.se)
        return is_finite and not self.below_floor and not self.barred


@dataclass(frozen=True)
class Together:
    """What the workloads say together of one pair on one measure."""

    facet: str
    role: str
    pair: tuple[str, str]
    word: str
    rests_on: str  # PREDICTION or AGREEMENT
    effects: tuple[Effect, ...]
    pooled: Pooled | None = None  # in margins; None where too few workloads have an effect
    p_within: float = math.nan
    p_beyond: float = math.nan  # adjusted for all pairs and measures of the facet
    p_beyond_overall: float = math.nan  # adjusted for those of all facets

    @property
    def workloads(self) -> int:
        """How many workloads the word rests on."""
        return len(self.pooled_effects) if self.pooled else len({effect.workload for effect in self.effects})

    @property
    def pooled_effects(self) -> list[Effect]:
        """The effects that can be pooled, one a workload."""
        return one_per_workload(effect for effect in self.effects if effect.usable)


@dataclass(frozen=True)
class PooledVerdict:
    """The statement on all workloads together, a word for each facet, and what these rest on."""

    statement: str
    words: Mapping[str, str]  # by facet
    rests_on: Mapping[str, str]  # by facet
    together: tuple[Together, ...]
    level: float  # of each test


def pool(verdicts: Mapping[str, ProtocolVerdict], level: float) -> PooledVerdict:
    """Return what workloads say together, from the standing verdict of each by its name.

    ``level`` is that of each test. A word at a level is never taken for another one: who looks J times divides it by J.
    """
    effects = [effect for name, verdict in verdicts.items() for effect in effects_of(name, verdict)]
    groups: dict[tuple[str, str, tuple[str, str]], list[Effect]] = {}
    for effect in effects:
        groups.setdefault((effect.facet, effect.role, effect.pair), []).append(effect)
    together = _with_words([_pooled(key, group, level) for key, group in groups.items()], level)
    words, rests_on = {}, {}
    for facet in FACETS:
        of_facet = [entry for entry in together if entry.facet == facet]
        labels = [str(verdict.pooled[facet]) for verdict in verdicts.values()]
        words[facet], rests_on[facet] = _facet_word(of_facet, labels)
    different = {entry.facet for entry in together if entry.pooled and entry.p_beyond_overall < level}
    if PREDICTION in rests_on.values():
        statement = str(_statement(words, rests_on, different))
    else:
        statements = [str(verdict.pooled["statement"]) for verdict in verdicts.values()]
        statement = agreed([word for word in statements if word != NO_VERDICT] or statements)
    return PooledVerdict(statement, words, rests_on, together, level)


def effects_of(workload: str, verdict: ProtocolVerdict) -> list[Effect]:
    """Return every effect of a workload: each pair of arms of each network on each primary measure."""
    effects = []
    for network in verdict.networks:
        bounds = {facet for facet in FACETS if network.row[facet] == UPPER_BOUND}  # the effects are at most so large
        applicable = [row for row in network.facets if row["label"] != NOT_APPLICABLE]
        for row in applicable:
            if row["primary"] and row["pair"] == "arms":
                effect = _effect(workload, row)
                effects.append(replace(effect, barred=effect.barred or effect.facet in bounds))
    return effects


def _effect(workload: str, row: Row) -> Effect:
    """Return the effect of a row of the table ``facets``, its pair in the order of the alphabet."""
    role, sign = ROLES.get(str(row["measure"]), (str(row["measure"]), -1 if row["measure"] in BETTER_IS_LESS else 1))
    first, second = short_name(str(row["arm"])), short_name(str(row["other"]))
    two_sided, margin = row["scale"] in TWO_SIDED, float(row["margin"])
    has_margin = math.isfinite(margin) and margin > 0
    value = float(row["estimate"]) / margin if has_margin else math.nan
    if two_sided:
        value *= sign * (-1 if first > second else 1)
    return Effect(
        workload=workload,
        facet=str(row["facet"]),
        role=role,
        pair=(min(first, second), max(first, second)),
        value=value,
        se=float(row["se"]) / margin if has_margin else math.nan,
        two_sided=two_sided,
        label=str(row["label"]),
        below_floor=bool(row["below_floor"]),
        barred=bool(row["barred"]),
    )


def one_per_workload(effects: Iterable[Effect]) -> list[Effect]:
    """Return one effect for each workload: the mean over its networks, with the mean of their standard errors."""
    by_workload: dict[str, list[Effect]] = {}
    for effect in effects:
        by_workload.setdefault(effect.workload, []).append(effect)
    means = []
    for group in by_workload.values():
        value, se = (sum(getattr(effect, name) for effect in group) / len(group) for name in ("value", "se"))
        means.append(replace(group[0], value=value, se=se))
    return means


def _pooled(key: tuple[str, str, tuple[str, str]], effects: Sequence[Effect], level: float) -> Together:
    """Return the pooled effect of one pair on one measure, its p-values not yet adjusted and its word not yet decided."""
    entry = Together(*key, word="", rests_on=AGREEMENT, effects=tuple(effects))
    usable, two_sided = entry.pooled_effects, effects[0].two_sided
    if len(usable) < FEWEST:
        return entry
    values, errors = [effect.value for effect in usable], [effect.se for effect in usable]
    pooled = random_effects(values, errors, 1 - 2 * level)
    beyond, within = (test(values, errors, 1.0, two_sided) for test in (beyond_p, within_p))
    return replace(entry, rests_on=PREDICTION, pooled=pooled, p_within=within, p_beyond=beyond, p_beyond_overall=beyond)


def _with_words(entries: Sequence[Together], level: float) -> tuple[Together, ...]:
    """Return the entries with adjusted p-values and with their words."""
    overall_p = holm([entry.p_beyond for entry in entries])
    by_facet: dict[str, list[float]] = {}
    for facet in FACETS:
        by_facet[facet] = holm([entry.p_beyond for entry in entries if entry.facet == facet])
    adjusted = []
    for entry, p_overall in zip(entries, overall_p, strict=True):
        entry = replace(entry, p_beyond=by_facet[entry.facet].pop(0), p_beyond_overall=p_overall)
        adjusted.append(replace(entry, word=_word(entry, entry.p_beyond, level)))
    return tuple(adjusted)


def _word(entry: Together, p_beyond: float, level: float) -> str:
    """Return the word of one pair on one measure."""
    if entry.pooled is None:
        return agreed(effect.label for effect in entry.effects)
    if p_beyond < level:
        return "different"
    return "similar" if entry.p_within < level else INCONCLUSIVE


def agreed(words: Iterable[str]) -> str:
    """Return the one word of all, or "mixed". What was not measured, or does not apply, disagrees with nothing.

    Where there is nothing else, the word is "not applicable" if the facet applies to no workload, else "not measured".

    >>> agreed(["similar", "similar", "not measured"]), agreed(["similar", "different"])
    ('similar', 'mixed')
    """
    distinct = dict.fromkeys(words)
    if len(decided_words := [word for word in distinct if word not in (NOT_MEASURED, NOT_APPLICABLE)]) > 1:
        return MIXED
    return decided_words[0] if decided_words else NOT_APPLICABLE if [*distinct] == [NOT_APPLICABLE] else NOT_MEASURED


def _facet_word(entries: Sequence[Together], labels: Sequence[str]) -> tuple[str, str]:
    """Return the word of a facet and what it rests on; ``labels`` are the workloads' own words."""
    if not any(entry.pooled for entry in entries):
        return agreed(labels), AGREEMENT
    return _combined(entries), PREDICTION


def _combined(entries: Sequence[Together]) -> str:
    """Return the word of a facet from those of its pairs and measures, by the rules that a single workload has.

    - Representation: a pair that is different by one distance and similar by the other is inconclusive.
    - Geometry: a pair has a word where the sharpness at all three rho gives it that.
    - Connectivity: the excess of the barrier decides, and a high barrier leaves "not connected".
    """
    words: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.role != "barrier":
            words.setdefault(entry.pair, []).append(entry.word)
    facet = entries[0].facet
    if facet == "geometry":
        return _one_word([of_pair[0] if len(set(of_pair)) == 1 else INCONCLUSIVE for of_pair in words.values()])
    if facet == "representation":
        disputed = {entry.pair for entry in entries if {"similar", "different"} <= _distance_words(entries, entry.pair)}
        words |= {pair: [INCONCLUSIVE] for pair in disputed}
    word = _one_word(chain.from_iterable(words.values()))
    barrier = _one_word([entry.word for entry in entries if entry.role == "barrier"] or ["similar"])
    if word == "similar" and barrier != "similar":
        return NOT_CONNECTED if barrier == "different" else barrier
    return word


def _distance_words(entries: Sequence[Together], pair: tuple[str, str]) -> set[str]:
    """Return the words that a pair has by distances, without those of its scatter."""
    return {entry.word for entry in entries if entry.pair == pair and not entry.role.endswith("scatter")}


def _one_word(words: Iterable[str]) -> str:
    """Return "different" where any word is, "similar" where all are, else "mixed" or "inconclusive"."""
    distinct = set(words)
    if "different" in distinct or distinct == {"similar"}:
        return "different" if "different" in distinct else "similar"
    return MIXED if MIXED in distinct else INCONCLUSIVE


def _statement(words: Mapping[str, str], rests_on: Mapping[str, str], different: Collection[str]) -> Statement:
    """Return the statement of the facets' words; ``different`` are the facets that are so after adjusting for all facets."""
    labels: dict[str, Label] = {}
    for facet, word in words.items():
        if word == "similar" or (word == "different" and (facet in different or rests_on[facet] == AGREEMENT)):
            labels[facet] = "similar" if word == "similar" else "different"
        elif word != NOT_APPLICABLE:
            labels[facet] = INCONCLUSIVE
    return overall(labels)


def plain_effect(effect: Effect) -> dict[str, Any]:
    """Return an effect as a row of a table."""
    return {
        "workload": effect.workload, "facet": effect.facet, "measure": effect.role, "arm": effect.pair[0],
        "other": effect.pair[1], "effect": effect.value, "se": effect.se, "label": effect.label,
        "below_floor": effect.below_floor, "barred": effect.barred, "pooled": effect.usable,
    }  # fmt: skip
