"""Every arm compared with every other one: score, loss, time to the target, and work per step.

A reader who has a new optimizer asks whether it is better than a named one. Each row answers that for one arm, one reference and
one measure. ``harness.results.tables.against`` picks the rows of one reference, adjusts their p-values and puts them into words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.plugin.meta import LOSS
from harness.records import Records
from harness.results.tables import times, work
from harness.results.tables.draws import draw_numbers, draw_word
from harness.results.tables.leaderboard import ranked
from harness.results.tables.two_arms import TwoArms, compare_arms
from harness.verdict.finite_runs import Finite, finite_runs

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "arm", "reference", "measure", "mean", "mean_reference", "difference", "low", "high", "p", "detectable", "se", "se_seeds",
    "se_examples", "draw", "draws", "seeds", "examples", "covers", "lost", "lost_reference", "goal", "unit", "detail",
)  # fmt: skip
TIMES = {"steps_to_target": ("steps", "steps"), "seconds_to_target": ("seconds", "s")}  # column of ``times``, and unit
WORK = ("gradients_per_step", "operations_per_step")
FEWEST = 2  # draws that an interval takes
UNMEASURED = {"low": math.nan, "high": math.nan, "p": math.nan, "detectable": math.nan, "covers": ""}


@dataclass(frozen=True)
class _Measure:
    """What is compared: its values by arm and seed, and why an arm has none for some seed."""

    name: str
    values: Mapping[str, Mapping[int, Finite]]
    goal: str
    unit: str
    missing: Mapping[str, str]  # by arm: why its values are not compared; {} stands for what the arm is in the pair


def compute(records: Records) -> DataFrame:
    """Return a row per ordered pair of arms and measure, references and arms with the best first: ``arm`` less ``reference``.

    - ``measure`` is the deciding test metric, then "test_loss" and "train_loss", "steps_to_target" and "seconds_to_target" (of
      the table ``times``), "gradients_per_step" and "operations_per_step" (of the table ``work``).
    - ``mean`` and ``mean_reference`` are over the ``seeds`` that both arms have, which make so many ``draws``; a ``draw`` is a
      "replicate", or a "seed" where there is one replicate. ``difference`` is the first less the second, whichever is better:
      ``goal`` says "max", "min", or "" where neither end is better.
    - ``low`` to ``high`` is its 95 % interval, not adjusted for the number of arms. ``covers`` says what it is over: of the
      deciding metric replicates and test examples, of all others replicates alone (or seeds). ``p`` is two-sided, and not
      adjusted either. ``detectable`` is the true difference that would have been found four times in five.
    - ``lost`` and ``lost_reference`` are the draws in which a run of either arm failed or diverged. They are not compared.
    - ``detail`` says why there is no difference, or none with an interval; else it is "".

    Work is counted, so it has no interval. A time is compared where every seed of both arms reached the same target.
    """
    import pandas as pd

    arms = ranked(records)
    lost = {arm: _lost_draws(records, arm) for arm in arms}
    measures, works = list(_measures(records, arms)), _work_by_arm(records)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for first, second in combinations(arms, 2):
        of_pair = [(measure, _compared(records, measure, first, second)) for measure in measures]
        for arm, reference in ((first, second), (second, first)):
            numbers_of_measure = {
                "arm": arm, "reference": reference, "draw": draw_word(records), "lost": lost[arm], "lost_reference": lost[reference],
            }  # fmt: skip
            rows_of_pair = [
                _row(measure, pair_numbers if arm == first else pair_numbers.reversed, arm, reference)
                for measure, pair_numbers in of_pair
            ]
            rows[reference, arm] = [
                numbers_of_measure | row for row in (*rows_of_pair, *_work_rows(works, arm, reference))
            ]
    ordered = [row for reference in arms for arm in arms for row in rows.get((reference, arm), ())]
    return pd.DataFrame(ordered, columns=list(COLUMNS))


def _lost_draws(records: Records, arm: str) -> int:
    """Return in how many draws a run of an arm failed or diverged."""
    runs = records.compared()
    lost = runs[(runs["arm"] == arm) & runs["state"].isin(["failed", "diverged"])]
    return len(set(draw_numbers(records, lost)))


def _measures(records: Records, arms: list[str]) -> Iterator[_Measure]:
    """Yield what runs are compared by: the deciding metric, the losses that are recorded, and the times to the target."""
    deciding, loss = records.deciding, records.meta.metrics.get(LOSS, {})
    goals = {deciding.column: (deciding.goal, deciding.unit)}
    for column in (f"test_{LOSS}", f"train_{LOSS}"):
        goals.setdefault(column, ("min", loss.get("unit", "")))
    for column, (goal, unit) in goals.items():
        values = {arm: finite_runs(records, arm, column) for arm in arms}
        if column == deciding.column or any(values.values()):
            yield _Measure(column, values, goal, unit, {})
    yield from _time_measures(records)


def _time_measures(records: Records) -> Iterator[_Measure]:
    """Yield the times to the target. An arm of which a seed did not reach it has none: its time would be too short."""
    table = times.compute(records)
    if table.empty:
        return
    missing = {}
    for arm, of_arm in table.groupby("arm"):
        if not of_arm["reached"].all():
            missing[str(arm)] = f"{int(of_arm['reached'].sum())} of {len(of_arm)} seeds of the {{}} reached the target"
    for name, (column, unit) in TIMES.items():
        values: dict[str, dict[int, Finite]] = {}
        for row in table.to_dict("records"):
            values.setdefault(str(row["arm"]), {})[int(row["seed"])] = (f"{row['target']}", row[column])
        yield _Measure(name, values, "min", unit, missing)


def _compared(records: Records, measure: _Measure, one: str, other: str) -> TwoArms:
    """Return the difference of two arms in a measure; of nothing where one of them has no value that counts."""
    values = [{} if arm in measure.missing else measure.values.get(arm, {}) for arm in (one, other)]
    if measure.name in TIMES and len({target for of_arm in values for target, _ in of_arm.values()}) > 1:
        values = [{}, {}]  # two networks, each with a target of its own
    return compare_arms(records, measure.name, *values)


def _row(measure: _Measure, both: TwoArms, arm: str, reference: str) -> dict[str, Any]:
    """Return the columns of one measure."""
    mean, certainty = both.mean, both.certainty
    return {
        "measure": measure.name, "mean": both.one, "mean_reference": both.other, "difference": mean.mean, "low": certainty.low,
        "high": certainty.high, "p": certainty.p, "detectable": certainty.detectable, "se": mean.se, "se_seeds": mean.se_seeds,
        "se_examples": mean.se_examples, "draws": both.draws, "seeds": both.seeds, "examples": both.examples,
        "covers": certainty.covers, "goal": measure.goal, "unit": measure.unit,
        "detail": _why_unsure(measure, both, arm, reference),
    }  # fmt: skip


def _why_unsure(measure: _Measure, both: TwoArms, arm: str, reference: str) -> str:
    """Return why a difference is missing or has no interval; "" where it has one."""
    if both.certainty.low == both.certainty.low:
        return ""
    for name, word in ((arm, "arm"), (reference, "reference")):
        if name in measure.missing:
            return measure.missing[name].format(word)
    if not both.draws:
        is_time = measure.name in TIMES and measure.values.get(arm) and measure.values.get(reference)
        return "their networks have targets of their own" if is_time else "no seed ended well in both"
    return "one says nothing of chance" if both.draws < FEWEST else "it is the same in all of them"


def _work_by_arm(records: Records) -> dict[str, tuple[float, float]]:
    """Return by arm the gradient evaluations of a step and its operations; NaN where they were not counted."""
    rows = work.compute(records).to_dict("records")
    return {str(row["arm"]): (float(row["gradients"]), float(row["network"] + row["own"])) for row in rows}


def _work_rows(works: Mapping[str, tuple[float, float]], arm: str, reference: str) -> Iterator[dict[str, Any]]:
    """Yield the work of a step, as far as it was counted for both arms."""
    for name, of_arm, of_reference in zip(WORK, works[arm], works[reference], strict=True):
        difference = of_arm - of_reference
        if math.isfinite(difference):
            yield {
                **UNMEASURED, "measure": name, "mean": of_arm, "mean_reference": of_reference, "difference": difference,
                "se": math.nan, "se_seeds": math.nan, "se_examples": math.nan, "draws": 0, "seeds": 0, "examples": 0,
                "goal": "", "unit": "", "detail": "it is counted",
            }  # fmt: skip


MEANINGS = {  # of the columns that are not the same in every table
    "reference": "the arm that it is compared with",
    "measure": "what is compared: a metric with its split, a time to the target, or work per step",
    "mean": "the mean of the arm over the seeds that both have",
    "mean_reference": "the mean of the reference over the same seeds",
    "difference": "the arm's mean less that of the reference, whichever is better",
    "p": "the two-sided p value of no difference, not adjusted for the number of arms",
    "detectable": "the true difference that would have been found four times in five",
    "se_seeds": "the part of the standard error that is due to seeds or replicates",
    "se_examples": "the part that is due to test examples",
    "lost": "the draws in which a run of the arm failed or diverged",
    "lost_reference": "the same of the reference",
    "goal": "max where more is better, min where less is better; empty where neither is",
    "detail": "why there is no difference, or none with an interval; empty where there is one",
}
ANALYSIS = Analysis(
    name="differences", compute=compute, reference="Searle, Casella and McCulloch 1992, ch. 4", columns=MEANINGS
)
