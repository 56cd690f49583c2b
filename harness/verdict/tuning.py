"""Was an arm's search good enough for the arm to be judged by it?

An arm that lost may have been tuned badly. Each arm is put to eight tests; an arm that fails one is not called worse, its
label is "inconclusive (tuning)". The first six allow for seed noise, the last two are about the whole comparison.

- "edge": its best learning rate lies in the outer tenth of the range (by its logarithm where the range is logarithmic),
  and beats every trial in the interior by more than seed noise. Of the learning rate alone: among three to five other
  parameters the best value of some is nearly always near an edge.
- "rising": its best learning rate lies in the outer tenth, and through that half of the range the scores rise towards the
  edge, by a one-sided test of Kendall's tau at 5 %. A range far from the best rate is nearly flat: its edge is hardly
  better than what is beside it, and the first test misses it.
- "improving": the last fifth of its trials still improved on the best of the others by more than seed noise.
- "diverged": more than a third of its trials diverged.
- "budget": fewer of its trials ended well (with a score, or stopped by the pruner) than of another arm, by so many that
  the other arm's best of that many would be worse, on average, by more than seed noise. Where the budget is in epochs or
  seconds, equal budgets are unequal numbers of trials: there, it got less of them than another arm, by more than a trial.
- "special case": it lost to an arm that is a special case of it (the same optimizer, schedule and network, with
  parameters pinned or ranges narrower) in the tune score of the comparison, by a one-sided paired t-test at 1 %.
- "defaults": the mean of its tune scores in the comparison lies below that of its own optimizer with the defaults, untuned,
  by more than half the verdict's margin, whatever chance may do. A search that ends below the defaults has not done its
  work, and a verdict with that margin would take the search's failure for the optimizer's.
- "chance": the mean of its tune scores is not shown to be better than a constant answer, which has learned nothing: it is
  not above the constant's score by more than another draw of the tune examples would be once in twenty.

Convex arms are put to neither "special case" nor "defaults": where they are all to reach one minimum, what stopped short of
it may well score better, and whether they arrived is for the gradient to say.

All of these look at the tune split, as the search does, and none at the test split: ``harness run --extend`` searches on for
arms with an alarm, and a search that follows the test split would make its scores too good.

Seed noise is the difference between the scores of two seeds that is exceeded once in twenty by chance,

    t(0.95, S - 1) * sqrt(2) * sd

with the sd of the arm's S final tune scores in the comparison, for every trial is one seed; of a score in "%" it is at
least one example of the tune split. An arm with fewer than two seeds borrows the pooled sd of the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.intervals import standard_deviation
from harness.statistics.scale import scaled
from harness.verdict.arms import alike, network_of
from harness.verdict.constant import level
from harness.verdict.protocol import standing_protocol
from harness.verdict.trials import SPENT, chance, scores, sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from harness.verdict.protocol import Registered

OUTER = 0.1  # of the range of learning rates, at either end
LAST = 1 / 5  # of the trials
MOST_DIVERGED = 1 / 3
BY_CHANCE = 0.05  # how often two seeds alone differ by more than seed noise
LOST = 0.01  # the level of the test against a special case
RISING = 0.95  # the confidence in a rise towards the edge
HALF = 0.5  # of the verdict's margin: so far below its defaults an arm may lie
ALARMS = ("edge", "rising", "improving", "diverged", "budget", "special case", "defaults", "chance")
COLUMNS = ("arm", "alarm", "state", "value", "limit", "noise", "against")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and alarm: its ``state`` is "alarm", "quiet", or "not judged" where the records do not tell.

    There is an alarm where ``value`` is above ``limit``. Both are a difference in tune score for "edge", "improving",
    "budget" (of a budget in epochs or seconds, in these) and "defaults"; for "rising" they are 1 - p, for "diverged" a
    share of the trials, for "special case" a t statistic. For "chance" the value is by how much the constant answer is
    better, below zero where the arm is, and the limit is less than zero by what the draw of examples may do. ``noise`` is
    the arm's seed noise in the tune score, NaN where unknown; ``against`` is the arm of which a budget is larger, the
    special case, the untuned control, or the class that the constant answers.
    """
    return judged(records, standing_protocol(records.meta))


