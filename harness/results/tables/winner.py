"""The winner: the best pipeline over all arms, and the score to expect of it, which is not the score it was chosen by.

The arm with the best mean tune score over its comparison seeds is chosen; the test split has no say. Its own test mean is too
good all the same: an arm also wins by the luck of its seeds, and a lucky seed is good on tune and on test. So the choice is
repeated without each replicate in turn (in a run of one replicate without each seed): the arm is chosen by the tune scores of all
others, and scored on test by the runs of the one left out, which had no part in that choice. The mean of these scores is what the whole procedure, "take the arm that
is best on tune and train it again", gives on new photos (Cawley and Talbot 2010, JMLR 11, 2079-2107; Varma and Simon 2006,
doi:10.1186/1471-2105-7-91). Each choice has one replicate less than the final one, which makes the score a little too low where replicates decide. In a
run of one replicate the search is not repeated: how lucky it was is not in the interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.results.tables.draws import draw_numbers, draw_of_seed, draw_word
from harness.statistics.crossed import over_both, over_seeds
from harness.statistics.intervals import EQUAL, half_width, jackknife_se
from harness.statistics.proportions import clopper_pearson
from harness.verdict.finite_runs import finite_runs

if TYPE_CHECKING:
    from pandas import DataFrame

FEW = 5  # with fewer wrong examples, their number is not normally distributed: the textbooks' n p
COLUMNS = (
    "arm", "winner", "tune", "test", "seeds", "chosen", "seed", "run_id", "metric", "expected", "low", "high", "se",
    "naive", "optimism", "folds", "lost", "covers", "goal", "unit",
)  # fmt: skip

Runs = dict[str, dict[int, dict[str, Any]]]  # by arm, and by seed or draw, in the order of the arms


def compute(records: Records) -> DataFrame:
    """Return a row per arm with a finished comparison run, best mean ``tune`` score first: that is the ``winner``.

    Every arm has

    - its means of the deciding metric over its finished ``seeds``, on ``tune`` and on ``test``;
    - ``chosen``, in how many of the folds it was chosen;
    - the ``seed`` and ``run_id`` that are best on tune, which ``harness export`` takes.

    The winner's row alone has the rest, which is NaN in the others:

    - ``expected``, the test score of the nested choice, NaN with a single seed; its 95 % interval from ``low`` to ``high``, and
      what that ``covers`` ("test examples" alone where no score differs);
    - ``naive``, the best test mean of any arm, which is reported too often;
    - ``optimism``, by how much that is too good, above zero whichever way the metric goes;
    - ``folds``, the replicates (or seeds) left out one by one, of which ``lost`` have no score, because what was left out failed.

    Scores are as recorded: one with unit "%" is a fraction of 1.
    """
    import pandas as pd

    name, sign = records.deciding.name, records.deciding.sign
    runs = runs_with_tune_score(records)
    order = arms_by_tune(runs, sign)
    compared = records.compared()
    of_arms = compared[compared["arm"].isin(order)]
    folds = sorted({int(draw) for draw in draw_numbers(records, of_arms)})
    by_draw = _runs_of_draws(records, runs)
    picks = [_best(by_draw, sign, without=fold) for fold in folds] if len(folds) > 1 else []
    rows = []
    for arm in order:
        seed = best_seed(runs[arm], sign)
        rows.append(
            {
                "arm": arm, "winner": arm == order[0], "tune": mean_score(runs[arm], "tune"), "test": mean_score(runs[arm], "test"),
                "seeds": len(runs[arm]), "chosen": picks.count(arm), "seed": seed, "run_id": runs[arm][seed]["run_id"],
                "metric": name, "covers": "", **records.meta.metrics[name],
            }
        )  # fmt: skip
    if rows:
        rows[0] |= _nested(records, by_draw, folds if len(folds) > 1 else [], sign)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ("expected", "low", "high", "se", "naive", "optimism", "folds", "lost")
    return table.astype(dict.fromkeys(numbers, float))


def arms_by_tune(runs: Runs, sign: int) -> list[str]:
    """Return the arms, best mean tune score over their runs first; equal ones stay in the order of ``runs``."""
    return sorted(runs, key=lambda arm: -sign * mean_score(runs[arm], "tune"))


def best_seed(runs: Mapping[int, Mapping[str, Any]], sign: int) -> int:
    """Return the seed of an arm's run with the best tune score, the lowest among equals."""
    return max(runs, key=lambda seed: (sign * runs[seed]["tune"], -seed))


