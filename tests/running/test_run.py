"""A whole benchmark, small: what is recorded, and that resuming repeats nothing; tests/hostile kills it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from harness.cli.show import show
from harness.cli.status import status
from harness.console.progress import Reporter
from harness.errors import RunFolderError
from harness.records import Store, open_records
from harness.running.prepare import Request, prepare
from harness.running.start import run


@pytest.fixture
def carry_out(tmp_path):
    def start(file, **more):
        request = Request(file, out=tmp_path / more.pop("out", "runs"), **more)
        reporter = Reporter(quiet=True)
        code = run(request, reporter, ["harness", "run", str(file)])
        return code, next((tmp_path / request.out).iterdir())

    return start


def outcome(folder: Path) -> dict:
    """Return everything about a run that may not depend on what interrupted it."""
    found = show(folder)
    for arm in found["arms"]:
        for each in (*arm["trials"], *arm["seeds"]):
            del each["seconds"]
    records = open_records(folder)
    epochs = records.epochs.drop(columns="seconds").sort_values(["run_id", "epoch"]).to_json()
    predictions = {r: records.predictions(r).tobytes().hex() for r in records.compared()["run_id"]}
    return {"arms": found["arms"], "epochs": epochs, "predictions": predictions}


def test_a_run_records_arms_trials_seeds_weights_and_predictions(tiny_run):
    folder = tiny_run
    records = open_records(folder)
    assert [records.examples_of(f"{split}_accuracy") for split in ("train", "tune", "test")] == [0, 32, 64]
    names = {path.name for path in folder.iterdir()}
    assert {
        "benchmark.toml",
        "environment.json",
        "run.db",
        "solutions",
        "predictions",
        "tables",
        "report.txt",
    } <= names
    found = show(folder)
    assert [arm["arm"] for arm in found["arms"]] == ["lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"]
    for arm in found["arms"]:
        assert [trial["state"] for trial in arm["trials"]] == ["done"] * 3
        assert [seed["seed"] for seed in arm["seeds"]] == [0, 1]
        best = min(arm["trials"], key=lambda trial: (trial["value"], trial["number"]))  # of the loss
        assert arm["tuned"] == {"trial": best["number"], "value": best["value"], "params": best["params"]}
        for trial in arm["trials"]:
            assert trial["value"] == trial["metrics"]["tune_loss"]
            assert not [name for name in trial["metrics"] if name.startswith("test")]
    records = open_records(folder)
    for _, seed in records.compared().iterrows():
        predictions = records.predictions(seed["run_id"])
        assert predictions.shape == (64, 2)
        assert (predictions.argmax(axis=1) == records.targets).mean() == pytest.approx(seed["test_accuracy"])
        assert (folder / "solutions" / f"{seed['run_id']}.safetensors").is_file()
    assert not list((folder / "states").iterdir())
    assert status(folder)["state"] == "finished"
    json.dumps(found, allow_nan=False)


def test_the_saved_weights_are_the_model_that_made_the_predictions(benchmark_file, tiny_run):
    import torch
    from safetensors.torch import load_file

    from harness.running.workbench import Bench

    folder = tiny_run
    setting = prepare(Request(benchmark_file()), Reporter(quiet=True))
    records = open_records(folder)
    seed = records.compared().iloc[0]
    competitor = setting.plan.competitor(seed["arm"])
    params = records.arms.set_index("arm").loc[seed["arm"], "tuned_params"]
    parts = Bench(setting, lambda _: None).parts(setting.compare_run(competitor, params, seed["seed"].item()))
    assert parts.run.id == seed["run_id"]
    parts.model.load_state_dict(load_file(folder / "solutions" / f"{seed['run_id']}.safetensors"))
    predictions = parts.predict(parts.ingredients.test, exact=True)
    torch.testing.assert_close(predictions, torch.from_numpy(records.predictions(seed["run_id"])))


@pytest.mark.usefixtures("unreported")
def test_a_finished_run_says_so_and_does_nothing(benchmark_file, carry_out, tiny_copy, monkeypatch):
    before = outcome(tiny_copy)
    monkeypatch.setattr("harness.training.loop.train", lambda *a: pytest.fail("trained again"))
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: said.append(text))
    assert carry_out(benchmark_file()) == (0, tiny_copy)
    assert any(line.startswith("nothing left to do") for line in said)
    assert outcome(tiny_copy) == before


@pytest.mark.usefixtures("unreported")
def test_more_seeds_and_trials_go_on_in_the_same_folder(benchmark_file, carry_out, tiny_copy):
    folder = tiny_copy
    done = {r["run_id"] for arm in show(folder)["arms"] for r in (*arm["trials"], *arm["seeds"])}
    _, again = carry_out(benchmark_file(("seeds = 2", "seeds = 3")))
    assert again == folder
    found = show(folder)
    assert done < {r["run_id"] for arm in found["arms"] for r in (*arm["trials"], *arm["seeds"])}
    assert [len(arm["seeds"]) for arm in found["arms"]] == [3, 3]


@pytest.mark.usefixtures("unreported")
def test_the_search_never_touches_the_test_split(benchmark_file, monkeypatch, carry_out):
    from harness.running.workbench import Bench

    split = Bench._split

    def watched(self, arm, which):
        assert which != "test", "the search asked for the test split"
        return split(self, arm, which)

    monkeypatch.setattr(Bench, "_split", watched)
    code, folder = carry_out(benchmark_file(), only_search=True)
    assert code == 0
    assert [len(arm["trials"]) for arm in show(folder)["arms"]] == [3, 3]
    assert [arm["seeds"] for arm in show(folder)["arms"]] == [[], []]


def test_search_and_comparison_seeds_are_disjoint_and_shared_by_the_arms(tiny_run):
    runs = open_records(tiny_run).runs
    search = {*runs[runs["phase"] == "search"]["seed"]}
    assert search.isdisjoint(runs[runs["phase"] == "compare"]["seed"])
    for _, arm in runs[runs["phase"] == "compare"].groupby("arm"):
        assert sorted(arm["seed"]) == [0, 1]


@pytest.mark.usefixtures("undrawn")
def test_a_failing_plugin_takes_nothing_down_and_is_named(benchmark_file, carry_out, page, tmp_path):
    plugin = tmp_path / "moody.py"
    plugin.write_text(
        "from harness import Float, Optimizer, hookimpl\n"
        "def build(parameters, lr):\n"
        "    import torch\n"
        "    if lr > 0.01: raise ValueError('too <fast> for me')\n"
        "    return torch.optim.SGD(parameters, lr=lr)\n"
        "@hookimpl\n"
        "def harness_optimizers():\n"
        "    return [Optimizer(name='moody', build=build, space={'lr': Float(0.02, 1, log=True)})]\n"
    )
    code, folder = carry_out(benchmark_file(('"sgd", "adam"', '"moody", "adam"'), page), plugins=(plugin,))
    assert code == 1
    moody, adam = show(folder)["arms"]
    assert {trial["state"] for trial in moody["trials"]} == {"failed"}
    assert "too <fast> for me" in moody["trials"][0]["reason"]
    assert moody["seeds"] == []
    assert [seed["state"] for seed in adam["seeds"]] == ["done", "done"]
    report = (folder / "report.html").read_text()
    assert "too &lt;fast&gt; for me" in report
    assert "too <fast>" not in report


def test_a_diverging_arm_is_recorded_with_its_reason(benchmark_file, carry_out):
    space = "[search.space.sgd]\nlr = 1000\nmomentum = 0.9\nnesterov = false\n[compare]"
    code, folder = carry_out(benchmark_file(("batch_size = 16", "batch_size = 16\nl2 = 100.0"), ("[compare]", space)))
    assert code == 1
    sgd = show(folder)["arms"][0]
    assert {trial["state"] for trial in sgd["trials"]} == {"diverged"}
    assert "must be finite" in sgd["trials"][0]["reason"]


def test_a_run_folder_in_use_is_refused_naming_the_process(benchmark_file, carry_out, tiny_copy):
    with (
        Store(tiny_copy),
        pytest.raises(RunFolderError, match=f"must not be in use, got a run under way in process {os.getpid()}"),
    ):
        carry_out(benchmark_file())


def test_optunas_own_tables_stand_beside_ours(tiny_copy):
    import optuna

    folder = tiny_copy  # Optuna's own storage may write
    study = optuna.load_study(study_name="lesson_cnn/sgd/cosine", storage=f"sqlite:///{folder / 'run.db'}")
    trials = show(folder)["arms"][0]["trials"]
    assert [t.value for t in study.trials] == [t["value"] for t in trials]
    assert [t.user_attrs["runs"] for t in study.trials] == [[t["run_id"]] for t in trials]
    epochs = open_records(folder).epochs
    for shown in study.trials:  # without a pruner too: a dashboard draws the curve
        rows = epochs[epochs["run_id"] == shown.user_attrs["runs"][0]]
        assert shown.intermediate_values == dict(zip(rows["epoch"], rows["tune_loss"], strict=True))
        assert shown.user_attrs["state"] == "done"


@pytest.mark.usefixtures("unreported")
def test_a_pruned_search_runs_to_its_end(benchmark_file, carry_out):
    options = 'trials = 5\npruner = "median"\npruner_options = { n_startup_trials = 1 }'
    code, folder = carry_out(benchmark_file(("trials = 3", options), ("epochs = [1, 2]", "epochs = [1, 4]")))
    assert code == 0
    trials = [trial for arm in show(folder)["arms"] for trial in arm["trials"]]
    assert {trial["params"]["epochs"] for trial in trials} == {4}
    assert {trial["state"] for trial in trials} == {"done", "stopped"}


def test_the_tables_are_parquet_with_every_epoch(tiny_run):
    import pandas as pd

    folder = tiny_run
    epochs = pd.read_parquet(folder / "tables" / "epochs.parquet")
    runs = pd.read_parquet(folder / "tables" / "runs.parquet")
    assert len(runs) == 2 * 3 + 2 * 2
    assert set(epochs["run_id"]) == set(runs["run_id"])
    assert np.isfinite(epochs["running_loss"]).all()


PLUGIN = """
from harness import *

