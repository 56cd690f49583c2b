"""The work of arms by its definition, beside the scores and in the budget curves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.search import budget
from harness_reports import latex, markdown
from harness_reports._words.outcome import Outcome
from harness_reports._words.work import HEADS, in_powers, work_rows, work_sentence

from harness import Records, Results
from harness.results.tables import work

SGD, SAM, LION = "lesson_cnn/sgd/cosine", "lesson_cnn/sam/cosine", "lesson_cnn/lion/cosine"
COUNTED = {
    SGD: {"network": 1e6, "own": 3e5, "weights": 100_000, "problem": ""},
    SAM: {"network": 1e6, "own": 5e5, "weights": 100_000, "problem": ""},
    LION: {"network": None, "own": 5e5, "weights": 100_000, "problem": "the network: no shapes"},
}
BATCH, STEPS = 64, 16 * 12  # of the made-up records


@pytest.fixture
def records(make_records: Any) -> Records:
    """Records in which SAM has evaluated two gradients a step, and the network of Lion could not be counted."""
    made: Records = make_records(["sgd", "sam", "lion"], seeds=2)
    epochs = made.epochs.assign(gradients=made.epochs["steps"] * np.where(made.epochs["arm"] == SAM, 2, 1))
    return replace(made, epochs=epochs, meta=replace(made.meta, work=COUNTED))


def test_a_row_per_arm_says_what_a_step_and_what_a_run_takes(records: Records) -> None:
    table = work.compute(records).set_index("arm")
    assert table.loc[[SGD, SAM], "gradients"].tolist() == [1, 2]
    assert table.loc[[SGD, SAM], "examples"].tolist() == [BATCH, 2 * BATCH]
    assert table.loc[SAM, "network"] == 2 * BATCH * 1e6
    assert table.loc[SAM, "own"] == 2 * 5e5
    assert table.loc[SAM, ["steps", "all_gradients"]].tolist() == [STEPS, 2 * STEPS]
    least, most = STEPS * (BATCH * 1e6 + 3e5), 2 * STEPS * (BATCH * 1e6 + 5e5)
    assert table.loc[[SGD, SAM], "operations"].tolist() == pytest.approx([least, most])
    assert table.loc[[SGD, SAM], "times_least"].tolist() == pytest.approx([1, most / least])


def test_what_was_not_counted_is_missing_with_its_reason(records: Records) -> None:
    table = work.compute(records).set_index("arm")
    assert table.loc[LION, "gradients"] == 1
    assert table.loc[LION, ["network", "operations", "times_least"]].isna().all()
    assert table.loc[LION, "problem"] == "the network: no shapes"
    alone = work.compute(replace(records, meta=replace(records.meta, work={})))
    assert (alone["problem"] == "its operations were not counted").all()
    assert alone["gradients"].notna().all()
    failed = replace(records, runs=records.runs.assign(state="failed"))
    assert set(work.compute(failed)["problem"]) == {"no comparison run has ended well", "the network: no shapes"}


def test_a_batch_is_the_tuned_one_or_that_of_the_head_and_never_more_than_the_examples(records: Records) -> None:
    tuned = [{"batch_size": 10_000}, {"batch_size": 8}, {}]
    table = work.compute(replace(records, arms=records.arms.assign(tuned_params=tuned))).set_index("arm")
    assert table["batch"].tolist() == [records.meta.data["counts"]["train"], 8, BATCH]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_budgets_are_laid_out_by_what_their_trials_take(records: Records, sampler: str) -> None:
    records.meta.benchmark["search"]["sampler"] = sampler
    trials = records.trials
    epochs = [
        {
            "run_id": run,
            "arm": arm,
            "phase": "search",
            "seed": 0,
            "epoch": many,
            "steps": 10 * many,
            "gradients": 20 * many,
        }
        for run, arm, many in zip(trials["run_id"], trials["arm"], trials["trained"], strict=True)
    ]
    table = budget.compute(replace(records, epochs=pd.DataFrame(epochs)))
    for arm in (SGD, SAM):
        trained = trials[trials["arm"] == arm].sort_values("number")["trained"].to_numpy()
        expected = np.cumsum(trained) if sampler == "tpe" else trained.mean() * np.arange(1, len(trained) + 1)
        of_arm = table[table["arm"] == arm]
        np.testing.assert_allclose(of_arm["steps"], 10 * expected)
        np.testing.assert_allclose(of_arm["gradients"], 20 * expected)
        each = BATCH * COUNTED[arm]["network"] + COUNTED[arm]["own"]  # type: ignore[operator]
        np.testing.assert_allclose(of_arm["operations"], 20 * expected * each)


def test_reports_say_it_beside_the_scores(records: Records, analysed: Any) -> None:
    results: Results = analysed(records)
    results = replace(results, tables={**results.tables, "work": work.compute(records)})
    assert work_sentence(Outcome(results)) == ("Equal steps are not equal work. Gradients a step: sam 2; other arms 1.")
    rows = work_rows(Outcome(results))
    assert rows[1] == ["sam", "2", "128", "129 M", "1 M", "2.01"]
    assert rows[2][3:] == ["not counted", "500 k", "\N{EN DASH}"]
    assert "| sam | 2" in markdown.render(results)
    assert r"\label{tab:made-up-work}" in latex.render(results)
    table = latex.render(results).partition(r"\label{tab:made-up-work}")[2]
    assert all(word in table for head in HEADS for word in head.replace("%", r"\%").split())
    assert work_rows(Outcome(analysed(records))) == []
    assert work_sentence(Outcome(analysed(records))) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (1500, "1.5 k"), (2.5e9, "2.5 G"), (float("nan"), "\N{EN DASH}")]
)
def test_large_numbers_have_a_letter(value: float, text: str) -> None:
    assert in_powers(value) == text
