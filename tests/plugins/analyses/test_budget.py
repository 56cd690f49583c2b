"""Budget curves and duels against every subset counted one by one, and against distributions with known answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses._searches import spent_trials
from harness_plugins.analyses.search import budget, duels, importances, regions
from harness_reports._draw import budgets

from harness import Records
from harness.verdict.trials import chance, chances, incumbents, scores

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture
def searched(make_records: Any) -> Any:
    """Return a function from each arm's trial values, None for one that diverged, to records of such a search."""

    def build(values: dict[str, list[Any]], sampler: str = "random", goal: str = "max", lr: Any = None) -> Records:
        metrics = {"accuracy": {"goal": goal, "unit": "%"}}
        count = max(map(len, values.values()))
        records = make_records([arm.split("/")[1] for arm in values], trials=count, metrics=metrics, seeds=2, epochs=2)
        records.meta.benchmark["search"]["sampler"] = sampler
        rows = [
            {
                "arm": arm, "number": k, "generation": k, "run_id": f"{arm}-{k}", "value": value, "reason": "",
                "state": "diverged" if value is None else "done", "seconds": 1.0, "trained": 12, "epochs": 12,
                "params": {"lr": lr[k] if lr else 0.01, "momentum": 0.9, "nesterov": True, "epochs": 12},
            }
            for arm, mine in values.items() for k, value in enumerate(mine)
        ]  # fmt: skip
        return replace(records, trials=pd.DataFrame(rows))

    return build


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_chances_are_the_binomials(n: int) -> None:
    expected = [[comb(i - 1, k - 1) / comb(n, k) for i in range(1, n + 1)] for k in range(1, n + 1)]
    assert chances(n) == pytest.approx(np.array(expected), abs=1e-14)


def test_chances_of_many_trials_stay_probabilities() -> None:
    found = chances(400)
    assert found.sum(axis=1) == pytest.approx(np.ones(400))
    assert (found >= 0).all()


@pytest.mark.parametrize("goal", ["max", "min"])
def test_expected_best_is_the_mean_over_all_subsets(searched: Any, goal: str) -> None:
    values = [0.3, 0.9, 0.1, 0.5, 0.5, 0.7]
    table = budget.compute(searched({SGD: values}, goal=goal))
    pick = max if goal == "max" else min
    for row in table.itertuples():
        subsets = list(combinations(values, row.budget))
        assert row.expected == pytest.approx(np.mean([pick(subset) for subset in subsets]))
        assert row.low <= row.high
    assert table["expected"].iloc[-1] == pick(values)
    assert set(table["estimate"]) == {"mean over subsets"}


def test_trials_without_a_score_count_as_the_worst_and_are_not_dropped(searched: Any) -> None:
    table = budget.compute(searched({SGD: [0.8, None, None, 0.6], ADAM: [0.2, 0.9, 0.7, 0.5]}))
    mine = table[table["arm"] == SGD].set_index("budget")
    filled = [0.8, 0.2, 0.2, 0.6]  # 0.2: the worst score of any arm
    for k in range(1, 5):
        assert mine.loc[k, "expected"] == pytest.approx(np.mean([max(s) for s in combinations(filled, k)]))
    assert mine["empty"].tolist() == pytest.approx([1 / 2, 1 / 6, 0, 0])
    assert set(mine["lost"]) == {2}
    assert set(mine["trials"]) == {4}


def test_expected_best_of_uniform_trials_is_the_known_one() -> None:
    """The mean of the best of k uniform numbers is k / (k + 1), and the estimate has no bias."""
    random = np.random.default_rng(0)
    found = np.mean([chances(12) @ np.sort(random.uniform(size=12)) for _ in range(4000)], axis=0)
    k = np.arange(1, 13)
    assert found == pytest.approx(k / (k + 1), abs=0.006)


def test_the_bands_cover_the_truth_where_a_budget_is_small() -> None:
    random = np.random.default_rng(1)
    covered = []
    for trial in range(150):
        _, low, high = budget.expected(random.uniform(size=30), f"{trial:08x}")
        covered.append([low[k - 1] <= k / (k + 1) <= high[k - 1] for k in (1, 2, 5)])
    assert (np.mean(covered, axis=0) >= 0.85).all()


def test_a_sampler_that_learns_has_its_own_order_and_no_band(searched: Any) -> None:
    table = budget.compute(searched({SGD: [None, 0.3, 0.2, 0.7]}, sampler="tpe"))
    assert np.isnan(table["expected"].iloc[0])
    assert table["expected"].tolist()[1:] == [0.3, 0.3, 0.7]
    assert table[["low", "high"]].isna().all(axis=None)
    assert set(table["estimate"]) == {"best so far"}
    assert duels.compute(searched({SGD: [0.1, 0.2], ADAM: [0.3, 0.4]}, sampler="tpe")).empty


