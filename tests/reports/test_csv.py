"""CSV: one tidy table, and a file for every table of the run."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pytest
from harness_reports import csv

from harness import Results


def test_rows_are_the_leaderboard_with_every_digit(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records())
    table = pd.read_csv(io.StringIO(csv.render(results)))
    board = results.tables["leaderboard"]
    assert list(table["mean"]) == pytest.approx(
        list(board["mean"]), abs=0, rel=1e-12, nan_ok=True
    )  # pandas reads almost to the last bit
    assert list(table["arm"]) == list(board["arm"])
    assert list(table.loc[table["metric"] == "test_accuracy", "rank"]) == [1, 2, 3]
    assert set(table["run"]) == {"made-up-01234567"}
    assert set(table["network"]) == {"lesson_cnn"}


def test_equal_arms_share_a_place(make_records: Any, analysed: Any) -> None:
    records = make_records(seeds=2)
    records.runs["test_accuracy"] = [0.8, 0.8, 0.9, 0.9, 0.8, 0.8]
    table = pd.read_csv(io.StringIO(csv.render(analysed(records)))).query("metric == 'test_accuracy'")
    assert list(table["rank"]) == [1, 2, 2]


def test_hostile_names_come_back_as_they_were(make_records: Any, analysed: Any) -> None:
    names = ['a,"b"', "c\nd", "<script>", "\U0001f600"]
    table = pd.read_csv(io.StringIO(csv.render(analysed(make_records(names, seeds=2)))))
    assert set(table["optimizer"]) == set(names)


def test_without_a_leaderboard_there_is_a_head_alone(make_records: Any) -> None:
    assert csv.render(Results(make_records(), {})) == "run,rank,arm,network,optimizer,scheduler,metric\n"


def test_a_missing_value_is_an_empty_cell() -> None:
    assert csv.table(pd.DataFrame({"a": [1.5, None], "b": ["x", None]})) == "a,b\n1.5,x\n,\n"
