"""The leaderboard as one tidy CSV, and every table of the run folder as a CSV of its own.

Values are as recorded: a metric with unit "%" is a fraction of 1, and no digit is cut off. A text that a spreadsheet would
compute as a formula has an apostrophe before it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Report, Results, hookimpl, spreadsheet_table
from harness_reports._words import alarms, facts

if TYPE_CHECKING:
    from pandas import DataFrame

PARTS = ("arm", "network", "optimizer", "scheduler")


def render(results: Results) -> str:
    """Return a row per arm and metric, the best arm first: run, arm and its parts, mean, interval, seeds, and doubt."""
    import pandas as pd

    records, board = results.records, results.tables.get("leaderboard")
    if board is None:
        return table(pd.DataFrame(columns=["run", "rank", *PARTS, "metric"]))
    parts = {each["arm"]: each for each in facts.parts_of(records)}
    ranks = _ranks(board[board["metric"] == records.deciding.column])
    doubted = alarms.alarmed(results, {})
    about = pd.DataFrame(
        [{"run": records.folder.name, "rank": ranks[arm], **parts[arm]} for arm in board["arm"]], index=board.index
    )
    doubt = pd.Series([alarms.LABEL if arm in doubted else "" for arm in board["arm"]], index=board.index, dtype=str)
    return table(pd.concat([about, board.drop(columns="arm")], axis=1).assign(doubt=doubt))


def _ranks(rows: DataFrame) -> dict[str, int]:
    """Return the arms' places by the rows of the deciding metric, the best first; equal means share a place."""
    ranks: dict[str, int] = {}
    place, before = 0, math.nan
    for number, (arm, mean) in enumerate(zip(rows["arm"], rows["mean"], strict=True), 1):
        place = place if math.isclose(mean, before, rel_tol=1e-9) else number
        ranks[arm], before = place, mean
    return ranks


def table(found: DataFrame) -> str:
    """Return any table as CSV, with a head line, and nothing where a value is missing."""
    return str(spreadsheet_table(found).to_csv(index=False, lineterminator="\n"))


@hookimpl
def harness_reports() -> list[Report]:
    """Offer csv."""
    return [Report(name="csv", extension="csv", render=render, table=table)]