@pytest.fixture
def replicated(searched: Any) -> Any:
    """Return a function from each arm's trial values, a list a replicate, to records of these searches."""

    def build(values: dict[str, list[list[Any]]], sampler: str = "random", **about: Any) -> Records:
        first = searched({arm: of_arm[0] for arm, of_arm in values.items()}, sampler=sampler, **about)
        rows = []
        for arm, of_arm in values.items():
            for replicate, mine in enumerate(of_arm[1:], 1):
                trials = searched({arm: mine}, **about).trials
                ids = [f"{replicate}-{run}" for run in trials["run_id"]]
                rows.append(trials.assign(run_id=ids, replicate=replicate, control="", chosen=False))
        return replace(first, repeated=pd.concat(rows, ignore_index=True))

    return build


@pytest.mark.parametrize("goal", ["max", "min"])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_with_replicates_a_curve_is_the_mean_over_their_searches(replicated: Any, sampler: str, goal: str) -> None:
    searches = [[0.3, 0.9, 0.1], [0.5, None, 0.7], [0.2, 0.4, 0.8]]
    table = budget.compute(replicated({SGD: searches}, sampler=sampler, goal=goal))
    pick, worst = (max, 0.1) if goal == "max" else (min, 0.9)
    filled = [[worst if value is None else value for value in each] for each in searches]
    for row in table.itertuples():
        subsets = [combinations(each, row.budget) if sampler == "random" else [each[: row.budget]] for each in filled]
        means = [np.mean([pick(subset) for subset in of_search]) for of_search in subsets]
        assert row.expected == pytest.approx(np.mean(means))
        half = 4.302653 * np.std(means, ddof=1) / np.sqrt(3)  # Student's of three replicates, two degrees of freedom
        assert row.low == pytest.approx(max(np.mean(means) - half, 0), rel=1e-5)
        assert row.high == pytest.approx(min(np.mean(means) + half, 1), rel=1e-5)
    assert (table["searches"].unique().tolist(), table["trials"].unique().tolist()) == ([3], [3])
    assert set(table["lost"]) == {1}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_with_replicates_each_is_a_duel(replicated: Any, sampler: str) -> None:
    values = {SGD: [[0.3, 0.5], [0.2, None], [0.9, 0.1]], ADAM: [[0.4, 0.4], [0.1, 0.3], [0.5, 0.9]]}
    table = duels.compute(replicated(values, sampler=sampler)).set_index("budget")
    firsts = [0, 1, 1] if sampler == "tpe" else [1 / 2, 1 / 4, 3 / 8]
    wholes = [1, 0, 1 / 2]
    assert table.loc[1, "probability"] == pytest.approx(np.mean(firsts))
    assert table.loc[2, "probability"] == pytest.approx(np.mean(wholes))
    assert ((table["low"] >= 0) & (table["low"] < table["high"]) & (table["high"] <= 1)).all()
    assert set(table["searches"]) == {3}


def test_importances_are_of_the_trials_of_all_replicates(replicated: Any) -> None:
    """No search has twelve trials, and together they show which parameter decides."""
    random = np.random.default_rng(5)
    searches = [list(random.uniform(size=8)) for _ in range(6)]
    records = replicated({SGD: searches})
    tables = []
    for trials in (records.trials, records.repeated):
        rates = 10 ** random.uniform(-4, 0, len(trials))
        params = [{"lr": float(lr), "momentum": float(random.uniform(0.5, 0.98)), "epochs": 8} for lr in rates]
        tables.append(trials.assign(params=params, value=[-abs(np.log10(lr) + 2) for lr in rates]))
    table = importances.compute(replace(records, trials=tables[0], repeated=tables[1]))
    first = table.iloc[0]
    assert (first["parameter"], first["trials"], first["searches"], first["best"]) == ("lr", 48, 6, 12)
    assert (table["low"] <= table["high"]).all()
    assert first["low"] > 0.5
    assert importances.compute(replace(records, trials=tables[0], repeated=tables[1].head(0))).empty


def test_incumbents() -> None:
    assert incumbents(np.array([1.0, 3.0, 2.0])).tolist() == [1.0, 3.0, 3.0]


def test_duels_are_all_pairs_of_subsets_ties_half(searched: Any) -> None:
    values = {SGD: [0.3, 0.5, None, 0.9, 0.5], ADAM: [0.5, None, 0.4, 0.9]}
    table = duels.compute(searched(values))
    a, b = ([-np.inf if v is None else v for v in values[arm]] for arm in (SGD, ADAM))
    for row in table.itertuples():
        pairs = product(combinations(a, row.budget), combinations(b, row.budget))
        wins = [float(max(x) > max(y)) + 0.5 * float(max(x) == max(y)) for x, y in pairs]
        assert row.probability == pytest.approx(np.mean(wins))
        assert 0 <= row.low <= row.high <= 1
    assert table["budget"].tolist() == [1, 2, 3, 4]