def _nested(records: Records, runs: Runs, seeds: list[int], sign: int) -> dict[str, Any]:
    """Return the score of the nested choice, with its interval, and how much better the naive score looks."""
    import numpy as np

    means = [sign * mean_score(by_seed, "test") for by_seed in runs.values()]
    naive = sign * max((mean for mean in means if math.isfinite(mean)), default=math.nan)
    scored = _left_out_runs(runs, seeds, sign)
    counts = {"naive": naive, "folds": len(seeds), "lost": len(seeds) - len(scored)}
    if not scored:
        return counts
    expected = over_seeds([run["test"] for run in scored])
    by_seeds, by_examples, df = max(expected.se, _jackknife(runs, seeds, sign)), 0.0, expected.df
    has_scores = len(scored) > 1 and all(run_id in records.scores for run in scored for run_id in run["run_ids"])
    if has_scores:
        means = [
            np.stack([records.scores[run_id] for run_id in run["run_ids"]]).mean(axis=0, dtype=float) for run in scored
        ]
        table = np.stack(means)
        by_examples = over_both(table).se_examples
        spread = by_seeds**4 / df + by_examples**4 / (table.shape[1] - 1)
        df = (by_seeds**2 + by_examples**2) ** 2 / spread if spread > 0 else df
    se = math.hypot(by_seeds, by_examples)
    draws = f"{draw_word(records)}s"
    covers = (f"{draws} and test examples" if has_scores else draws) if math.isfinite(se) else ""
    low, high, covers = _interval(records, expected.mean, se, df, covers)
    return counts | {
        "expected": expected.mean, "low": low, "high": high, "se": se or math.nan,
        "optimism": sign * (naive - expected.mean), "covers": covers,
    }  # fmt: skip


def _interval(records: Records, mean: float, se: float, df: float, covers: str) -> tuple[float, float, str]:
    """Return the ends of the expected score's interval, and what it covers.

    It is Student's interval, within the metric's bounds. If an accuracy has so few wrong (or right) examples that no normal
    distribution describes them, it is joined with the exact interval of a proportion of the test examples. Where nothing
    scatters, it is the exact interval alone.
    """
    import numpy as np

    metric = records.deciding.column
    examples = records.examples_of(metric)
    half = float(half_width(se, df)) if se > EQUAL * abs(mean) else math.nan
    ends = [mean - half, mean + half]
    few = covers.endswith(" and test examples") and min(mean, 1 - mean) * examples < FEW
    if covers and examples and (few or math.isnan(half)):
        exact = [float(end) for end in clopper_pearson(mean, examples)]
        ends = [np.fmin(ends[0], exact[0]), np.fmax(ends[1], exact[1])]
        covers = "test examples" if math.isnan(half) else covers
    low, high = (float(np.clip(end, *records.bounds_of(metric))) for end in ends)
    return low, high, covers if low == low else ""


def _runs_of_draws(records: Records, runs: Runs) -> Runs:
    """Return the means of tune and test scores of every arm by draw, with the ``run_ids`` that they are of."""
    draw_of = draw_of_seed(records)
    by_draw: Runs = {}
    for arm, by_seed in runs.items():
        grouped: dict[int, dict[int, dict[str, Any]]] = {}
        for seed, run in by_seed.items():
            grouped.setdefault(draw_of[seed], {})[seed] = run
        by_draw[arm] = {
            draw: {
                "run_ids": [run["run_id"] for run in of_draw.values()],
                **{split: mean_score(of_draw, split) for split in ("tune", "test")},
            }
            for draw, of_draw in grouped.items()
        }
    return by_draw


