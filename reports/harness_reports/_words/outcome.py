"""The results as every format reads them; what several parts of a report need is computed here, once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from harness import Deciding, Records, Results
from harness.results.tables import against
from harness.verdict.in_doubt import arms_in_doubt
from harness_reports._words import names

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Outcome:
    """The results of a run, with the labels of its arms and the rows that decide."""

    results: Results

    @property
    def records(self) -> Records:
        """The records that the results were computed from."""
        return self.results.records

    def table(self, name: str) -> DataFrame | None:
        """Return the table of an analysis; None where the analysis is missing or has no rows."""
        table = self.results.tables.get(name)
        return None if table is None or table.empty else table

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of an analysis's table; none where the analysis is missing."""
        table = self.table(name)
        return [] if table is None else table_rows(table)

    @cached_property
    def labels(self) -> dict[str, str]:
        """A short label for every arm."""
        return names.arm_labels(self.records)

    @property
    def deciding(self) -> Deciding:
        """The metric that ranks the arms, on the test split."""
        return self.records.deciding

    @property
    def searched(self) -> Deciding:
        """The metric that scores the trials, on the tune split."""
        return self.records.searched

    @property
    def test_title(self) -> str:
        """The deciding metric on the test split, in words."""
        return names.metric_title(self.deciding.column)

    @property
    def tune_title(self) -> str:
        """The deciding metric on the tune split, in words; it chooses the winner."""
        return names.metric_title(self.deciding.tune_column)

    @property
    def trial_title(self) -> str:
        """The metric that scores trials, on the tune split, in words; searches choose by it."""
        return names.metric_title(self.searched.tune_column)

    @property
    def loss_unit(self) -> str:
        """The unit of the task's loss; "" for a task without one."""
        return str(self.records.meta.metrics.get("loss", {}).get("unit", ""))

    @cached_property
    def deciding_rows(self) -> list[dict[str, Any]] | None:
        """The leaderboard's rows of the deciding test metric, the best arm first; None where there is no leaderboard."""
        board = self.results.tables.get("leaderboard")
        return None if board is None else table_rows(board[board["metric"] == self.deciding.column])

    @cached_property
    def leads(self) -> list[dict[str, Any]]:
        """The rows of the analysis "lead", the arm nearest to the best first; none where the analysis is missing.

        Each has the ``word`` of its arm beside the best one, as the comparison below the leaderboard has it, and the number of
        ``arms`` that Holm's adjustment is for. One word for one difference: an arm is behind only where the word is "worse".
        """
        leads, differences = self.rows("lead"), self.table("differences")
        if not leads or differences is None:
            return []
        doubted = arms_in_doubt(self.records.meta, self.results.tables)
        compared = table_rows(against.rows_against(differences, [leads[0]["best"]], doubted))
        by_arm = {row["arm"]: row for row in compared if row["measure"] == self.deciding.column}
        return [lead | {"word": by_arm[lead["arm"]]["word"], "arms": by_arm[lead["arm"]]["arms"]} for lead in leads]

    @cached_property
    def ties(self) -> list[dict[str, Any]]:
        """The leads over the arms that are not told apart from the best one.

        Arms that are not better than a constant answer are left out, unless they are all that is not told apart.
        """
        ties = [lead for lead in self.leads if lead["word"] in (against.NOT_APART, against.NOT_TESTED)]
        return [lead for lead in ties if lead["arm"] not in self.no_better] or ties

    @cached_property
    def no_better(self) -> set[str]:
        """The arms whose score is not better than that of a constant answer; none where the best arm is one of them."""
        ranked = [row for row in self.deciding_rows or [] if row["n"]]
        if not ranked or ranked[0]["no_better"]:
            return set()
        return {row["arm"] for row in ranked if row["no_better"]}


def table_rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table by column name."""
    return cast("list[dict[str, Any]]", table.to_dict("records"))