def sgd(parameters, lr=0.1):
    import torch
    return torch.optim.SGD(parameters, lr=lr)

{body}
"""


@pytest.fixture
def plugin(tmp_path):
    def write(body, name="odd.py"):
        (tmp_path / name).write_text(PLUGIN.format(body=body))
        return (tmp_path / name,)

    return write


@pytest.mark.usefixtures("unreported")
def test_an_optimizer_whose_state_cannot_be_saved_fails_alone_and_at_once(benchmark_file, carry_out, plugin):
    body = """
def build(parameters, lr):
    optimizer = sgd(parameters, lr)
    optimizer.param_groups[0]["rng"] = object()
    return optimizer

@hookimpl
def harness_optimizers():
    return [Optimizer(name="odd", build=build, space={"lr": Float(0.01, 0.1)})]
"""
    code, folder = carry_out(benchmark_file(('"sgd", "adam"', '"odd", "adam"')), plugins=plugin(body))
    assert code == 1
    odd, adam = show(folder)["arms"]
    assert {trial["state"] for trial in odd["trials"]} == {"failed"}
    assert "must be tensors, numbers" in odd["trials"][0]["reason"]
    assert [seed["state"] for seed in adam["seeds"]] == ["done", "done"]


def test_an_optimizer_without_a_learning_rate_and_a_metric_of_numpys_type_are_fine(benchmark_file, carry_out, plugin):
    body = """
