"""``harness compare``: what differs is said first, differences have the right intervals, and regressions are flagged."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from typing import Any

import numpy as np
import pytest
from harness_reports import html
from harness_reports._words.several import answer
from scipy import stats

from harness.cli.app import main
from harness.cli.compare import document, lines
from harness.results.several import open_several

ARM = "lesson_cnn/optimizer-1/cosine"


@pytest.fixture(scope="module")
def first(written_records: Any, tmp_path_factory: Any) -> Any:
    """A run of three arms and six seeds."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    written_records(folder, trials=12, epochs=3, arms=3, seeds=6, tested=16)
    return folder


@pytest.fixture
def other(first: Any, tmp_path: Any) -> Any:
    """Return a function that copies the first run as if it was trained again, and changes the deciding metric or a fact; ``taken`` leaves the trainings."""

    def make(
        name: str = "second",
        change: Any = None,
        facts: Any = None,
        recipe: Any = None,
        drop: int = 0,
        taken: bool = False,
    ) -> Any:
        folder = tmp_path / name
        shutil.copytree(first, folder)
        db = sqlite3.connect(folder / "run.db")
        found = db.execute("SELECT run_id, arm, seed, metrics, recipe FROM runs WHERE phase = 'compare'").fetchall()
        for run_id, arm, seed, metrics, said in found:
            numbers = json.loads(metrics)
            if change:
                numbers["test_accuracy"] = change(arm, seed, numbers["test_accuracy"])
            new = json.dumps(recipe(json.loads(said))) if recipe else said
            state = "failed" if seed < drop else "done"
            again = "" if taken else "Z"  # a run that was trained a second time ended at another time
            db.execute(
                "UPDATE runs SET metrics = ?, recipe = ?, state = ?, ended = ended || ? WHERE run_id = ?",
                (json.dumps(numbers), new, state, again, run_id),
            )
        for key, edit in (facts or {}).items():
            known = json.loads(db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])
            db.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps(edit(known)), key))
        db.commit()
        db.close()
        return folder

    return make


@pytest.fixture
def harness(capsys: Any) -> Any:
    def call(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["compare", *map(str, arguments)])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err  # type: ignore[return-value]

    return call


def values(folder: Any, arm: str) -> Any:
    db = sqlite3.connect(folder / "run.db")
    found = db.execute("SELECT metrics FROM runs WHERE phase = 'compare' AND arm = ? ORDER BY seed", (arm,)).fetchall()
    db.close()
    return np.array([json.loads(text)["test_accuracy"] for (text,) in found])


def worse(arm: str, seed: int, value: float) -> float:
    return value - 0.02 + 0.001 * seed if arm == ARM else value


def row_of(several: Any, arm: str = ARM) -> Any:
    return several.changes.set_index("arm").loc[arm]


# --- what changed --------------------------------------------------------------------------------------------


def test_an_arm_that_became_worse_is_a_regression_and_the_others_are_identical(first: Any, other: Any) -> None:
    later = other(change=worse)
    several = open_several([first, later])
    row, wanted = row_of(several), stats.ttest_rel(values(later, ARM), values(first, ARM))
    assert row["state"] == "regression"
    assert row["how"] == "paired by seed"
    assert row["change"] == pytest.approx((values(later, ARM) - values(first, ARM)).mean())
    assert row["p"] == pytest.approx(wanted.pvalue)
    assert row["adjusted"] == pytest.approx(3 * wanted.pvalue)  # Holm over three arms
    assert set(several.changes["state"]) == {"regression", "identical"}
    assert several.differs.empty


def test_better_is_an_improvement_and_the_goal_decides_which_is_which(first: Any, other: Any) -> None:
    def loss(meta: Any) -> Any:
        return {**meta, "accuracy": {"goal": "min", "unit": "%", "each": True}}

    def better(arm: str, seed: int, value: float) -> float:
        return value + 0.02 - 0.001 * seed

    later = other(change=better)
    assert set(open_several([first, later]).changes["state"]) == {"improvement"}
    one, two = (other(name, change, {"metrics": loss}) for name, change in (("a", None), ("b", better)))
    assert set(open_several([one, two]).changes["state"]) == {"regression"}


def test_a_difference_below_the_margin_is_none_that_matters(first: Any, other: Any) -> None:
    later = other(change=lambda arm, seed, value: value - 0.003 + 0.0001 * seed)
    assert set(open_several([first, later]).changes["state"]) == {"within the margin"}
    assert set(open_several([first, later], margin=0.1).changes["state"]) == {"regression"}  # in points


