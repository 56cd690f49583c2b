"""A run measures exactly the networks and pairs that its protocol asks for, whatever controls and imported arms it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.benchmark.comparison import comparison_runs
from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.benchmark.sections import as_plain
from harness.plugin.contracts import Data, Probe, Split
from harness.running.after.probe_work import work_of
from harness.statistics import power
from harness.training.device import Device
from harness.verdict import protocol as protocols
from harness.verdict.sizes import apart_asked, apart_by_facet, seed_asked

PARAMS = {
    "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 2},
    "adam": {"lr": 1e-3, "beta1": 0.9, "epochs": 1},
}
CONTROLS = {
    "A/A": "aa = true",
    "A/A of the second arm": 'aa = "adam"',
    "label noise": "aa = false\nlabel_noise = 0.5",
    "both": "label_noise = 0.5",
    "none": "aa = false",
}
REPLICATES = 5


@pytest.fixture
def setting(benchmark_file, registry):
    split = Split(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1]), ("a", "b", "c", "d"))
    data = Data("none", split, split, split, "0" * 64, "nowhere", ("a", "b"))

    def make(controls, probe, size):
        compare = f"seeds = 1\nuntuned = 1\n{controls}\nprobe_sizes = {{ {probe} = {size} }}"
        replaced = (("seeds = 2", compare), ("looks = [1]", f"looks = [2, {REPLICATES}]"))
        benchmark, source = load(benchmark_file(*replaced))
        return Setting(resolve(benchmark, source, registry), data, Device("cpu", "fp32", 1))

    return make


def records_side(setting):
    """Return the protocol of a setting, and the roles of its controls as the records have them."""
    plan = setting.plan
    arms = [*(competitor.name for competitor in plan.competitors), *plan.baseline_arms]
    return protocols.resolve(as_plain(plan.benchmark), arms, tuple(plan.task.metrics)), plan.roles


def measured(setting, probe, networks):
    """Return the seeds of each measurement that the probe's size asks for; with one seed a replicate, that is the replicate."""
    tuned = (*setting.plan.competitors, *setting.plan.controls_of("aa"))
    chosen = {competitor.name: PARAMS[competitor.arm.optimizer.partition("~")[0]] for competitor in tuned}
    runs = comparison_runs(setting, [chosen] * REPLICATES)
    wanted = work_of(Probe(name=probe, measure=dict, networks=networks, costly=True), setting, runs).wanted
    return [[run.init_seed for run in runs] for runs in wanted]


@pytest.mark.parametrize("size", [1, 7, 13, 20, 40, 1000])
@pytest.mark.parametrize("controls", CONTROLS.values(), ids=CONTROLS)
def test_what_is_measured_is_what_the_verdict_reads(setting, controls, size):
    made = setting(controls, "sharpness", size)
    seeds = [seed for (seed,) in measured(made, "sharpness", 1)]
    assert max(seeds) == min(seed_asked(*records_side(made), "sharpness"), REPLICATES - 1)
    made = setting(controls, "connectivity", size)
    apart = [abs(first - second) for first, second in measured(made, "connectivity", 2)]
    assert max(apart) == apart_asked(*records_side(made), "connectivity")


@pytest.mark.parametrize("size", [1, 13, 40, 1000])
def test_the_announced_power_is_that_of_the_pairs_that_are_measured(setting, size):
    made = setting("aa = false", "connectivity", size)
    measured_pairs = {tuple(sorted(pair)) for pair in measured(made, "connectivity", 2)}
    simulated = power._pairs_measured(REPLICATES, apart_by_facet(*records_side(made)).get("connectivity"))
    assert {tuple(sorted(place)) for place in np.argwhere(simulated).tolist()} == measured_pairs


@pytest.mark.parametrize("controls", CONTROLS.values(), ids=CONTROLS)
def test_the_size_is_an_upper_limit_where_it_has_room_for_the_first_group(setting, controls):
    for size in (40, 60, 80):  # two arms with both controls have 10 pairs of two replicates, and 4 such neighbours
        assert len(measured(setting(controls, "connectivity", size), "connectivity", 2)) <= size
        assert len(measured(setting(controls, "sharpness", size), "sharpness", 1)) <= size


def test_arms_of_a_baseline_share_the_size_also_where_their_networks_cannot_be_measured(setting):
    made = setting("aa = false", "sharpness", 8)
    alone = measured(made, "sharpness", 1)
    brought = replace(made, plan=replace(made.plan, baseline_arms=("lesson_cnn/lion/cosine", "lesson_cnn/muon/cosine")))
    shared = measured(brought, "sharpness", 1)
    assert (max(alone), max(shared)) == ([3], [1])
    assert seed_asked(*records_side(brought), "sharpness") == 1
