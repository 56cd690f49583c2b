"""Times to a target against examples done by hand: who reached it, who was seen not to, and who never could."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import profiles, reached, targets
from harness_plugins.analyses.scores._targets import survival
from harness_reports import html

from harness import Records, Results
from harness.results.analysis import analyse
from harness.results.tables import times


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture
def trained(make_records: Any) -> Any:
    """Return a function from curves of tune accuracy, arm -> a list per seed, to records of such a comparison."""

    def build(curves: dict[str, list[list[float]]], schedulers: Any = ("cosine",), target: Any = None) -> Records:
        names = list(dict.fromkeys(arm.split("/")[1] for arm in curves))
        seeds = len(next(iter(curves.values())))
        records = make_records(names, seeds=seeds, trials=2, epochs=1, schedulers=schedulers)
        rows, finals = [], []
        for run in records.runs.itertuples():
            curve = curves[run.arm][run.seed]
            finals.append(curve[-1])
            about = {"run_id": run.run_id, "arm": run.arm, "phase": "compare", "seed": run.seed, "lr": 0.1}
            rows += [
                {**about, "epoch": e, "steps": 16 * e, "seconds": 0.5 * e, "tune_accuracy": value}
                for e, value in enumerate(curve, 1)
            ]
        if target:
            records.meta.benchmark["report"] = {"target": {"metric": "accuracy", "value": target}}
        return replace(records, epochs=pd.DataFrame(rows), runs=records.runs.assign(tune_accuracy=finals))

    return build


def test_kaplan_and_meier_by_hand() -> None:
    """Six runs: at 1 one of 6, at 2 one of 5, one is seen until 2, at 4 one of 3, one until 5, and one at 6."""
    at = np.array([1.0, 2.0, 2.0, 4.0, 5.0, 6.0])
    there = np.array([True, True, False, True, False, True])
    found = survival(at, there)
    steps = dict(zip(found.at.tolist(), found.left.tolist(), strict=True))
    assert steps == pytest.approx({1: 5 / 6, 2: 4 / 6, 4: 4 / 9, 5: 4 / 9, 6: 0})
    assert found.median == 4
    assert found.mean(6) == pytest.approx(1 + 5 / 6 + 2 * 4 / 6 + 2 * 4 / 9)
    assert found.mean(3) == pytest.approx(1 + 5 / 6 + 4 / 6)


def test_the_interval_is_greenwoods_on_the_log_log_scale() -> None:
    at, there = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    found = survival(at, there)
    s, variance = 0.5, 1 / (4 * 3) + 1 / (3 * 2)
    half = 1.959963984540054 * np.sqrt(variance) / abs(np.log(s))
    assert (found.low[1], found.high[1]) == pytest.approx((s ** np.exp(half), s ** np.exp(-half)))


def half_width(found: Any, place: int) -> float:
    """Return half the width of an interval on the scale of the logarithm of the part that is left."""
    return float(np.log(np.log(found.low[place]) / np.log(found.left[place])) * abs(np.log(found.left[place])))


def test_the_estimate_is_scipys() -> None:
    from scipy.stats import CensoredData, ecdf

    random = np.random.default_rng(1)
    at, there = np.ceil(random.exponential(5, size=40)), random.random(40) < 0.7
    at[-1], there[-1] = 99, False  # one is left, so that every step has a variance
    found = survival(at, there)
    oracle = ecdf(CensoredData.right_censored(at, ~there)).sf
    ends = oracle.confidence_interval(0.95, method="log-log")
    assert found.at.tolist() == oracle.quantiles.tolist()
    assert found.left == pytest.approx(oracle.probabilities, abs=1e-12)
    assert found.low == pytest.approx(ends.low.probabilities, abs=1e-12)
    assert found.high == pytest.approx(np.minimum.accumulate(ends.high.probabilities), abs=1e-12)


def test_seeds_of_one_search_count_as_one_draw() -> None:
    """Seeds that repeat their replicate say no more than one of them: the interval is that of one seed each, with Student's quantile."""
    from scipy.stats import norm, t

    at, there = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([True, True, False, True, True, False])
    one = survival(at, there)
    replicates = np.repeat(np.arange(6), 3)
    three = survival(np.repeat(at, 3), np.repeat(there, 3), replicates)
    assert three.left == pytest.approx(one.left)
    wider = t.ppf(0.975, 5) / norm.ppf(0.975) * np.sqrt(6 / 5)
    assert half_width(three, 1) == pytest.approx(wider * half_width(one, 1))
    assert half_width(survival(np.repeat(at, 3), np.repeat(there, 3)), 1) < half_width(one, 1)


def test_draws_of_one_run_each_and_a_single_draw_leave_greenwoods_interval() -> None:
    at, there = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    plain = survival(at, there)
    for draws in (np.arange(4), np.zeros(4, dtype=int)):
        assert survival(at, there, draws).low.tolist() == plain.low.tolist()


