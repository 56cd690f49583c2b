"""Baselines as data: a run that imports its rivals says of them what the run that trained them said, or is refused."""

from __future__ import annotations

import html
import json
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from harness.benchmark.sections import Benchmark, as_plain
from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, DataError, RunFolderError
from harness.records import open_records, schema
from harness.running.baseline import match, pack, read_baseline
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.verdict.protocol import BEFORE

QUIET = Reporter(quiet=True)
PAGE = ('report.formats=["html"]',)
SGD, ADAM, RMSPROP = (f"linear/{name}/cosine" for name in ("sgd", "adam", "rmsprop"))
BENCHMARK = """
name = "rows"
[data]
dataset = "diabetes"
[train]
executor = "inprocess"
task = "regression"
backbones = ["linear"]
optimizers = [{optimizers}]
batch_size = 64
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 2
epochs = [1, 2]
sampler = "random"
[compare]
looks = [3]
seeds = 1
epochs = 2
untuned = 1
twins = 1
[report]
formats = ["text"]
paths = false
"""


@pytest.fixture(scope="module")
def carry_out(tmp_path_factory, undrawing, leave_out_reports):
    """Return a function that carries a benchmark out in a folder of its own and returns its records.

    It is reported where the page is wanted. Then words are read, and no figure.
    """

    def carry_out(optimizers, *more, overrides=(), folder=None, code=0):
        folder = folder or tmp_path_factory.mktemp("run")
        names = ", ".join(f'"{name}"' for name in optimizers)
        (folder / "b.toml").write_text(BENCHMARK.format(optimizers=names) + "\n".join(more))
        request = Request(folder / "b.toml", out=folder / "runs", overrides=tuple(overrides))
        with undrawing(), pytest.MonkeyPatch.context() as patch:
            if not {*PAGE} & {*overrides}:
                leave_out_reports(patch)
            assert run(request, QUIET) == code
        (made,) = (folder / "runs").iterdir()
        return open_records(made)

    return carry_out


@pytest.fixture(scope="module")
def all_three(carry_out):
    """The run that trained all arms itself."""
    return carry_out(["sgd", "adam", "rmsprop"])


@pytest.fixture(scope="module")
def file(all_three, tmp_path_factory):
    """Its baseline, with solutions."""
    return pack(all_three.folder, tmp_path_factory.mktemp("baseline") / "b.zip", solutions=True).file


@pytest.fixture(scope="module")
def imported(carry_out, file):
    """The run that trained sgd and took the others from the file."""
    return carry_out(["sgd"], f'[baseline]\nfile = "{file}"\narms = ["adam", "{RMSPROP}"]', overrides=PAGE)


