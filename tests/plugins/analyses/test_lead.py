"""The lead of the best arm: against closed forms, explicit sums, McNemar's test, and the truth of simulated draws."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_plugins.analyses.scores import lead
from scipy import stats

from harness.statistics.crossed import over_both, over_seeds

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


def components(table: Any) -> tuple[float, float, float]:
    """Return the variances of seeds, examples and rest that fit the mean products of pairs of cells.

    Of two cells that share nothing, a seed, an example or both, the mean product is 0, seed, example and all three
    above the square of the mean (the method of U-statistics, which knows no mean squares).
    """
    cells = list(product(range(table.shape[0]), range(table.shape[1])))
    sums: dict[tuple[bool, bool], list[float]] = {}
    for (s, n), (t, m) in product(cells, cells):
        sums.setdefault((s == t, n == m), []).append(table[s, n] * table[t, m])
    neither, seed, example, both = (
        float(np.mean(sums[key])) for key in ((False, False), (True, False), (False, True), (True, True))
    )
    return seed - neither, example - neither, both - seed - example + neither


def crossed(random: Any, shape: tuple[int, int], seed: float, example: float, rest: float) -> Any:
    """Return a table of the random-effects model around zero."""
    return (
        random.normal(0, seed, shape[0])[:, None] + random.normal(0, example, shape[1]) + random.normal(0, rest, shape)
    )


@pytest.mark.parametrize("shape", [(2, 3), (3, 5), (4, 7)])
def test_variance_is_that_of_the_components_found_by_brute_force(shape: tuple[int, int]) -> None:
    table = crossed(np.random.default_rng(sum(shape)), shape, 2.0, 3.0, 0.3)
    seed, example, rest = components(table)
    assert min(seed, example) > 0  # else one would be cut off
    found = over_both(table)
    assert found.mean == pytest.approx(table.mean())
    assert found.se**2 == pytest.approx(seed / shape[0] + example / shape[1] + rest / table.size)
    assert (found.se_seeds**2, found.se_examples**2) == pytest.approx((seed / shape[0], example / shape[1]))


def test_without_examples_effects_it_is_the_paired_t_test_of_seeds() -> None:
    seeds = np.array([0.3, 0.9, -0.2, 0.5])
    found = over_both(np.repeat(seeds[:, None], 50, axis=1))
    expected = stats.ttest_1samp(seeds, 0).confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((expected.low, expected.high))
    alone = over_seeds(list(seeds))
    assert (alone.mean, alone.half) == pytest.approx((found.mean, found.half))


def test_seeds_that_agree_are_one_draw_of_examples() -> None:
    """However many seeds: they bring nothing new, and the error is that of the mean over examples."""
    examples = np.random.default_rng(1).normal(0.1, 1, 300)
    for seeds in (2, 20):
        found = over_both(np.repeat(examples[None], seeds, axis=0))
        assert found.se == pytest.approx(stats.sem(examples))
        assert found.se_seeds == pytest.approx(0, abs=1e-12)


def test_one_photo_of_650_is_no_lead() -> None:
    table = np.zeros((4, 650))
    table[:, 0] = 1
    found = over_both(table)
    assert found.mean == pytest.approx(1 / 650)
    assert found.half > found.mean


def test_it_claims_no_more_than_mcnemars_test() -> None:
    """Two classifiers that do not vary with the seed: the mid-p McNemar test knows nothing of our formulas."""
    claimed = 0
    for better in range(1, 50):
        for worse in range(better):
            table = np.zeros((3, 650))
            table[:, :better], table[:, better : better + worse] = 1, -1
            found = over_both(table)
            if found.mean > found.half:
                claimed += 1
                apart = better + worse
                mid_p = 2 * stats.binom.sf(better - 1, apart, 0.5) - stats.binom.pmf(better, apart, 0.5)
                assert mid_p < 0.05, (better, worse)
    assert claimed > 500  # 20 to 2 is a lead


@pytest.mark.parametrize(
    ("shape", "seed", "example", "rest"),
    [((3, 60), 0.0, 1.0, 1.0), ((4, 60), 0.3, 1.0, 1.0), ((8, 40), 0.0, 0.0, 1.0), ((4, 40), 1.0, 0.2, 0.5)],
)
def test_interval_holds_the_truth_as_often_as_it_says(shape: Any, seed: float, example: float, rest: float) -> None:
    random, draws = np.random.default_rng(0), 600
    found = [over_both(crossed(random, shape, seed, example, rest)) for _ in range(draws)]
    held = sum(abs(each.mean) <= each.half for each in found)
    assert held >= stats.binom.ppf(0.001, draws, 0.94)


def test_what_could_be_detected_is_found_four_times_in_five() -> None:
    random, shape = np.random.default_rng(0), (8, 400)
    size = float(np.mean([over_both(crossed(random, shape, 0.05, 1, 1)).detectable for _ in range(100)]))
    found = [over_both(size + crossed(random, shape, 0.05, 1, 1)) for _ in range(400)]
    assert np.mean([each.mean > each.half for each in found]) == pytest.approx(0.8, abs=0.06)


def test_arms_that_are_equal_everywhere_have_no_width() -> None:
    found = over_both(np.zeros((3, 10)))
    assert (found.mean, found.half, found.detectable) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 10), (3, 1)])
def test_one_seed_or_one_example_tells_nothing(shape: tuple[int, int]) -> None:
    assert np.isnan(over_both(np.ones(shape)).half)


# --- from records --------------------------------------------------------------------------------------------


def draw(shift: float, seed: int, examples: int = 400) -> Any:
    """Return per-example scores of a run: whether it is right, less often by ``shift``."""
    ability = np.random.default_rng(0).uniform(size=examples)  # what is hard is hard for every arm
    luck = np.random.default_rng([seed, 1]).normal(0, 0.02, examples)
    return (ability + luck > 0.1 + shift).astype(float)


def scores_of(records: Any, shifts: dict[str, float], **more: Any) -> dict[str, Any]:
    runs = records.compared()
    return {r.run_id: draw(shifts[r.arm], r.seed, **more) for r in runs.itertuples() if r.arm in shifts}


def test_table_is_made_of_the_runs_of_equal_seeds(make_records: Any, scored: Any, tmp_path: Path) -> None:
    records = make_records(["sgd", "adam"], seeds=4)
    scores = scores_of(records, {SGD: 0.0, ADAM: 0.1})
    (row,) = lead.compute(scored(records, tmp_path, scores)).to_dict("records")
    table = np.stack(
        [scores[f"{SGD}-{s}".replace("/", "-")] - scores[f"{ADAM}-{s}".replace("/", "-")] for s in range(4)]
    )
    expected = over_both(table)
    assert (row["arm"], row["best"], row["seeds"], row["examples"]) == (ADAM, SGD, 4, 400)
    assert row["covers"] == "seeds and test examples"
    assert (row["lead"], row["se"], row["detectable"]) == pytest.approx(
        (table.mean(), expected.se, expected.detectable)
    )
    assert (row["low"] + row["high"]) / 2 == pytest.approx(row["lead"])


def test_lead_is_positive_where_less_is_better(make_records: Any, scored: Any, tmp_path: Path) -> None:
    records = make_records(["sgd", "adam"], seeds=4, metrics={"mse": {"goal": "min", "unit": ""}})
    scores = {run: 1 - each for run, each in scores_of(records, {SGD: 0.0, ADAM: 0.1}).items()}
    (row,) = lead.compute(scored(records, tmp_path, scores)).to_dict("records")
    assert (row["best"], row["low"] > 0) == (SGD, True)


def test_seeds_without_a_result_are_left_out_of_both_arms(
    make_records: Any, spoiled: Any, scored: Any, tmp_path: Path
) -> None:
    records = make_records(["sgd", "adam"], seeds=4)
    scores = scores_of(records, {SGD: 0.0, ADAM: 0.1})
    lost = spoiled(scored(records, tmp_path, scores), ADAM, [1])
    (row,) = lead.compute(lost).to_dict("records")
    assert row["seeds"] == 3
    left = [scores[f"{SGD}-{s}".replace("/", "-")] - scores[f"{ADAM}-{s}".replace("/", "-")] for s in (0, 2, 3)]
    assert row["lead"] == pytest.approx(np.mean(left))


def test_without_scores_it_covers_seeds_and_says_so(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=5)
    (row,) = lead.compute(records).to_dict("records")
    values = records.runs.pivot(index="seed", columns="arm", values="test_accuracy")
    expected = stats.ttest_rel(values[SGD], values[ADAM]).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert (row["covers"], row["examples"]) == ("seeds", 0)


def test_one_seed_in_common_has_no_interval(make_records: Any, spoiled: Any) -> None:
    records = spoiled(make_records(["sgd", "adam"], seeds=3), ADAM, [0, 1])
    (row,) = lead.compute(records).to_dict("records")
    assert (row["covers"], row["seeds"]) == ("", 1)
    assert np.isnan(row["low"])


def test_arms_without_a_result_have_no_row(make_records: Any, spoiled: Any) -> None:
    records = make_records(seeds=2)
    assert lead.compute(make_records(compared=False)).empty
    assert lead.compute(spoiled(records, SGD, range(2)))["arm"].nunique() == 1
    assert lead.compute(replace(records, arms=records.arms.iloc[:0])).empty
