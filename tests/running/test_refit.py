"""The refit: trained on train and tune together, used by name, and in no table of the comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, RunFolderError
from harness.models.choice import choose_model
from harness.models.export import ExportRequest, export
from harness.records import open_records
from harness.records.checked import load_arrays, load_tensors
from harness.records.schema import prediction, solution
from harness.results.document import show_lines
from harness.running import fold_data
from harness.running.prepare import Request
from harness.running.start import run


@pytest.fixture(scope="module")
def made(tmp_path_factory, undrawing):
    """A small run without a refit, what its records were, and the same run with one of each arm."""
    folder = tmp_path_factory.mktemp("refit")
    text = (Path(__file__).parents[1] / "tiny.toml").read_text(encoding="utf-8").replace("trials = 3\n", "")
    small = ("search.trials=1", "compare.seeds=1", "compare.untuned=0")
    file = folder / "tiny.toml"
    file.write_text(text, encoding="utf-8")
    assert run(Request(file, out=folder / "runs", preset="quick", overrides=small), Reporter(quiet=True)) == 0
    (runs,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    before = open_records(runs)
    with pytest.raises(
        RunFolderError, match=r"must have a refit for --arm 'refit', got none; 'harness run FILE\.toml --refit'"
    ):
        choose_model(before, "refit")
    page = (*small, 'report.formats=["html"]')
    request = Request(file, out=folder / "runs", preset="quick", refit=True, overrides=page)
    with pytest.raises(
        BenchmarkError, match="--refit-arm: must be an arm of the benchmark, got 'adams'; did you mean 'adam'"
    ):
        run(replace(request, refit_arms=("sgd", "adams")), Reporter(quiet=True))
    with undrawing():  # words are read
        assert run(replace(request, refit_arms=("sgd", "adam")), Reporter(quiet=True)) == 0
    return before, open_records(runs), runs


def test_it_is_the_best_run_with_more_examples_and_its_weights_are_kept(made):
    _, records, folder = made
    best = choose_model(records)
    refit = records.meta.refits[best.arm]
    assert (refit["arm"], refit["of"], refit["examples"]) == (best.arm, best.run_ids[0], 64 + 32)
    first, second = (records.recipes[refit[key]] for key in ("of", "run_id"))
    assert {key for key in first if first[key] != second[key]} == {"data"}
    weights = [load_tensors(solution(folder, refit[key]))[0] for key in ("of", "run_id")]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    after = load_arrays(prediction(folder, refit["run_id"]))["predictions"]
    assert len(after) == 64
    right = (after.argmax(-1) == records.targets).mean()
    assert refit["test"] == pytest.approx(right)
    assert refit["test_before"] == records.compared().set_index("run_id").loc[refit["of"], "test_accuracy"]


def test_an_arm_that_is_named_is_trained_so_too_from_its_own_best_run(made):
    _, records, _ = made
    assert set(records.meta.refits) == set(records.meta.arms)
    for arm, refit in records.meta.refits.items():
        choice = choose_model(records, f"refit:{arm.split('/')[1]}")
        assert (choice.arm, choice.run_ids) == (arm, (refit["run_id"],))
        assert (refit["of"],) == choose_model(records, arm).run_ids
    with pytest.raises(RunFolderError, match=r"got refits of .*; 'harness run FILE\.toml --refit-arm lion' trains one"):
        choose_model(records, "refit:lion")


def test_the_records_the_page_and_the_console_have_the_preset(made):
    _, records, folder = made
    line = "preset quick, a leaderboard of one search of each arm, without a verdict: search.confirm = 0, compare.looks = [1]"
    assert records.meta.preset["line"].startswith(line)
    assert records.meta.preset["replaced"] == ["search.trials", "compare.seeds", "compare.untuned"]
    assert any(shown.startswith(f"note: {line}") for shown in show_lines(show(folder)))
    assert line.removeprefix("preset ") in (folder / "report.html").read_text(encoding="utf-8")


def test_no_table_of_the_comparison_has_it(made):
    before, records, _ = made
    refits = {refit["run_id"] for refit in records.meta.refits.values()}
    for table in ("comparison", "runs", "trials", "measured"):
        assert len(getattr(records, table)) == len(getattr(before, table)), table
    assert refits.isdisjoint({*records.comparison["run_id"], *records.runs["run_id"], *records.compared()["run_id"]})
    assert list(records.meta.comparison) == list(before.meta.comparison)


def test_it_is_used_by_name_and_the_card_and_the_page_say_what_it_is(made, tmp_path):
    _, records, folder = made
    best, choice = choose_model(records).arm, choose_model(records, "refit")
    assert choice.run_ids == (records.meta.refits[best]["run_id"],)
    assert choice.why.endswith("trained again on 96 examples of train and tune")
    with pytest.raises(BenchmarkError, match="--arm refit: must be one network"):
        choose_model(records, "refit", ensemble=True)
    out, description = export(ExportRequest(folder, tmp_path / "model", arm="refit"), Reporter(quiet=True))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "This network was trained on train and tune together, 96 in all." in card
    assert "named by hand" not in card
    written = json.loads((out / "model.json").read_text(encoding="utf-8"))["refit"]
    assert written == description["refit"] == {**records.meta.refits[best], "best": True}
    behind = next(arm for arm in records.meta.arms if arm != best)
    out, _ = export(ExportRequest(folder, tmp_path / "named", arm=f"refit:{behind}"), Reporter(quiet=True))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "The arm was named by hand, and trained once more on train and tune together." in card
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("was trained again on 96 examples of train and tune together: test accuracy") == 2
    assert f"“--arm refit:{behind}”" in page


def test_joined_data_are_all_examples_but_those_of_the_test_split(made):
    from harness.plugin.contracts import Data, Split

    def split(first, count):
        return Split(
            np.arange(first, first + count, dtype=np.float32)[:, None], np.arange(count), tuple(map(str, range(count)))
        )

    data = Data("d", split(0, 5), split(5, 2), split(7, 3), "f" * 64, "nowhere")
    joined = fold_data.joined(data)
    assert joined.train.inputs[:, 0].tolist() == list(range(7))
    assert (joined.test.inputs is data.test.inputs, len(joined.tune)) == (True, 2)
    assert joined.fingerprint == fold_data.joined_fingerprint(data) != data.fingerprint