def same(one: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> None:
    """Assert that two tables have the same rows, but for when and how fast they were made."""
    when = ["seconds", "started", "ended", "position"]
    tables = [t.sort_values(keys).reset_index(drop=True)[sorted(set(t.columns) - set(when))] for t in (one, other)]
    pd.testing.assert_frame_equal(*tables)


def test_imported_arms_stand_in_every_table_as_if_trained_here(all_three, imported):
    assert imported.meta.arms == [SGD, ADAM, RMSPROP]
    same(imported.arms, all_three.arms, ["arm"])
    same(imported.trials, all_three.trials, ["arm", "number"])
    same(imported.repeated, all_three.repeated, ["search", "number"])
    same(imported.runs, all_three.runs, ["run_id"])
    same(imported.epochs, all_three.epochs, ["run_id", "epoch"])
    own = all_three.comparison
    same(imported.comparison, own, ["run_id", "role"])
    assert set(own["role"]) == {"fresh", "twin", "untuned"}  # convex: no restarts
    for run_id in own["run_id"]:
        for split in ("test", "tune"):
            np.testing.assert_array_equal(imported.predictions(run_id, split), all_three.predictions(run_id, split))
    assert set(imported.scores) == set(all_three.scores)
    assert set(imported.meta.work) >= {SGD, ADAM, RMSPROP}
    for key in ("spaces", "optimizers", "references", "scheduler_references", "convex", "roles", "work"):
        assert getattr(imported.meta, key) == getattr(all_three.meta, key)
    (registered,) = imported.meta.protocols
    assert registered["protocol"]["arms"] == [SGD, ADAM, RMSPROP]
    assert registered["registered"] == BEFORE


def test_every_analysis_says_the_same_and_the_report_names_the_file(all_three, imported, file):
    from harness.results.tables import leaderboard, winner

    for module in (leaderboard, winner):
        one, other = (module.compute(records) for records in (imported, all_three))
        same(one[one.get("metric") != "seconds"], other[other.get("metric") != "seconds"], ["arm", "metric"])
    about = imported.meta.baseline
    assert about["file"] == file.name
    assert about["sha256"] == read_baseline(file).sha256
    page = (imported.folder / "report.html").read_text()
    assert file.name in page
    assert about["sha256"][:12] in page


PROBE = """
from harness import Probe, hookimpl


def measure(one, other):
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return {"apart": sum((a - b).square().sum().item() for a, b in pairs) ** 0.5}


@hookimpl
def harness_probes():
    return [Probe(name="apart", measure=measure, networks=2)]
"""


def test_probes_of_pairs_look_at_imported_networks_where_their_weights_came_along(carry_out, all_three, file, tmp_path):
    from safetensors.numpy import load_file

    plain = pack(all_three.folder, tmp_path / "plain.zip").file
    for baseline, arms in ((file, {SGD, ADAM}), (plain, {SGD})):
        folder = tmp_path / baseline.stem
        folder.mkdir()
        (folder / "apart.py").write_text(PROBE)
        text = f'[baseline]\nfile = "{baseline}"\narms = ["adam"]'
        probed = ("plugins=['apart.py']", "compare.probes=['apart']")
        shown = PAGE if baseline == plain else ()
        records = carry_out(["sgd"], text, overrides=(*probed, *shown), folder=folder)
        of = records.compared().set_index("run_id")["arm"]
        assert {of[run] for run in (*records.measured["one"], *records.measured["other"])} == arms
        for row in records.measured.itertuples():
            one, other = (load_file(schema.solution(records.folder, run)) for run in (row.one, row.other))
            distance = np.sqrt(sum(np.square(one[name] - other[name]).sum() for name in one))
            assert row.value == pytest.approx(distance, rel=1e-5)
    page = html.unescape((records.folder / "report.html").read_text())
    assert "What needs their weights was not measured." in page


def test_going_on_changes_nothing_and_leaving_the_baseline_out_takes_it_out(carry_out, file, tmp_path):
    asked = f'[baseline]\nfile = "{file}"\narms = ["adam"]'
    first = carry_out(["sgd"], asked, folder=tmp_path)
    again = carry_out(["sgd"], asked, folder=tmp_path)
    assert again.folder == first.folder
    pd.testing.assert_frame_equal(again.runs, first.runs)  # the times too: nothing was trained
    other = carry_out(["sgd"], f'[baseline]\nfile = "{file}"\narms = ["rmsprop"]', folder=tmp_path)
    assert other.meta.arms == [SGD, RMSPROP]
    assert not schema.prediction(first.folder, first.compared().query("arm == @ADAM")["run_id"].iloc[0]).exists()
    alone = carry_out(["sgd"], folder=tmp_path)
    assert alone.meta.arms == [SGD]
    assert set(alone.runs["arm"]) == {SGD}
    before = first.runs.query("arm == @SGD").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.runs, before[alone.runs.columns])


def test_the_same_run_gives_the_same_bytes_and_solutions_only_where_wanted(all_three, file, tmp_path):
    again = pack(all_three.folder, tmp_path / "again.zip", solutions=True)
    assert again.file.read_bytes() == file.read_bytes()
    plain = pack(all_three.folder, tmp_path / "plain.zip")
    with zipfile.ZipFile(plain.file) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"baseline.json", "predictions"}
        text = archive.read("baseline.json").decode()
    assert str(all_three.folder.parent.parent) not in text  # nothing of this machine
    with pytest.raises(DataError, match="--out: must be a new file"):
        pack(all_three.folder, tmp_path / "plain.zip")


