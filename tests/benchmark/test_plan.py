"""From a benchmark to arms, spaces and runs."""

from __future__ import annotations

import tomllib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.benchmark.arms import describe_space
from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.errors import BenchmarkError
from harness.plugin.contracts import Data, Split, Weights
from harness.training.device import Device


@pytest.fixture
def plan_of(benchmark_file, registry):
    def make(*replacements):
        benchmark, source = load(benchmark_file(*replacements))
        return resolve(benchmark, source, registry)

    return make


@pytest.fixture
def setting_of(plan_of):
    def make(*replacements, fingerprint="0" * 64, precision="fp32"):
        split = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a", "b"))
        data = Data("none", split, split, split, fingerprint, "nowhere", ("a", "b"))
        return Setting(plan_of(*replacements), data, Device("cpu", precision, 1))

    return make


PARAMS = {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 2}


def test_the_arms_are_backbones_times_optimizers_times_schedulers(plan_of):
    many = (
        'optimizers = ["sgd", "adam"]',
        'optimizers = ["sgd", "adam"]\nschedulers = ["cosine", "constant"]\nbackbones = ["lesson_cnn", "linear"]',
    )
    names = [c.name for c in plan_of(many).competitors]
    assert len(names) == len(set(names)) == 8
    assert names[0] == "lesson_cnn/sgd/cosine"
    assert names[-1] == "linear/adam/constant"


def test_the_file_overrides_a_plugins_space(plan_of):
    space = (
        "[search.space.sgd]\nlr = { low = 0.1, high = 0.2 }\nmomentum = 0.8\nnesterov = { choices = [true] }\n"
        "[search.space.cosine]\nwarmup = { low = 0.0, high = 0.5 }\nfloor = 0.01\n[compare]"
    )
    sgd = plan_of(("[compare]", space)).competitors[0]
    assert sgd.space == {
        "lr": FloatDistribution(0.1, 0.2),
        "nesterov": CategoricalDistribution([True]),
        "schedule.warmup": FloatDistribution(0.0, 0.5),
        "epochs": IntDistribution(1, 2),
    }
    assert sgd.fixed == {"momentum": 0.8, "schedule.floor": 0.01}
    assert describe_space(sgd)["momentum"] == {"fixed": 0.8}
    assert describe_space(sgd)["lr"] == {"low": 0.1, "high": 0.2, "log": False}


def test_pinned_values_and_schedule_parameters_reach_the_run(setting_of):
    space = "[search.space.sgd]\nmomentum = 0.8\n[search.space.cosine]\nfloor = 0.01\n[compare]"
    setting = setting_of(("[compare]", space))
    run = setting.compare_run(setting.plan.competitors[0], {"lr": 0.1, "nesterov": False, "epochs": 1}, 0)
    assert run.optimizer == {"momentum": 0.8, "lr": 0.1, "nesterov": False}
    assert run.scheduler == {"floor": 0.01}
    assert run.epochs == 2  # the comparison's, not the trial's


def test_a_runs_identity_is_everything_that_decides_its_outcome(setting_of):
    def run_id(*replacements, seed=0, params=PARAMS, **more):
        setting = setting_of(*replacements, **more)
        return setting.compare_run(setting.plan.competitors[0], params, seed).id

    base = run_id()
    assert base == run_id(("trials = 3", "trials = 9"))
    assert base == run_id(("threads = 1", "threads = 2"))
    others = [
        run_id(seed=1),
        run_id(params={**PARAMS, "lr": 0.2}),
        run_id(("batch_size = 16", "batch_size = 8")),
        run_id(("batch_size = 16", "batch_size = 16\nl2 = 0.0")),
        run_id(("batch_size = 16", 'batch_size = 16\naugment = ["flip"]')),
        run_id(("epochs = 2\n", "epochs = 3\n")),
        run_id(fingerprint="1" * 64),
        run_id(precision="bf16"),
    ]
    assert len({base, *others}) == len(others) + 1


