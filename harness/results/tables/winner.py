"""The winner: the best pipeline over all arms, and the score to be expected of it, which is not the score it was chosen by.

The arm with the best mean tune score over its comparison seeds is chosen; the test split has no say. Its own test mean is
too good all the same, because an arm wins by the luck of its seeds too, and a lucky seed is good on tune and on test. So the
choice stands inside the loop: for each seed the arm is chosen by the tune scores of all other seeds, and scored on test by
the run of the seed left out, which had no part in that choice. The mean of these scores is what the whole procedure, "take
the arm that is best on tune and train it again", gives on new photos (Cawley and Talbot 2010, JMLR 11, 2079-2107; Varma and
Simon 2006, doi:10.1186/1471-2105-7-91). It chooses with one seed less than the final choice does, which makes it a little
too low where seeds decide. The searches are not repeated: how lucky they were is not in the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.crossed import over_both, over_seeds
from harness.statistics.intervals import EQUAL, clopper_pearson, half_width, jackknife_se

if TYPE_CHECKING:
    from pandas import DataFrame

FEW = 5  # wrong examples below which their number is not normally distributed: the textbooks' n p
COLUMNS = (
    "arm", "winner", "tune", "test", "seeds", "chosen", "seed", "run_id", "metric", "expected", "low", "high", "se",
    "naive", "optimism", "folds", "lost", "covers", "goal", "unit",
)  # fmt: skip

Runs = dict[str, dict[int, dict[str, Any]]]  # by arm and seed, in the order of the arms


def compute(records: Records) -> DataFrame:
    """Return a row per arm with a finished comparison run, best mean ``tune`` score first: that is the ``winner``.

    Every arm has its means of the deciding metric over its finished ``seeds``, on ``tune`` and on ``test``; in how many of
    the folds it was ``chosen``; and the ``seed`` and ``run_id`` that are best on tune, which is what ``harness export``
    takes. The winner's row alone has the rest, NaN in the others: the ``expected`` test score of the nested choice with its
    95 % interval from ``low`` to ``high``, over what ``covers`` says ("test examples" alone where no score differs); ``naive``, the best test mean of any arm, which is
    what is reported too often; ``optimism``, by how much that is too good, above zero whichever way the metric goes;
    ``folds``, the seeds left out one by one, of which ``lost`` have no score, because the run that was left out failed.
    Scores are as recorded: one with unit "%" is a fraction of 1. ``expected`` is NaN with a single seed.
    """
    import pandas as pd

    name, sign = records.deciding.name, records.deciding.sign
    runs = _runs(records, name)
    order = sorted(runs, key=lambda arm: -sign * _mean(runs[arm], "tune"))
    compared = records.compared()
    seeds = sorted({int(seed) for seed in compared[compared["arm"].isin(order)]["seed"]})
    picks = [_best(runs, sign, without=seed) for seed in seeds] if len(seeds) > 1 else []
    rows = []
    for arm in order:
        seed, best = max(runs[arm].items(), key=lambda item: (sign * item[1]["tune"], -item[0]))
        rows.append(
            {
                "arm": arm, "winner": arm == order[0], "tune": _mean(runs[arm], "tune"), "test": _mean(runs[arm], "test"),
                "seeds": len(runs[arm]), "chosen": picks.count(arm), "seed": seed, "run_id": best["run_id"],
                "metric": name, "covers": "", **records.meta.metrics[name],
            }
        )  # fmt: skip
    if rows:
        rows[0] |= _nested(records, runs, seeds if len(seeds) > 1 else [], sign)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ("expected", "low", "high", "se", "naive", "optimism", "folds", "lost")
    return table.astype(dict.fromkeys(numbers, float))


def _nested(records: Records, runs: Runs, seeds: list[int], sign: int) -> dict[str, Any]:
    """Return what the nested choice comes to, with its interval, and how much better the naive score looks."""
    import numpy as np

    means = [sign * _mean(each, "test") for each in runs.values()]
    naive = sign * max((mean for mean in means if math.isfinite(mean)), default=math.nan)
    scored = _left_out(runs, seeds, sign)
    counts = {"naive": naive, "folds": len(seeds), "lost": len(seeds) - len(scored)}
    if not scored:
        return counts
    found = over_seeds([run["test"] for run in scored])
    by_seeds, by_examples, df = max(found.se, _jackknife(runs, seeds, sign)), 0.0, found.df
    known = len(scored) > 1 and all(run["run_id"] in records.scores for run in scored)
    if known:
        table = np.stack([records.scores[run["run_id"]].astype(np.float64) for run in scored])
        by_examples = over_both(table).se_examples
        spread = by_seeds**4 / df + by_examples**4 / (table.shape[1] - 1)
        df = (by_seeds**2 + by_examples**2) ** 2 / spread if spread > 0 else df
    se = math.hypot(by_seeds, by_examples)
    covers = ("seeds and test examples" if known else "seeds") if math.isfinite(se) else ""
    low, high, covers = _ends(records, found.mean, se, df, covers)
    return counts | {
        "expected": found.mean, "low": low, "high": high, "se": se or math.nan, "optimism": sign * (naive - found.mean),
        "covers": covers,
    }  # fmt: skip


def _ends(records: Records, mean: float, se: float, df: float, covers: str) -> tuple[float, float, str]:
    """Return the ends of the expected score's interval and what it covers.

    Student's, within the metric's bounds. Of an accuracy that so few examples get wrong (or right) that a normal
    distribution does not describe them, it is joined with the exact one of a proportion of the test examples; where nothing
    spreads that is all there is.
    """
    import numpy as np

    metric = records.deciding.column
    examples = records.examples_of(metric)
    half = float(half_width(se, df)) if se > EQUAL * abs(mean) else math.nan
    ends = [mean - half, mean + half]
    few = covers == "seeds and test examples" and min(mean, 1 - mean) * examples < FEW
    if covers and examples and (few or math.isnan(half)):
        exact = [float(end) for end in clopper_pearson(mean, examples)]
        ends = [np.fmin(ends[0], exact[0]), np.fmax(ends[1], exact[1])]
        covers = "test examples" if math.isnan(half) else covers
    low, high = (float(np.clip(end, *records.bounds_of(metric))) for end in ends)
    return low, high, covers if low == low else ""


def _left_out(runs: Runs, seeds: Sequence[int], sign: int) -> list[dict[str, Any]]:
    """Return for each seed the run, left out, of the arm that the other seeds chose; those that failed are missing."""
    found = [runs[arm].get(seed) for seed in seeds if (arm := _best(runs, sign, seed))]
    return [run for run in found if run is not None and math.isfinite(run["test"])]


def _jackknife(runs: Runs, seeds: list[int], sign: int) -> float:
    """Return the standard error by deleting a seed and choosing anew from the rest; 0 for fewer than three seeds.

    Where arms are nearly equal the folds choose in turns, and all of them alike in a lucky set of seeds: then the scores
    of the folds differ less than those of other experiments would. Simulated, of 3 and 8 equal arms, one a little better,
    and one far better, with 4 to 12 seeds: their t-interval has the truth in 85 to 95 % of all cases, with the larger of
    the two standard errors it is 95 to 98 %.
    """
    left = [[other for other in seeds if other != seed] for seed in seeds] if len(seeds) > 2 else []
    without = [{arm: {s: run for s, run in each.items() if s in rest} for arm, each in runs.items()} for rest in left]
    scored = [_left_out(some, rest, sign) for some, rest in zip(without, left, strict=True)]
    means = [math.fsum(run["test"] for run in some) / len(some) for some in scored if some]
    if len(means) < 2:
        return 0.0
    return float(jackknife_se(means))


def _best(runs: Runs, sign: int, without: int) -> str:
    """Return the arm with the best mean tune score over all seeds but one, the first among equals; "" for none."""
    left = {arm: {seed: run for seed, run in each.items() if seed != without} for arm, each in runs.items()}
    return max((arm for arm in left if left[arm]), key=lambda arm: sign * _mean(left[arm], "tune"), default="")


def _mean(runs: dict[int, dict[str, Any]], split: str) -> float:
    """Return the mean score of a split over the runs, without those that have none; NaN where none has."""
    values = [run[split] for run in runs.values() if math.isfinite(run[split])]
    return math.fsum(values) / len(values) if values else math.nan


def _runs(records: Records, name: str) -> Runs:
    """Return the runs that ended well with a tune score, of the arms that have any."""
    compared = records.compared()
    done = compared[compared["state"] == "done"]
    if not {f"tune_{name}", f"test_{name}"} <= set(done):
        return {}
    found: Runs = {str(arm): {} for arm in records.arms["arm"]}
    columns = (done["arm"], done["seed"], done["run_id"], done[f"tune_{name}"], done[f"test_{name}"])
    for arm, seed, run_id, tune, test in zip(*columns, strict=True):
        if math.isfinite(tune) and arm in found:
            found[arm][int(seed)] = {"run_id": str(run_id), "tune": float(tune), "test": float(test)}
    return {arm: runs for arm, runs in found.items() if runs}


ANALYSIS = Analysis(name="winner", compute=compute, reference="Cawley and Talbot 2010, JMLR 11, 2079-2107")