def test_what_was_imported_is_not_exported_again(imported, tmp_path):
    assert pack(imported.folder, tmp_path / "mine.zip").arms == [SGD]


def refusal(folder, optimizers, text, *overrides):
    names = ", ".join(f'"{name}"' for name in optimizers)
    (folder / "b.toml").write_text(BENCHMARK.format(optimizers=names) + text)
    with pytest.raises((BenchmarkError, DataError)) as caught:
        prepare(Request(folder / "b.toml", out=folder / "runs", overrides=overrides), QUIET)
    assert "\n" not in str(caught.value)
    assert not (folder / "runs").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.seed=1", "in its data, got data "),
        ("compare.metric=mae", 'in its task, got metric "mse" there and "mae" here'),
        ("search.metric=mae", 'in its task, got search_metric "loss" there and "mae" here'),
        ("search.trials=3", "in its budget and training, got search.trials 2 there and 3 here"),
        ("search.sampler=tpe", 'got search.sampler "random" there and "tpe" here'),
        ("compare.seeds=4", "got compare.seeds 1 there and 4 here"),
        ("compare.looks=[3, 6]", "got compare.looks [3] there and [3, 6] here"),
        ("compare.epochs=3", "got compare.epochs 2 there and 3 here"),
        ("train.l2=0.1", "got train.l2 0.0005 there and 0.1 here"),
        ("train.batch_size=32", "got train.batch_size 64 there and 32 here"),
    ],
)
def test_what_does_not_match_is_refused_in_a_line_that_says_what(file, tmp_path, override, said):
    text = f'[baseline]\nfile = "{file}"\narms = ["adam"]'
    assert said in refusal(tmp_path, ["sgd"], text, override)


def test_what_does_not_touch_the_arms_may_differ(file, tmp_path):
    text = f'[baseline]\nfile = "{file}"\narms = ["adam"]'
    (tmp_path / "b.toml").write_text(BENCHMARK.format(optimizers='"sgd"') + text)
    free = ("search.seed=5", "compare.untuned=0", "report.formats=[]", "search.space.sgd.momentum=0.5")
    ready = prepare(Request(tmp_path / "b.toml", out=tmp_path, overrides=free), QUIET)
    assert ready.imported.arms == (ADAM,)


def test_names_are_checked_and_no_arm_comes_twice(file, tmp_path):
    line = refusal(tmp_path, ["sgd"], f'[baseline]\nfile = "{file}"')
    assert "must bring arms that this benchmark does not train, got linear/sgd/cosine in both" in line
    line = refusal(tmp_path, ["sgd"], f'[baseline]\nfile = "{file}"\narms = ["adm"]')
    assert "must be arms of the baseline, got 'adm'; did you mean 'adam'?" in line
    assert "b.toml:" in line
    assert "got nothing there" in refusal(tmp_path, ["sgd"], '[baseline]\nfile = "none.zip"')


