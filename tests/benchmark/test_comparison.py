"""The comparison's runs and their controls: which there are, in what they differ, and that more of them repeat nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from harness.benchmark.comparison import LONGER, comparison_runs, count_comparison_runs, restart_runs
from harness.benchmark.loading import load
from harness.benchmark.plan import OTHER_ORDER, Setting, resolve
from harness.console.progress import Reporter
from harness.errors import BenchmarkError
from harness.plugin.contracts import Data, Split
from harness.records import open_records
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.running.workbench import Bench
from harness.training.device import Device

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"
PARAMS = {
    SGD: {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 2},
    ADAM: {"lr": 1e-3, "beta1": 0.9, "epochs": 1},
}
CONTROLS = "aa = true\nlabel_noise = 0.5\ntwins = 1\nuntuned = 1\nprobes = []\n"
PLAIN = "untuned = 0\ngate = false\nprobes = []\n"
TIMES = ("trials = 3", "trials = 1")
TWO = ("looks = [1]", "looks = [2]")
ALONE = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]')


@pytest.fixture
def setting(benchmark_file, registry):
    split = Split(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1]), ("a", "b", "c", "d"))
    data = Data("none", split, split, split, "0" * 64, "nowhere", ("a", "b"))

    def make(*replacements):
        benchmark, source = load(benchmark_file(*replacements))
        return Setting(resolve(benchmark, source, registry), data, Device("cpu", "fp32", 1))

    return make


def chosen(setting):
    """Return the parameters that the searches of each replicate up to the first look might choose, by arm."""
    searches = [*setting.plan.competitors, *setting.plan.controls_of("aa")]
    own = {c.name: PARAMS[c.name if c.role == "arm" else c.of] for c in searches}
    looks = setting.plan.benchmark.compare.looks
    return [{arm: {**params, "lr": params["lr"] * (1 + r)} for arm, params in own.items()} for r in range(looks[0])]


def of_role(planned_runs, role):
    return [planned for planned in planned_runs if planned.role == role]


def test_what_there_is_and_how_much_of_it(setting):
    made = setting(("seeds = 2", f"seeds = 3\n{CONTROLS}"), TWO)
    planned_runs = comparison_runs(made, chosen(made))
    roles = {role: len(of_role(planned_runs, role)) for role in ("fresh", "twin", "aa", "different", "untuned")}
    assert roles == {"fresh": 12, "twin": 2, "aa": 6, "different": 6, "untuned": 2}
    assert (
        count_comparison_runs(made, 2)
        == len(planned_runs) + len(restart_runs(made, planned_runs))
        == len(planned_runs) + 2
    )


def test_the_first_runs_give_all_arms_equal_seeds(setting):
    made = setting(("seeds = 2", f"seeds = 3\n{CONTROLS}"), TWO)
    order = [
        (planned.of, planned.replicate, planned.run.init_seed)
        for planned in comparison_runs(made, chosen(made))
        if planned.role == "fresh"
    ]
    assert order == [(arm, seed // 3, seed) for seed in range(6) for arm in (SGD, ADAM)]


def test_each_replicate_retrains_what_its_own_searches_chose(setting):
    made = setting(("seeds = 2", f"seeds = 2\n{CONTROLS}"), TWO)
    rates = {SGD: {0: 0.1, 1: 0.2}, ADAM: {0: 1e-3, 1: 2e-3}}
    for planned in comparison_runs(made, chosen(made)):
        if planned.role != "untuned":
            assert planned.run.optimizer["lr"] == pytest.approx(rates[planned.of][planned.replicate])
        assert planned.replicate == planned.run.init_seed // 2


def test_no_two_searches_share_a_seed_and_none_has_a_seed_of_the_comparison(setting):
    made = setting(("seeds = 2", f"seeds = 1000\n{CONTROLS}"), ("looks = [1]", "looks = [1, 100]"))
    searched = [*made.plan.competitors, *made.plan.controls_of("aa")]
    runs = [
        made.search_run(arm, PARAMS[arm.of or arm.name], replicate, seed)
        for arm in searched
        for replicate in range(100)
        for seed in range(3)
    ]
    last = made.seeds_of(99)[-1]
    assert len({run.init_seed for run in runs}) == len({run.order_seed for run in runs}) == len(runs)
    compared = {*range(last + 1), *range(OTHER_ORDER, OTHER_ORDER + last + 1)}
    assert not compared & {seed for run in runs for seed in (run.init_seed, run.order_seed)}
    assert max(run.order_seed for run in runs) < 2**31


def test_a_search_without_a_result_leaves_its_arm_out_and_the_others_in(setting):
    made = setting(("seeds = 2", f"seeds = 2\n{CONTROLS}"))
    (found,) = chosen(made)
    planned_runs = comparison_runs(made, [found | {ADAM: None}])
    assert {planned.of for planned in planned_runs if planned.role != "untuned"} == {SGD}
    assert {planned.of for planned in of_role(planned_runs, "untuned")} == {SGD, ADAM}


def test_the_aa_arm_has_a_search_of_its_own_the_same_starts_and_other_orders(setting):
    made = setting(("seeds = 2", f"seeds = 2\n{CONTROLS}"))
    (control,) = made.plan.controls_of("aa")
    arm = made.plan.competitor(SGD)
    assert (control.of, control.space, control.name) == (SGD, arm.space, "lesson_cnn/sgd~again/cosine")
    assert made.search_run(control, PARAMS[SGD]).init_seed != made.search_run(arm, PARAMS[SGD]).init_seed
    own = {"lr": 0.05, "momentum": 0.8, "nesterov": False, "epochs": 1}
    planned_runs = comparison_runs(made, [chosen(made)[0] | {control.name: own}])
    fresh = [planned.run for planned in of_role(planned_runs, "fresh") if planned.of == SGD]
    for one, other in zip(fresh, [planned.run for planned in of_role(planned_runs, "aa")], strict=True):
        assert one.init_seed == other.init_seed
        assert other.order_seed == one.order_seed + OTHER_ORDER
        assert other.optimizer["lr"] == 0.05


def test_a_named_aa_arm_is_that_optimizers(setting):
    made = setting(("seeds = 2", 'seeds = 2\naa = "adam"'))
    assert [c.of for c in made.plan.controls_of("aa")] == [ADAM]
    with pytest.raises(BenchmarkError, match=r"compare\.aa: must be one of train\.optimizers.*did you mean 'adam'"):
        setting(("seeds = 2", 'seeds = 2\naa = "adm"'))


def test_twins_begin_alike_and_see_another_order(setting):
    made = setting(("seeds = 2", f"seeds = 3\n{CONTROLS}".replace("twins = 1", "twins = 2")))
    planned_runs = comparison_runs(made, chosen(made))
    fresh = {(planned.of, planned.run.init_seed): planned.run for planned in of_role(planned_runs, "fresh")}
    twins = of_role(planned_runs, "twin")
    assert sorted((planned.of, planned.run.init_seed) for planned in twins) == [
        (arm, s) for arm in (ADAM, SGD) for s in (0, 1)
    ]
    for planned in twins:
        one = fresh[planned.of, planned.run.init_seed]
        assert planned.run.order_seed != one.order_seed
        assert replace(planned.run, order_seed=one.order_seed, plugins=one.plugins) == one


def test_untuned_runs_have_nothing_but_the_optimizers_defaults(setting):
    pinned = ("[compare]", "[search.space.sgd]\nmomentum = 0.5\n[compare]")
    made = setting(pinned, ("seeds = 2", f"seeds = 2\n{CONTROLS}"))
    for planned in of_role(comparison_runs(made, chosen(made)), "untuned"):
        assert (planned.run.optimizer, planned.run.scheduler) == ({}, {})
    control = next(c for c in made.plan.controls_of("untuned") if c.of == SGD)
    assert control.optimizer.defaults == {"lr": 0.1, "momentum": 0.9, "nesterov": False}


ALIASES = (
    'optimizers = ["sgd", "adam"]',
    'optimizers = ["sgd", "plain"]\naliases = { plain = "sgd" }',
)


def test_an_alias_is_an_arm_with_a_space_of_its_own(setting):
    made = setting(
        ALIASES,
        ("[compare]", "[search.space.plain]\nmomentum = 0.0\n[compare]"),
        ("seeds = 2", "seeds = 2\nuntuned = 1"),
    )
    general, special = made.plan.competitors
    assert (special.name, special.arm.optimizer) == ("lesson_cnn/plain/cosine", "sgd")
    assert special.fixed == {"momentum": 0.0}
    assert "momentum" in general.space
    assert len(made.plan.controls_of("untuned")) == 1  # both have the same defaults
    with pytest.raises(BenchmarkError, match=r"train\.aliases\.plane: must be one of train\.optimizers, got 'plane'"):
        setting((ALIASES[0], ALIASES[1].replace("{ plain", "{ plane")))
    with pytest.raises(BenchmarkError, match=r"search\.space\.plian: must be for an arm's .*did you mean 'plain'"):
        setting(ALIASES, ("[compare]", "[search.space.plian]\nmomentum = 0.0\n[compare]"))


def test_a_restart_follows_the_first_seed_that_ended_well_for_a_fifth_of_its_steps(setting):
    made = setting(("epochs = 2\n", "epochs = 11\n"))
    planned_runs = comparison_runs(made, chosen(made))
    without_first = [planned for planned in planned_runs if (planned.of, planned.run.init_seed) != (SGD, 0)]
    again = {planned.of: planned.run for planned in restart_runs(made, without_first)}
    fresh = {(planned.of, planned.run.init_seed): planned.run for planned in of_role(planned_runs, "fresh")}
    assert again[SGD].follows == fresh[SGD, 1].id
    assert again[ADAM].follows == fresh[ADAM, 0].id
    assert {each.epochs for each in again.values()} == {int(np.ceil(11 * LONGER))}
    assert restart_runs(setting(("seeds = 2", f"seeds = 2\n{PLAIN}")), planned_runs) == []


def test_a_convex_arm_has_no_restart(setting):
    made = setting(('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]\nbackbones = ["linear"]'))
    params = {"linear/sgd/cosine": PARAMS[SGD]}
    assert restart_runs(made, comparison_runs(made, [params])) == []


# --- carried out ---------------------------------------------------------------------------------------------


@pytest.fixture
def carry_out(tmp_path, benchmark_file):
    """Return a function that carries a tiny benchmark out, without a report, and returns its records."""

    def start(*replacements, **more):
        said = []

        class Heard(Reporter):
            def say(self, text, style="", brief=False):
                said.append(text)

        bare = ('formats = ["text"]', "formats = []")
        request = Request(benchmark_file(bare, *replacements), out=tmp_path / "runs", **more)
        assert run(request, Heard(quiet=True), ["harness", "run"]) == 0
        return open_records(next((tmp_path / "runs").iterdir())), said

    return start


def rows(records):
    db = sqlite3.connect(records.folder / "run.db")
    try:
        rows = db.execute("SELECT run_id, ended, started, metrics, seconds FROM runs").fetchall()
        return {run_id: rest for run_id, *rest in rows}
    finally:
        db.close()


@pytest.mark.usefixtures("unreported")
def test_another_replicate_repeats_no_finished_trial(carry_out):
    one, _ = carry_out(ALONE, TIMES, ("seeds = 2", f"seeds = 2\n{PLAIN}"))
    before = rows(one)
    two, said = carry_out(ALONE, TIMES, TWO, ("seeds = 2", f"seeds = 2\n{PLAIN}"))
    assert two.folder == one.folder
    after = rows(two)
    assert {run_id: after[run_id] for run_id in before} == before
    assert len(after) == len(before) + 1 + 2  # a trial and two seeds
    assert any(line.startswith("3 runs to do") for line in said)
    assert one.trials.equals(two.trials)
    assert set(two.repeated["replicate"]) == {1}
    assert len(one.compared()) == 2
    assert two.comparison["replicate"].tolist() == [0] * 2 + [1] * 2
    again, said = carry_out(ALONE, TIMES, TWO, ("seeds = 2", f"seeds = 2\n{PLAIN}"))
    assert rows(again) == after
    assert any(line.startswith("nothing left to do") for line in said)


def test_controls_come_beside_what_is_there(carry_out):
    one, _ = carry_out(ALONE, TIMES, ("seeds = 2", f"seeds = 2\n{PLAIN}"))
    before = rows(one)
    two, _ = carry_out(ALONE, TIMES, ("seeds = 2", f"seeds = 2\n{CONTROLS}"))
    assert two.folder == one.folder
    after = rows(two)
    assert {run_id: after[run_id] for run_id in before} == before
    comparison = two.comparison
    roles = {"fresh": 2, "twin": 1, "aa": 2, "different": 2, "untuned": 1, "restart": 1}
    assert comparison["role"].value_counts().to_dict() == roles
    assert (comparison["state"] == "done").all()
    assert set(comparison["of"]) == {SGD}
    assert two.arms["arm"].tolist() == [SGD]
    assert two.repeated["search"].tolist() == ["lesson_cnn/sgd~again/cosine"]
    shown = comparison.set_index("role")
    fresh, twin = shown.loc["fresh"].iloc[0], shown.loc["twin"]
    assert (fresh["init_seed"], fresh["order_seed"] + OTHER_ORDER) == (twin["init_seed"], twin["order_seed"])
    assert twin["test_loss"] != fresh["test_loss"]


def test_the_line_of_a_trial_with_seeds_says_its_mean(carry_out):
    one, said = carry_out(ALONE, ("seeds = 2", f"seeds = 1\n{PLAIN}"), ("trials = 3", "trials = 2\nseeds = 2"))
    lines = [line for line in said if line.strip().startswith("trial ")]
    assert len(lines) == 2
    for line, value in zip(lines, one.trials["value"], strict=True):
        assert f"tune loss {value:.3g} nats" in line


# --- what a run of a control does ----------------------------------------------------------------------------


@pytest.fixture
def bench(benchmark_file):
    """Return a function that opens a tiny benchmark, and the workbench for its runs."""

    def make(*replacements, solution=None):
        ready = prepare(Request(benchmark_file(*replacements)), Reporter(quiet=True))
        return ready, Bench(ready, lambda _: None, solution)

    return make


def test_label_noise_shuffles_what_is_trained_on_and_nothing_else(bench):
    import torch

    setting, bench_of = bench(("seeds = 2", "seeds = 2\nlabel_noise = 0.5\nprobes = []"))
    arm, noisy = setting.plan.competitor(SGD), setting.plan.controls_of("different")[0]
    clean = bench_of.parts(setting.compare_run(arm, PARAMS[SGD], 0))
    dirty = bench_of.parts(setting.compare_run(noisy, PARAMS[SGD], 0))
    for split in ("train", "tune", "test"):  # what is scored
        assert torch.equal(getattr(clean.ingredients, split).targets, getattr(dirty.ingredients, split).targets)
    seen = [torch.cat([targets for _, targets in parts.batches.of(1)]) for parts in (clean, dirty)]
    changed = (seen[0] != seen[1]).float().mean().item()
    assert 0.1 < changed < 0.45  # half are shuffled among themselves, of which half again fall on their own class
    assert torch.equal(seen[0].bincount(), seen[1].bincount())
    again = bench_of.parts(setting.compare_run(noisy, PARAMS[SGD], 0))
    assert torch.equal(torch.cat([targets for _, targets in again.batches.of(1)]), seen[1])


def test_a_restart_goes_on_from_the_final_weights(bench):
    """Its train loss after an epoch at a tiny rate is that at the end of the run it follows."""
    import torch

    from harness.training.loop import train

    finals = {}
    setting, bench_of = bench(("seeds = 2", "seeds = 1\nprobes = []"), solution=lambda run_id: finals[run_id])
    first = setting.compare_run(setting.plan.competitor(SGD), PARAMS[SGD], 0)
    parts = bench_of.parts(first)
    lived = list(train(first, parts))
    finals[first.id] = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    (planned,) = restart_runs(setting, comparison_runs(setting, [{SGD: PARAMS[SGD], ADAM: None}]))
    again = bench_of.parts(planned.run)
    assert planned.run.follows == first.id
    assert all(torch.equal(tensor, finals[first.id][name]) for name, tensor in again.model.state_dict().items())

    slow = replace(planned.run, optimizer={**planned.run.optimizer, "lr": 1e-9})
    creeping = bench_of.parts(slow)
    (epoch,) = train(slow, creeping)
    for name, weights in creeping.model.named_parameters():
        torch.testing.assert_close(weights.detach(), finals[first.id][name], rtol=1e-4, atol=1e-6)
    fresh = bench_of.parts(replace(slow, follows=""))
    (begun,) = train(replace(slow, follows=""), fresh)
    assert epoch.metrics["running_loss"] == pytest.approx(lived[-1].metrics["running_loss"], rel=0.1)
    assert epoch.metrics["running_loss"] < begun.metrics["running_loss"]