def test_replicates_that_agree_too_well_make_no_interval_narrow() -> None:
    """One seed of each replicate got there and one did not: between replicates there is no spread at all."""
    at, there = np.array([1.0, 9.0] * 4), np.array([True, False] * 4)
    draws = np.repeat(np.arange(4), 2)
    assert survival(at, there, draws).low.tolist() == survival(at, there).low.tolist()


def test_a_median_that_was_not_reached_is_infinite() -> None:
    found = survival(np.array([3.0, 9.0, 9.0]), np.array([True, False, False]))
    assert found.median == np.inf
    assert found.mean(9) == pytest.approx(3 + 6 * 2 / 3)


def test_the_median_of_runs_that_all_got_there_is_numpys() -> None:
    values = np.random.default_rng(0).permutation(21).astype(float) + 1
    found = survival(values, np.ones(21, dtype=bool))
    assert found.median == np.median(values)
    assert found.mean(100) == pytest.approx(values.mean())


def test_each_run_is_dated_by_its_first_epoch_there(trained: Any) -> None:
    table = times.compute(trained({SGD: [[0.5, 0.8, 0.7], [0.5, 0.6, 0.7]]}, target=0.75))
    assert table["reached"].tolist() == [True, False]
    assert table["epochs"].tolist() == [2, 3]
    assert table["steps"].tolist() == [32, 48]
    assert table["seconds"].tolist() == [1.0, 1.5]
    assert set(table["rule"]) == {"given"}


def test_without_a_target_it_is_what_the_worst_arm_ends_with(trained: Any) -> None:
    curves = {SGD: [[0.5, 0.9], [0.6, 0.8]], ADAM: [[0.5, 0.6], [0.6, 0.8]]}
    table = times.compute(trained(curves))
    assert table["target"].tolist() == pytest.approx([0.7] * 4)
    assert set(table["rule"]) == {"worst arm's mean"}
    assert table.groupby("arm")["reached"].any().all()


def untuned(records: Records, of: str, scores: list[float], state: str = "done") -> Records:
    """Return the records with untuned runs of an arm's optimizer beside those there are."""
    rows = [
        {"run_id": f"{of}~{seed}", "arm": f"{of}~untuned", "role": "untuned", "of": of, "state": state, "replicate": 0,
         "seed": seed, "init_seed": seed, "tune_accuracy": score}
        for seed, score in enumerate(scores)
    ]  # fmt: skip
    return replace(records, comparison=pd.concat([records.comparison, pd.DataFrame(rows)], ignore_index=True))


CURVES = {SGD: [[0.5, 0.9], [0.6, 0.8]], ADAM: [[0.5, 0.6], [0.6, 0.8]]}


def test_without_a_target_it_is_what_untuned_sgd_ends_with(trained: Any) -> None:
    records = untuned(untuned(trained(CURVES), SGD, [0.70, 0.82]), ADAM, [0.1, 0.1])
    table = times.compute(records)
    assert table["target"].tolist() == pytest.approx([0.76] * 4)
    assert set(table["rule"]) == {"untuned sgd's mean"}
    assert table.set_index(["arm", "seed"])["reached"].to_dict() == {
        (SGD, 0): True, (SGD, 1): True, (ADAM, 0): False, (ADAM, 1): True,
    }  # fmt: skip
    page = html.render(results(records)).replace("\u00a0", " ")
    assert "A tune accuracy of at least 76.00 %: what SGD with its defaults ends with, untuned" in page


def test_untuned_runs_that_failed_or_are_of_another_optimizer_set_no_target(trained: Any) -> None:
    records = untuned(untuned(trained(CURVES), SGD, [0.95], state="diverged"), ADAM, [0.1])
    assert set(times.compute(records)["rule"]) == {"worst arm's mean"}


def test_a_target_that_is_set_goes_before_untuned_sgd(trained: Any) -> None:
    table = times.compute(untuned(trained(CURVES, target=0.75), SGD, [0.5]))
    assert set(zip(table["rule"], table["target"], strict=True)) == {("given", 0.75)}


def test_a_run_that_diverged_never_gets_there(trained: Any, spoiled: Any) -> None:
    """It is not forgotten at the epoch it diverged in, as if it might have got there soon after."""
    curves = {SGD: [[0.1], [0.5, 0.6, 0.8], [0.5, 0.6, 0.6]]}
    records = spoiled(trained(curves, target=0.75), SGD, [0], "diverged")
    table = times.compute(records).set_index("seed")
    assert (bool(table.loc[0, "reached"]), table.loc[0, "epochs"]) == (False, 3)
    row = targets.compute(records).set_index("unit").loc["epochs"]
    assert (row["reached"], row["seeds"], row["median"], row["seen"]) == (1, 3, np.inf, 3)


def test_a_run_under_way_is_seen_as_far_as_it_got(trained: Any) -> None:
    records = trained({SGD: [[0.5, 0.6], [0.5, 0.6, 0.8]]}, target=0.75)
    records.runs.loc[records.runs["seed"] == 0, "state"] = "waiting"
    assert times.compute(records).set_index("seed").loc[0, "epochs"] == 2


