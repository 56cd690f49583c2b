"""The lead of the best arm over every other, with an interval that covers replicates and test examples alike.

Both arms see the same seeds and the same examples, so their differences form a table of seeds by examples. The seeds of one
replicate share its search, so they count as one row, their mean; in a run of one replicate every seed is a row.
``harness.statistics.crossed`` has the mean of that table, its standard error and its degrees of freedom.

No exact test can tell two accuracies apart that differ on fewer than six examples. Where they differ on none, all variances are
zero, and the lead on 70 photos would be "0.00 points, 0.00 to 0.00". So if so few examples differ, the interval is joined with
an exact one, of the shares of examples that only one of the two arms gets right, each from its count by Clopper and Pearson
(``matched_difference``). Two arms that agree on all of 70 photos then lie within 5.1 points of each other. Arms without scores
per example that have the same difference in all seeds get Newcombe's interval of two proportions. Any other score with the same
difference in all seeds has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_means, draw_of_seed, draw_word
from harness.results.tables.leaderboard import ranked
from harness.statistics.crossed import POWER, CrossedMean, over_both, over_seeds
from harness.statistics.intervals import EQUAL
from harness.statistics.proportions import detectable_share, fewest_discordant, matched_difference, newcombe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "arm", "best", "metric", "lead", "low", "high", "detectable", "se", "se_seeds", "se_examples", "df", "draw", "draws",
    "seeds", "examples", "covers", "unit",
)  # fmt: skip
Finite = tuple[str, float]  # a run_id and its value of the deciding test metric
NO_INTERVAL = (math.nan, math.nan)
NO_SEEDS = CrossedMean(math.nan, math.nan, math.nan, math.nan, -1.0)  # of two arms without a seed in common


def compute(records: Records) -> DataFrame:
    """Return a row per arm other than the best, in their order: the best arm's ``lead`` in the deciding test metric.

    A lead is above zero where the best is better, whichever way the metric goes. ``low`` and ``high`` bound its 95 %
    interval, which is not adjusted for the number of arms, over the ``draws`` that have ``seeds`` that ended well in both arms;
    NaN for fewer than two. A ``draw`` is a "replicate", or a "seed" where there is one replicate. ``detectable`` is the lead that
    this run would have found four times in five. ``covers`` is "replicates and test examples"; "replicates" where the records
    have no scores per example (or "seeds", where these are the draws); "test examples" where the difference is the same in all
    draws, so that nothing says how these scatter; or "" where there is no interval.
    """
    import pandas as pd

    best, *others = ranked(records) or [""]
    metric = records.deciding.column
    runs = {arm: _finite_runs(records, arm, metric) for arm in (best, *others)}
    rivals = [arm for arm in others if runs[best] and runs[arm]]  # of an arm without a result the leaderboard says why
    rows = [{"arm": arm, "best": best, **_lead_row(records, runs[best], runs[arm])} for arm in rivals]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _lead_row(records: Records, best: Mapping[int, Finite], arm: Mapping[int, Finite]) -> dict[str, Any]:
    """Return the columns of one arm: by how much the best arm leads over the seeds that both have."""
    import numpy as np

    deciding, sign = records.deciding, records.deciding.sign
    seeds = [seed for seed in best if seed in arm]
    draw_of, draw = draw_of_seed(records), draw_word(records)
    draws = np.array([draw_of[seed] for seed in seeds], dtype=int)
    table = _differences(records, [(best[seed], arm[seed]) for seed in seeds])
    values = np.array([(best[seed][1], arm[seed][1]) for seed in seeds], dtype=float).reshape(len(seeds), 2)
    best_values, arm_values = draw_means(values, draws).T.tolist()
    mean, examples = NO_SEEDS, 0
    if table is not None:
        table = draw_means(table, draws)
        mean, examples = over_both(table), table.shape[1]
    elif seeds:
        mean = over_seeds([one - other for one, other in zip(best_values, arm_values, strict=True)])
    certainty = certainty_of(records, mean, table, best_values, arm_values)
    low, high = (certainty.low, certainty.high) if sign > 0 else (-certainty.high, -certainty.low)
    return {
        "metric": deciding.column, "lead": sign * mean.mean, "low": low, "high": high, "detectable": certainty.detectable,
        "se": mean.se or math.nan, "se_seeds": mean.se_seeds, "se_examples": mean.se_examples, "df": mean.df,
        "draw": draw, "draws": len(best_values), "seeds": len(seeds), "examples": certainty.examples or examples, "covers": certainty.covers, "unit": deciding.unit,
    }  # fmt: skip


@dataclass(frozen=True)
class Certainty:
    """How sure a difference is: its 95 % interval, what that covers, and the smallest difference that would be found."""

    low: float
    high: float
    detectable: float
    covers: str
    examples: int = 0  # that the interval is of, where it covers test examples alone


def certainty_of(
    records: Records, mean: CrossedMean, table: NDArray[np.float64] | None, one: list[float], other: list[float]
) -> Certainty:
    """Return how sure a mean difference is, one less other, whichever way the metric goes.

    ``table`` has the differences [D, N] by draw and example, None without scores per example; ``one`` and ``other`` are the
    values [D] of the two arms.
    """
    import numpy as np

    metric = records.deciding.column
    examples = records.examples_of(metric)  # 0 for a metric that is no proportion
    if examples and table is not None:
        examples = table.shape[1]
    if math.isnan(mean.se):
        return Certainty(math.nan, math.nan, math.nan, "")
    flat = mean.se <= EQUAL * max(map(abs, (*one, *other)))  # the same difference in all draws
    exact = _exact_interval(table) if examples and table is not None else None
    share = detectable_share(examples, POWER) if examples else math.nan
    ends, detectable = (mean.mean - mean.half, mean.mean + mean.half), mean.detectable
    draws = f"{draw_word(records)}s"
    covers = draws if table is None else f"{draws} and test examples"
    if flat:
        of_proportions = newcombe(float(np.mean(one)), float(np.mean(other)), examples) if examples else NO_INTERVAL
        ends, detectable, covers = exact or of_proportions, share, "test examples" if examples else ""
    elif exact:
        ends = min(ends[0], exact[0]), max(ends[1], exact[1])
        detectable = share if math.isnan(share) else max(detectable, share)
    lowest, highest = records.bounds_of(metric)
    most = highest - lowest
    low, high = (float(np.clip(end, -most, most)) for end in ends)
    return Certainty(low, high, min(detectable, most), covers, examples if flat else 0)


def _exact_interval(table: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the exact interval of differences [S, N] if so few examples differ that no sign test could tell; else None."""
    better, worse = (int(count) for count in ((table.mean(axis=0) > 0).sum(), (table.mean(axis=0) < 0).sum()))
    carriers = int((table != 0).any(axis=0).sum())
    return matched_difference(better, worse, table.shape[1]) if carriers < fewest_discordant() else None


