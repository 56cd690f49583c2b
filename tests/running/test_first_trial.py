"""The first trial of a search has the defaults, as far as the arm's space contains them, whatever the sampler."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Floats
from optuna.distributions import IntDistribution as Ints

from harness.benchmark.arms import Competitor
from harness.benchmark.first_trial import drawn_first, first_trial, moved_defaults
from harness.console.progress import Reporter
from harness.plugin.rules import NO_RULES, Constraint, Rules, as_values
from harness.plugin.runs import Done, Epoch, State
from harness.running.forecast.lines import _first_trial_line
from harness.running.prepare import Request, prepare
from harness.running.search import budget, study_name
from harness.running.search import samplers as module

TAIL = "sampler_options = { n_startup_trials = 2 }\n"
FINITE = ("momentum = {", "lr = { choices = [0.001, 0.01, 0.1] }\nmomentum = {")  # with it every sampler can search


def competitor(space, defaults=None, schedule=None, rules=NO_RULES):
    """An arm of which only what the first trial depends on is there."""
    train = SimpleNamespace(batch_size=64, layer_factor=1.0)
    benchmark = SimpleNamespace(train=train, search=SimpleNamespace(epochs=[2, 8]))
    optimizer, scheduler = (
        SimpleNamespace(settings=lambda chosen, own=own or {}: {**own, **chosen}) for own in (defaults, schedule)
    )
    arm = SimpleNamespace(
        space=space, optimizer=optimizer, scheduler=scheduler, benchmark=benchmark, rules=rules, read_defaults={}
    )
    arm.allowed = partial(Competitor.allowed, arm)
    return arm


@pytest.mark.parametrize(
    ("space", "default", "value"),
    [
        (Floats(1e-4, 1.0, log=True), 0.01, 0.01),
        (Floats(1e-4, 1e-3, log=True), 0.01, 1e-3),
        (Floats(1e-2, 1.0, log=True), 0.0, 1e-2),  # a default of 0 lies below every logarithmic range
        (Floats(0.0, 1.0, step=0.25), 0.6, 0.5),
        (Floats(0.0, 1.0, step=0.25), 2.0, 1.0),
        (Floats(0.5, 0.5), 0.9, 0.5),
        (Ints(1, 9), 4, 4),
        (Ints(1, 9, step=4), 6, 5),
        (Ints(2, 64, log=True), 100, 64),
        (Ints(1, 9), 4.4, 4),
        (Choice([0.0, 0.9, 0.99]), 0.9, 0.9),
        (Choice([0.0, 0.9, 0.99]), 0.95, 0.99),
        (Choice(["a", "b"]), "b", "b"),
        (Choice([True, False]), False, False),
        (Choice([1, 2]), 1.0, 1),
    ],
)
def test_a_default_outside_of_the_space_takes_the_nearest_value_of_it(space, default, value):
    arm = competitor({"x": space}, {"x": default})
    assert first_trial(arm) == {"x": value}
    assert type(first_trial(arm)["x"]) is type(value)
    assert space._contains(space.to_internal_repr(value))
    assert moved_defaults(arm) == ({} if value == default else {"x": (default, value)})
    assert drawn_first(arm) == []


def test_what_has_no_default_is_drawn_and_named():
    arm = competitor({"x": Floats(0.0, 1.0), "y": Floats(0.0, 1.0)}, {"x": 0.5})
    assert first_trial(arm) == {"x": 0.5}
    assert drawn_first(arm) == ["y"]


@pytest.mark.parametrize(
    ("space", "defaults"),
    [
        (Floats(0.0, 1.0), {}),
        (Floats(0.0, 1.0), {"x": None}),
        (Floats(0.0, 1.0), {"x": True}),
        (Choice(["a", "b"]), {"x": "c"}),
        (Choice([True, False]), {"x": 1}),
    ],
)
def test_what_has_no_default_is_left_to_the_sampler(space, defaults):
    assert first_trial(competitor({"x": space}, defaults)) == {}


def test_the_first_trial_is_the_longest_and_the_schedule_has_its_defaults_too():
    space = {
        "lr": Floats(1e-3, 1.0), "schedule.warmup": Floats(0.0, 0.1), "epochs": Ints(2, 8),
        "batch_size": Choice([32, 64, 128]), "layer_factor": Floats(0.03, 0.3, log=True),
    }  # fmt: skip
    trial = first_trial(competitor(space, {"lr": 0.1, "momentum": 0.9}, {"warmup": 0.05}))
    assert trial == {"lr": 0.1, "schedule.warmup": 0.05, "epochs": 8, "batch_size": 64, "layer_factor": 0.3}


def rules_of(offer):
    """Return the rules of an offer whose whole space is searched."""
    when = {
        name: {above: as_values(value) for above, value in others.items() if above in offer.space}
        for name, others in offer.when.items()
    }
    constants = {name: value for name, value in offer.defaults.items() if name not in offer.space}
    return Rules(when, tuple(map(Constraint, offer.constraints)), constants)


def test_of_every_plugin_the_first_trial_lies_in_its_space(registry):
    """A search may begin with the defaults of any optimizer and any schedule that is there."""
    for kind in ("optimizer", "scheduler"):
        for name, entry in registry.offers[kind].items():
            rules = rules_of(entry.offer)
            trial = first_trial(competitor(dict(entry.offer.space), dict(entry.offer.defaults), rules=rules))
            assert not rules.broken(trial), name
            assert trial == rules.in_force(trial), name
            assert set(entry.offer.space) - set(trial) <= set(rules.when), name
            for parameter, value in trial.items():
                space = entry.offer.space[parameter]
                assert space._contains(space.to_internal_repr(value)), (name, parameter)


def finish(search, store, run):
    metrics = {"tune_accuracy": 0.5 + (int(run.id[:4], 16) % 100) / 1000}
    store.append(run.id, Epoch(run.epochs, 1, 0.1, 0.1, metrics, lambda: State({}, {})))
    store.append(run.id, Done(metrics))
    search.tell(run.id)


def trials(store, search):
    return [(ask["number"], ask["params"], ask["trial_attrs"]) for ask in store.asks(search.study)]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp", "cmaes", "nsgaii", "nsgaiii", "grid", "bruteforce"])
@pytest.mark.parametrize("together", [1, 3])
def test_whatever_the_sampler_trial_0_has_the_defaults_and_a_kill_changes_nothing(setting, start, sampler, together):
    options = f'trials = 5\ntogether = {together}\nsampler = "{sampler}"'
    plan = setting(("trials = 3", options), (TAIL, ""), FINITE)
    search, store = start(plan, "whole")
    while not search.finished:
        for run in search.ask(together):
            finish(search, store, run)
    whole = trials(store, search)
    defaults = {"lr": 0.1, "momentum": 0.9, "epochs": 2}
    assert whole[0][1] == first_trial(search.competitor) == defaults
    assert (
        search.setting.search_run(search.competitor, whole[0][1]).optimizer["nesterov"] is False
    )  # pinned by the file
    for _ in range(20):  # asked and noted, and killed before it was told
        search, store = start(plan, "pieces")
        if search.finished:
            break
        finish(search, store, search.ask(1)[0])
        search.ask(1)
        store.__exit__()
    assert trials(store, search) == whole
    assert [trial.params for trial in search._study.get_trials()] == [params for _, params, _ in whole]


PARTLY = """
import torch
from harness import Float, Optimizer, hookimpl