import numpy as np

class Idle:
    def step(self): pass
    def state_dict(self): return {}
    def load_state_dict(self, state): pass

def build(parameters):
    optimizer = sgd(parameters)
    step, groups = optimizer.step, optimizer.param_groups
    def without_lr(closure=None):
        groups[0]["lr"] = 0.05
        step()
        del groups[0]["lr"]
    optimizer.step = without_lr
    return optimizer

def loss(outputs, targets):
    from torch.nn.functional import cross_entropy
    return cross_entropy(outputs, targets)

@hookimpl
def harness_optimizers():
    return [Optimizer(name="free", build=build, space={})]

@hookimpl
def harness_schedulers():
    return [Scheduler(name="idle", build=lambda optimizer, total_steps: Idle())]

@hookimpl
def harness_tasks():
    right = lambda p, t: np.float32((p.argmax(1) == t).mean())
    return [Task("numpys", lambda data: 2, loss, lambda o: o.softmax(1), {"right": Metric(right, "max", "%")})]
"""
    arms = ('optimizers = ["sgd", "adam"]', 'optimizers = ["free"]\nschedulers = ["idle"]\ntask = "numpys"')
    code, folder = carry_out(benchmark_file(arms), plugins=plugin(body))
    assert code == 0
    assert 0 <= show(folder)["arms"][0]["seeds"][0]["metrics"]["test_right"] <= 1


@pytest.mark.usefixtures("unreported")
def test_a_failing_probe_is_named_and_costs_nothing_and_a_corrected_one_measures_anew(
    benchmark_file, carry_out, plugin
):
    body = """