FINE = ("batch_size = 16", 'batch_size = 16\nregime = "finetune"\nbackbones = ["test_resnet"]')


@pytest.fixture
def some_weights(monkeypatch):
    monkeypatch.setattr(
        "harness.benchmark.plan.find_weights", lambda *a: Weights(Path("none"), "0" * 64, (0.5,), (0.5,))
    )


@pytest.mark.usefixtures("some_weights")
def test_the_settings_of_fine_tuning_reach_the_run_and_its_identity(setting_of):
    def run(more, **params):
        setting = setting_of((FINE[0], FINE[1] + more), ("epochs = [1, 2]", "epochs = [2]"))
        return setting.compare_run(setting.plan.competitors[0], {**PARAMS, **params}, 0)

    runs = [run(""), run("\nhead_epochs = 1"), run("\nlayer_factor = 0.3"), run('\nbatch_norm = "frozen"')]
    assert [(r.head_epochs, r.layer_factor, r.batch_norm) for r in runs] == [
        (0, 1.0, "train"), (1, 1.0, "train"), (0, 0.3, "train"), (0, 1.0, "frozen"),
    ]  # fmt: skip
    assert len({r.id for r in runs}) == 4


@pytest.mark.usefixtures("some_weights")
def test_a_searched_layer_factor_is_a_parameter_of_the_trial(setting_of):
    setting = setting_of(FINE, ("trials = 3", "trials = 3\nlayer_factor = [0.1, 0.5]"))
    competitor = setting.plan.competitors[0]
    assert competitor.space["layer_factor"] == FloatDistribution(0.1, 0.5, log=True)
    run = setting.search_run(competitor, {**PARAMS, "layer_factor": 0.2})
    assert run.layer_factor == 0.2
    assert "layer_factor" not in run.optimizer


@pytest.mark.usefixtures("some_weights")
@pytest.mark.parametrize("said", ["layer_factor = 0.1", "head_epochs = 1"])
def test_stages_are_refused_for_a_backbone_without_layer_groups(plan_of, said):
    fine = FINE[1].replace("test_resnet", "linear")
    message = (
        rf"tiny\.toml:11: train\.{said.split()[0]}: must be left out for a backbone without layer groups, .*'linear'"
    )
    with pytest.raises(BenchmarkError, match=message):
        plan_of((FINE[0], f"{fine}\n{said}"), ("epochs = [1, 2]", "epochs = [2]"))


def test_an_edited_plugin_file_makes_new_runs(benchmark_file, registry, tmp_path):
    from harness.plugin.discovery import discover

    text = "from harness import *\n@hookimpl\ndef harness_optimizers():\n    return [Optimizer('mine', dict, {'lr': Float(0.1, 1)})]\n"
    (tmp_path / "mine.py").write_text(text)
    shas = []
    for more in ("", "# edited\n"):
        (tmp_path / "mine.py").write_text(text + more)
        benchmark, source = load(benchmark_file(('"sgd", "adam"', '"mine"')))
        plan = resolve(benchmark, source, discover([tmp_path / "mine.py"]))
        shas.append(plan.competitors[0].plugins["optimizer"])
    assert shas[0] != shas[1]


def test_every_name_in_every_profile_of_every_benchmark_is_found(repository, registry, monkeypatch):
    weights = Weights(Path("none"), "0" * 64, (0.5,), (0.5,))
    monkeypatch.setattr("harness.benchmark.plan.find_weights", lambda *a: weights)
    for file in (repository / "benchmarks").glob("*.toml"):
        table = tomllib.loads(file.read_text())
        workloads = [workload["name"] for workload in table.get("workload", [])] or [None]
        for profile, workload in product((None, *table.get("profiles", {})), workloads):
            plan = resolve(*load(file, profile, workload=workload), registry)
            assert plan.competitors
            assert len({c.name for c in plan.competitors}) == len(plan.competitors)