def _left_out_runs(runs: Runs, seeds: Sequence[int], sign: int) -> list[dict[str, Any]]:
    """Return, for each draw left out, the runs of that draw of the arm that the other draws chose; without failed ones."""
    chosen = [(seed, _best(runs, sign, seed)) for seed in seeds]
    left_out = [runs[arm].get(seed) for seed, arm in chosen if arm]
    return [run for run in left_out if run is not None and math.isfinite(run["test"])]


def _jackknife(runs: Runs, seeds: list[int], sign: int) -> float:
    """Return the standard error by deleting a seed and choosing anew from the rest; 0 for fewer than three seeds.

    Where arms are nearly equal, different folds choose different arms, but in a lucky set of seeds they all choose the same
    one: then the scores of the folds differ less than those of other experiments would. This was simulated for 3 and 8 equal
    arms, one arm a little better, and one far better, with 4 to 12 seeds. The t-interval of the folds' scores holds the truth
    in 85 to 95 % of all cases; with the larger of the two standard errors it does in 95 to 98 %.
    """
    means = []
    for deleted in seeds if len(seeds) > 2 else ():
        rest = [seed for seed in seeds if seed != deleted]
        scored = _left_out_runs(_without_seed(runs, deleted), rest, sign)
        if scored:
            means.append(math.fsum(run["test"] for run in scored) / len(scored))
    return float(jackknife_se(means)) if len(means) > 1 else 0.0


def _without_seed(runs: Runs, deleted: int) -> Runs:
    return {arm: {seed: run for seed, run in by_seed.items() if seed != deleted} for arm, by_seed in runs.items()}


def _best(runs: Runs, sign: int, without: int) -> str:
    """Return the arm with the best mean tune score over all seeds but one, the first among equals; "" for none."""
    rest = _without_seed(runs, without)
    return max((arm for arm in rest if rest[arm]), key=lambda arm: sign * mean_score(rest[arm], "tune"), default="")


def mean_score(runs: Mapping[int, Mapping[str, Any]], split: str) -> float:
    """Return the mean score of a split over the runs, without those that have none; NaN where none has."""
    values = [run[split] for run in runs.values() if math.isfinite(run[split])]
    return math.fsum(values) / len(values) if values else math.nan


def runs_with_tune_score(records: Records) -> Runs:
    """Return the runs that ended well with a finite tune score, of the arms that have any.

    Each has its ``run_id`` and its scores on ``tune`` and on ``test``, NaN for a test score that is not finite.
    """
    by_arm: Runs = {}
    for arm in map(str, records.arms["arm"]):
        test = finite_runs(records, arm, records.deciding.column)
        of_arm = {
            seed: {"run_id": run_id, "tune": tune, "test": test[seed][1] if seed in test else math.nan}
            for seed, (run_id, tune) in finite_runs(records, arm, records.deciding.tune_column).items()
        }
        by_arm |= {arm: of_arm} if of_arm else {}
    return by_arm


MEANINGS = {  # of the columns that are not the same in every table
    "winner": "whether the arm is best on tune",
    "tune": "its mean on tune",
    "test": "its mean on test",
    "chosen": "in how many folds it was chosen",
    "seed": "its seed that is best on tune",
    "run_id": "the run of that seed",
    "expected": "the test score to expect of choosing so",
    "naive": "the best test mean of any arm",
    "optimism": "by how much that is too good",
    "folds": "seeds that were left out one by one",
    "lost": "folds without a score",
}
ANALYSIS = Analysis(
    name="winner", compute=compute, reference="Cawley and Talbot 2010, JMLR 11, 2079-2107", columns=MEANINGS
)
