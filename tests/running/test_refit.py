"""The refit: trained on train and tune together, used by name, and in no table of the comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.console.progress import Reporter
from harness.errors import BenchmarkError, RunFolderError
from harness.models.choice import choose_model
from harness.models.export import ExportRequest, export
from harness.records import open_records
from harness.records.checked import load_arrays, load_tensors
from harness.records.schema import prediction, solution
from harness.running import fold_data
from harness.running.prepare import Request
from harness.running.start import run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small run without a refit, what its records were, and the same run with one."""
    folder = tmp_path_factory.mktemp("refit")
    text = (Path(__file__).parents[1] / "tiny.toml").read_text(encoding="utf-8")
    text = text.replace("trials = 3", "trials = 1").replace("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false")
    file = folder / "tiny.toml"
    file.write_text(text, encoding="utf-8")
    assert run(Request(file, out=folder / "runs"), Reporter(quiet=True)) == 0
    (runs,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    before = open_records(runs)
    with pytest.raises(
        RunFolderError, match=r"must have a refit for --arm refit, got none; 'harness run FILE\.toml --refit'"
    ):
        choose_model(before, "refit")
    page = ('report.formats=["html"]',)
    assert run(Request(file, out=folder / "runs", refit=True, overrides=page), Reporter(quiet=True)) == 0
    return before, open_records(runs), runs


def test_it_is_the_best_run_with_more_examples_and_its_weights_are_kept(made):
    _, records, folder = made
    refit = records.meta.refit
    best = choose_model(records)
    assert (refit["arm"], refit["of"], refit["examples"]) == (best.arm, best.run_ids[0], 64 + 32)
    first, second = (records.recipes[refit[key]] for key in ("of", "run_id"))
    assert {key for key in first if first[key] != second[key]} == {"data"}
    weights = [load_tensors(solution(folder, refit[key]))[0] for key in ("of", "run_id")]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert len(load_arrays(prediction(folder, refit["run_id"]))["predictions"]) == 64


def test_no_table_of_the_comparison_has_it(made):
    before, records, _ = made
    refit = records.meta.refit["run_id"]
    for table in ("comparison", "runs", "trials", "measured"):
        assert len(getattr(records, table)) == len(getattr(before, table)), table
    assert refit not in {*records.comparison["run_id"], *records.runs["run_id"], *records.compared()["run_id"]}
    assert list(records.meta.comparison) == list(before.meta.comparison)


def test_it_is_used_by_name_and_the_card_and_the_page_say_what_it_is(made, tmp_path):
    _, records, folder = made
    choice = choose_model(records, "refit")
    assert choice.run_ids == (records.meta.refit["run_id"],)
    assert choice.why.endswith("trained again on 96 examples of train and tune")
    with pytest.raises(BenchmarkError, match="--arm refit: must be one network"):
        choose_model(records, "refit", ensemble=True)
    out, description = export(ExportRequest(folder, tmp_path / "model", arm="refit"), Reporter(quiet=True))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "This network was trained on train and tune together, 96 in all." in card
    assert "named by hand" not in card
    assert (
        json.loads((out / "model.json").read_text(encoding="utf-8"))["refit"]
        == description["refit"]
        == dict(records.meta.refit)
    )
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "was trained again on 96 examples of train and tune together" in page


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