def rewritten(file, out, change):
    """Write a copy of a baseline with its text changed."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "baseline.json":
                said = json.loads(content)
                change(said)
                content = json.dumps(said).encode()
            new.writestr(name, content)
    return out


def test_another_environment_is_refused_unless_any_is_said_and_then_the_report_says_it(carry_out, file, tmp_path):
    def older(said):
        said["about"]["environment"]["versions"]["torch"] = "1.0"
        said["about"]["environment"]["hardware"]["type"] = "cuda"

    old = rewritten(file, tmp_path / "old.zip", older)
    text = f'[baseline]\nfile = "{old}"\narms = ["adam"]\n'
    line = refusal(tmp_path, ["sgd"], text)
    assert 'in its environment, got torch "1.0" there and' in line
    assert 'device "cuda" there and "cpu" here' in line
    assert 'environment = "any"' in line
    records = carry_out(["sgd"], text + 'environment = "any"', folder=tmp_path, overrides=PAGE)
    assert len(records.meta.baseline["warnings"]) == 2
    page = html.unescape((records.folder / "report.html").read_text())
    assert 'Environments differ: torch "1.0" there' in page


def test_another_source_of_the_network_is_another_network(file, tmp_path):
    from harness.plugin.runs import digest

    def other(said):
        place = {name: i for i, name in enumerate(said["tables"]["runs"]["columns"])}
        for row in said["tables"]["runs"]["rows"]:
            recipe = json.loads(row[place["recipe"]])
            recipe["plugins"]["backbone"] = "0" * 64
            row[place["recipe"]], row[place["run_id"]] = json.dumps(recipe), digest(recipe)[:16]
        said["tables"]["measured"]["rows"] = []  # they are of the runs' former names

    changed = rewritten(file, tmp_path / "other.zip", other)
    line = refusal(tmp_path, ["sgd"], f'[baseline]\nfile = "{changed}"\narms = ["adam"]')
    assert "in its task, got another source of backbone linear" in line


def test_what_is_damaged_is_named(file, tmp_path):
    def refused(change, match):
        out = tmp_path / "bad.zip"
        out.unlink(missing_ok=True)
        change(out)
        with pytest.raises(DataError, match=match) as caught:
            read_baseline(out)
        assert "\n" not in str(caught.value)

    def with_(key, value):
        return lambda out: rewritten(file, out, lambda said: said["about"].update({key: value}))

    def other_recipe(said):
        runs = said["tables"]["runs"]
        runs["rows"][0][runs["columns"].index("recipe")] = "{}"

    def newer(said):
        said["tables"]["asks"]["columns"][-1] = "mood"

    refused(lambda out: out.write_bytes(b"no zip"), "must be a file of 'harness baseline export', got BadZipFile")
    refused(with_("version", 99), "and version 3, got .* and 99")
    refused(lambda out: rewritten(file, out, lambda said: said.pop("tables")), "got KeyError: 'tables'")
    refused(lambda out: rewritten(file, out, other_recipe), "with another recipe")
    refused(lambda out: rewritten(file, out, newer), "got ValueError: a column 'mood' of asks that this release")
    refused(lambda out: None, "got nothing there")


def test_a_run_that_is_not_over_is_refused(carry_out, all_three, tmp_path):
    import sqlite3

    shutil.copytree(all_three.folder, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "run.db") as db:
        db.execute("UPDATE runs SET state = 'waiting' WHERE phase = 'compare' AND arm = ? AND seed = 0", (SGD,))
    db.close()
    with pytest.raises(RunFolderError, match="must be a run whose comparison is over, got 2 runs of it left"):
        pack(tmp_path / "run", tmp_path / "b.zip")  # a fresh one and its twin


BROKEN = """
import torch

from harness import Optimizer, hookimpl


