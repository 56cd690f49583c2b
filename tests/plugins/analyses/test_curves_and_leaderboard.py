"""The built-in analyses against scipy, numpy and explicit cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import curves
from harness_plugins.analyses.search import sensitivity
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness import Arm, Done, Epoch, Records, Run
from harness.results.tables import leaderboard
from harness.statistics.intervals import t_interval

ANALYSES = [leaderboard.compute, curves.compute, sensitivity.compute]
REGRESSION = {"mse": {"goal": "min", "unit": ""}}


def test_interval_is_scipys() -> None:
    values = np.array([0.90, 0.92, 0.97])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    low, high = t_interval(values.mean(), values.std(ddof=1), 3)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_interval_of_one_value_does_not_exist() -> None:
    low, high = t_interval([0.9, 0.9], [np.nan, 0.1], [1, 2])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_leaderboard_is_numpys_and_scipys(make_records: Any) -> None:
    records = make_records()
    board, runs = leaderboard.compute(records), records.compared()
    for row in board[board["metric"].isin(["test_accuracy", "train_loss", "seconds"])].itertuples():
        values = runs.loc[runs["arm"] == row.arm, row.metric].to_numpy()
        interval = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (row.mean, row.sd, row.min, row.max) == pytest.approx(
            (values.mean(), values.std(ddof=1), values.min(), values.max())
        )
        assert (row.low, row.high) == pytest.approx(interval)
        assert (row.n, row.state) == (8, "done")


def test_of_equal_seeds_a_proportion_alone_has_an_interval(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=3)
    records.runs[["test_accuracy", "tune_error", "train_accuracy", "test_loss", "seconds"]] = [
        0.75,
        0.25,
        1.0,
        0.3,
        7.0,
    ]
    board = leaderboard.compute(records).set_index("metric")
    of_test, of_tune = (proportion_confint(part * n, n, 0.05, "beta") for part, n in ((0.75, 4096), (0.25, 512)))
    assert tuple(board.loc["test_accuracy", ["low", "high"]]) == pytest.approx(of_test)
    assert tuple(board.loc["tune_error", ["low", "high"]]) == pytest.approx(of_tune)
    assert board.loc[["test_accuracy", "tune_error", "test_error"], "covers"].tolist() == [
        "test examples", "tune examples", "seeds",
    ]  # fmt: skip
    for metric in ("train_accuracy", "test_loss", "seconds"):
        assert np.isnan(board.loc[metric, ["low", "high"]].to_numpy(dtype=float)).all()
        assert board.loc[metric, "covers"] == ""


def test_a_percentage_that_is_no_mean_over_examples_has_bounds_and_no_count(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=2, metrics={"balanced": {"goal": "max", "unit": "%", "each": False}})
    assert records.bounds_of("test_balanced") == (0, 1)
    assert records.examples_of("test_balanced") == 0
    records.runs["test_balanced"] = [0.9, 1.0]
    row = leaderboard.compute(records).set_index("metric").loc["test_balanced"]
    assert (row["high"], row["covers"]) == (1, "seeds")
    records.runs["test_balanced"] = 1.0
    assert np.isnan(leaderboard.compute(records).set_index("metric").loc["test_balanced", "low"])


@pytest.mark.parametrize(
    ("column", "bounds", "examples"),
    [
        ("test_accuracy", (0, 1), 4096), ("tta_test_accuracy", (0, 1), 4096), ("snapshot12_test_error", (0, 1), 4096),
        ("tune_error", (0, 1), 512), ("train_accuracy", (0, 1), 0), ("test_loss", (-np.inf, np.inf), 0),
        ("running_loss", (-np.inf, np.inf), 0), ("seconds", (0, np.inf), 0), ("gradient_norm.value", (-np.inf, np.inf), 0),
    ],
)  # fmt: skip
def test_what_a_column_can_be_and_of_how_many_examples(
    make_records: Any, column: str, bounds: Any, examples: int
) -> None:
    records = make_records(["sgd"], seeds=2)
    assert (records.bounds_of(column), records.examples_of(column)) == (bounds, examples)


@pytest.mark.parametrize("metrics", [None, REGRESSION])
def test_leaderboard_puts_the_best_first(make_records: Any, metrics: Any) -> None:
    board = leaderboard.compute(make_records(metrics=metrics))
    deciding = board[board["metric"] == ("test_accuracy" if metrics is None else "test_mse")]
    best_first = (
        deciding["mean"].is_monotonic_decreasing if metrics is None else deciding["mean"].is_monotonic_increasing
    )
    assert best_first
    assert len(deciding) == 3


def test_arm_without_result_is_last_and_says_why(make_records: Any, spoiled: Any) -> None:
    records = spoiled(make_records(seeds=3), "lesson_cnn/sgd/cosine", range(3), "failed")
    last = leaderboard.compute(records).iloc[-1]
    assert (last["arm"], last["state"], last["n"], last["failed"]) == ("lesson_cnn/sgd/cosine", "failed", 0, 3)
    assert np.isnan(last["mean"])


def test_lost_seeds_are_counted_and_not_averaged(make_records: Any, spoiled: Any) -> None:
    whole = make_records(["sgd"], seeds=4)
    board = leaderboard.compute(spoiled(whole, "lesson_cnn/sgd/cosine", [1], "diverged"))
    row = board[board["metric"] == "test_accuracy"].iloc[0]
    rest = whole.runs.loc[whole.runs["seed"] != 1, "test_accuracy"]
    assert (row["n"], row["diverged"], row["failed"], row["state"]) == (3, 1, 0, "partial")
    assert row["mean"] == pytest.approx(rest.mean())


def test_infinite_value_is_counted_and_not_averaged(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=3)
    records.runs.loc[0, "test_loss"] = np.inf
    board = leaderboard.compute(records).set_index("metric")
    assert (board.loc["test_loss", "n"], board.loc["test_loss", "unusable"]) == (2, 1)
    assert np.isfinite(board.loc["test_loss", "mean"])
    assert board.loc["test_accuracy", "unusable"] == 0


def test_leaderboard_of_a_search_alone_lists_every_arm(make_records: Any) -> None:
    board = leaderboard.compute(make_records(compared=False))
    assert set(board["state"]) == {"waiting"}
    assert board["arm"].nunique() == 3
    assert not board["n"].any()


def test_arm_whose_trials_all_failed_is_not_tuned(make_records: Any) -> None:
    records = make_records(compared=False)
    hers = records.trials["arm"] == "lesson_cnn/adam/cosine"
    trials = records.trials.assign(state=records.trials["state"].where(~hers, "failed"))
    board = leaderboard.compute(replace(records, trials=trials)).set_index("arm")
    assert set(board.loc["lesson_cnn/adam/cosine", "state"]) == {"not tuned"}


def test_curves_are_numpys(make_records: Any) -> None:
    records = make_records(epochs=4)
    table = curves.compute(records)
    for row in table[table["metric"] == "tune_accuracy"].itertuples():
        epochs = records.epochs
        values = epochs.loc[(epochs["arm"] == row.arm) & (epochs["epoch"] == row.epoch), "tune_accuracy"].to_numpy()
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        assert (row.mean, row.low, row.high, row.n) == pytest.approx(
            (values.mean(), values.mean() - half, values.mean() + half, 8)
        )
        assert (row.lowest, row.highest) == (values.min(), values.max())
    assert len(table) == 3 * 4 * 4  # arms, epochs, metrics
    assert set(table["phase"]) == {"compare"}


def test_curves_leave_out_seeds_that_did_not_end_well(make_records: Any, spoiled: Any) -> None:
    table = curves.compute(spoiled(make_records(seeds=3), "lesson_cnn/sgd/cosine", [0], "diverged"))
    counts = table.groupby("arm")["n"].unique()
    assert [list(counts[arm]) for arm in ("lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine")] == [[2], [3]]


def test_curves_of_nothing_have_their_columns(make_records: Any) -> None:
    assert list(curves.compute(make_records(compared=False)).columns) == curves.COLUMNS


def test_sensitivity_has_every_trial_and_one_chosen_per_arm(make_records: Any) -> None:
    records = make_records()
    table = sensitivity.compute(records)
    assert [json.loads(text) for text in table["params"]] == list(records.trials["params"])
    assert table["lr"].tolist() == [params["lr"] for params in records.trials["params"]]
    chosen = table[table["chosen"]]
    assert chosen.groupby("arm")["number"].agg(list).to_dict() == {
        arm: [number] for arm, number in zip(records.arms["arm"], records.arms["tuned_trial"], strict=True)
    }
    best = table.groupby("arm")["value"].max()
    assert chosen.set_index("arm")["value"].to_dict() == best.to_dict()
    assert table.loc[table["state"] == "diverged", "value"].isna().all()


def test_arm_without_learning_rate_is_not_in_sensitivity(make_records: Any) -> None:
    records = make_records()
    hers = records.trials["arm"] == "lesson_cnn/adam/cosine"
    params = [{"epochs": 4} if out else p for out, p in zip(hers, records.trials["params"], strict=True)]
    table = sensitivity.compute(replace(records, trials=records.trials.assign(params=params)))
    assert set(table["arm"]) == {"lesson_cnn/sgd/cosine", "lesson_cnn/rmsprop/cosine"}


@pytest.mark.parametrize("compute", ANALYSES)
def test_same_records_same_table_and_nothing_is_changed(
    make_records: Any, compute: Callable[..., pd.DataFrame]
) -> None:
    records, untouched = make_records(seeds=2), make_records(seeds=2)
    pd.testing.assert_frame_equal(compute(records), compute(records))
    for name in ("arms", "trials", "runs", "epochs"):
        pd.testing.assert_frame_equal(getattr(records, name), getattr(untouched, name))


def test_made_up_records_have_the_columns_of_real_ones(make_records: Any, tmp_path: Path) -> None:
    """What the other tests are made of is what ``open_records`` gives."""
    from harness.records import Store, open_records

    made_up: Records = make_records(["sgd"], seeds=1, trials=1, epochs=1)
    arm = Arm("lesson_cnn", "sgd", "cosine")
    runs = {phase: _run(arm, phase) for phase in ("search", "compare")}
    ask = made_up.trials.iloc[0]
    epoch = {"running_loss": 1.0, "tune_accuracy": 0.5, "tune_error": 0.5, "tune_loss": 1.0}
    final = {c: 0.5 for c in made_up.runs if c.startswith(("test_", "train_", "tune_", "running_", "gradient_norm."))}
    with Store(tmp_path) as store:
        notes = {key: value for key, value in vars(made_up.meta).items() if value is not None}
        store.describe(made_up.meta.benchmark, notes)
        store.work_begins(made_up.meta.environment, made_up.meta.command)
        store.add_searches({arm.name: (arm, 0)})
        store.add_runs(runs.values(), "feedbeef")
        store.add_ask(arm.name, 0, 0, ask["params"], runs["search"], {}, {})
        store.note("compare_runs", [runs["compare"].id])
        for run in runs.values():
            store.append(run.id, Epoch(1, 16, 0.5, 0.1, epoch))
            store.append(run.id, Done(final))
    real = open_records(tmp_path)
    for name in ("arms", "trials", "runs", "epochs"):
        assert set(getattr(made_up, name).columns) == set(getattr(real, name).columns), name


def _run(arm: Arm, phase: Any) -> Run:
    return Run(
        phase=phase, arm=arm, optimizer={"lr": 0.1}, scheduler={}, epochs=1, batch_size=64, l2=0.0, augment=(),
        precision="fp32", task="classification", init_seed=0, order_seed=0, data="0", plugins={},
    )  # fmt: skip


def test_test_time_augmentation_is_a_metric_of_its_own(make_records: Any) -> None:
    records = make_records()
    runs = records.runs.assign(tta_test_accuracy=records.runs["test_accuracy"] + 0.01)
    board = leaderboard.compute(replace(records, runs=runs))
    plain, mirrored = (board[board["metric"] == f"{prefix}test_accuracy"] for prefix in ("", "tta_"))
    assert mirrored["mean"].to_numpy() == pytest.approx(plain["mean"].to_numpy() + 0.01)
    assert set(mirrored["goal"]) == {"max"}
    assert set(mirrored["unit"]) == {"%"}
