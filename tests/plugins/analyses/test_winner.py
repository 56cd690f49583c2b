"""The winner's expected score: by hand, and against the truth of simulated runs, of which the naive one is too good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.results.tables import winner

NAMES = ("sgd", "adam", "rmsprop")


def arms(*names: str) -> list[str]:
    return [f"lesson_cnn/{name}/cosine" for name in names]


def put(records: Any, tune: Any, test: Any) -> Any:
    """Return the records with these scores ``[arms, S]`` in the deciding metric."""
    runs, metric = records.runs.copy(), records.meta.metric
    for split, values in (("tune", tune), ("test", test)):
        of = {(arm, seed): v for arm, row in zip(records.meta.arms, values, strict=True) for seed, v in enumerate(row)}
        runs[f"{split}_{metric}"] = [of[pair] for pair in zip(runs["arm"], runs["seed"], strict=True)]
    return replace(records, runs=runs)


def test_a_choice_by_hand(make_records: Any) -> None:
    tune = [[0.9, 0.5, 0.7], [0.6, 0.8, 0.6], [0.1, 0.1, 0.1]]
    test = [[0.80, 0.40, 0.60], [0.55, 0.75, 0.50], [0.9, 0.9, 0.9]]
    table = winner.compute(put(make_records(NAMES, seeds=3), tune, test))
    assert list(table.columns) == list(winner.COLUMNS)
    sgd, adam, rmsprop = arms(*NAMES)
    assert list(table["arm"]) == [sgd, adam, rmsprop]
    assert list(table["winner"]) == [True, False, False]
    # without seed 0: sgd .6, adam .7; without 1: sgd .8, adam .6; without 2: sgd .7, adam .7, and the first of equals
    assert list(table["chosen"]) == [2, 1, 0]
    best = table.iloc[0]
    scores = [0.55, 0.40, 0.60]
    # once more without seed 0: seed 2 chooses sgd for seed 1, seed 1 chooses adam for seed 2; and so on
    deleted = [np.mean([0.40, 0.50]), np.mean([0.80, 0.60]), np.mean([0.55, 0.40])]
    se = np.sqrt(2 / 3 * np.sum((deleted - np.mean(deleted)) ** 2))
    assert se > stats.sem(scores)
    half = stats.t.ppf(0.975, 2) * se
    assert best["expected"] == pytest.approx(np.mean(scores))
    assert best["se"] == pytest.approx(se)
    assert (np.mean(scores) - half, np.mean(scores) + half) == pytest.approx((-0.167, 1.201), abs=1e-3)
    assert (best["low"], best["high"]) == (0, 1)  # an accuracy lies nowhere else
    assert best["naive"] == pytest.approx(0.9)  # of the arm that tune likes least
    assert best["optimism"] == pytest.approx(0.9 - np.mean(scores))
    assert (best["folds"], best["lost"], best["covers"]) == (3, 0, "seeds")
    assert list(table["seed"]) == [0, 1, 0]
    assert list(table["run_id"]) == [
        f"{arm}-{seed}".replace("/", "-") for arm, seed in ((sgd, 0), (adam, 1), (rmsprop, 0))
    ]
    assert table.loc[1:, ["expected", "low", "high", "naive", "optimism"]].isna().all(axis=None)


def test_a_metric_to_be_small_is_turned_round(make_records: Any) -> None:
    random = np.random.default_rng(1)
    tune, test = random.uniform(0.2, 0.8, (2, 3, 5))
    high = winner.compute(put(make_records(NAMES, seeds=5), tune, test))
    small = {"error": {"goal": "min", "unit": "%"}}
    low = winner.compute(put(make_records(NAMES, seeds=5, metrics=small), 1 - tune, 1 - test))
    assert list(low["arm"]) == list(high["arm"])
    assert list(low["seed"]) == list(high["seed"])
    assert low["expected"][0] == pytest.approx(1 - high["expected"][0])
    assert low["naive"][0] == pytest.approx(1 - high["naive"][0])
    assert low["optimism"][0] == pytest.approx(high["optimism"][0])


def test_scores_of_examples_widen_the_interval_and_leave_the_mean(
    make_records: Any, scored: Any, tmp_path: Any
) -> None:
    random = np.random.default_rng(2)
    records = make_records(("sgd", "adam"), seeds=4)
    runs = list(records.runs["run_id"])
    hard = random.uniform(0.6, 1, 40)  # of every example, how often it is right
    records = scored(records, tmp_path, {run: (random.uniform(size=40) < hard).astype(float) for run in runs})
    both = winner.compute(records).iloc[0]
    (tmp_path / "predictions" / "scores.safetensors").unlink()
    alone = winner.compute(replace(records)).iloc[0]
    assert (both["covers"], alone["covers"]) == ("seeds and test examples", "seeds")
    assert both["expected"] == pytest.approx(alone["expected"])
    assert both["low"] < both["expected"] < both["high"]
    assert both["se"] != pytest.approx(alone["se"])


def test_what_failed_has_no_part_and_is_counted(make_records: Any, spoiled: Any) -> None:
    tune = np.array([[0.9] * 4, [0.8] * 4])
    records = put(make_records(("sgd", "adam"), seeds=4), tune, tune - 0.1)
    best = winner.compute(spoiled(records, arms("sgd")[0], [2])).iloc[0]
    assert (best["folds"], best["lost"], best["seeds"]) == (4, 1, 3)  # sgd is chosen, and has nothing to show in seed 2
    assert best["expected"] == pytest.approx(0.8)
    gone = winner.compute(spoiled(records, arms("sgd")[0], [0, 1, 2, 3]))
    assert list(gone["arm"]) == arms("adam")


def test_without_a_second_seed_or_a_comparison_nothing_is_claimed(make_records: Any) -> None:
    one = winner.compute(make_records(NAMES, seeds=1))
    assert one["winner"].sum() == 1
    assert np.isnan(one["expected"][0])
    assert one["folds"][0] == 0
    assert winner.compute(make_records(NAMES, compared=False)).empty


def simulate(make_records: Any, quality: Any, repeats: int, seeds: int = 6) -> Any:
    """Return [repeats, 5]: expected, naive, the winner's own test mean, and whether the interval has the truth.

    A run's quality is its arm's and the luck of its seed, which tune and test both see, each with noise of its own.
    """
    random = np.random.default_rng(3)
    quality = np.asarray(quality)
    made = make_records([f"o{k}" for k in range(len(quality))], seeds=seeds, trials=1, epochs=1)
    found = []
    for _ in range(repeats):
        lucky = quality[:, None] + random.normal(0, 0.02, (len(quality), seeds))
        tune, test = lucky + random.normal(0, 0.01, lucky.shape), lucky + random.normal(0, 0.01, lucky.shape)
        best = winner.compute(put(made, tune, test)).iloc[0]
        truth = quality[list(made.meta.arms).index(best["arm"])]
        found.append([best["expected"], best["naive"], best["test"], best["low"] <= truth <= best["high"]])
    return np.array(found, dtype=float)


def test_of_identical_arms_the_naive_score_is_too_good_and_the_nested_one_is_not(make_records: Any) -> None:
    found = simulate(make_records, [0.8] * 8, repeats=300)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    bias = found[:, :3].mean(axis=0) - 0.8
    assert abs(bias[0]) < 3 * error[0]
    assert bias[1] > 10 * error[1]  # the best of eight test means
    assert bias[2] > 10 * error[2]  # chosen by tune alone: the same runs were lucky on test
    assert found[:, 3].mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)


def test_of_one_good_arm_all_scores_are_right(make_records: Any) -> None:
    found = simulate(make_records, [0.9, 0.6, 0.6], repeats=100)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found[:, :3].mean(axis=0) - 0.9) < 3 * error[:3]).all()
    assert isinstance(winner.compute(make_records(NAMES)), pd.DataFrame)
