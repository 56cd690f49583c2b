"""The leaderboard as one tidy CSV, and every table of the run folder as a CSV of its own.

Values are as recorded: a metric with unit "%" is a fraction of 1, and no digit is cut off. A text that a spreadsheet would
compute as a formula has an apostrophe before it.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness import Report, Results, hookimpl, spreadsheet_table
from harness_reports._words import alarms, names
from harness_reports._words.outcome import Outcome

if TYPE_CHECKING:
    from pandas import DataFrame


def render(results: Results) -> str:
    """Return a row per arm and metric, the best arm first: run, arm and its parts, mean, interval, seeds, and doubt."""
    import pandas as pd

    records, board = results.records, results.tables.get("leaderboard")
    if board is None:
        return table(pd.DataFrame(columns=["run", "rank", "arm", *names.PARTS, "metric"]))
    outcome = Outcome(results)
    parts = {arm.arm: asdict(arm) for arm in names.arm_parts(records)}
    ranks = _arm_ranks(board[board["metric"] == outcome.deciding.column])
    first = [{"run": records.folder.name, "rank": ranks[arm], **parts[arm]} for arm in board["arm"]]
    doubted = alarms.arms_in_doubt(outcome)
    doubts = [alarms.LABEL if arm in doubted else "" for arm in board["arm"]]
    columns = [pd.DataFrame(first, index=board.index), board.drop(columns="arm")]
    return table(pd.concat(columns, axis=1).assign(doubt=pd.Series(doubts, index=board.index, dtype=str)))


def _arm_ranks(rows: DataFrame) -> dict[str, int]:
    """Return the places of the arms by the rows of the deciding metric, the best first; equal means share a place."""
    ranks: dict[str, int] = {}
    rank, previous = 0, math.nan
    for place, (arm, mean) in enumerate(zip(rows["arm"], rows["mean"], strict=True), 1):
        rank = rank if math.isclose(mean, previous, rel_tol=1e-9) else place
        ranks[arm], previous = rank, mean
    return ranks


def table(frame: DataFrame) -> str:
    """Return any table as CSV, with a head line, and an empty field where a value is missing."""
    return str(spreadsheet_table(frame).to_csv(index=False, lineterminator="\n"))


@hookimpl
def harness_reports() -> list[Report]:
    """Offer csv."""
    return [Report(name="csv", extension="csv", render=render, table=table)]
