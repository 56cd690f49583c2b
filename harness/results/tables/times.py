"""The seconds of each run to a target score.

How long each comparison run took to a target tune score: epochs, steps and seconds of training.

The target is the benchmark's, ``[report] target = {metric = "accuracy", value = 0.9}``. Without one, each network's target is the
mean final tune score of SGD with its defaults, untuned, over the seeds of that control. Without such a control it is the mean of
the network's worst arm, so that even that arm can reach it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.arms import network_of, optimizer_of
from harness.verdict.finite_runs import finite_values

if TYPE_CHECKING:
    from pandas import DataFrame

UNITS = ("epochs", "steps", "seconds")
RECORDED = ("epoch", "steps", "seconds")  # the same, as an epoch's record has them
COLUMNS = ("arm", "seed", "run_id", "network", "metric", "target", "rule", "reached", *UNITS)
GIVEN, UNTUNED, WORST = "given", "untuned sgd's mean", "worst arm's mean"
PLAIN = "sgd"  # the optimizer whose defaults set the target
LOST_STATES = ("diverged", "failed")


def compute(records: Records) -> DataFrame:
    """Return a row per comparison run that has begun: whether it ``reached`` the target, and when.

    For a run that did not reach it, ``epochs``, ``steps`` and ``seconds`` are how long it was trained, and the true time is longer.
    A run that diverged or failed never reaches the target: it counts as trained to the end of the arm's longest run. There are no
    rows where there is no target, because no run ended well.
    """
    import pandas as pd

    metric, targets = network_targets(records)
    column, goal = f"tune_{metric}", records.meta.metrics.get(metric, {}).get("goal", "min")
    rows: list[tuple[Any, ...]] = []
    if column in records.epochs:
        epochs = records.epochs[records.epochs["phase"] == "compare"].sort_values(["run_id", "epoch"])
        by_run = {str(run): table for run, table in epochs.groupby("run_id")}
        longest = {str(arm): table[list(RECORDED)].max() for arm, table in epochs.groupby("arm")}
        for run in records.compared().to_dict("records"):
            network, trained = network_of(run["arm"]), by_run.get(str(run["run_id"]))
            if network not in targets or run["arm"] not in longest or (trained is None and run["state"] == "waiting"):
                continue
            first = None
            if trained is not None and run["state"] not in LOST_STATES:
                first = _first_epoch(trained, column, targets[network][0], goal)
            until: Any = first
            if first is None:
                until = longest[run["arm"]] if trained is None or run["state"] in LOST_STATES else trained.iloc[-1]
            place = (run["arm"], int(run["seed"]), run["run_id"], network, column, *targets[network])
            rows.append((*place, first is not None, *(float(until[name]) for name in RECORDED)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"reached": bool})


def network_targets(records: Records) -> tuple[str, dict[str, tuple[float, str]]]:
    """Return the metric, and its target in each network with the rule that gave it."""
    networks = dict.fromkeys(network_of(str(arm)) for arm in records.arms["arm"])
    target_given = records.meta.benchmark.get("report", {}).get("target", {})
    if target_given:
        return str(target_given["metric"]), dict.fromkeys(networks, (float(target_given["value"]), GIVEN))
    metric, column = records.deciding.name, records.deciding.tune_column
    runs = records.compared()
    done = runs[runs["state"] == "done"]
    if column not in done:
        return metric, {}
    worst = min if records.deciding.sign > 0 else max
    untuned = _untuned_means(records, column)
    targets = {}
    for network in networks:
        if network in untuned:
            targets[network] = (untuned[network], UNTUNED)
            continue
        rows = done[done["arm"].astype(str).map(network_of) == network]  # a list would choose columns where it is empty
        means = [float(mean) for mean in rows.groupby("arm")[column].mean() if math.isfinite(mean)]
        if means:
            targets[network] = (worst(means), WORST)
    return metric, targets


def _untuned_means(records: Records, column: str) -> dict[str, float]:
    """Return the mean final score of SGD with its defaults, by network: under the first schedule of several."""
    runs = records.comparison
    means: dict[str, float] = {}
    if column not in runs:
        return {}
    for arm in map(str, records.arms["arm"]):
        if optimizer_of(records, arm) != PLAIN:
            continue
        rows = runs[(runs["role"] == "untuned") & (runs["of"] == arm)]
        values = [value for _, value in finite_values(rows, column).values()]
        if values:
            means.setdefault(network_of(arm), math.fsum(values) / len(values))
    return means


def _first_epoch(epochs: DataFrame, column: str, target: float, goal: str) -> Any:
    """Return the first epoch whose score is as good as the target; None where there is none."""
    values = epochs[column].to_numpy(dtype=float)
    good = values >= target if goal == "max" else values <= target
    return epochs.iloc[int(good.argmax())] if good.any() else None


MEANINGS = {  # of the columns that are not the same in every table
    "target": "the tune score to reach",
    "rule": "where the target comes from",
    "reached": "whether the run reached it",
    "epochs": "epochs until it did, or that it was trained",
    "steps": "the same in steps",
    "seconds": "the same in seconds of training",
}
ANALYSIS = Analysis(name="times", compute=compute, columns=MEANINGS)
