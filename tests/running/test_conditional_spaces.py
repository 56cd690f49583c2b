"""Spaces with rules: what is in force only beside other values, and what must hold between hyperparameters."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.benchmark.arms import describe_space, ends, middle
from harness.benchmark.first_trial import first_trial
from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.errors import BenchmarkError
from harness.plugin.contracts import Data, Split
from harness.plugin.discovery import discover
from harness.plugin.runs import Done, Epoch, State
from harness.records import Store
from harness.running import search as searches
from harness.running.search import Search, study_name
from harness.running.search.samplers import walk
from harness.training.device import Device

CONDADAM = '''"""Adam whose second decay is above its first, with a cap where amsgrad is on."""

import torch

from harness import Choice, Float, Optimizer, hookimpl


class CondAdam(torch.optim.Adam):
    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, amsgrad=False, cap=None):
        if not beta2 > beta1:
            raise ValueError(f"beta2 must exceed beta1, got {beta1}, {beta2}")
        if (cap is not None) != amsgrad:
            raise ValueError(f"cap goes with amsgrad, got cap={cap} and amsgrad={amsgrad}")
        super().__init__(params, lr=lr, betas=(beta1, beta2), amsgrad=amsgrad)


@hookimpl
def harness_optimizers():
    space = {
        "lr": Float(1e-4, 1e-1, log=True),
        "beta1": Float(0.5, 0.99),
        "beta2": Float(0.5, 0.999),
        "amsgrad": Choice([False, True]),
        "cap": Float(0.1, 1.0),
    }
    defaults = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "amsgrad": False}
    return [
        Optimizer(
            name="condadam", build=CondAdam, space=space, defaults=defaults, when={"cap": {"amsgrad": True}},
            constraints=("beta2 > beta1",),
        )
    ]
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "condadam.py"
    file.write_text(CONDADAM, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def with_plugin(plugin):
    return discover([plugin])


@pytest.fixture
def made(benchmark_file, with_plugin):
    import numpy as np

    empty = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a", "b"))
    data = Data("none", empty, empty, empty, "0" * 64, "nowhere", ("a", "b"))

    def make(*replacements):
        arms = ('optimizers = ["sgd", "adam"]', 'optimizers = ["condadam"]')
        benchmark, source = load(benchmark_file(arms, ("[compare]", 'metric = "accuracy"\n[compare]'), *replacements))
        plan = resolve(benchmark, source, with_plugin)
        searches.check(plan, source.where)
        return Setting(plan, data, Device("cpu", "fp32", 1))

    return make


@pytest.fixture
def start(tmp_path):
    stores = []

    def begin(setting, folder="run"):
        store = Store(tmp_path / folder, lambda line: None)
        stores.append(store)
        arm = setting.plan.competitors[0]
        store.add_searches({study_name(arm.name): (arm.arm, 0)})
        return Search(setting, arm, store), store

    yield begin
    for store in stores:
        store.__exit__()


def finish(search, store, run):
    metrics = {"tune_accuracy": 1 - abs(math.log10(run.optimizer["lr"]) + 2) / 4 + run.optimizer["beta1"] / 100}
    store.append(run.id, Epoch(run.epochs, 1, 0.1, 0.1, metrics, lambda: State({}, {})))
    store.append(run.id, Done(metrics))
    search.tell(run.id)


def asked(store, name="lesson_cnn/condadam/cosine"):
    return [ask["params"] for ask in store.asks(name)]


def keeps_rules(params):
    return params["beta2"] > params["beta1"] and ("cap" in params) == params["amsgrad"]


TRIALS = ("trials = 3", 'trials = {}\nsampler = "{}"')
NO_OPTIONS = ("sampler_options = { n_startup_trials = 2 }\n", "")
SAMPLERS = {
    "tpe": 14,
    "random": 14,
    "qmc": 14,
    "gp": 6,
    "cmaes": 14,
    "nsgaii": 14,
}  # by name: how many trials; gp is slow
WITH_OPTIONS = ("tpe", "gp")  # samplers that take them


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_keeps_the_rules_and_a_resumed_search_asks_the_same(made, start, sampler):
    trials = SAMPLERS[sampler]
    setting = made((TRIALS[0], TRIALS[1].format(trials, sampler)), *([] if sampler in WITH_OPTIONS else [NO_OPTIONS]))
    search, store = start(setting, "whole")
    while not search.finished:
        for run in search.ask(1):
            assert keeps_rules(run.optimizer)
            finish(search, store, run)
    whole = asked(store)
    assert len(whole) == trials
    assert all(map(keeps_rules, whole))
    assert {params["amsgrad"] for params in whole} == {False, True}
    assert len({str(params) for params in whole}) == trials
    assert whole[0] == {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "amsgrad": False, "epochs": 2}  # the defaults

    while True:
        search, store = start(setting, "pieces")
        if search.finished:
            break
        finish(search, store, search.ask(1)[0])
        store.__exit__()
    assert asked(store) == whole
    search.write_for_optuna()  # into Optuna's own tables, which take trials of different parameters


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_a_grid_has_every_setting_that_is_allowed_once_and_begins_with_the_defaults(made, start, sampler):
    space = (
        "[search.space.condadam]\nlr = { choices = [1e-3, 1e-2] }\nbeta1 = { choices = [0.5, 0.9] }\n"
        "beta2 = { choices = [0.8, 0.999] }\ncap = { choices = [0.1, 0.2, 0.3] }\n[compare]"
    )
    setting = made(
        (TRIALS[0], f'trials = 50\nsampler = "{sampler}"'), NO_OPTIONS, ("epochs = [1, 2]", "epochs = [1]"),
        ("[compare]", space),
    )  # fmt: skip
    search, store = start(setting)
    while not search.finished:
        for run in search.ask(1):
            finish(search, store, run)
    params = asked(store)
    pairs = [(0.5, 0.8), (0.5, 0.999), (0.9, 0.999)]
    wanted = {(lr, *pair, cap) for lr in (1e-3, 1e-2) for pair in pairs for cap in (None, 0.1, 0.2, 0.3)}
    assert {(one["lr"], one["beta1"], one["beta2"], one.get("cap")) for one in params} == wanted
    assert len(params) == len(wanted) == search.combinations == 24
    assert params[0] == {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "amsgrad": False, "epochs": 1}
    assert search.exhaustion == "the grid of 24 combinations is exhausted after 24 of 50 trials"
    arm = setting.plan.competitors[0]
    assert walk(arm, "a") == walk(arm, "a") != walk(arm, "b")


def test_settings_at_the_ends_and_in_the_middle_keep_the_rules(made):
    (arm,) = made().plan.competitors
    for params in (ends(arm, 0), ends(arm, 1), middle(arm)):
        assert keeps_rules(params)
    assert ends(arm, 0)["beta1"] == pytest.approx(0.5, abs=0.1)
    assert ends(arm, 1)["beta2"] == pytest.approx(0.999, abs=0.02)
    assert describe_space(arm)["cap"] == {"low": 0.1, "high": 1.0, "log": False, "when": {"amsgrad": [True]}}
    assert describe_space(arm)["beta1"]["constraints"] == ["beta2 > beta1"]


def test_the_file_pins_conditions_and_changes_them(made):
    def space(*lines):
        (arm,) = made(("[compare]", "[search.space.condadam]\n" + "\n".join(lines) + "\n[compare]")).plan.competitors
        return arm

    never = space("amsgrad = false")
    assert "cap" not in never.space
    assert not never.rules.when
    always = space("amsgrad = true")
    assert "cap" in always.space
    assert not always.rules.when
    other = space("cap = { low = 0.1, high = 0.5, when = { beta1 = 0.9, amsgrad = [true, false] } }")
    assert other.rules.when == {"cap": {"beta1": (0.9,), "amsgrad": (True, False)}}
    free = space("cap = { low = 0.1, high = 0.5, when = {} }")
    assert not free.rules.when
    pinned = space("cap = 0.3")
    run = made(("[compare]", "[search.space.condadam]\ncap = 0.3\n[compare]")).compare_run(
        pinned, {**first_trial(pinned), "amsgrad": False}, 0
    )
    assert "cap" not in run.optimizer  # what is pinned is passed on only where it is in force
    low = space("beta2 = { low = 0.5, high = 0.8 }")
    first = first_trial(low)
    assert (
        first["beta2"] > first["beta1"]
    )  # the defaults break the constraint in this space, a setting near to them does not
    assert (first["lr"], first["beta1"]) == (1e-3, pytest.approx(0.8, abs=0.1))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[search.space.condadam]\nbeta1 = { low = 0.95, high = 0.99 }\nbeta2 = { low = 0.5, high = 0.9 }",
            "search.space.condadam: must have settings that keep the constraint 'beta2 > beta1', got none in 2,000 that were",
        ),
        (
            '[search.constraints]\ncondadam = ["beta2 > beta_1"]',
            "search.constraints.condadam: must name hyperparameters of 'condadam', got 'beta_1' in 'beta2 > beta_1'; did you",
        ),
        ('[search.constraints]\ncondadam = ["import os"]', "search.constraints.condadam: must compare hyperparameters"),
        (
            '[search.constraints]\nadax = ["beta2 > beta1"]',
            "search.constraints.adax: must be for an arm's optimizer or",
        ),
        (
            "[search.space.condadam]\ncap = { low = 0.1, high = 0.5, when = { amsgrat = true } }",
            "search.space.condadam.cap.when: must be for other hyperparameters of 'condadam', got 'amsgrat'; did you mean",
        ),
    ],
)
def test_rules_that_cannot_be_kept_are_refused_in_one_line(made, text, line):
    with pytest.raises(BenchmarkError) as caught:
        made(("[compare]", text + "\n[compare]"))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_constraint_of_the_file_stands_in_place_of_the_plugins(made):
    (arm,) = made(("[compare]", '[search.constraints]\ncondadam = ["lr * 10 < 1 - beta1"]\n[compare]')).plan.competitors
    assert [each.text for each in arm.rules.constraints] == ["lr * 10 < 1 - beta1"]
    (arm,) = made(("[compare]", "[search.constraints]\ncondadam = []\n[compare]")).plan.competitors
    assert not arm.rules.constraints


def test_a_whole_run_with_such_an_arm_trains_and_its_tables_have_no_value_out_of_force(
    benchmark_file, plugin, tmp_path, monkeypatch
):
    from harness.console.progress import Reporter
    from harness.records import open_records
    from harness.running.prepare import Request
    from harness.running.start import run

    file = benchmark_file(
        ('optimizers = ["sgd", "adam"]', 'optimizers = ["condadam"]'), ("trials = 3", "trials = 6"),
        ("epochs = [1, 2]", "epochs = [1]"), ("seeds = 2", "seeds = 1"), ("epochs = 2", "epochs = 1"),
    )  # fmt: skip
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, **more: said.append(text))
    code = run(Request(file, out=tmp_path / "runs", plugins=(plugin,)), Reporter())
    assert [line for line in said if line.startswith("warning")] == []
    assert code == 0
    records = open_records(next(iter(Path(tmp_path / "runs").glob("tiny-*/"))))
    assert set(records.trials["state"]) == {"done"}
    assert all(map(keeps_rules, records.trials["params"]))
    assert keeps_rules(records.arms["tuned_params"].iloc[0])
    assert records.meta.spaces["lesson_cnn/condadam/cosine"]["cap"]["when"] == {"amsgrad": [True]}
