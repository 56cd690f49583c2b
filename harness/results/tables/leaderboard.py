"""The arms ranked: mean and 95 % interval of every final metric of the comparison.

The interval is over replicates, each the mean of its seeds: it covers another search and other initial weights and batch
orders. In a run of one replicate it is over seeds, and does not cover the luck of the search. It never covers another sample of
the data. Where all of these have the same accuracy, their spread says nothing, and the interval is that of a proportion of the test
examples. The column ``covers`` says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.results.tables.draws import draw_means, draw_numbers, draw_word
from harness.statistics.intervals import equal_numbers, mean_interval, standard_deviation
from harness.verdict.constant_answer import constant_score
from harness.verdict.judging import LOST_ALLOWED

if TYPE_CHECKING:
    from pandas import DataFrame, Series

COLUMNS = (
    "arm", "metric", "mean", "low", "high", "covers", "sd", "n", "draws", "failed", "diverged", "unusable", "planned", "min", "max",
    "goal", "unit", "state", "constant", "no_better",
)  # fmt: skip
SPLITS = ("test", "train", "tune")
MIRRORED = "tta_test"  # the test split with test-time augmentation, where the benchmark asks for it


def compute(records: Records) -> DataFrame:
    """Return a row per arm and metric, the best arm in the deciding test metric first, arms without result last.

    An arm that lost more draws than a verdict allows comes after those that did not: what is left of it was chosen by the loss.

    - ``n`` seeds of ``planned`` were used, which make ``draws`` replicates; in a run of one replicate each seed is a draw. ``failed`` and ``diverged`` seeds have no result, and an ``unusable`` one ended
      well without a finite value.
    - ``low`` and ``high`` bound the 95 % interval of the mean, within the metric's bounds. ``covers`` says which draw it is
      about: "replicates" or "seeds" (Student's interval); "test examples" or "tune examples" (Clopper and Pearson's, where all seeds are equal
      and the metric is a proportion); or "" where there is no interval, for one seed and for any other metric that is equal in
      all seeds.
    - ``state`` is done, partial (a seed is missing), failed (every seed), not tuned (no trial ended well) or waiting.
    - ``constant`` is what the best constant answer scores in a metric of the task on that split, NaN where that is not known.
      ``no_better`` is true if the mean may be as low as that by chance: another draw of the examples makes such a difference
      once in twenty times.

    Values are as recorded: a metric with unit "%" is a fraction of 1. ``sd`` is the standard deviation of the draws.
    """
    import pandas as pd

    compared = records.compared()
    rows = []
    for arm in ranked(records):
        runs = compared[compared["arm"] == arm]
        arm_columns = {"arm": arm, **arm_progress(records, arm)}
        for metric in _metrics(records):
            row = {
                **arm_columns,
                "metric": metric,
                **_goal_and_unit(records, metric),
                **_summary(records, runs, metric),
            }
            rows.append({**row, **_against_constant(records, row)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ranked(records: Records) -> list[str]:
    """Return the arms, best mean of the deciding test metric first; those without one follow in their own order.

    Arms that lost more than one draw stand behind the others.
    """
    return list(ranked_scores(records))


def ranked_scores(records: Records) -> dict[str, dict[str, Any]]:
    """Return by arm, in the order of ``ranked``, the leaderboard's numbers of the deciding test metric.

    They are ``mean``, ``low``, ``high``, ``sd``, ``min``, ``max``, ``n``, ``draws``, ``unusable`` and ``covers``, as in ``compute``.
    """
    sign = -records.deciding.sign
    compared = records.compared()
    runs = {str(arm): compared[compared["arm"] == arm] for arm in records.arms["arm"]}
    scores = {arm: _summary(records, of_arm, records.deciding.column) for arm, of_arm in runs.items()}
    lost = {arm: _lost_draws(records, of_arm) > LOST_ALLOWED for arm, of_arm in runs.items()}
    order = sorted(
        scores,
        key=lambda arm: (scores[arm]["n"] == 0, lost[arm], sign * scores[arm]["mean"] if scores[arm]["n"] else 0),
    )
    return {arm: scores[arm] for arm in order}


def arm_progress(records: Records, arm: str) -> dict[str, Any]:
    """Return ``planned``, ``state``, ``failed`` and ``diverged`` of an arm's comparison, as in ``compute``."""
    compared, planned = records.compared(), records.meta.planned_seeds
    runs = compared[compared["arm"] == arm]
    counts = {state: int((runs["state"] == state).sum()) for state in ("failed", "diverged")}
    return {"planned": planned, "state": _state(records, arm, runs, planned), **counts}


