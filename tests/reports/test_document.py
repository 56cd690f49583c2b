"""A run's results as one document, and the lines made of it: they rank and average as the leaderboard does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.results.document import describe_results, result_lines, show_lines
from harness.results.several.scores import list_scores
from harness.results.tables import leaderboard

ALPHA, BETA = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture
def scored(make_records: Any) -> Any:
    """Make records with these test accuracies by arm and seed, so many seeds a replicate; None is a run that failed."""

    def made(values: dict[str, list[float | None]], seeds: int) -> Any:
        of_arm = len(values[ALPHA])
        records = make_records(["sgd", "adam"], seeds=of_arm, epochs=2)
        records.meta.benchmark["compare"] |= {"looks": [of_arm // seeds], "seeds": seeds}
        runs = records.runs.copy()
        for place, row in runs.iterrows():
            value = values[row["arm"]][row["seed"]]
            runs.loc[place, "test_accuracy"] = np.nan if value is None else value
            runs.loc[place, "state"] = "failed" if value is None else "done"
        comparison = runs.assign(role="fresh", of="", replicate=runs["seed"] // seeds, init_seed=runs["seed"])
        whole = replace(records, runs=runs, comparison=comparison, trials=records.trials.iloc[:0])
        vars(whole)["lacking"] = ()  # they are on no disk
        return whole

    return made


def in_order(document: Any) -> list[str]:
    return [arm["arm"] for arm in sorted(document["arms"], key=lambda arm: arm["rank"])]


def test_an_arm_that_lost_replicates_stands_behind_a_sound_one(scored: Any) -> None:
    values = {ALPHA: [0.95] * 4 + [None] * 2, BETA: [0.92 + 0.001 * seed for seed in range(6)]}
    records = scored(values, 1)
    document = describe_results(records)
    assert in_order(document) == leaderboard.ranked(records) == [BETA, ALPHA]
    lines = [line for line in result_lines(document) if line.startswith("  ")]
    assert [line.split()[1] for line in lines] == ["adam", "sgd"]
    shown = [line.split(":")[0].strip() for line in show_lines(document) if ": test accuracy" in line]
    assert shown == [BETA, ALPHA]


def test_a_mean_is_of_replicates_where_a_seed_of_one_is_lost(scored: Any) -> None:
    values = {ALPHA: [0.9, 0.9, 1.0, None, 0.9, 0.9], BETA: [0.925] * 6}
    records = scored(values, 2)
    document = describe_results(records)
    assert in_order(document) == leaderboard.ranked(records) == [ALPHA, BETA]
    score = document["arms"][0]["score"]
    assert score == {
        "mean": pytest.approx(2.8 / 3), "sd": pytest.approx(pd.Series([0.9, 1.0, 0.9]).std()),
        "n": 5, "draws": 3, "over": "replicates",
    }  # fmt: skip
    assert any("93.33 ± 5.77 % (mean ± SD of 3 replicates, 5 seeds;" in line for line in show_lines(document))
    lines = result_lines(document)
    assert "test accuracy, mean ± SD over replicates:" in lines
    assert "  1. sgd   93.33 ± 5.77 % (5 seeds)" in lines


def test_one_seed_has_a_mean_and_no_deviation(scored: Any) -> None:
    records = scored({ALPHA: [0.9], BETA: [None]}, 1)
    document = describe_results(records)
    assert document["arms"][0]["score"] == {"mean": 0.9, "n": 1, "draws": 1, "over": "seeds"}
    assert document["arms"][1]["score"] == {"n": 0, "draws": 0, "over": "seeds"}
    assert result_lines(document)[-3:] == ["test accuracy:", "  1. sgd  90.00 % (1 seed)", "  and 1 more arm"]


def test_runs_side_by_side_have_the_numbers_and_the_states_of_the_leaderboard(scored: Any) -> None:
    records = scored({ALPHA: [0.9, 0.9, 1.0, None, 0.9, float("nan")], BETA: [None] * 6}, 2)
    board = leaderboard.compute(records).query("metric == 'test_accuracy'").set_index("arm")
    rows = {row["arm"]: row for row in list_scores("run", records)}
    for arm, row in rows.items():
        for column in ("n", "planned", "mean", "low", "high", "sd", "state"):
            expected = board.loc[arm, column]
            assert row[column] == expected or (math.isnan(row[column]) and math.isnan(expected))
    assert (rows[ALPHA]["state"], rows[ALPHA]["lost"]) == ("partial", "1 failed and 1 not finite")
    assert (rows[BETA]["state"], rows[BETA]["lost"]) == ("failed", "6 failed")
