"""How long each comparison run took to a target tune score: epochs, steps and seconds of training.

The target is the benchmark's, ``[report] target = {metric = "accuracy", value = 0.9}``. Without one it is, for each
network, what SGD with its defaults ends with, untuned: the mean final tune score of that control over its seeds. Where
there is no such control, it is the mean of the arm that is worst in the network, so that even that arm can reach it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.arms import network_of, optimizer_of

if TYPE_CHECKING:
    from pandas import DataFrame

UNITS = ("epochs", "steps", "seconds")
RECORDED = ("epoch", "steps", "seconds")  # the same, as an epoch's record has them
COLUMNS = ("arm", "seed", "run_id", "network", "metric", "target", "rule", "reached", *UNITS)
GIVEN, UNTUNED, WORST = "given", "untuned sgd's mean", "worst arm's mean"
PLAIN = "sgd"  # the optimizer whose defaults set the target


def compute(records: Records) -> DataFrame:
    """Return a row per comparison run that has begun: whether it ``reached`` the target, and when.

    Without having reached it, ``epochs``, ``steps`` and ``seconds`` are how long it was seen not to, and the true time is
    longer. A run that diverged or failed never reaches it: it counts as seen to the end of the arm's longest run. None
    where there is no target, because no run ended well.
    """
    import pandas as pd

    metric, targets = goals(records)
    column, goal = f"tune_{metric}", records.meta.metrics.get(metric, {}).get("goal", "min")
    rows: list[tuple[Any, ...]] = []
    if column in records.epochs:
        runs = records.compared()
        epochs = records.epochs[records.epochs["phase"] == "compare"].sort_values(["run_id", "epoch"])
        by_run = {str(run): table for run, table in epochs.groupby("run_id")}
        longest = {str(arm): table[list(RECORDED)].max() for arm, table in epochs.groupby("arm")}
        for run in runs.to_dict("records"):
            network = network_of(run["arm"])
            if network not in targets or run["arm"] not in longest:
                continue
            about = (run["arm"], int(run["seed"]), run["run_id"], network, column, *targets[network])
            lived = by_run.get(str(run["run_id"]))
            if lived is None and run["state"] == "waiting":
                continue
            ended_well = run["state"] not in ("diverged", "failed")
            good = None if lived is None or not ended_well else _first(lived, column, targets[network][0], goal)
            if good is not None:
                when = good
            elif lived is None or not ended_well:
                when = longest[run["arm"]]
            else:
                when = lived.iloc[-1]
            rows.append((*about, good is not None, *(float(when[name]) for name in RECORDED)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"reached": bool})


def goals(records: Records) -> tuple[str, dict[str, tuple[float, str]]]:
    """Return the metric, and its target in each network with the rule that gave it."""
    networks = dict.fromkeys(network_of(str(arm)) for arm in records.arms["arm"])
    given = records.meta.benchmark.get("report", {}).get("target", {})
    if given:
        return str(given["metric"]), dict.fromkeys(networks, (float(given["value"]), GIVEN))
    metric = records.deciding.name
    runs = records.compared()
    done = runs[runs["state"] == "done"]
    column = f"tune_{metric}"
    if column not in done:
        return metric, {}
    worst = min if records.deciding.sign > 0 else max
    found = {}
    plain = _untuned(records, column)
    for network in networks:
        if network in plain:
            found[network] = (plain[network], UNTUNED)
            continue
        mine = done[done["arm"].astype(str).map(network_of) == network]  # a list would choose columns where it is empty
        means = [float(mean) for mean in mine.groupby("arm")[column].mean() if math.isfinite(mean)]
        if means:
            found[network] = (worst(means), WORST)
    return metric, found


def _untuned(records: Records, column: str) -> dict[str, float]:
    """Return what SGD with its defaults ends with, by network: under the first schedule of several."""
    rows = records.comparison
    found: dict[str, float] = {}
    if column not in rows:
        return {}
    arms = [str(arm) for arm in records.arms["arm"]]
    for arm in (arm for arm in arms if optimizer_of(records, arm) == PLAIN):
        mine = rows[(rows["role"] == "untuned") & (rows["of"] == arm) & (rows["state"] == "done")]
        values = [float(value) for value in mine[column] if math.isfinite(value)]
        if values:
            found.setdefault(network_of(arm), math.fsum(values) / len(values))
    return found


def _first(epochs: DataFrame, column: str, target: float, goal: str) -> Any:
    """Return the first epoch whose score is as good as the target; None where there is none."""
    values = epochs[column].to_numpy(dtype=float)
    there = values >= target if goal == "max" else values <= target
    return epochs.iloc[int(there.argmax())] if there.any() else None


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer times."""
    return [Analysis(name="times", compute=compute)]