def _finite_runs(records: Records, arm: str, metric: str) -> dict[int, Finite]:
    """Return run_id and value of an arm's runs that ended well with a finite value, by seed."""
    runs = records.compared()
    done = runs[(runs["arm"] == arm) & (runs["state"] == "done")]
    if metric not in done:
        return {}
    columns = zip(done["seed"], done["run_id"], done[metric], strict=True)
    return {int(seed): (str(run), float(value)) for seed, run, value in columns if math.isfinite(value)}


def _differences(records: Records, pairs: list[tuple[Finite, Finite]]) -> NDArray[np.float64] | None:
    """Return the differences of scores ``[S, N]`` of these pairs of runs; None where a run has no scores."""
    import numpy as np

    scores = records.scores
    if not pairs or any(run not in scores for pair in pairs for run, _ in pair):
        return None
    return np.stack([scores[one].astype(np.float64) - scores[other] for (one, _), (other, _) in pairs])


MEANINGS = {  # of the columns that are not the same in every table
    "best": "the arm with the best mean",
    "lead": "by how much the best arm is better",
    "detectable": "the lead that this run would have found four times in five",
    "se_seeds": "the part of the standard error that is due to seeds or replicates",
    "se_examples": "the part that is due to test examples",
    "df": "the degrees of freedom of the interval",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer lead."""
    return [
        Analysis(name="lead", compute=compute, reference="Searle, Casella and McCulloch 1992, ch. 4", columns=MEANINGS)
    ]
