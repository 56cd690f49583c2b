"""The arms ranked: mean and 95 % interval over seeds of every final metric of the comparison.

The interval is over seeds alone: another draw of initial weights and batch orders. It does not cover the luck of the
search, nor another sample of the data. Where all seeds have the same accuracy their spread says nothing, and the interval
is that of a proportion of the test examples; the column ``covers`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.intervals import equal_numbers, mean_interval, standard_deviation
from harness.verdict.constant import constant_score

if TYPE_CHECKING:
    from pandas import DataFrame, Series

COLUMNS = (
    "arm", "metric", "mean", "low", "high", "covers", "sd", "n", "failed", "diverged", "unusable", "planned", "min", "max",
    "goal", "unit", "state", "constant", "no_better",
)  # fmt: skip
SPLITS = ("test", "train", "tune")
MIRRORED = "tta_test"  # the test split with test-time augmentation, where the benchmark asks for it


def compute(records: Records) -> DataFrame:
    """Return a row per arm and metric, the best arm in the deciding test metric first, arms without result last.

    ``n`` seeds were used of ``planned``; ``failed`` and ``diverged`` seeds have no result, and an ``unusable`` one
    ended well without a finite value. ``low`` and ``high`` bound the 95 % interval of the mean, within the metric's bounds,
    and ``covers`` says another draw of what: "seeds" (Student's), "test examples" or "tune examples" (Clopper and Pearson's,
    where all seeds are equal and the metric is a proportion of them), or "", where there is none: for one seed, and for
    any other metric that is equal in all.
    ``state`` is done, partial (a seed is missing), failed (every seed), not tuned (no trial ended well) or waiting.
    Values are as recorded: a metric with unit "%" is a fraction of 1. ``constant`` is what the best constant answer scores
    in a metric of the task on that split, NaN where that is not known, and ``no_better`` whether the mean is not shown to be
    better than that: another draw of the examples may make such a difference once in twenty.
    """
    import pandas as pd

    compared = records.compared()
    planned = int(records.meta.benchmark["compare"]["seeds"])
    rows = []
    for arm in ranked(records):
        runs = compared[compared["arm"] == arm]
        about = {"arm": arm, "planned": planned, "state": _state(records, arm, runs, planned)}
        about |= {state: int((runs["state"] == state).sum()) for state in ("failed", "diverged")}
        for name in _metrics(records):
            row = {**about, "metric": name, **_about(records, name), **_summary(records, runs, name)}
            rows.append({**row, **_beside_constant(records, row)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ranked(records: Records) -> list[str]:
    """Return the arms, best mean of the deciding test metric first; those without one follow in their own order."""
    metric, sign = records.deciding.name, -records.deciding.sign
    compared = records.compared()
    means = {arm: _summary(records, compared[compared["arm"] == arm], f"test_{metric}") for arm in records.arms["arm"]}
    return sorted(means, key=lambda arm: (means[arm]["n"] == 0, sign * means[arm]["mean"] if means[arm]["n"] else 0))


def _metrics(records: Records) -> list[str]:
    """Return the task's metrics per split, then what else the runs have: the objective, probes; seconds last."""
    of_task = [f"{split}_{name}" for split in SPLITS for name in records.meta.metrics]
    prefixes = tuple(f"{split}_" for split in (*SPLITS, MIRRORED))
    found = [str(c) for c in records.runs.columns if str(c).startswith(prefixes) or "." in str(c)]
    return [*of_task, *(name for name in found if name not in of_task), "seconds"]


def _about(records: Records, name: str) -> dict[str, str]:
    """Return a metric's goal ("" where there is none) and unit."""
    if name == "seconds":
        return {"goal": "min", "unit": "s"}
    split = next((each for each in (*SPLITS, MIRRORED) if name.startswith(f"{each}_")), "")
    known: Mapping[str, str] = records.meta.metrics.get(name.removeprefix(f"{split}_"), {}) if split else {}
    return {"goal": known.get("goal", ""), "unit": known.get("unit", "")}


def _beside_constant(records: Records, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a constant answer scores in a row's metric, and whether the row's mean is no better."""
    split, _, metric = str(row["metric"]).partition("_")
    known = constant_score(records, split, metric) if split in SPLITS else None
    if known is None:
        return {"constant": float("nan"), "no_better": False}
    better = records.meta.sign(metric) * (row["mean"] - known.score)
    return {"constant": known.score, "no_better": bool(better <= known.allowance)}


def _summary(records: Records, runs: DataFrame, name: str) -> dict[str, Any]:
    """Return mean, interval, spread and counts of a metric over the runs that ended well."""
    import numpy as np
    import pandas as pd

    done = runs[runs["state"] == "done"]
    column: Series[Any] = done[name] if name in done else pd.Series(np.nan, index=done.index)
    every = column.to_numpy(dtype=float, na_value=np.nan)
    values = every[np.isfinite(every)]
    counts = {"n": len(values), "unusable": len(every) - len(values)}
    if not len(values):
        return dict.fromkeys(("mean", "low", "high", "sd", "min", "max"), np.nan) | counts | {"covers": ""}
    with np.errstate(over="ignore", invalid="ignore"):  # a mean that overflows is shown as infinite
        mean = values.mean()
        sd = standard_deviation(values)
        low, high = mean_interval(mean, sd, len(values), records.bounds_of(name), records.examples_of(name))
        equal = bool(equal_numbers(mean, sd))
    covers = f"{name.removeprefix('tta_').partition('_')[0]} examples" if equal else "seeds"
    numbers = {"mean": mean, "low": low, "high": high, "sd": sd, "min": values.min(), "max": values.max()}
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


ANALYSIS = Analysis(name="leaderboard", compute=compute, reference="Student 1908, doi:10.2307/2331554")