def test_duels_of_equal_distributions_are_even_and_of_shifted_ones_the_known_ones() -> None:
    random = np.random.default_rng(2)
    shift = 1.0  # of two exponentials: P(a > b) = 1 - exp(-shift) / 2
    found = np.mean(
        [
            [duels._probability(a, b, chances(10), chances(10)), duels._probability(a + shift, b, chances(10), chances(10))]
            for a, b in random.exponential(size=(2000, 2, 10))
        ],
        axis=0,
    )  # fmt: skip
    assert found[0] == pytest.approx(np.full(10, 0.5), abs=0.03)
    assert found[1][0] == pytest.approx(1 - np.exp(-shift) / 2, abs=0.01)


def test_same_records_same_tables(make_records: Any) -> None:
    records = make_records(seeds=2)
    records.meta.benchmark["search"]["sampler"] = "random"
    for module in (budget, duels, regions, importances):
        pd.testing.assert_frame_equal(module.compute(records), module.compute(records))


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_one_row_of_chances_is_that_row(n: int) -> None:
    assert all(np.array_equal(chance(n, k), chances(n)[k - 1]) for k in range(1, n + 1))


def test_curves_are_drawn_from_few_budgets_with_both_ends_and_every_step() -> None:
    about = {"arm": "a", "budget": range(1, 1001)}
    mean = pd.DataFrame({**about, "expected": np.linspace(0, 1, 1000), "estimate": "mean over subsets"})
    best = pd.DataFrame(
        {**about, "arm": "b", "expected": np.repeat([0.1, 0.5, 0.6, 0.7], 250), "estimate": "best so far"}
    )
    drawn = budgets.thinned(pd.concat([mean, best], ignore_index=True))
    of_mean = drawn.loc[drawn["arm"] == "a", "budget"]
    assert len(of_mean) <= budgets.MOST_BUDGETS
    assert (of_mean.iloc[0], of_mean.iloc[-1]) == (1, 1000)
    assert drawn.loc[drawn["arm"] == "b", "budget"].tolist() == [1, 251, 501, 751, 1000]
    pd.testing.assert_frame_equal(budgets.thinned(mean.head(50)), mean.head(50))


def test_scores_wait_for_no_trial(make_records: Any) -> None:
    records = make_records(["sgd"], trials=3)
    records.trials.loc[1, ["state", "value"]] = ["waiting", None]
    (spent,) = spent_trials(records, SGD)
    assert len(scores(records, spent)) == 2


# --- sensitivity ---------------------------------------------------------------------------------------------


def test_region_is_from_the_first_to_the_last_good_rate(searched: Any) -> None:
    rates = [1e-3, 1e-2, 1e-1, 1e-1, 1e0]
    table = regions.compute(searched({SGD: [0.5, 0.893, 0.900, 0.1, None]}, lr=rates))
    first = table.iloc[0]
    assert (first["low"], first["high"], first["best"], first["tolerance"]) == (1e-2, 1e-1, 0.9, 0.01)
    assert first["least"] == pytest.approx(1.0)
    assert first["most"] == pytest.approx(2.0)  # from 1e-3, which is bad, to the second trial at 1e-1


def test_region_ends_with_the_searched_range(searched: Any) -> None:
    table = regions.compute(searched({SGD: [0.9, 0.9]}, lr=[1e-2, 1e-1]))
    assert table["most"].iloc[0] == pytest.approx(4.0)  # 1e-4 to 1


def test_envelope_is_the_least_curve_with_one_peak() -> None:
    values = np.random.default_rng(3).normal(size=(50, 8))
    for each in values:
        found = regions.peak(each)
        top = int(found.argmax())
        assert (found >= each).all()
        assert (np.diff(found[: top + 1]) >= 0).all()
        assert (np.diff(found[top:]) <= 0).all()
        assert set(found) <= set(each)  # none lower would do: each level is that of a trial


def test_importance_is_of_the_parameter_that_decides(make_records: Any) -> None:
    records = make_records(["sgd"], trials=60)
    random = np.random.default_rng(4)
    params = [
        {"lr": float(10 ** random.uniform(-4, 0)), "momentum": float(random.uniform(0.5, 0.98)), "nesterov": bool(k % 2), "epochs": 8}
        for k in range(60)
    ]  # fmt: skip
    values = [-abs(np.log10(p["lr"]) + 2) for p in params]
    table = importances.compute(
        replace(records, trials=records.trials.assign(params=params, value=values, state="done"))
    )
    assert table["parameter"].iloc[0] == "lr"
    assert table["importance"].iloc[0] > 0.7
    assert table["importance"].sum() == pytest.approx(1)


def test_few_trials_have_no_importances(make_records: Any) -> None:
    assert importances.compute(make_records(["sgd"], trials=6)).empty
