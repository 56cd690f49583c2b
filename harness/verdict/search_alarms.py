"""Tuning alarms that follow from an arm's trials: edge, rising, improving, diverged and budget.

They look at the searches of all replicates together, which share one range and one budget. "improving" looks at each search
for itself, and takes the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.records import Records
from harness.verdict.trials import SPENT, arm_trials, chance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

OUTER = 0.1  # of the range of learning rates, at either end
LAST = 1 / 5  # of the trials


@dataclass(frozen=True)
class Spending:
    """What an arm's search has spent: trials, and the scores that they brought."""

    spent: int
    effective: int  # ended well, or stopped by the pruner
    in_range: int  # the same since the arm's range was last widened
    scores: NDArray[np.float64]  # since then, higher is better, rising
    cost: float = math.nan  # the mean over a search's trials, in the budget's unit; NaN for a budget in trials
    cost_in_range: float = math.nan  # of those since the range was last widened
    dearest: float = math.nan  # the most that one trial cost


@dataclass(frozen=True)
class Shortfall:
    """How much less budget an arm had than another one, and how much less would not matter."""

    value: float
    limit: float
    against: str = ""  # the other arm


def edge(records: Records, arm: str) -> float:
    """Return by how much the outer learning rates beat the inner ones, in the tune score.

    NaN where no rate is searched, and where no trial ended well.
    """
    import numpy as np

    places, values = _rate_places(records, arm)
    if not np.isfinite(values).any():
        return math.nan
    inner = (places >= OUTER) & (places <= 1 - OUTER)
    best_outer, best_inner = (float(values[part].max()) if part.any() else -math.inf for part in (~inner, inner))
    return best_outer - best_inner


def rising(records: Records, arm: str, least: float = 0.0) -> float:
    """Return 1 - p of the rise of scores towards the end of the range where the best rate lies; 0 if it is not near an end.

    The test is Kendall's tau, one-sided, over the trials in that half of the range. It is also 0 if all of their scores lie within
    ``least`` of each other.
    """
    import numpy as np
    from scipy.stats import kendalltau

    places, values = _rate_places(records, arm)
    if not np.isfinite(values).any():
        return math.nan
    best = places[values.argmax()]
    if OUTER <= best <= 1 - OUTER:
        return 0.0
    towards = places if best > 0.5 else 1 - places
    near = towards >= 0.5
    if float(values[near].max() - values[near].min()) <= least:
        return 0.0
    p = float(kendalltau(towards[near], values[near], alternative="greater").pvalue) if near.sum() > 1 else math.nan
    return 0.0 if math.isnan(p) else 1 - p


