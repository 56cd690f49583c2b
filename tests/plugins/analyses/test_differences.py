"""Every arm against every other: the score is the lead's difference, p-values agree with intervals, and words keep the rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import lead
from scipy import stats

from harness.errors import BenchmarkError
from harness.results.tables import differences
from harness.results.tables.against import (
    LOST_RUNS,
    NOT_APART,
    NOT_TESTED,
    ONE_SEARCH,
    beside,
    reference_arms,
    remarks,
    rows_against,
    sentence,
)
from harness.results.tables.two_arms import certainty_of
from harness.statistics.crossed import over_both
from harness.statistics.labels import holm
from harness.verdict.in_doubt import LABEL, arms_in_doubt

SGD, ADAM, RMSPROP = (f"lesson_cnn/{name}/cosine" for name in ("sgd", "adam", "rmsprop"))
NAMES = {SGD: "sgd", ADAM: "adam", RMSPROP: "rmsprop"}
ENDS = ("difference", "low", "high")


@pytest.fixture(scope="module")
def records(make_records: Any) -> Any:
    """Three arms of six replicates with a seed each."""
    found = make_records(["sgd", "adam", "rmsprop"], seeds=6)
    found.meta.benchmark["compare"]["looks"] = [6]
    comparison = found.runs.assign(role="fresh", of="", replicate=found.runs["seed"], init_seed=found.runs["seed"])
    return replace(found, comparison=comparison)


@pytest.fixture(scope="module")
def table(records: Any) -> pd.DataFrame:
    return differences.compute(records)


def score_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["measure"] == "test_accuracy"].set_index(["reference", "arm"])


def test_every_ordered_pair_has_a_row_for_each_measure(table: pd.DataFrame) -> None:
    pairs = {(one, other) for one in NAMES for other in NAMES if one != other}
    for measure in ("test_accuracy", "test_loss", "train_loss", "steps_to_target", "seconds_to_target"):
        rows = table[table["measure"] == measure]
        assert set(zip(rows["reference"], rows["arm"], strict=True)) == pairs
        assert len(rows) == len(pairs)
    assert tuple(table.columns) == differences.COLUMNS
    assert set(table.columns) - {"arm"} >= set(differences.MEANINGS)


def test_exchanging_the_arms_changes_the_sign_and_nothing_else(table: pd.DataFrame) -> None:
    for _, of_measure in table.groupby("measure"):
        rows = of_measure.set_index(["reference", "arm"])
        for one, other in ((SGD, ADAM), (ADAM, RMSPROP)):
            row, back = rows.loc[(one, other)], rows.loc[(other, one)]
            assert (row["difference"], row["low"], row["high"]) == pytest.approx(
                (-back["difference"], -back["high"], -back["low"]), nan_ok=True
            )
            assert (row["mean"], row["mean_reference"]) == pytest.approx(
                (back["mean_reference"], back["mean"]), nan_ok=True
            )
            assert (row["p"], row["draws"], row["covers"]) == pytest.approx(
                (back["p"], back["draws"], back["covers"]), nan_ok=True
            )


def test_a_pair_has_the_interval_of_its_lead(records: Any, table: pd.DataFrame) -> None:
    rows = score_rows(table)
    for row in lead.compute(records).to_dict("records"):
        assert tuple(rows.loc[(row["arm"], row["best"]), [*ENDS]]) == pytest.approx(
            (row["lead"], row["low"], row["high"])
        )


@pytest.mark.parametrize("measure", ["test_accuracy", "test_loss", "train_loss"])
def test_numbers_of_replicates_are_scipys_paired_test(records: Any, table: pd.DataFrame, measure: str) -> None:
    runs = records.runs.set_index(["arm", "seed"])[measure].unstack()
    expected = stats.ttest_rel(runs.loc[ADAM], runs.loc[SGD])
    ends = expected.confidence_interval(0.95)
    row = table[table["measure"] == measure].set_index(["reference", "arm"]).loc[(SGD, ADAM)]
    assert (row["p"], row["low"], row["high"]) == pytest.approx((expected.pvalue, ends.low, ends.high))
    assert row["difference"] == pytest.approx(row["mean"] - row["mean_reference"])
    assert row["covers"] == "replicates"


def test_p_is_below_five_percent_where_the_interval_excludes_zero(
    make_records: Any, scored: Any, tmp_path: Path
) -> None:
    """With scores per example, from none to many that differ, in every seed alike or not."""
    random, told = np.random.default_rng(0), 0
    records = make_records(["sgd", "adam"], seeds=4)
    for _ in range(400):
        wrong = random.integers(0, 12)
        table = np.zeros((4, 80))
        table[:, :wrong] = random.choice([1, 0, -1], p=random.dirichlet([2, 1, 1]), size=(4 if wrong % 2 else 1, wrong))
        one, other = np.clip(0.9 + table.mean(axis=1), 0, 1), np.full(4, 0.9)
        found = certainty_of(records, over_both(table), table, list(one), list(other))
        assert (found.p < 0.05) <= (found.low > 0 or found.high < 0)  # no p-value claims more than the interval
        told += found.p < 0.05
    assert told > 20


def test_three_photos_are_mcnemars_and_tell_nothing(make_records: Any) -> None:
    table = np.zeros((6, 70))
    table[:, :3] = 1
    found = certainty_of(make_records(["sgd", "adam"], seeds=6), over_both(table), table, [1.0] * 6, [67 / 70] * 6)
    assert found.p == pytest.approx(2 * 0.5**3)
    assert found.low < 0 < found.high


def test_holm_is_over_the_arms_that_are_compared(records: Any, table: pd.DataFrame) -> None:
    rows = rows_against(table, [SGD], ())
    for _, of_measure in rows.groupby("measure"):
        if of_measure["p"].notna().all():
            assert list(of_measure["p_holm"]) == pytest.approx(holm(list(of_measure["p"])))
            assert set(of_measure["arms"]) == {2}
    assert set(rows["reference"]) == {SGD}
    assert set(rows["arm"]) == {ADAM, RMSPROP}


def made_up(table: pd.DataFrame, **changed: Any) -> pd.DataFrame:
    """Return the table with other values for Adam against SGD, in both directions, in the score."""
    rows = table[(table["measure"] == "test_accuracy") & table["arm"].isin([SGD, ADAM])]
    rows = rows[rows["reference"].isin([SGD, ADAM])]
    return rows.assign(**changed)


def sentences(rows: pd.DataFrame, records: Any, names: Any) -> list[str]:
    """Return what is said of the arms in the deciding metric, and what holds for all of them."""
    of_metric = rows[rows["measure"] == records.deciding.column].to_dict("records")
    return [sentence(row, names) for row in of_metric] + list(remarks(of_metric, records))


def say(rows: pd.DataFrame, records: Any, doubted: Any = ()) -> list[str]:
    return sentences(rows_against(rows[rows["reference"] == SGD], [SGD], doubted), records, NAMES)


def test_the_sentence_says_size_direction_interval_and_replicates(records: Any, table: pd.DataFrame) -> None:
    worse = made_up(table, difference=-0.008, low=-0.013, high=-0.003, p=0.008)
    (text,) = say(worse, records)
    assert text == (
        "adam is 0.80 points worse than sgd in test accuracy (95 % interval of the difference −1.30 to −0.30 points, "
        "6 replicates)."
    )
    better = made_up(table, difference=0.008, low=0.003, high=0.013, p=0.008)
    assert say(better, records)[0].startswith("adam is 0.80 points better than sgd in test accuracy (")
    less = made_up(table, difference=0.008, low=0.003, high=0.013, p=0.008, goal="min")
    assert say(less, records)[0].startswith("adam is 0.80 points worse than sgd")


def test_what_cannot_be_told_apart_is_not_called_equal(records: Any, table: pd.DataFrame) -> None:
    (text,) = say(made_up(table, difference=-0.001, low=-0.006, high=0.004, p=0.6, detectable=0.009), records)
    assert text == (
        "adam cannot be told apart from sgd: its test accuracy is 0.10 points lower (95 % interval of the difference −0.60 to "
        "0.40 points, 6 replicates). A true difference of 0.90 points would have been found four times in five."
    )


def test_an_interval_that_excludes_zero_is_not_enough_where_several_are_compared(
    records: Any, table: pd.DataFrame
) -> None:
    rows = score_rows(table).reset_index()
    rows = rows[rows["reference"] == SGD].assign(difference=0.008, low=0.001, high=0.015, p=0.04)
    found = sentences(rows_against(rows, [SGD], ()), records, NAMES)
    assert found[0].startswith("adam cannot be told apart from sgd: ")
    assert "p = .080 by Holm for 2 arms" in found[0]
    assert "The interval excludes zero, but not when the number of arms is allowed for." in found[0]
    assert found[-1].startswith("The p-values are adjusted by Holm")
    assert say(made_up(rows), records)[0].startswith("adam is 0.80 points better than sgd")  # alone it is one test


@pytest.mark.parametrize(("difference", "doubted", "worst"), [(-0.01, ADAM, "adam"), (0.01, SGD, "sgd")])
def test_an_arm_whose_search_is_in_doubt_is_not_called_worse(
    records: Any, table: pd.DataFrame, difference: float, doubted: str, worst: str
) -> None:
    rows = made_up(table, difference=difference, low=difference - 0.005, high=difference + 0.005, p=0.001)
    (text,) = say(rows, records, {doubted})
    assert text.startswith(f"{worst} is {LABEL}, not worse than ")
    assert f"but the search of {worst} is in doubt" in text
    assert not say(rows, records, {ADAM, SGD} - {doubted})[0].startswith(f"{worst} is {LABEL}")


def test_an_arm_that_lost_replicates_is_not_called_better(records: Any, table: pd.DataFrame) -> None:
    rows = made_up(table, difference=0.01, low=0.005, high=0.015, p=0.001, lost=2)
    assert set(rows_against(rows, [SGD], ())["word"]) == {LOST_RUNS}
    (text,) = say(rows, records)
    assert text.startswith("adam is not called better than sgd, because it lost runs: ")
    assert text.endswith(" adam lost 2 replicates, which are left out.")


def test_lost_runs_are_counted_and_left_out(make_records: Any, spoiled: Any) -> None:
    records = spoiled(make_records(["sgd", "adam"], seeds=5), ADAM, [1, 3])
    row = score_rows(differences.compute(records)).loc[(SGD, ADAM)]
    assert (row["lost"], row["lost_reference"], row["draws"], row["seeds"]) == (2, 0, 3, 3)


def test_an_arm_without_a_result_is_said_to_be_not_compared(make_records: Any, spoiled: Any) -> None:
    records = spoiled(make_records(["sgd", "adam"], seeds=2), ADAM, [0, 1])
    rows = rows_against(differences.compute(records), [SGD], ())
    assert set(rows.loc[rows["measure"] == "test_accuracy", "word"]) == {NOT_TESTED}
    assert sentences(rows, records, NAMES)[0].startswith("adam is not compared with sgd: no seed ended well in both.")


def test_one_seed_has_no_interval(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=1)
    text, *more = sentences(rows_against(differences.compute(records), [SGD], ()), records, NAMES)
    assert text.startswith("adam is compared with sgd in 1 seed: its test accuracy is ")
    assert text.endswith("without an interval: one says nothing of chance.")
    assert more == [ONE_SEARCH]


def test_one_search_is_said_to_be_one(make_records: Any, records: Any, table: pd.DataFrame) -> None:
    single = make_records(["sgd", "adam"], seeds=5)
    assert ONE_SEARCH in sentences(rows_against(differences.compute(single), [SGD], ()), single, NAMES)
    assert ONE_SEARCH not in sentences(rows_against(table, [SGD], ()), records, NAMES)


def test_a_time_is_compared_where_every_seed_reached_the_target(records: Any) -> None:
    def with_target(value: float) -> Any:
        benchmark = {**records.meta.benchmark, "report": {"target": {"metric": "accuracy", "value": value}}}
        rows = differences.compute(replace(records, meta=replace(records.meta, benchmark=benchmark)))
        return rows[rows["measure"] == "steps_to_target"].set_index(["reference", "arm"]).loc[(SGD, ADAM)]

    epochs = records.epochs[records.epochs["tune_accuracy"] >= 0.6].groupby(["arm", "seed"])["steps"].min()
    reached = with_target(0.6)
    assert reached["difference"] == pytest.approx((epochs[ADAM] - epochs[SGD]).mean())
    assert (reached["goal"], reached["unit"], reached["detail"]) == ("min", "steps", "")
    never = with_target(0.99)
    assert np.isnan(never["difference"])
    assert never["detail"] == "0 of 6 seeds of the arm reached the target"


def test_work_is_counted_and_has_no_interval(records: Any) -> None:
    epochs = records.epochs.copy()
    epochs.loc[epochs["arm"] == ADAM, "gradients"] *= 2
    rows = differences.compute(replace(records, epochs=epochs))
    row = rows[rows["measure"] == "gradients_per_step"].set_index(["reference", "arm"]).loc[(SGD, ADAM)]
    assert (row["mean"], row["mean_reference"], row["goal"], row["covers"]) == (2, 1, "", "")
    against = rows_against(rows, [SGD], ())
    assert set(against.loc[against["measure"] == "gradients_per_step", "word"]) == {NOT_TESTED}
    others = against[(against["arm"] == ADAM) & (against["measure"] != "test_accuracy")].to_dict("records")
    assert "gradients per step: 2.00 instead of 1.00" in beside(others)


# --- the reference -------------------------------------------------------------------------------------------


def test_the_reference_is_the_named_arm_else_the_files_else_the_best(records: Any) -> None:
    best = str(lead.compute(records)["best"].iloc[0])
    assert reference_arms(records) == [best]
    named = replace(records.meta, benchmark={**records.meta.benchmark, "report": {"against": "rmsprop"}})
    assert reference_arms(replace(records, meta=named)) == [RMSPROP]
    assert reference_arms(replace(records, meta=named), "adam") == [ADAM]
    assert reference_arms(records, SGD) == [SGD]


@pytest.mark.parametrize("name", ["adm", "", "lesson_cnn"])
def test_a_name_that_no_arm_has_is_refused_in_one_line(records: Any, name: str) -> None:
    with pytest.raises(BenchmarkError, match=r"^--against: must be an arm of the run, got '[^\n]*'; [^\n]+$"):
        reference_arms(records, name)


def test_an_optimizers_name_stands_for_its_arm_in_each_network(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=3, networks=("small", "large"))
    references = reference_arms(records, "adam")
    assert references == ["small/adam/cosine", "large/adam/cosine"]
    rows = rows_against(differences.compute(records), references, ())
    assert set(zip(rows["arm"], rows["reference"], strict=True)) == {
        ("small/sgd/cosine", "small/adam/cosine"),
        ("large/sgd/cosine", "large/adam/cosine"),
    }
    assert set(rows.loc[rows["measure"] == "test_accuracy", "arms"]) == {2}
    two = make_records(["sgd", "adam"], seeds=2, schedulers=("cosine", "constant"))
    with pytest.raises(BenchmarkError, match="adam/co"):
        reference_arms(two, "adam")  # which of its schedules is not said


def test_alarms_put_an_arm_in_doubt(records: Any) -> None:
    alarms = pd.DataFrame({"arm": [SGD, ADAM], "alarm": "edge", "state": ["quiet", "alarm"]})
    assert arms_in_doubt(records.meta, {"alarms": alarms}) == {ADAM}
    assert arms_in_doubt(records.meta, {}) == set()


def test_what_is_not_told_apart_has_that_word(table: pd.DataFrame) -> None:
    rows = made_up(table, difference=0.0, low=-0.004, high=0.004, p=1.0)
    assert set(rows_against(rows, [SGD], ())["word"]) == {NOT_APART}