def judged(records: Records, registered: Registered | None) -> DataFrame:
    """Return what ``compute`` does, with the margins of this protocol; without one "defaults" is not judged."""
    import pandas as pd

    noises = seed_noise(records)
    budgets = {arm: _spending(records, arm) for arm in map(str, records.arms["arm"])}
    rows: list[tuple[object, ...]] = []
    for arm in map(str, records.arms["arm"]):
        noise = noises[arm]
        found: dict[str, tuple[float, float, str]] = {
            "edge": (_edge(records, arm), noise, ""),
            "rising": (_rising(records, arm), RISING, ""),
            "improving": (_improving(records, arm), noise, ""),
            "diverged": (_diverged(records, arm), MOST_DIVERGED, ""),
            "budget": _budget(budgets, arm, noises),
            "special case": _special(records, arm),
            "defaults": _defaults(records, arm, registered),
            "chance": _chance(records, arm),
        }
        for alarm, (value, limit, against) in found.items():
            known = not (math.isnan(value) or math.isnan(limit))
            raised = value >= limit if alarm == "chance" else value > limit * (1 + 1e-9)
            state = ("alarm" if raised else "quiet") if known else "not judged"
            rows.append((arm, alarm, state, value, limit, noise, against))
    return pd.DataFrame(rows, columns=list(COLUMNS))


# --- seed noise ----------------------------------------------------------------------------------------------


def seed_noise(records: Records) -> dict[str, float]:
    """Return each arm's seed noise in the deciding tune score; NaN where no arm has two seeds that ended well."""
    import numpy as np
    from scipy.stats import t

    samples = {str(arm): _finals(records, str(arm)) for arm in records.arms["arm"]}
    exponent = scaled([score for of_seed in samples.values() for score in of_seed.values()])[1]
    near = {arm: np.ldexp(list(v.values()), -exponent) for arm, v in samples.items() if len(v) > 1}
    spread = {arm: (len(v) - 1, float(np.var(v, ddof=1))) for arm, v in near.items()}
    free = sum(df for df, _ in spread.values())
    pooled = (free, sum(df * variance for df, variance in spread.values()) / free) if free else (0, math.nan)
    least = _one_example(records)
    noises = {}
    for arm in samples:
        df, variance = spread.get(arm, pooled)
        noise = float(np.ldexp(t.ppf(1 - BY_CHANCE, df) * math.sqrt(2 * variance), exponent)) if df else math.nan
        noises[arm] = max(least, noise) if df else math.nan
    return noises


def _one_example(records: Records) -> float:
    """Return what one tune example is worth in a score that is a part of them; 0 for any other score."""
    parts = records.deciding.is_share
    return 1 / max(1, int(records.meta.data["counts"]["tune"])) if parts else 0.0


def _finals(records: Records, arm: str) -> dict[int, float]:
    """Return the final tune score of an arm's comparison runs that ended well, higher is better, by seed."""
    runs, metric = records.compared(), records.deciding.tune_column
    mine = runs[(runs["arm"] == arm) & (runs["state"] == "done")]
    if metric not in mine:
        return {}
    pairs = zip(mine["seed"], mine[metric], strict=True)
    return {int(seed): sign(records) * float(value) for seed, value in pairs if math.isfinite(value)}


# --- the search ----------------------------------------------------------------------------------------------


def _edge(records: Records, arm: str) -> float:
    """Return by how much the outer rates beat the inner ones; NaN where no rate is searched or nothing ended well."""
    import numpy as np

    place, values = _places(records, arm)
    if not np.isfinite(values).any():
        return math.nan
    inner = (place >= OUTER) & (place <= 1 - OUTER)
    best = [float(values[part].max()) if part.any() else -math.inf for part in (~inner, inner)]
    return best[0] - best[1]


def _rising(records: Records, arm: str) -> float:
    """Return 1 - p of the rise of scores towards the edge where the best rate lies; 0 where it lies at none."""
    import numpy as np
    from scipy.stats import kendalltau

    place, values = _places(records, arm)
    if not np.isfinite(values).any():
        return math.nan
    best = place[values.argmax()]
    if OUTER <= best <= 1 - OUTER:
        return 0.0
    towards = place if best > 0.5 else 1 - place
    near = towards >= 0.5
    p = float(kendalltau(towards[near], values[near], alternative="greater").pvalue) if near.sum() > 1 else math.nan
    return 0.0 if math.isnan(p) else 1 - p