def _lost_draws(records: Records, runs: DataFrame) -> int:
    """Return how many draws of an arm have a run that failed or diverged."""
    lost = runs[runs["state"].isin(["failed", "diverged"])]
    return len(set(draw_numbers(records, lost)))


def _metrics(records: Records) -> list[str]:
    """Return the task's metrics per split, then the runs' other numbers (the objective and probes), and seconds last."""
    of_task = [f"{split}_{name}" for split in SPLITS for name in records.meta.metrics]
    prefixes = tuple(f"{split}_" for split in (*SPLITS, MIRRORED))
    recorded = [str(column) for column in records.runs.columns]
    recorded = [name for name in recorded if name.startswith(prefixes) or "." in name]
    return [*of_task, *(name for name in recorded if name not in of_task), "seconds"]


def _goal_and_unit(records: Records, name: str) -> dict[str, str]:
    """Return a metric's goal ("" where there is none) and unit."""
    if name == "seconds":
        return {"goal": "min", "unit": "s"}
    splits = [split for split in (*SPLITS, MIRRORED) if name.startswith(f"{split}_")]
    split = splits[0] if splits else ""
    metric_facts: Mapping[str, str] = records.meta.metrics.get(name.removeprefix(f"{split}_"), {}) if split else {}
    return {"goal": metric_facts.get("goal", ""), "unit": metric_facts.get("unit", "")}


def _against_constant(records: Records, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a constant answer scores in a row's metric, and whether the row's mean is no better."""
    split, _, metric = str(row["metric"]).partition("_")
    constant = constant_score(records, split, metric) if split in SPLITS else None
    if constant is None:
        return {"constant": float("nan"), "no_better": False}
    better = records.meta.sign(metric) * (row["mean"] - constant.score)
    return {"constant": constant.score, "no_better": bool(better <= constant.allowance)}


def _summary(records: Records, runs: DataFrame, name: str) -> dict[str, Any]:
    """Return mean, interval, spread and counts of a metric over the runs that ended well."""
    import numpy as np
    import pandas as pd

    done = runs[runs["state"] == "done"]
    column: Series[Any] = done[name] if name in done else pd.Series(np.nan, index=done.index)
    recorded = column.to_numpy(dtype=float, na_value=np.nan)
    finite = np.isfinite(recorded)
    seeds = recorded[finite]
    values = draw_means(seeds, draw_numbers(records, done).to_numpy()[finite])
    counts = {"n": len(seeds), "draws": len(values), "unusable": len(recorded) - len(seeds)}
    if not len(values):
        return dict.fromkeys(("mean", "low", "high", "sd", "min", "max"), np.nan) | counts | {"covers": ""}
    with np.errstate(over="ignore", invalid="ignore"):  # a mean that overflows is shown as infinite
        mean = values.mean()
        sd = standard_deviation(values)
        low, high = mean_interval(mean, sd, len(values), records.bounds_of(name), records.examples_of(name))
        equal = bool(equal_numbers(mean, sd))
    covers = f"{name.removeprefix('tta_').partition('_')[0]} examples" if equal else f"{draw_word(records)}s"
    numbers = {"mean": mean, "low": low, "high": high, "sd": sd, "min": seeds.min(), "max": seeds.max()}
    return {key: float(value) for key, value in numbers.items()} | counts | {"covers": covers if low == low else ""}


def _state(records: Records, arm: str, runs: DataFrame, planned: int) -> str:
    """Return in a word how far the arm's comparison got."""
    done = int((runs["state"] == "done").sum())
    if done:
        return "done" if done >= planned else "partial"
    if len(runs):
        return "failed" if runs["state"].isin(["failed", "diverged"]).all() else "waiting"
    trials = records.trials[records.trials["arm"] == arm]
    return "not tuned" if records.search_over(arm) and not (trials["state"] == "done").any() else "waiting"


MEANINGS = {  # of the columns that are not the same in every table
    "metric": "the metric, with its split",
    "sd": "the standard deviation",
    "n": "how many seeds were used",
    "failed": "seeds that failed",
    "diverged": "seeds that diverged",
    "unusable": "seeds that ended well without a finite value",
    "planned": "how many seeds were to be",
    "min": "the lowest seed",
    "max": "the highest seed",
    "state": "done, partial, failed, not tuned or waiting",
    "constant": "what the best constant answer scores",
    "no_better": "whether the mean may be as low as that by chance",
}
ANALYSIS = Analysis(
    name="leaderboard", compute=compute, reference="Student 1908, doi:10.2307/2331554", columns=MEANINGS
)
