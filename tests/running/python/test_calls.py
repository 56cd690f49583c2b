"""``harness.run``, ``plan``, ``lr_find`` and ``predict``: the commands, from Python."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

import pytest

import harness
from harness import HarnessError
from harness.benchmark.overrides import overrides_of
from harness.errors import BenchmarkError
from harness.results.notebook import Loaded
from harness.running.python.calls import _command, _request

SMALL = {
    "search.trials": 1,
    "compare.seeds": 1,
    "compare.epochs": 1,
    "compare.untuned": 0,
    "compare.probes": [],
    "search.epochs": [1],
    "train.optimizers": ["sgd"],
    "report.formats": ["text"],
}


@pytest.fixture(scope="module")
def once(tmp_path_factory, repository):
    """A run from Python, with what it printed."""
    out = tmp_path_factory.mktemp("calls")
    with contextlib.redirect_stdout(io.StringIO()) as text:
        run = harness.run(repository / "tests" / "tiny.toml", out=out, set=SMALL)
    printed = text.getvalue().splitlines()
    return run, printed, out


def test_run_returns_the_run_and_prints_the_lines_of_the_command(once):
    run, printed, out = once
    assert isinstance(run, Loaded)
    assert run.folder.parent == out
    assert len(run.trials) == 1
    assert any("test accuracy" in line for line in printed)
    assert f"report: {run.folder / 'report.txt'}" in printed
    assert any(line.startswith("  1. sgd ") for line in printed)  # the ranks, as a run from the shell ends with


def test_the_same_call_goes_on_where_it_was_left(once, repository, capsys):
    run, _, out = once
    again = harness.run(repository / "tests" / "tiny.toml", out=out, set=SMALL)
    assert again.folder == run.folder
    assert again.runs["ended"].equals(run.runs["ended"])
    assert "nothing left to do" in capsys.readouterr().out


def test_the_run_knows_the_command_that_would_do_the_same(once):
    run, _, _ = once
    words = list(run.meta.command)
    assert words[:2] == ["harness", "run"]
    assert 'train.optimizers=["sgd"]' in words
    assert "search.trials=1" in words


def test_quiet_prints_nothing(once, repository, capsys):
    _, _, out = once
    harness.run(repository / "tests" / "tiny.toml", out=out, set=SMALL, quiet=True)
    assert capsys.readouterr().out == ""


def test_plan_shows_the_lines_of_the_command(repository, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    estimate = harness.plan(repository / "tests" / "tiny.toml", out=tmp_path, set=SMALL, quiet=True)
    assert repr(estimate).startswith("tiny: ")
    assert estimate.seconds == estimate.document["seconds_wall"] > 0
    assert not any(tmp_path.iterdir())


def test_lr_find_has_a_table_and_a_figure(repository):
    found = harness.lr_find(repository / "tests" / "tiny.toml", set=SMALL, steps=30, quiet=True)
    assert found.table["arm"].tolist() == ["lesson_cnn/sgd/cosine"] == list(found.lr)
    assert found.figure._repr_svg_().startswith("<svg")
    assert "lesson_cnn/sgd/cosine" in repr(found)
    assert found._repr_html_().count("<svg") == 1
    with pytest.raises(KeyError, match=r"lr: must be an arm, got 'sgd'; there is lesson_cnn/sgd/cosine"):
        found.lr["sgd"]
    with pytest.raises(HarnessError, match=r"^arms: must be an arm of the benchmark, got 'nobody'"):
        harness.lr_find(repository / "tests" / "tiny.toml", set=SMALL, arms=["nobody"], quiet=True)


def test_predict_returns_what_the_command_writes(once, photos, tmp_path, capsys):
    run, _, _ = once
    folder = photos(train=2, valid=2) / "valid" / "dogs"
    table = harness.predict(run, folder)
    assert "2 photos predicted\n" in capsys.readouterr().out
    assert len(table) == 2
    assert table["id"].tolist() == ["dogs.0.jpg", "dogs.1.jpg"]  # as the command names them
    written = harness.predict(run.folder, folder, out=tmp_path / "table.csv", quiet=True)
    assert (tmp_path / "table.csv").read_text().count("\n") == 3
    assert written["id"].tolist() == table["id"].tolist()
    numbers = table.select_dtypes("number").to_numpy()
    assert written.select_dtypes("number").to_numpy() == pytest.approx(numbers, rel=1e-5)


def test_errors_are_one_line_and_never_end_the_process(tmp_path):
    with pytest.raises(BenchmarkError, match="must be a benchmark file") as error:
        harness.run(tmp_path / "nowhere.toml")
    assert "\n" not in str(error.value)
    file = tmp_path / "file.toml"
    file.write_text('name = "x"\n')
    with pytest.raises(BenchmarkError, match=r"file\.toml: profile: must name a profile of the file"):
        harness.plan(file, profile="nobody", quiet=True)
    with pytest.raises(BenchmarkError, match=r"^time_limit: must be .*, got 'soon'"):
        harness.plan(file, time_limit="soon", quiet=True)
    with pytest.raises(BenchmarkError, match=r"^set: data\.size: must be "):
        harness.plan(file, set={"data.size": 0}, quiet=True)


def test_values_become_words_of_the_command_line():
    import numpy as np

    assert overrides_of({"a.b": (1, 2.5), "c": {"d": "x\"y"}, "e": np.float64(0.5), "f": True}) == (
        "a.b=[1, 2.5]", 'c={ d = "x\\"y" }', "e=0.5", "f=true",
    )  # fmt: skip
    with pytest.raises(TypeError, match="set: must have texts, numbers"):
        overrides_of({"a": None})
    with pytest.raises(TypeError, match="set: must be a mapping"):
        overrides_of(["a=1"])


def test_a_request_has_its_words_and_the_command_line_reads_them(tmp_path):
    from typer.main import get_command

    from harness.cli.app import app

    more = {"only_search": True, "extend": False, "retry": True, "reuse": None, "no_reuse": True}
    request = _request("a.toml", "p", "d", "o", ["x.py"], ["y"], {"k": 1}, None, **more)
    words = _command("run", request)
    run = get_command(app).commands["run"]
    with run.make_context("run", words[2:]) as context:
        chosen = context.params
    assert (chosen["profile"], str(chosen["data"]), str(chosen["out"])) == ("p", "d", "o")
    assert (chosen["set_"], chosen["block"]) == (["k=1"], ["y"])
    assert (chosen["only_search"], chosen["extend"], chosen["retry"], chosen["no_reuse"]) == (True, False, True, True)


def test_import_harness_stays_fast():
    heavy = "{'torch', 'pandas', 'typer', 'matplotlib', 'optuna', 'numpy', 'scipy'}"
    code = f"import sys, harness; 'run' in dir(harness); print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
