"""What tuning was worth, the luck in it, and which trials nothing beats in score and seconds: against oracles."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import lead, pareto, replicates, untuned
from harness_reports import html, markdown
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from harness import Records
from harness.results.analysis import analyse
from harness.results.tables import leaderboard, winner


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


def with_comparison(records: Records, rows: list[dict[str, Any]]) -> Records:
    """Return the records with these runs of the comparison."""
    return replace(records, comparison=pd.DataFrame([{"state": "done", "replicate": 0, **row} for row in rows]))


def runs(role: str, of: str, scores: list[float], replicate: int = 0, state: str = "done") -> list[dict[str, Any]]:
    arm = of if role == "fresh" else f"{of}~{role}"
    return [
        {
            "run_id": f"{role}{of}{replicate}-{seed}",
            "arm": arm,
            "role": role,
            "of": of,
            "replicate": replicate,
            "init_seed": len(scores) * replicate + seed,
            "state": state,
            "test_accuracy": score,
        }
        for seed, score in enumerate(scores)
    ]


# --- untuned -------------------------------------------------------------------------------------------------


def test_what_tuning_was_worth_is_the_mean_over_shared_seeds(make_records: Any) -> None:
    tuned, plain = [0.90, 0.92, 0.94, 0.91], [0.80, 0.83, 0.82]
    rows = runs("fresh", SGD, tuned) + runs("untuned", SGD, plain) + runs("fresh", ADAM, tuned)
    row = untuned.compute(with_comparison(make_records(["sgd", "adam"]), rows)).set_index("arm").loc[SGD]
    interval = stats.ttest_rel(tuned[:3], plain).confidence_interval()
    assert (row["gain"], row["low"], row["high"]) == pytest.approx((np.mean(np.subtract(tuned[:3], plain)), *interval))
    assert (row["tuned"], row["untuned"]) == pytest.approx((np.mean(tuned), np.mean(plain)))
    assert (row["seeds"], row["failed"]) == (3, 0)


@pytest.mark.parametrize(("tuned", "plain"), [(1.0, 1.0), (0.0, 0.0), (0.9, 0.8)])
def test_equal_gains_in_all_seeds_are_not_certain(make_records: Any, tuned: float, plain: float) -> None:
    rows = runs("fresh", SGD, [tuned] * 3) + runs("untuned", SGD, [plain] * 3)
    row = untuned.compute(with_comparison(make_records(["sgd"]), rows)).iloc[0]
    counts = (tuned * 4096, 4096, plain * 4096, 4096)
    expected = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    assert row["gain"] == pytest.approx(tuned - plain)
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert row["low"] < row["gain"] < row["high"]


@pytest.mark.parametrize("score", [0.0, 0.9, 1.0])
def test_equal_searches_are_as_sure_as_their_test_examples(make_records: Any, score: float) -> None:
    rows = runs("fresh", SGD, [score] * 2) + runs("fresh", SGD, [score] * 2, 1)
    row = replicates.compute(with_comparison(make_records(["sgd"]), rows)).iloc[0]
    expected = proportion_confint(score * 4096, 4096, 0.05, "beta")
    assert (row["low"], row["high"]) == pytest.approx(expected)


def test_searches_that_differ_do_not_reach_beyond_everything(make_records: Any) -> None:
    rows = runs("fresh", SGD, [0.99] * 2) + runs("fresh", SGD, [0.9] * 2, 1)
    row = replicates.compute(with_comparison(make_records(["sgd"]), rows)).iloc[0]
    assert (row["mean"], row["high"]) == (pytest.approx(0.945), 1)


def test_a_loss_that_fell_is_a_gain(make_records: Any) -> None:
    records = make_records(["sgd"], metrics={"loss": {"goal": "min", "unit": "nats"}})
    rows = runs("fresh", SGD, [0.2, 0.3]) + runs("untuned", SGD, [0.5, 0.5])
    named = [{"test_loss": row.pop("test_accuracy"), **row} for row in rows]
    row = untuned.compute(with_comparison(records, named)).iloc[0]
    assert row["gain"] == pytest.approx(0.25)


def test_defaults_that_fail_are_counted_and_not_averaged(make_records: Any) -> None:
    rows = (
        runs("fresh", SGD, [0.9, 0.9]) + runs("untuned", SGD, [0.8]) + runs("untuned", SGD, [math.nan], 0, "diverged")
    )
    row = untuned.compute(with_comparison(make_records(["sgd"]), rows)).iloc[0]
    assert (row["untuned"], row["seeds"], row["failed"]) == (0.8, 1, 1)
    assert math.isnan(row["low"])


def test_an_alias_stands_beside_its_optimizers_defaults(make_records: Any) -> None:
    plain = "lesson_cnn/plain/cosine"
    records = make_records(["sgd", "plain"])
    records = replace(records, meta=replace(records.meta, optimizers={SGD: "sgd", plain: "sgd"}))
    rows = runs("fresh", SGD, [0.9]) + runs("fresh", plain, [0.7]) + runs("untuned", SGD, [0.8])
    table = untuned.compute(with_comparison(records, rows)).set_index("arm")
    assert table["gain"].to_dict() == pytest.approx({SGD: 0.1, plain: -0.1})


# --- replicates ----------------------------------------------------------------------------------------------


def test_luck_in_tuning_is_the_spread_beyond_that_of_seeds(make_records: Any) -> None:
    groups = [[0.90, 0.92], [0.80, 0.84], [0.86, 0.86]]
    rows = runs("fresh", SGD, groups[0]) + runs("fresh", ADAM, [0.9, 0.9])
    for number, scores in enumerate(groups[1:], 1):
        rows += runs("fresh", SGD, scores, number)
    table = replicates.compute(with_comparison(make_records(["sgd", "adam"]), rows))
    assert table["arm"].tolist() == [SGD]
    row, means = table.iloc[0], [np.mean(g) for g in groups]
    within = np.mean([np.var(g, ddof=1) for g in groups])
    assert row["sd_seeds"] == pytest.approx(np.sqrt(within))
    assert row["sd_tuning"] == pytest.approx(np.sqrt(np.var(means, ddof=1) - within / 2))
    interval = stats.ttest_1samp(means, 0).confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx(tuple(interval))
    assert (row["worst"], row["best"]) == pytest.approx((0.82, 0.91))
    assert (row["replicates"], row["seeds"]) == (3, 2)


def test_the_variance_of_tuning_is_unbiased(make_records: Any) -> None:
    """Searches that differ by an SD of 0.02, seeds by 0.01: the mean of many estimated variances is that of tuning."""
    random, found = np.random.default_rng(0), []
    records = make_records(["sgd"])
    for _ in range(300):
        rows: list[dict[str, Any]] = []
        for number in range(4):
            scores = 0.8 + random.normal(0, 0.02) + random.normal(0, 0.01, size=3)
            rows += runs("fresh", SGD, scores.tolist(), number)
        found.append(float(replicates.compute(with_comparison(records, rows))["sd_tuning"].iloc[0]) ** 2)
    assert np.mean(found) == pytest.approx(0.02**2, rel=0.15)


def test_searches_alike_have_no_luck(make_records: Any) -> None:
    rows = runs("fresh", SGD, [0.8, 0.9]) + runs("fresh", SGD, [0.9, 0.8], 1)
    assert replicates.compute(with_comparison(make_records(["sgd"]), rows))["sd_tuning"].tolist() == [0.0]


# --- pareto --------------------------------------------------------------------------------------------------


def by_hand(scores: Any, seconds: Any) -> list[bool]:
    """Return for each trial whether none is at least as good in both and better in one."""
    pairs = list(zip(scores, seconds, strict=True))
    return [not any(s >= mine and t <= took and (s > mine or t < took) for s, t in pairs) for mine, took in pairs]


@pytest.mark.parametrize("steps", [2, 5, 1000])
def test_the_front_is_what_nothing_beats(steps: int) -> None:
    random = np.random.default_rng(steps)
    for size in (1, 2, 3, 8, 40):
        for _ in range(20):
            scores, seconds = random.integers(0, steps, size=(2, size)).astype(float)
            assert pareto.front(scores, seconds).tolist() == by_hand(scores, seconds)


def test_each_arm_has_a_front_and_all_of_a_network_one(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], trials=8)
    seconds = np.random.default_rng(0).uniform(1, 9, len(records.trials))
    table = pareto.compute(replace(records, trials=records.trials.assign(seconds=seconds)))
    assert set(table["arm"]) == {SGD, ADAM}
    assert table["front_of_all"].tolist() == by_hand(table["score"], table["seconds"])
    for _, mine in table.groupby("arm"):
        assert mine["front"].tolist() == by_hand(mine["score"], mine["seconds"])
    assert not (table["front_of_all"] & ~table["front"]).any()


def test_nothing_compared_and_nothing_tried_are_empty_tables(make_records: Any) -> None:
    records = make_records(compared=False, trials=0)
    for module in (pareto, replicates, untuned):
        table = module.compute(records)
        assert table.empty
        assert tuple(table.columns) == module.COLUMNS


# --- the page ------------------------------------------------------------------------------------------------


def page_of(records: Records) -> str:
    modules = (lead, leaderboard, pareto, replicates, untuned, winner)
    found = analyse(records, [offer for module in modules for offer in analyses_of(module)])
    assert not found.problems
    return html.render(found).replace("\u00a0", " ")


def test_the_page_shows_what_tuning_was_worth(make_records: Any) -> None:
    records = make_records(["sgd", "adam"])
    records.meta.benchmark["search"]["objectives"] = ["score", "seconds"]
    records = replace(
        records,
        meta=replace(
            records.meta,
            extensions=[
                {
                    "arm": SGD,
                    "why": ["edge"],
                    "ranges": {"lr": {"low": 0.001, "high": 100.0, "log": True}},
                    "extra": 12.0,
                    "after": [12],
                }
            ],
        ),
    )
    rows = runs("fresh", SGD, [0.90, 0.92]) + runs("untuned", SGD, [0.80, 0.83]) + runs("fresh", SGD, [0.7, 0.8], 1)
    page = page_of(with_comparison(records, rows))
    assert "<strong>9.50</strong><small>3.15 to 15.85</small>" in page
    assert (
        "after 12 trials: lr now 0.00100 to 100 and 12 trials more, because its learning rate was at the edge" in page
    )
    assert "75.00 % to 91.00 %" in page  # worst to best search
    assert 'id="score-against-seconds-lesson_cnn-' in page
    assert "The search was to improve both" in page
    expected = winner.compute(records).iloc[0]
    assert f"<strong>{100 * expected['expected']:.2f} %</strong>" in page


@pytest.mark.usefixtures("undrawn")  # words are read
def test_a_page_without_any_of_it_has_no_such_section(make_records: Any) -> None:
    page = page_of(make_records(trials=0, compared=False))
    assert 'id="fairness"' not in page
    assert 'href="#fairness"' not in page


@pytest.mark.parametrize(
    ("said", "shown"), [({}, "12 trials"), ({"unit": "epochs", "budget": 96.0}, "96 epochs"),
                        ({"unit": "seconds", "budget": 60.0}, "60 seconds of training")]
)  # fmt: skip
def test_a_budget_is_said_in_its_unit(make_records: Any, said: dict[str, Any], shown: str) -> None:
    records = make_records()
    records.meta.benchmark["search"] |= said
    assert shown in page_of(records)
    found = analyse(records, [leaderboard.ANALYSIS])
    assert shown in markdown.render(found)