class Broken(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("out of order")


@hookimpl
def harness_optimizers():
    return [Optimizer(name="broken", build=Broken, space={}, defaults={"lr": 0.1})]
"""


@pytest.fixture
def broken(tmp_path):
    """The override that brings an optimizer whose every step fails."""
    (tmp_path / "broken.py").write_text(BROKEN)
    return f'plugins=["{tmp_path / "broken.py"}"]'


def test_a_failed_arm_is_named_and_the_others_are_exported(carry_out, broken, tmp_path, capsys):
    folder = carry_out(["sgd", "broken"], overrides=(broken,), code=1).folder
    with pytest.raises(SystemExit) as ended:
        main(["baseline", "export", str(folder), "--out", str(tmp_path / "b.zip")])
    assert ended.value.code == 0
    assert "left out: linear/broken/cosine, which has no result" in capsys.readouterr().out
    baseline = read_baseline(tmp_path / "b.zip")
    assert (baseline.arms, baseline.left_out) == ([SGD], ["linear/broken/cosine"])
    tables = (("searches", "arm"), ("asks", "study"), ("runs", "arm"))
    assert not [row for table, column in tables for row in baseline.tables[table] if "broken" in row[column]]
    taken = carry_out(["adam"], f'[baseline]\nfile = "{tmp_path / "b.zip"}"')
    assert taken.meta.arms == [ADAM, SGD]


def test_a_run_of_failed_arms_alone_is_not_told_to_go_on(carry_out, broken, tmp_path):
    folder = carry_out(["broken"], overrides=(broken,), code=1).folder
    with pytest.raises(RunFolderError, match=r"must have an arm with a result, got only failed runs of linear/broken"):
        pack(folder, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


# --- what may differ


def another(value):
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else ["x"] if isinstance(value, list) else {"x": 1.0}


def differences(monkeypatch, here, there):
    """Return what a baseline of one benchmark is refused for beside another one."""
    monkeypatch.setattr(match, "_benchmark", lambda *_: as_plain(there))
    return match._setting_differences(None, SimpleNamespace(benchmark=here), "here")


FREE = {
    "search": {"metric", "seed", "space", "constraints"},
    "train": {
        "pretrained", "heads", "backbones", "optimizers", "schedulers", "aliases", "device", "precision", "threads",
        "executor", "executor_options", "workers", "crew", "max_seconds", "max_memory",
    },
    "compare": {
        "metric", "untuned", "twins", "aa", "label_noise", "gate", "fit", "probes", "probe_options", "probe_sizes",
        "snapshots", "confirm", "folds",
    },
}  # fmt: skip


@pytest.mark.parametrize("section", FREE)
def test_what_decides_nothing_is_free_and_what_decides_is_not(section, all_three, monkeypatch):
    """Every key of the model. The set above says a second time what the keys' own meanings say."""
    benchmark = Benchmark.model_validate(all_three.meta.benchmark)
    plain = as_plain(benchmark)
    for key, value in plain[section].items():
        there = {**plain, section: {**plain[section], key: 600.0 if value is None else another(value)}}
        monkeypatch.setattr(match, "_benchmark", lambda *_, there=there: there)
        refused = match._setting_differences(None, SimpleNamespace(benchmark=benchmark), "here")
        assert bool(refused) == (key not in FREE[section]), f"{section}.{key}"


@pytest.mark.parametrize("setting", ["budget=10m", "compare.probes=['connectivity']"])
def test_a_time_limit_decides_nothing_so_a_baseline_may_have_another(file, tmp_path, setting):
    text = f'[baseline]\nfile = "{file}"\narms = ["adam"]'
    (tmp_path / "b.toml").write_text(BENCHMARK.format(optimizers='"sgd"') + text)
    overrides = ("compare.probes=['connectivity']", setting)
    ready = prepare(Request(tmp_path / "b.toml", out=tmp_path, overrides=overrides), QUIET)
    assert ready.imported.arms == (ADAM,)


def test_a_heads_own_settings_decide_where_both_train_that_head(monkeypatch):
    features = {"regime": "features", "heads": ["linear", "mlp"]}

    def benchmark(l2, head="linear"):
        return Benchmark.model_validate({"name": "x", "train": features, "heads": {head: {"train": {"l2": l2}}}})

    (refused,) = differences(monkeypatch, benchmark(0.1), benchmark(0.2))
    assert refused == "heads.linear.train.l2 0.2 there and 0.1 here"
    assert differences(monkeypatch, benchmark(0.1), benchmark(0.1)) == []
    features["heads"] = ["mlp"]
    only_mlp = benchmark(0.3, "mlp")
    features["heads"] = ["linear"]
    assert differences(monkeypatch, benchmark(0.1), only_mlp) == []  # they have no arm in common


def test_the_command_writes_the_file_and_says_how_it_is_used(all_three, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["baseline", "export", str(all_three.folder), "--out", str(tmp_path / "b.zip")])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "3 arms" in said
    assert '[baseline]\nfile = "b.zip"' in said
    assert read_baseline(tmp_path / "b.zip").arms == [SGD, ADAM, RMSPROP]
