"""Ranks over backbones, or over workloads: which arm is better on most of them, and by more than chance?

In a single run each block is a backbone. Ranked in it are the other parts of an arm (head, optimizer, schedule), by the mean of
the deciding test metric over seeds. Seeds are not blocks, for they are not different problems, and neither are the heads of one
backbone. Over several workloads each block is a workload, and optimizers with their schedules are ranked in it. One with several
networks ranks by the mean rank in these.

    chi2 = 12 N / (k (k + 1)) (sum of R^2 - k (k + 1)^2 / 4),   F = (N - 1) chi2 / (N (k - 1) - chi2)
    CD   = q(0.05, k) sqrt(k (k + 1) / (6 N))

These are Friedman's test in Iman and Davenport's form, and Nemenyi's critical difference, for N blocks and k ranked, as in Demsar
2006 (JMLR 7, 1-30). The pairs also have Wilcoxon's signed-rank test with Holm's correction (Garcia and Herrera 2008, JMLR 9,
2677-2694). With six blocks no Wilcoxon p is below 0.031, so Holm's correction rarely calls a pair different.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics.labels import holm
from harness.verdict.arms import network_of, short_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

FEWEST = 6  # blocks
LEVEL = 0.05
COLUMNS = ("ranked", "mean_rank", "blocks", "left_out", "chi2", "f", "p", "critical_difference")
PAIRS = ("one", "other", "apart", "beyond", "p", "p_holm")


def compute(records: Records) -> DataFrame:
    """Return a row per ``ranked``, the best first: its mean rank (1 is best), Friedman's test and Nemenyi's distance.

    There are no rows for fewer than six blocks or three ranked. An arm of which every seed diverged or failed is last in its
    block. A block in which an arm has not been run yet is left out.
    """
    return _rank_table(*score_table(records))


def across(workloads: Mapping[str, Records]) -> DataFrame:
    """Return the same table with a block for each workload."""
    return _rank_table(*workload_scores(workloads))


def _rank_table(grid: DataFrame, left_out: int) -> DataFrame:
    """Return the table of ranks from scores, a row a block and a column a ranked name; higher is better."""
    import pandas as pd

    if len(grid) < FEWEST or grid.shape[1] < 3:
        return pd.DataFrame(columns=list(COLUMNS))
    ranks = ranked(grid.to_numpy(dtype=float)).mean(axis=0)
    chi2, f, p = friedman(ranks, len(grid))
    distance = critical_difference(grid.shape[1], len(grid))
    rows = [
        (name, float(rank), len(grid), left_out, chi2, f, p, distance) for name, rank in zip(grid, ranks, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("mean_rank", kind="stable", ignore_index=True)


def compute_pairs(records: Records) -> DataFrame:
    """Return a row per pair: how far ``apart`` their mean ranks are, whether ``beyond`` the critical difference, and p."""
    return _pair_table(*score_table(records))


def pairs_across(workloads: Mapping[str, Records]) -> DataFrame:
    """Return the same table with a block for each workload."""
    return _pair_table(*workload_scores(workloads))


def _pair_table(grid: DataFrame, left_out: int) -> DataFrame:
    """Return the table of pairs from scores, a row a block and a column a ranked name; higher is better."""
    import pandas as pd

    ranks = _rank_table(grid, left_out)
    rows: list[tuple[Any, ...]] = []
    if len(ranks):
        mean_ranks = dict(zip(ranks["ranked"], ranks["mean_rank"], strict=True))
        pairs = list(combinations(ranks["ranked"], 2))
        scores = {name: grid[name].to_numpy(dtype=float) for name in ranks["ranked"]}
        p_values = [wilcoxon(scores[first], scores[second]) for first, second in pairs]
        distance = float(ranks["critical_difference"].iloc[0])
        for (first, second), p, corrected in zip(pairs, p_values, holm(p_values), strict=True):
            apart = mean_ranks[second] - mean_ranks[first]
            rows.append((first, second, apart, apart > distance, p, corrected))
    return pd.DataFrame(rows, columns=list(PAIRS))


def score_table(records: Records) -> tuple[DataFrame, int]:
    """Return the scores, higher is better, a row per block and a column per ranked, and how many blocks are left out."""
    import pandas as pd

    rows = []
    for arm, backbone in zip(records.arms["arm"], records.arms["backbone"], strict=True):
        name = str(arm).removeprefix(str(backbone)).strip("/+")
        rows.append((str(backbone), name, _mean_score(records, arm)))
    scores = pd.DataFrame(rows, columns=["block", "ranked", "value"])
    grid = scores.pivot(index="block", columns="ranked", values="value")[list(dict.fromkeys(scores["ranked"]))]
    complete = grid.dropna()
    return complete, len(grid) - len(complete)


def workload_scores(workloads: Mapping[str, Records]) -> tuple[DataFrame, int]:
    """Return scores, higher is better, a row per workload and a column per optimizer and schedule; and how many are left out.

    A workload's score is the mean rank over its networks, with its sign turned: metrics of different workloads have no common
    unit. A workload with an arm that has not been run yet is left out, and so is a name that is not in all workloads.
    """
    import pandas as pd

    rows: dict[str, dict[str, float]] = {}
    for name, records in workloads.items():
        scores = pd.DataFrame(
            [(network_of(arm), short_name(arm), _mean_score(records, arm)) for arm in map(str, records.arms["arm"])],
            columns=["network", "ranked", "value"],
        )
        grid = scores.pivot(index="network", columns="ranked", values="value")[list(dict.fromkeys(scores["ranked"]))]
        if len(grid) and grid.notna().all(axis=None):
            rows[name] = dict(zip(grid.columns, -ranked(grid.to_numpy(dtype=float)).mean(axis=0), strict=True))
    if not rows:
        return pd.DataFrame(), len(workloads)
    return pd.DataFrame.from_dict(rows, orient="index").dropna(axis="columns"), len(workloads) - len(rows)


def _mean_score(records: Records, arm: str) -> float:
    """Return an arm's mean score over seeds, higher is better; -inf if every seed was lost, NaN if one is still to run."""
    column, runs = records.deciding.column, records.compared()
    rows = runs[runs["arm"] == arm]
    done = rows.loc[rows["state"] == "done", column] if column in rows else rows["seconds"].iloc[:0]
    if done.notna().any():
        return records.deciding.sign * float(done.mean())
    over = len(rows) and rows["state"].isin(["done", "failed", "diverged"]).all()
    return -math.inf if over else math.nan


def ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks [blocks, ranked] of values, 1 for the highest of a block; equal values share their mean rank."""
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(-values, axis=1)
    return ranks


def friedman(mean_ranks: NDArray[np.float64], blocks: int) -> tuple[float, float, float]:
    """Return Friedman's chi squared, Iman and Davenport's F, and its p, of mean ranks ``[ranked]``."""
    import numpy as np
    from scipy.stats import f as distribution

    k = len(mean_ranks)
    chi2 = 12 * blocks / (k * (k + 1)) * (float(np.square(mean_ranks).sum()) - k * (k + 1) ** 2 / 4)
    room = blocks * (k - 1) - chi2
    if room <= 1e-9 * blocks:  # every block has the same order
        return chi2, math.inf, 0.0
    value = (blocks - 1) * chi2 / room
    return chi2, value, float(distribution.sf(value, k - 1, (k - 1) * (blocks - 1)))


def critical_difference(k: int, blocks: int) -> float:
    """Return Nemenyi's distance: mean ranks of k that are further apart differ at the 5 % level."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - LEVEL, k, math.inf)) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * blocks))


def wilcoxon(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test over blocks; 1 where they are equal in all."""
    import numpy as np
    from scipy import stats

    with np.errstate(invalid="ignore"):
        differences = np.nan_to_num(one - other, nan=0.0)  # both infinite: equal
    if not differences.any():
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ties: the p is then an approximation
        return float(stats.wilcoxon(differences, zero_method="zsplit").pvalue)


MEANINGS = {  # of the columns that are not the same in every table
    "ranked": "what is ranked: the parts of an arm that differ within a block",
    "mean_rank": "its mean rank over the blocks; 1 is best",
    "blocks": "how many blocks there are: networks, or workloads",
    "left_out": "blocks that were left out, because an arm has not been run there",
    "chi2": "Friedman's statistic",
    "f": "the same in Iman and Davenport's form",
    "p": "its p value",
    "critical_difference": "Nemenyi's distance, beyond which two mean ranks differ",
}


RANK_PAIRS_MEANINGS = {  # of the columns that are not the same in every table
    "one": "what is compared",
    "apart": "how far the mean ranks are apart",
    "beyond": "whether that is beyond the critical difference",
    "p_holm": "the p value of Wilcoxon's signed-rank test, adjusted by Holm",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer ranks and rank_pairs."""
    reference = "Demsar 2006, JMLR 7, 1-30"
    return [
        Analysis(name="ranks", compute=compute, across=across, reference=reference, columns=MEANINGS),
        Analysis(
            name="rank_pairs",
            compute=compute_pairs,
            across=pairs_across,
            reference=reference,
            columns=RANK_PAIRS_MEANINGS,
        ),
    ]
