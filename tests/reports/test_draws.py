"""The replicate is the unit: seeds that share a search are one draw, in every mean and interval of a report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import curves, lead, untuned
from harness_reports._words.headline import headline
from harness_reports._words.outcome import Outcome

from harness.results.analysis import analyse
from harness.results.tables import leaderboard, winner
from harness.results.tables.draws import draw_means
from harness.statistics.intervals import mean_interval, t_interval

REPLICATES, SEEDS = 4, 2
ALPHA, BETA = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture(scope="module")
def replicated(make_records: Any) -> Any:
    """Return records of four replicates of two seeds, whose seeds agree far better than their searches."""
    records = make_records(["sgd", "adam"], seeds=REPLICATES * SEEDS, epochs=2)
    records.meta.benchmark["compare"] |= {"looks": [REPLICATES], "seeds": SEEDS}
    runs = records.runs.copy()
    luck = np.array([0.0, 0.02, -0.01, 0.03])
    for column in ("test_accuracy", "tune_accuracy"):
        runs[column] = (
            0.9
            + luck[runs["seed"] // SEEDS]
            + 0.001 * (runs["seed"] % SEEDS)
            - (0.05 + 0.004 * (runs["seed"] // SEEDS % 2)) * (runs["arm"] == BETA)
        )
    comparison = runs.assign(role="fresh", of="", replicate=runs["seed"] // SEEDS, init_seed=runs["seed"])
    return replace(records, runs=runs, comparison=comparison)


def deciding(table: Any, arm: str) -> Any:
    return table[(table["arm"] == arm) & (table["metric"] == "test_accuracy")].iloc[0]


def test_a_mean_is_over_replicates(replicated: Any) -> None:
    row = deciding(leaderboard.compute(replicated), ALPHA)
    runs = replicated.runs[replicated.runs["arm"] == ALPHA]
    values = runs.groupby(runs["seed"] // SEEDS)["test_accuracy"].mean().to_numpy()
    low, high = mean_interval(values.mean(), values.std(ddof=1), REPLICATES, (0.0, 1.0))
    assert (row["n"], row["draws"], row["covers"]) == (8, 4, "replicates")
    assert (row["low"], row["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))
    every = replicated.runs.loc[replicated.runs["arm"] == ALPHA, "test_accuracy"]
    narrow = t_interval(every.mean(), every.std(), len(every))
    assert row["high"] - row["low"] > 1.4 * float(narrow[1] - narrow[0])  # as if the seeds were independent


def test_a_lead_is_over_replicates(replicated: Any) -> None:
    row = lead.compute(replicated).iloc[0]
    assert (row["best"], row["draw"], row["draws"], row["seeds"]) == (ALPHA, "replicate", 4, 8)
    assert row["covers"] == "replicates"
    assert row["lead"] == pytest.approx(0.052)


def test_curves_and_winner_leave_out_replicates(replicated: Any) -> None:
    table = curves.compute(replicated)
    assert set(table.loc[table["metric"] == "tune_accuracy", "n"]) == {REPLICATES}
    best = winner.compute(replicated).iloc[0]
    assert (best["folds"], best["lost"], best["covers"]) == (REPLICATES, 0, "replicates")


def test_a_gain_is_the_difference_of_the_means_that_are_shown(replicated: Any) -> None:
    defaults = replicated.comparison[replicated.comparison["seed"] < SEEDS]
    defaults = defaults[defaults["arm"] == ALPHA].assign(role="untuned", arm="sgd~untuned", of=ALPHA)
    both = pd.concat([replicated.comparison, defaults], ignore_index=True)
    (row,) = untuned.compute(replace(replicated, comparison=both)).to_dict("records")
    assert row["gain"] == pytest.approx(row["tuned"] - row["untuned"])
    assert (row["draws"], row["seeds"]) == (REPLICATES, SEEDS)
    assert row["low"] < row["gain"] < row["high"]


def test_a_single_replicate_has_its_seeds(make_records: Any) -> None:
    row = deciding(leaderboard.compute(make_records(["sgd"], seeds=8)), ALPHA)
    assert (row["n"], row["draws"], row["covers"]) == (8, 8, "seeds")


def test_an_arm_that_lost_more_than_one_draw_does_not_lead(make_records: Any, spoiled: Any) -> None:
    records = spoiled(make_records(["sgd", "adam"], seeds=4), ALPHA, [0, 1])
    assert leaderboard.ranked(records) == [BETA, ALPHA]
    kept = spoiled(make_records(["sgd", "adam"], seeds=4), ALPHA, [0])
    assert leaderboard.ranked(kept) == [ALPHA, BETA]


def test_the_headline_counts_replicates(replicated: Any) -> None:
    found = headline(Outcome(analyse(replicated, [leaderboard.ANALYSIS, *lead.harness_analyses()])))
    assert "seed" not in found.detail.replace("seeds of", "")


def test_draw_means_keep_single_values_to_the_last_bit() -> None:
    values = np.random.default_rng(0).normal(size=7)
    assert (draw_means(values, np.arange(7)) == values).all()