def build(parameters, momentum=0.8, **rest):
    rest.pop("secret", 0)
    return torch.optim.SGD(parameters, momentum=momentum, **rest)

@hookimpl
def harness_optimizers():
    space = {name: Float(0.01, 0.9) for name in ("lr", "momentum", "dampening", "secret")}
    return [Optimizer("partly", build, space, {"lr": 0.05})]
"""


def test_defaults_that_a_plugin_does_not_declare_are_read_and_said(benchmark_file, tmp_path):
    """The one of ``build``'s arguments, the one that torch's class has, and one that nobody knows."""
    plugin = tmp_path / "partly.py"
    plugin.write_text(PARTLY, encoding="utf-8")
    said = []
    reporter = Reporter(quiet=True)
    reporter.say = lambda text, style="", brief=False: said.append(text)
    file = benchmark_file(('"sgd", "adam"', '"partly", "sgd"'), ("[compare]", "[compare]\naa = true"))
    setting = prepare(Request(file, plugins=(plugin,)), reporter)
    partly = setting.plan.competitors[0]
    again = next(control for control in setting.plan.controls if control.role == "aa")
    for arm in (partly, again):  # a dampening of 0 lies below the range
        assert first_trial(arm) == {"lr": 0.05, "momentum": 0.8, "dampening": 0.01, "epochs": 2}
    assert moved_defaults(partly) == {"dampening": (0.0, 0.01)}
    of_build = "momentum=0.8, read from the arguments of build"
    of_built = "dampening=0, read from the optimizer that build returns"
    assert [line for line in said if line.startswith(f"note: {partly.name}")] == [
        f"note: {partly.name}: its plugin does not declare all defaults: {of_build}; {of_built}",
        f"note: {partly.name}: no default is given of secret, so the first trial of each search draws it",
    ]
    row = {"read_defaults": {name: read.source for name, read in partly.read_defaults.items()}}
    row |= {"first_trial": first_trial(partly), "moved_defaults": {"dampening": [0.0, 0.01]}, "drawn_first": ["secret"]}
    assert _first_trial_line(row) == (
        "    each search begins with the defaults: lr=0.05 momentum=0.8 dampening=0.01 epochs=2 (the nearest to "
        "dampening=0); momentum is read from the arguments of build; dampening is read from the optimizer that build "
        "returns; no default is known of secret, so a value is drawn"
    )


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_a_walk_through_all_combinations_comes_to_the_defaults_once(setting, start, sampler):
    plan = setting(("trials = 3", f'trials = 20\nsampler = "{sampler}"'), (TAIL, ""), FINITE)
    search, store = start(plan)
    while not search.finished:
        for run in search.ask(1):
            finish(search, store, run)
    seen = [tuple(sorted(params.items())) for _, params, _ in trials(store, search)]
    assert len(seen) == len(set(seen)) == module.combinations(search.competitor.space) == 12


def test_every_replicate_of_an_arm_begins_with_the_defaults_under_seeds_of_its_own(setting, start):
    plan = setting(("trials = 3", 'trials = 2\nsampler = "random"'), (TAIL, ""))
    first = []
    for replicate in range(4):
        search, store = start(plan, f"run{replicate}", replicate)
        runs = []
        while asked := search.ask(1):
            runs += asked
            finish(search, store, asked[0])
        first.append((store.asks(study_name(search.arm, replicate)), runs))
    assert all(asks[0]["params"] == first_trial(search.competitor) for asks, _ in first)
    assert len({str(asks[1]["params"]) for asks, _ in first}) == 4
    assert len({run.init_seed for _, runs in first for run in runs}) == 4


def test_under_a_free_objective_every_weight_decay_is_tuned_and_a_search_begins_without_one(setting):
    free = ("[search]", '[search]\nobjective = "free"')
    pinned = ("[compare]", "[search.space.adam]\nweight_decay = 0.01\n[compare]")
    sgd, adam = setting(free, pinned).plan.competitors
    assert sgd.space["weight_decay"] == Floats(1e-6, 0.1, log=True)
    assert first_trial(sgd)["weight_decay"] == 1e-6  # the nearest to none
    assert "weight_decay" not in adam.space
    assert adam.fixed["weight_decay"] == 0.01
    for competitor_ in setting().plan.competitors:
        assert "weight_decay" not in {**competitor_.space, **competitor_.fixed}


def test_the_epochs_of_a_search_are_those_of_its_trials_and_of_its_confirmations(setting):
    for confirm, again in ((0, 0), (2, 2), (9, 3)):  # there are three trials
        arm = setting(("confirm = 0", f"confirm = {confirm}"), ("epochs = 2\n", "epochs = 7\n")).plan.competitors[0]
        assert budget.confirmations(arm, 4, 12) == 4 * again
        assert budget.expected(arm, 4) == (12, 12 * 1.5 + 4 * again * 7)