def test_noise_is_not_shown(first: Any, other: Any) -> None:
    later = other(change=lambda arm, seed, value: value + (0.03 if seed % 2 else -0.03))
    assert set(open_several([first, later]).changes["state"]) == {"not shown"}


def test_another_start_is_compared_by_welch(first: Any, other: Any) -> None:
    def changed(recipe: Any) -> Any:
        return {**recipe, "plugins": {**recipe["plugins"], "backbone": "ee" * 32}}

    later = other(change=worse, recipe=changed)
    several = open_several([first, later])
    assert row_of(several)["how"] == "Welch"
    assert row_of(several)["p"] == pytest.approx(
        stats.ttest_ind(values(later, ARM), values(first, ARM), equal_var=False).pvalue
    )
    assert several.differs.set_index("what").loc["backbone lesson_cnn", "second"] == "ee" * 6


def test_fewer_seeds_are_paired_with_their_own(first: Any, other: Any) -> None:
    row = row_of(open_several([first, other(change=worse, drop=3)]))
    assert (row["how"], row["seeds"]) == ("paired by seed", 3)


def test_other_data_are_side_by_side_only(first: Any, other: Any) -> None:
    later = other(change=worse, facts={"data": lambda data: {**data, "fingerprint": "fedcba9876543210"}})
    several = open_several([first, later])
    assert set(several.changes["how"]) == {"other data"}
    assert set(several.changes["state"]) == {"not comparable"}
    assert several.regressions.empty
    assert list(several.differs["group"]) == ["data"]
    assert several.scores.set_index(["arm", "run"]).loc[(ARM, "second"), "mean"] < 0.93
    assert "Side by side only" in answer(several)


def test_what_differs_is_said_by_group(first: Any, other: Any) -> None:
    def benchmark(known: Any) -> Any:
        return {**known, "name": "renamed", "train": {**known["train"], "l2": 0.1}}

    def environment(known: Any) -> Any:
        return {**known, "versions": {**known["versions"], "torch": "2.15"}}

    several = open_several([first, other(facts={"benchmark": benchmark, "environment": environment})])
    rows = several.differs.to_dict("records")
    assert rows == [
        {"group": "benchmark", "what": "train.l2", "first": "0.0005", "second": "0.1"},
        {"group": "versions", "what": "torch", "first": "\N{EN DASH}", "second": "2.15"},
    ]
    said = lines(several)
    assert said[1] == "  benchmark, train.l2: 0.0005 | 0.1"


# --- the command ---------------------------------------------------------------------------------------------


def test_console_and_exit_codes(first: Any, other: Any, harness: Any) -> None:
    later = other(change=worse)
    code, out, _ = harness(first, later)
    assert code == 0
    assert "REGRESSION" in out
    assert out.splitlines()[-1] == "1 regression shown"
    assert harness(first, later, "--fail-on-regression")[0] == 1
    assert harness(later, first, "--fail-on-regression")[0] == 0  # the other way round it is an improvement


def test_json_is_strict_and_whole(first: Any, other: Any, harness: Any) -> None:
    _, out, _ = harness(first, other(drop=6), "--json")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    assert [run["label"] for run in found["runs"]] == ["first", "second"]
    assert [row["state"] for row in found["changes"]] == ["not comparable"] * 3
    assert len(found["scores"]) == 6
    assert "mean" not in found["scores"][-1]
    assert found["regressions"] == 0


def test_page_is_one_file_without_requests_and_hostile_names_stay_text(
    first: Any, other: Any, harness: Any, tmp_path: Any
) -> None:
    def environment(known: Any) -> Any:
        return {**known, "hardware": {**known["hardware"], "device": "<script>alert(1)</script>"}}

    later = other('<img src=x> "\U0001f600" #', change=worse, facts={"environment": environment})
    page = tmp_path / "page.html"
    code, out, _ = harness(first, later, "--out", page)
    assert code == 0
    assert out.splitlines()[-1] == str(page)
    text = page.read_text()
    assert "<script>alert(1)" not in text
    assert "<img" not in text
    assert "&lt;img src=x&gt;" in text
    assert "Regression: lesson_cnn/optimizer-1/cosine" in text
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text.index("What differs") < text.index("Results")
    several = open_several([first, later])
    assert html.render_several(several) == text


def test_markdown_is_for_a_pull_request(first: Any, other: Any, harness: Any, tmp_path: Any) -> None:
    out = tmp_path / "page.md"
    harness(first, other("a|b", change=worse), "--out", out)
    text = out.read_text()
    assert text.startswith("<!-- optimizer-harness -->\n\n**Regression: lesson\\_cnn/optimizer-1/cosine is ")
    tables = [line for line in text.splitlines() if "/cosine |" in line]
    assert len(tables) == 6  # three arms, three changes
    assert "a\\|b" in text