def _rate_places(records: Records, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the place in the range of each spent trial's learning rate, from 0 to 1, and its score, -inf without one.

    Both are empty where no rate is searched.
    """
    import numpy as np

    searched = records.meta.spaces.get(arm, {}).get("lr", {})
    if not ("low" in searched and float(searched["low"]) < float(searched["high"])):
        return np.zeros(0), np.zeros(0)
    ends = np.array([float(searched["low"]), float(searched["high"])])
    trials = _spent_trials(records, arm)
    in_force = np.array(["lr" in params for params in trials["params"]], dtype=bool)  # not a list: [] is no columns
    trials = trials[in_force]
    rates = np.array([float(params["lr"]) for params in trials["params"]])
    if searched["log"]:
        ends, rates = np.log(ends), np.log(rates)
    values = np.where(trials["state"] == "done", _signed_values(records, trials), -np.inf)
    return (rates - ends[0]) / (ends[1] - ends[0]), np.where(np.isfinite(values), values, -np.inf)


def best_is_high(records: Records, arm: str) -> bool:
    """Return whether an arm's best learning rate lies in the upper half of its range; False where no trial ended well."""
    places, values = _rate_places(records, arm)
    return bool(len(values)) and bool(places[values.argmax()] > 0.5)


def improving(records: Records, arm: str) -> float:
    """Return by how much the last fifth of a search's trials improved on the best of the others, in the mean over searches.

    NaN where no search has two trials and one of them ended well.
    """
    trials = _spent_trials(records, arm)
    gains = [_last_gain(records, search) for _, search in trials.groupby("replicate")]
    gains = [gain for gain in gains if not math.isnan(gain)]
    return sum(gains) / len(gains) if gains else math.nan


def _last_gain(records: Records, trials: DataFrame) -> float:
    """Return by how much the last fifth of one search's spent trials, at least one, improved on the best of the others.

    NaN for fewer than two trials, and where no trial ended well.
    """
    last = max(1, math.ceil(LAST * len(trials) - 1e-9))
    values = _signed_values(records, trials)
    done = (trials["state"] == "done").to_numpy() & (values == values)
    if len(trials) < 2 or not done.any():
        return math.nan
    head, tail = values[:-last][done[:-last]], values[-last:][done[-last:]]
    if not len(tail):
        return 0.0
    return max(0.0, float(tail.max() - head.max())) if len(head) else math.inf


def diverged(records: Records, arm: str) -> float:
    """Return the share of trials that diverged since the arm's range was last widened."""
    states = _trials_in_range(records, arm, _spent_trials(records, arm))["state"]
    return float((states == "diverged").mean()) if len(states) else math.nan


def spending(records: Records, arm: str) -> Spending:
    """Return what an arm's search has spent."""
    import numpy as np

    trials = _spent_trials(records, arm)
    in_range = _trials_in_range(records, arm, trials)
    effective, effective_in_range = (
        int(table["state"].isin(["done", "stopped"]).sum()) for table in (trials, in_range)
    )
    done = in_range[(in_range["state"] == "done") & in_range["value"].notna()]
    values, unit = np.sort(_signed_values(records, done)), records.meta.benchmark["search"].get("unit", "trials")
    if unit == "trials":
        return Spending(len(trials), effective, effective_in_range, values)
    column = "trained" if unit == "epochs" else "seconds"
    searches = max(1, trials["replicate"].nunique())  # each ends within a trial of its budget, so they are not added up
    sums = (float(table[column].sum()) / searches for table in (trials, in_range))
    costs = (*sums, float(trials[column].max()))
    return Spending(len(trials), effective, effective_in_range, values, *costs)


def shortfall(spendings: Mapping[str, Spending], arm: str, noises: Mapping[str, float]) -> Shortfall:
    """Return how much less budget an arm had than the arm that had most more of it.

    A budget of trials: by how much the other arm's best score would fall, on average, with as few trials as this arm has. The
    limit is the other arm's seed noise. A budget in epochs or seconds: the difference, and the limit is the other arm's
    dearest trial.
    """
    spending_of_arm = spendings[arm]
    rivals = {name: spending for name, spending in spendings.items() if name != arm}
    if not math.isnan(spending_of_arm.cost):
        return _shortfall_of_cost(spending_of_arm, rivals)
    if not spending_of_arm.spent:
        return Shortfall(math.nan, math.nan)
    shortfalls = []
    for name, rival in rivals.items():
        if rival.in_range > spending_of_arm.effective and len(rival.scores):
            shortfalls.append(Shortfall(_worth_of_trials(rival, spending_of_arm.effective), noises[name], name))
    return max(shortfalls, key=_excess, default=Shortfall(0.0, noises[arm]))


def _worth_of_trials(spending: Spending, trials: int) -> float:
    """Return by how much a search's best score would fall, on average, with so many of its trials; infinite for none."""
    count = min(trials, len(spending.scores))
    expected = float(chance(len(spending.scores), count) @ spending.scores) if count else -math.inf
    return float(spending.scores[-1]) - expected


def _shortfall_of_cost(own: Spending, others: Mapping[str, Spending]) -> Shortfall:
    shortfalls = [Shortfall(rival.cost_in_range - own.cost, rival.dearest, name) for name, rival in others.items()]
    shortfalls = [shortfall for shortfall in shortfalls if not math.isnan(shortfall.limit)]
    worst = max(shortfalls, key=_excess, default=Shortfall(0.0, own.dearest))
    return worst if worst.value > worst.limit else Shortfall(max(0.0, worst.value), worst.limit)


def _excess(shortfall: Shortfall) -> float:
    return shortfall.value - shortfall.limit


def _trials_in_range(records: Records, arm: str, trials: DataFrame) -> DataFrame:
    """Return the trials that were asked since the arm's range was last widened: those before looked elsewhere."""
    extensions = records.meta.extensions
    widened = [
        extension["after"] for extension in extensions if extension["arm"] == arm and "lr" in extension["ranges"]
    ]
    before = dict(enumerate(widened[-1])) if widened else {}  # trials of each search that was asked then
    in_range: DataFrame = trials[trials["number"] >= trials["replicate"].map(before).fillna(0)]
    return in_range


def _spent_trials(records: Records, arm: str) -> DataFrame:
    return records.once(("spent trials", arm), lambda: _find_spent_trials(records, arm))


def _find_spent_trials(records: Records, arm: str) -> DataFrame:
    trials = arm_trials(records, arm)
    spent: DataFrame = trials[trials["state"].isin(SPENT)]
    return spent


def _signed_values(records: Records, trials: DataFrame) -> NDArray[np.float64]:
    """Return the trials' scores, higher is better, NaN for a trial without one."""
    import numpy as np

    return records.searched.sign * trials["value"].to_numpy(dtype=float, na_value=np.nan)