@hookimpl
def harness_probes():
    return [Probe("odd", lambda parts: {{"one": {value}}})]
"""
    file = benchmark_file(("epochs = 2\n", 'epochs = 2\nprobes = ["odd"]\n'))
    code, folder = carry_out(file, plugins=plugin(body.format(value="1 / 0")))
    assert code == 1
    records = open_records(folder)
    assert set(records.compared()["state"]) == {"done"}
    problems = records.meta.probes["odd"]["problems"]
    assert problems
    assert all(problem.endswith("ZeroDivisionError: division by zero") for problem in problems)
    code, again = carry_out(file, plugins=plugin(body.format(value="1")))
    assert (code, again) == (0, folder)
    corrected = open_records(folder)
    for column in ("run_id", "state", "seconds", "started", "ended"):  # nothing is trained again
        assert list(corrected.runs[column]) == list(records.runs[column])
    odd = corrected.measured[corrected.measured["probe"] == "odd"]
    assert set(corrected.compared()["run_id"]) <= set(odd["one"])
    assert set(odd["value"]) == {1.0}


@pytest.mark.usefixtures("unreported")
def test_a_comparison_run_that_failed_is_tried_again(benchmark_file, carry_out, monkeypatch):
    from harness.training.parts import Parts

    done = Parts.done

    def out_of_memory(self):
        if self.run.phase == "compare":
            raise MemoryError("not today")
        return done(self)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "done", out_of_memory)
        code, folder = carry_out(benchmark_file())
    assert code == 1
    assert [seed["reason"] for seed in show(folder)["arms"][0]["seeds"]] == ["MemoryError: not today"] * 2
    assert carry_out(benchmark_file())[0] == 0
    assert [seed["state"] for seed in show(folder)["arms"][0]["seeds"]] == ["done", "done"]


def test_an_executor_that_loses_runs_is_refused(benchmark_file, carry_out, plugin):
    from harness.errors import PluginError

    body = """
class Idle:
    room = 1
    def submit(self, runs): pass
    def events(self): return iter(())
    def stop(self, run_id): pass

@hookimpl
def harness_executors():
    return [Executor("idle", lambda workbench: Idle())]