def _places(records: Records, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where in its range the learning rate of each spent trial lies, 0 to 1, and its score, -inf without one.

    They are empty where no rate is searched.
    """
    import numpy as np

    said = records.meta.spaces.get(arm, {}).get("lr", {})
    if not ("low" in said and float(said["low"]) < float(said["high"])):
        return np.zeros(0), np.zeros(0)
    ends = np.array([float(said["low"]), float(said["high"])])
    rates = np.array([float(params["lr"]) for params in _spent(records, arm)["params"]])
    if said["log"]:
        ends, rates = np.log(ends), np.log(rates)
    return (rates - ends[0]) / (ends[1] - ends[0]), scores(records, arm)


def _improving(records: Records, arm: str) -> float:
    """Return by how much the last fifth of the spent trials, at least one, improved on the best of the others."""
    trials = _spent(records, arm)
    last = max(1, math.ceil(LAST * len(trials) - 1e-9))
    values = _signed(records, trials)
    done = (trials["state"] == "done").to_numpy() & (values == values)
    if len(trials) < 2 or not done.any():
        return math.nan
    head, tail = values[:-last][done[:-last]], values[-last:][done[-last:]]
    if not len(tail):
        return 0.0
    return max(0.0, float(tail.max() - head.max())) if len(head) else math.inf


def _diverged(records: Records, arm: str) -> float:
    states = _looked(records, arm, _spent(records, arm))["state"]
    return float((states == "diverged").mean()) if len(states) else math.nan


@dataclass(frozen=True)
class _Spending:
    """What an arm's search has spent: trials, and the scores they brought."""

    spent: int
    effective: int  # ended well, or stopped
    looked: int  # the same since its range was last widened
    values: NDArray[np.float64]  # the scores since then, higher is better, rising
    cost: float = math.nan  # of all its trials, in the budget's unit where that is no number of trials
    cost_looked: float = math.nan  # of those since its range was last widened
    dearest: float = math.nan  # of its trials


def _spending(records: Records, arm: str) -> _Spending:
    import numpy as np

    trials = _spent(records, arm)
    looked = _looked(records, arm, trials)
    effective, since = (int(table["state"].isin(["done", "stopped"]).sum()) for table in (trials, looked))
    done = looked[(looked["state"] == "done") & looked["value"].notna()]
    values, unit = np.sort(_signed(records, done)), records.meta.benchmark["search"].get("unit", "trials")
    if unit == "trials":
        return _Spending(len(trials), effective, since, values)
    column = "trained" if unit == "epochs" else "seconds"
    costs = (float(trials[column].sum()), float(looked[column].sum()), float(trials[column].max()))
    return _Spending(len(trials), effective, since, values, *costs)


def _budget(budgets: Mapping[str, _Spending], arm: str, noises: Mapping[str, float]) -> tuple[float, float, str]:
    """Return what the trials are worth that another arm has more of, its seed noise, and the arm; the worst of them.

    Of a budget in epochs or seconds it is those that another arm has more of, and its dearest trial.
    """
    if not math.isnan(budgets[arm].cost):
        more = [(o.cost_looked - budgets[arm].cost, o.dearest, name) for name, o in budgets.items() if name != arm]
        more = [each for each in more if not math.isnan(each[1])]
        worst = max(more, key=lambda row: row[0] - row[1], default=(0.0, budgets[arm].dearest, ""))
        return worst if worst[0] > worst[1] else (max(0.0, worst[0]), worst[1], "")
    mine, found = budgets[arm].effective, []
    for other, theirs in budgets.items():
        values = theirs.values
        if theirs.looked <= mine or not len(values):
            continue
        many = min(mine, len(values))
        expected = float(chance(len(values), many) @ values) if many else -math.inf
        found.append((float(values[-1]) - expected, noises[other], other))
    if not budgets[arm].spent:
        return math.nan, math.nan, ""
    return max(found, key=lambda row: row[0] - row[1], default=(0.0, noises[arm], ""))


def _looked(records: Records, arm: str, trials: DataFrame) -> DataFrame:
    """Return those of the trials that were asked since the arm's range was last widened: those before looked elsewhere."""
    widened = [e["after"] for e in records.meta.extensions if e["arm"] == arm and "lr" in e["ranges"]]
    found: DataFrame = trials[trials["number"] >= (widened[-1] if widened else 0)]
    return found


def _spent(records: Records, arm: str) -> DataFrame:
    trials = records.trials[records.trials["arm"] == arm].sort_values("number")
    found: DataFrame = trials[trials["state"].isin(SPENT)]
    return found


def _signed(records: Records, trials: DataFrame) -> NDArray[np.float64]:
    import numpy as np

    return sign(records) * trials["value"].to_numpy(dtype=float, na_value=np.nan)


# --- special cases -------------------------------------------------------------------------------------------


def _special(records: Records, arm: str) -> tuple[float, float, str]:
    """Return the t statistic of the loss to a special case, its limit, and that arm; the worst of several."""
    from scipy.stats import t

    found: list[tuple[float, float, str]] = []
    for other in () if _convex(records, arm) else special_cases(records, arm):
        mine, hers = _finals(records, arm), _finals(records, other)
        seeds = sorted(mine.keys() & hers.keys())
        if len(seeds) > 1:
            found.append((_t([hers[s] - mine[s] for s in seeds]), float(t.ppf(1 - LOST, len(seeds) - 1)), other))
    return max(found, key=lambda row: row[0] - row[1], default=(math.nan, math.nan, ""))


def _defaults(records: Records, arm: str, registered: Registered | None) -> tuple[float, float, str]:
    """Return by how much the optimizer's own defaults are better, half the margin, and that control."""
    import numpy as np

    rows = records.comparison
    untuned = rows[(rows["role"] == "untuned") & rows["of"].isin(alike(records, arm)) & (rows["state"] == "done")]
    scores = untuned.get(records.deciding.tune_column, ())
    defaults = {int(seed): sign(records) * float(v) for seed, v in zip(untuned["init_seed"], scores, strict=False)}
    defaults = {seed: value for seed, value in defaults.items() if math.isfinite(value)}
    tuned = _finals(records, arm)
    if not tuned or not defaults or registered is None or _convex(records, arm):
        return math.nan, math.nan, ""
    mean = float(np.mean(list(defaults.values())))
    lead = mean - float(np.mean(list(tuned.values())))
    if all(tuned.get(seed) == value for seed, value in defaults.items()):
        lead = 0.0  # the search chose the defaults: other seeds are no difference
    limit = registered.protocol.margin_in(records.deciding.unit, mean, HALF)
    return lead, limit, str(untuned["arm"].iloc[0])


def _chance(records: Records, arm: str) -> tuple[float, float, str]:
    """Return by how much a constant answer is better, less than zero by what that may be, and the class it answers."""
    import numpy as np

    constant, tuned = level(records, "tune", records.deciding.name), _finals(records, arm)
    if constant is None or not tuned:
        return math.nan, math.nan, ""
    lead = sign(records) * constant.score - float(np.mean(list(tuned.values())))
    return lead, -constant.allowance, str(records.meta.constant["answer"])


def _convex(records: Records, arm: str) -> bool:
    return bool(records.meta.convex.get(network_of(arm)))


def special_cases(records: Records, arm: str) -> list[str]:
    """Return the arms of the same optimizer, schedule and network whose space is a special case of this one's."""
    spaces = records.meta.spaces
    others = [other for other in alike(records, arm) if other != arm]
    return [other for other in others if contains(spaces.get(arm, {}), spaces.get(other, {}))]


def contains(general: Mapping[str, Any], special: Mapping[str, Any]) -> bool:
    """Return whether a space is another's special case: it pins or narrows some of its parameters and no other.

    Spaces are as in the records: {low, high, log}, {choices} or {fixed}. A pinned parameter may lie outside the general
    range, as a momentum of zero does: the optimizer has it, and a range without it is one way to lose.
    """
    if not special or general.keys() != special.keys():
        return False
    return general != special and all(_within(special[name], said) for name, said in general.items())


def _within(special: Mapping[str, Any], general: Mapping[str, Any]) -> bool:
    if "fixed" in general:
        return special == general
    if "fixed" in special:
        return True
    if "choices" in general:
        return "choices" in special and all(choice in general["choices"] for choice in special["choices"])
    return "low" in special and special["low"] >= general["low"] and special["high"] <= general["high"]


def _t(differences: list[float]) -> float:
    """Return mean over standard error; infinite, with the mean's sign, where all are equal, 0 where they are 0."""
    import numpy as np

    mean, se = float(np.mean(differences)), float(standard_deviation(differences)) / math.sqrt(len(differences))
    if math.isnan(mean) or math.isnan(se):
        return math.nan
    return mean / se if se > 0 else math.copysign(math.inf, mean) if mean else 0.0


ANALYSIS = Analysis(name="alarms", compute=compute, reference="arXiv:1910.05446")
