"""The lead of the best arm over every other, with an interval that covers replicates and test examples alike.

``harness.results.tables.two_arms`` says how two arms are compared. A lead is the difference that it gives, above zero where the
best arm is better, whichever way the metric goes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_word
from harness.results.tables.leaderboard import ranked
from harness.results.tables.two_arms import compare_arms
from harness.verdict.finite_runs import Finite, finite_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

COLUMNS = (
    "arm", "best", "metric", "lead", "low", "high", "detectable", "se", "se_seeds", "se_examples", "df", "draw", "draws",
    "seeds", "examples", "covers", "unit",
)  # fmt: skip


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
    runs = {arm: finite_runs(records, arm, metric) for arm in (best, *others)}
    rivals = [arm for arm in others if runs[best] and runs[arm]]  # of an arm without a result the leaderboard says why
    rows = [{"arm": arm, "best": best, **_lead_row(records, runs[best], runs[arm])} for arm in rivals]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _lead_row(records: Records, best: Mapping[int, Finite], arm: Mapping[int, Finite]) -> dict[str, Any]:
    """Return the columns of one arm: by how much the best arm leads over the seeds that both have."""
    deciding = records.deciding
    compared = compare_arms(records, deciding.column, best, arm)
    mean, certainty = compared.mean, (compared if deciding.sign > 0 else compared.reversed).certainty
    return {
        "metric": deciding.column, "lead": deciding.sign * mean.mean, "low": certainty.low, "high": certainty.high,
        "detectable": certainty.detectable, "se": mean.se or math.nan, "se_seeds": mean.se_seeds,
        "se_examples": mean.se_examples, "df": mean.df, "draw": draw_word(records), "draws": compared.draws,
        "seeds": compared.seeds, "examples": compared.examples, "covers": certainty.covers, "unit": deciding.unit,
    }  # fmt: skip


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
