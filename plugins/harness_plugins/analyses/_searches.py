"""The searches of an arm in all replicates: what analyses of budgets and hyperparameters have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Records
from harness.verdict.trials import SPENT

if TYPE_CHECKING:
    from pandas import DataFrame


def spent_trials(records: Records, arm: str) -> list[DataFrame]:
    """Return the spent trials of each of an arm's searches, by replicate, and in each in the order in which they were asked.

    A trial that diverged, failed or was stopped has taken its part of the budget. A search without a spent trial is left out.
    """
    first = records.trials[records.trials["arm"] == arm].assign(replicate=0)
    further = records.repeated[(records.repeated["arm"] == arm) & (records.repeated["control"] == "")]
    searches = [first, *(trials for _, trials in further.groupby("replicate", sort=True))]
    spent = [trials[trials["state"].isin(SPENT)].sort_values("number") for trials in searches]
    return [trials for trials in spent if len(trials)]