def test_what_is_less_is_better_where_the_metric_says_so(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=2, metrics={"loss": {"goal": "min", "unit": "nats"}})
    records.meta.benchmark["report"] = {"target": {"metric": "loss", "value": 0.35}}
    for row in times.compute(records).itertuples():
        losses = records.epochs.loc[records.epochs["run_id"] == row.run_id].sort_values("epoch")["tune_loss"].to_numpy()
        assert row.epochs == 1 + int((losses <= 0.35).argmax())


def test_means_of_one_network_have_one_horizon(trained: Any) -> None:
    curves = {SGD: [[0.5, 0.9, 0.9, 0.9]], ADAM: [[0.5, 0.6, 0.6, 0.6, 0.6]]}
    table = targets.compute(trained(curves, target=0.8))
    epochs = table[table["unit"] == "epochs"].set_index("arm")
    assert set(epochs["until"]) == {4}
    assert epochs["mean"].to_dict() == {SGD: 2, ADAM: 4}


def test_the_steps_are_those_of_the_table(trained: Any) -> None:
    records = trained({SGD: [[0.5, 0.9], [0.9, 0.9], [0.5, 0.5]]}, target=0.8)
    table = reached.compute(records)
    epochs = table[table["unit"] == "epochs"]
    assert epochs["part"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert (epochs["low"] <= epochs["part"]).all()
    assert (epochs["part"] <= epochs["high"]).all()


def test_nothing_run_has_no_times(make_records: Any) -> None:
    records = make_records(compared=False)
    for module in (times, targets, reached, profiles):
        table = module.compute(records)
        assert table.empty
        assert list(table.columns) == list(module.COLUMNS)


# --- performance profiles ------------------------------------------------------------------------------------

SCHEDULES = ("a", "b", "c")


def _problems(trained: Any, by_optimizer: dict[str, list[int]], schedules: Any = SCHEDULES) -> pd.DataFrame:
    """Return the profiles of optimizers that take so many epochs on each problem, 0 for never."""
    curves = {
        f"lesson_cnn/{name}/{schedule}": [[0.9 if e >= when > 0 else 0.1 for e in range(1, 9)]] * 2
        for name, whens in by_optimizer.items()
        for schedule, when in zip(schedules, whens, strict=False)
    }
    return profiles.compute(trained(curves, schedules, target=0.8))


def test_profiles_by_hand(trained: Any) -> None:
    table = _problems(trained, {"sgd": [1, 4, 2], "adam": [2, 4, 0]})
    epochs = table[table["unit"] == "epochs"]
    parts = {name: dict(zip(mine["tau"], mine["part"], strict=True)) for name, mine in epochs.groupby("optimizer")}
    assert parts["sgd"] == pytest.approx({1: 1, 4: 1})
    assert parts["adam"] == pytest.approx({1: 1 / 3, 2: 2 / 3, 4: 2 / 3})
    scores = epochs.drop_duplicates("optimizer").set_index("optimizer")["score"]
    assert scores.to_dict() == pytest.approx({"sgd": 1, "adam": (1 / 3 + 2 * 2 / 3) / 3})
    assert set(epochs["problems"]) == {3}


def test_the_score_is_the_area_below_the_profile() -> None:
    for away in np.random.default_rng(0).uniform(1, 6, size=(20, 5)):
        grid = np.linspace(1, 4, 30001)
        area = np.mean([(away <= tau).mean() for tau in grid])
        assert profiles.score(away) == pytest.approx(area, abs=1e-3)


def test_two_problems_have_no_profile(trained: Any) -> None:
    assert _problems(trained, {"sgd": [1, 4], "adam": [2, 4]}, SCHEDULES[:2]).empty


# --- the page ------------------------------------------------------------------------------------------------


def results(records: Records) -> Results:
    modules = (times, targets, reached, profiles)
    found = analyse(records, [offer for module in modules for offer in analyses_of(module)])
    assert not found.problems
    return found


def test_the_page_says_how_many_got_there(trained: Any) -> None:
    curves = {SGD: [[0.5, 0.6, 0.9]] * 3, ADAM: [[0.5, 0.6, 0.7]] * 2 + [[0.5, 0.9, 0.9]]}
    page = html.render(results(trained(curves, target=0.8))).replace("\u00a0", " ")
    assert "A tune accuracy of at least 80.00 %, which the benchmark sets." in page
    assert "<strong>&gt; 3</strong><small>1 of 3 seeds reached it</small>" in page


def test_the_page_has_profiles_of_three_problems(trained: Any) -> None:
    curves = {f"lesson_cnn/{name}/{s}": [[0.5, 0.9]] * 2 for name in ("sgd", "adam") for s in SCHEDULES}
    page = html.render(results(trained(curves, SCHEDULES, target=0.8)))
    assert "A problem is a network under a schedule; there are 3." in page
    assert 'id="profiles-' in page