"""
    with pytest.raises(PluginError, match="executor 'idle': must carry out every run it is given, got 16 left over"):
        carry_out(benchmark_file(('executor = "inprocess"', 'executor = "idle"')), plugins=plugin(body))


@pytest.mark.usefixtures("unreported")
def test_a_search_alone_says_what_it_chose(benchmark_file, carry_out, monkeypatch):
    from harness.results.document import show_lines

    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: said.append(text))
    _, folder = carry_out(benchmark_file(), only_search=True)
    assert show(folder)["arms"][0]["tuned"]["params"]
    assert any("no finished comparison run; tuned to lr=" in line for line in show_lines(show(folder)))
    said.clear()
    carry_out(benchmark_file(), only_search=True)
    assert any("its search is finished" in line for line in said)
    carry_out(benchmark_file())
    assert status(folder)["state"] == "finished"


@pytest.mark.usefixtures("unreported")
def test_a_trial_left_beyond_a_lowered_total_does_not_count(benchmark_file, carry_out):
    _, folder = carry_out(benchmark_file(), only_search=True)
    with sqlite3.connect(folder / "run.db") as db:
        db.execute(
            "UPDATE runs SET state = 'waiting' WHERE run_id = (SELECT run_id FROM asks WHERE number = 2 LIMIT 1)"
        )
        db.execute("UPDATE asks SET state = 'waiting', value = NULL WHERE number = 2")
    carry_out(benchmark_file(("trials = 3", "trials = 2")))
    assert status(folder)["state"] == "finished"


@pytest.mark.usefixtures("unreported")
def test_a_finished_run_keeps_the_environment_it_was_made_in(benchmark_file, carry_out, tiny_copy):
    folder = tiny_copy
    before = open_records(folder).meta.environment
    carry_out(benchmark_file(("threads = 1", "threads = 2")))
    assert open_records(folder).meta.environment == before
    assert set(open_records(folder).runs["environment"]) == {before["hash"]}


@pytest.mark.usefixtures("unreported")
def test_a_folder_with_signs_in_its_name_keeps_optunas_tables_inside(benchmark_file, carry_out):
    code, folder = carry_out(benchmark_file(), out="a?b %41 c", only_search=True)
    assert code == 0
    with sqlite3.connect(folder / "run.db") as db:
        assert db.execute("SELECT count(*) FROM trials").fetchone() == (6,)


HANGS = 600  # seconds, after which a process is taken for hung: many times what a slow, busy machine needs


def test_an_exhausted_grid_is_a_finished_run_and_is_named(benchmark_file, carry_out, monkeypatch):
    from harness.cli.status import status_lines

    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: said.append(text))
    lr = "[search.space.sgd]\nlr = { choices = [0.01, 0.1] }\nmomentum = 0.9\nnesterov = false\n[compare]\nuntuned = 0"
    alone = (('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'), ("[compare]", lr), ("seeds = 2", "seeds = 1"))
    brute = (*alone, ("sampler_options = { n_startup_trials = 2 }", 'sampler = "bruteforce"'))
    file = benchmark_file(*brute, ("trials = 3", "trials = 7"), ('formats = ["text"]', 'formats = ["md"]'))
    for _ in range(2):
        code, folder = carry_out(file)
        assert code == 0
        assert said.count("lesson_cnn/sgd/cosine: the grid of 4 combinations is exhausted after 4 of 7 trials") == 1
        said.clear()
    assert status(folder)["state"] == "finished"
    assert "trials 4/4, all 4 combinations; seeds 1/1" in "\n".join(status_lines(status(folder)))
    notice = "its grid of 4 combinations was exhausted after 4 trials; the budget was 7 trials"
    assert notice in (folder / "report.md").read_text(encoding="utf-8")


def epochs_trained(runs):
    """Return how many epochs the records of the only run in a folder have; 0 before there are records."""
    for database in runs.glob("*/run.db"):
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db,
        ):
            return db.execute("SELECT count(*) FROM epochs").fetchone()[0]
    return 0


def test_interrupting_exits_with_130_and_says_how_to_go_on(benchmark_file, tmp_path):
    file = benchmark_file(("epochs = 2\n", "epochs = 400\n"))
    command = [sys.executable, "-m", "harness", "run", str(file), "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + HANGS
    while not epochs_trained(tmp_path / "runs") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert epochs_trained(tmp_path / "runs")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 130, errors
    assert errors.startswith("interrupted; to go on from here: harness run ")
    assert "Traceback" not in errors


@pytest.mark.usefixtures("undrawn")
def test_the_mirror_image_is_scored_too_where_that_is_asked_for(benchmark_file, carry_out, page):
    fewer = (("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 1\ntta = true"))
    _, folder = carry_out(benchmark_file(*fewer, page))
    runs = open_records(folder).compared()
    assert (runs["tta_test_accuracy"] > 0).all()
    assert "test accuracy with TTA" in (folder / "report.html").read_text(encoding="utf-8")