def test_three_runs_are_each_compared_with_the_first(first: Any, other: Any) -> None:
    several = open_several([first, other("b", change=worse), other("c")])
    assert list(several.changes["run"]) == ["b"] * 3 + ["c"] * 3
    assert document(several)["regressions"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["FIRST"], "error: compare: must be two runs or more, got 1"),
        (["FIRST", "FIRST"], "error: compare: must be different run folders, got one of them twice"),
        (["FIRST", "nowhere"], "error: nowhere: must be a run folder, got nothing there"),
        (["FIRST", "OTHER", "--out", "page.pdf"], "error: compare --out: must end in .html or .md, got 'page.pdf'"),
        (["FIRST", "OTHER", "--out", "no/where/page.html"], "error: compare --out: must be a file that can be written"),
        (
            ["ONE", "REST"],
            (
                "error: compare: must be runs with an arm in common, got one with lesson_cnn/optimizer-0/cosine, rest with "
                "lesson_cnn/optimizer-1/cosine and lesson_cnn/optimizer-2/cosine; run one again with train.optimizers of the other\n"
            ),
        ),
        (["FIRST", "LOSS"], "error: compare: must be runs decided by one metric, got accuracy in first, loss in loss"),
    ],
)
def test_wrong_input_gets_one_line(arguments: list[str], says: str, first: Any, other: Any, harness: Any) -> None:
    made = {
        "FIRST": lambda: first,
        "OTHER": other,
        "ONE": lambda: other("one", facts={"arms": lambda arms: arms[:1]}),
        "REST": lambda: other("rest", facts={"arms": lambda arms: arms[1:]}),
        "LOSS": lambda: other("loss", facts={"metric": lambda _: "loss"}),
    }
    code, _, err = harness(*(made[each]() if each in made else each for each in arguments))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert err.startswith(says)


def test_equal_folder_names_are_told_apart(first: Any, other: Any, tmp_path: Any) -> None:
    (tmp_path / "there").mkdir()
    again = shutil.move(other("first"), tmp_path / "there" / "first")
    labels = open_several([first, again]).labels
    assert labels[1] == "there/first"
    assert len(set(labels)) == 2


def test_runs_that_ended_without_a_finite_metric_are_said_as_they_are(first: Any, other: Any, harness: Any) -> None:
    nan = other("nan", change=lambda arm, seed, value: math.nan if arm == ARM else value)
    code, out, err = harness(first, nan)
    assert (code, err) == (0, "")
    assert "nan: no result (6 not finite)" in out


# --- runs that were taken over -------------------------------------------------------------------------------


def test_trainings_that_were_taken_over_are_named_and_not_compared(first: Any, other: Any, harness: Any) -> None:
    """A run that took the runs of another over has measured nothing a second time."""
    later = other(taken=True)
    several = open_several([first, later])
    assert set(several.changes["state"]) == {"the same trainings"}
    assert several.changes["change"].isna().all()
    assert several.changes["p"].isna().all()
    assert list(several.changes["shared"]) == [6, 6, 6]
    text = "\n".join(lines(several))
    assert text.count("6 seeds from the same trainings, taken over: nothing was measured twice") == 3
    assert "identical" not in text
    assert answer(several) == "Nothing was measured twice: 3 arms have the same trainings in both"
    assert "the same trainings" in html.harness_reports()[0].compare(several)


def test_an_arm_that_was_trained_again_is_compared_beside_those_that_were_taken_over(first: Any, other: Any) -> None:
    """Holm counts the arms that were measured twice, and no others."""
    several = open_several([first, other(taken=True, change=worse)])
    row = row_of(several)
    assert (row["state"], row["shared"]) == ("regression", 0)
    assert row["adjusted"] == pytest.approx(row["p"])
    states = several.changes.set_index("arm")["state"].drop(ARM)
    assert set(states) == {"the same trainings"}
    improved = other("better", lambda arm, seed, value: value + (0.02 + 0.001 * seed) * (arm == ARM), taken=True)
    assert "2 arms with the same trainings in both" in answer(open_several([first, improved]))


def test_seeds_that_share_a_training_are_counted_beside_the_others(first: Any, other: Any) -> None:
    later = other(taken=True, change=lambda arm, seed, value: value - 0.01 * seed)
    several = open_several([first, later])
    assert set(several.changes["shared"]) == {1}  # that of seed 0, whose score is the same
    assert "(1 of 6 seeds are the same trainings)" in "\n".join(lines(several))
    assert html.render_several(several).count("<td>paired by seed, 6 seeds, 1 of them the same trainings</td>") == 3
