"""Late probes: what is measured treats all arms and seeds alike, fits the budget, and is measured once."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import replace
from itertools import permutations, product
from types import SimpleNamespace

import numpy as np
import pytest

from harness.benchmark.comparison import comparison_runs
from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.console.numbers import duration
from harness.console.progress import Reporter
from harness.errors import HarnessError, PluginError
from harness.plugin.contracts import Data, Executor, Probe, Split
from harness.plugin.runs import Done, Failed, Interrupted
from harness.records import Store
from harness.running.after import measuring, probing
from harness.running.after.late_probes import measure_solutions
from harness.running.after.probe_costs import planned_cells
from harness.running.after.probe_work import work_of
from harness.running.forecast.timing import SECONDS_OF_REPORT
from harness.running.session import open_executor
from harness.running.time_limit import TimeLimit
from harness.running.workbench import Bench
from harness.training.device import Device
from harness.training.loop import execute

ARMS = {name: f"lesson_cnn/{name}/cosine" for name in ("sgd", "adam", "rmsprop")}
THREE = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd", "adam", "rmsprop"]')
PARAMS = {
    "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 2},
    "adam": {"lr": 1e-3, "beta1": 0.9, "epochs": 1},
    "rmsprop": {"lr": 1e-3, "alpha": 0.9, "epochs": 1},
}


@pytest.fixture
def setting(benchmark_file, registry):
    split = Split(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1]), ("a", "b", "c", "d"))
    data = Data("none", split, split, split, "0" * 64, "nowhere", ("a", "b"))

    def make(*replacements, replicates=4, seeds=1, more="untuned = 0\ngate = false\n"):
        looks = (("looks = [1]", f"looks = [{replicates}]"),) if replicates else ()
        said = ("seeds = 2", f"seeds = {seeds}\nprobes = []\n{more}")
        benchmark, source = load(benchmark_file(said, *looks, *replacements))
        return Setting(resolve(benchmark, source, registry), data, Device("cpu", "fp32", 1))

    return make


def every(setting):
    searched = [*setting.plan.competitors, *setting.plan.controls_of("aa")]
    chosen = {c.name: PARAMS[c.arm.optimizer] for c in searched}
    return comparison_runs(setting, [chosen] * setting.plan.benchmark.compare.looks[-1])


def probe_of(networks, measure=lambda *parts: {}):
    return Probe(name="fake", measure=measure, networks=networks, costly=True)


def named(runs):
    return tuple((run.arm.name, run.init_seed) for run in runs)


# --- what there is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicates", [2, 3, 4, 5, 8])
def test_each_group_of_pairs_treats_arms_alike(setting, replicates):
    made = setting(THREE, replicates=replicates)
    work = work_of(probe_of(2), made, every(made))
    seen = set()
    assert len(work.groups) == replicates - 1
    for apart, group in enumerate(work.groups, 1):
        pairs = [named(runs) for runs in group]
        assert len(set(pairs)) == len(pairs) == (replicates - apart) * (3 + 2 * 3)
        assert all(abs(s - t) == apart for (_, s), (_, t) in pairs)
        unordered = {frozenset(pair) for pair in pairs}
        for swapped in permutations(ARMS.values()):  # closed under exchanging arms within all replicates
            names = dict(zip(ARMS.values(), swapped, strict=True))
            assert {frozenset((names[a], s) for a, s in pair) for pair in unordered} == unordered
        for (a, s), (b, t) in pairs:  # and within a pair of replicates: exchanging both arms leads to a pair
            assert frozenset({(b, s), (a, t)}) in unordered
        seen |= unordered
    apart = {
        frozenset({(a, s), (b, t)})
        for a in ARMS.values()
        for b in ARMS.values()
        for s in range(replicates)
        for t in range(replicates)
        if s != t
    }
    assert seen == apart  # in the end every pair of two replicates


def test_a_pair_has_the_first_seeds_of_two_replicates(setting):
    """Two networks of one replicate share their hyperparameters, and so say nothing of another search."""
    made = setting(THREE, replicates=3, seeds=2)
    found = {named(runs) for runs in work_of(probe_of(2), made, every(made)).all}
    assert {seed for pair in found for _, seed in pair} == {0, 2, 4}
    assert all(s // 2 != t // 2 for (_, s), (_, t) in found)
    single = {run.init_seed for (run,) in work_of(probe_of(1), made, every(made)).all}
    assert single == {0, 1, 2, 3, 4, 5}  # numbers are of all seeds


@pytest.mark.parametrize("size", [None, 20, 60])
def test_a_later_look_brings_pairs_and_changes_none_among_the_replicates_before_it(setting, size):
    made = setting(("looks = [1]", "looks = [3, 5, 9]"), replicates=None)
    compare = made.plan.benchmark.compare.model_copy(update={"probe_sizes": {} if size is None else {"fake": size}})
    benchmark = made.plan.benchmark.model_copy(update={"compare": compare})
    made = replace(made, plan=replace(made.plan, benchmark=benchmark))
    asked = {}
    for replicates in (3, 5, 9):
        cells = [cell for cell in every(made) if cell.replicate < replicates]
        asked[replicates] = {named(runs) for runs in work_of(probe_of(2), made, cells).wanted}
    for few, many in ((3, 5), (5, 9)):
        assert {pair for pair in asked[many] if all(seed < few for _, seed in pair)} == asked[few]
    assert size is None or len(asked[9]) <= max(size, 8 * 4)


def test_single_networks_come_seed_by_seed(setting):
    made = setting(THREE)
    work = work_of(probe_of(1), made, every(made))
    assert [[named(runs)[0] for runs in group] for group in work.groups] == [
        [(arm, seed) for arm in ARMS.values()] for seed in range(4)
    ]


def test_controls_are_paired_with_their_own_arm_alone(setting):
    made = setting(more='untuned = 1\naa = "adam"\nlabel_noise = 0.5\n')
    work = work_of(probe_of(2), made, every(made))
    met = {frozenset(run.arm.name for run in runs) for runs in work.all}
    again, noise = "lesson_cnn/adam~again/cosine", "lesson_cnn/adam~noise/cosine"
    single = {frozenset({arm}) for arm in (ARMS["sgd"], ARMS["adam"], again, noise)}
    crossed = {
        frozenset({ARMS["sgd"], ARMS["adam"]}),
        frozenset({ARMS["adam"], again}),
        frozenset({ARMS["adam"], noise}),
    }
    assert met == single | crossed


def test_only_seeds_that_every_arm_has_count(setting):
    made = setting()
    without = [cell for cell in every(made) if (cell.of, cell.run.init_seed) != (ARMS["adam"], 2)]
    work = work_of(probe_of(2), made, without)
    assert {seed for runs in work.all for _, seed in named(runs)} == {0, 1, 3}


def test_threes_are_one_network_of_each_arm_or_of_two_arms_and_seeds(setting):
    three, two = setting(THREE), setting()
    (runs,) = work_of(probe_of(3), three, every(three)).all
    assert named(runs) == tuple((arm, 0) for arm in ARMS.values())
    (runs,) = work_of(probe_of(3), two, every(two)).all
    assert len(set(named(runs))) == 3
    alone = setting(('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'), replicates=1)
    assert work_of(probe_of(3), alone, every(alone)).all == []


def test_arms_of_two_networks_are_never_paired(setting):
    made = setting(("batch_size = 16", 'batch_size = 16\nbackbones = ["lesson_cnn", "linear"]'))
    work = work_of(probe_of(2), made, every(made))
    assert all(len({run.arm.backbone for run in runs}) == 1 for runs in work.all)
    assert {run.arm.backbone for run in work.groups[0][0]} | {runs[0].arm.backbone for runs in work.groups[0]} == {
        "lesson_cnn",
        "linear",
    }


# --- measuring -----------------------------------------------------------------------------------------------


class Slow:
    """A clock, and a probe that takes so many of its seconds."""

    def __init__(self, seconds=1.0, fails=()):
        self.now, self.seconds, self.fails, self.calls = 0.0, seconds, fails, []

    def perf_counter(self):
        return self.now

    def measure(self, *parts):
        self.now += self.seconds
        self.calls.append(named(part.run for part in parts))
        if self.calls[-1] in self.fails:
            with_noise = next(parts[0].model.parameters())
            with_noise.data.fill_(7.0)
            raise ValueError("no such luck")
        total = sum(weights.double().sum().item() for part in parts for weights in part.model.state_dict().values())
        return {"total": total, "numbers": np.arange(3.0)}


@pytest.fixture
def measured(setting, tmp_path, monkeypatch):
    """Return a function that measures with a slow probe within a budget, and the store it is entered in."""
    made = setting()
    found = every(made)
    store = Store(tmp_path / "run")
    store.add_runs([cell.run for cell in found], "here")
    bench = Bench(made, lambda _: None)
    for cell in found:
        store.append(cell.run.id, Done({}, weights=bench.parts(cell.run).model.state_dict()))
    said, shown = [], []

    class Heard(Reporter):
        def say(self, text, style="", brief=False):
            said.append(text)

        def preparing(self, what, done, total):
            shown.append((what, done, total))
            super().preparing(what, done, total)

    def go(slow, budget=None, networks=2, version="1" * 16, of=found, sizes=None, executor=made.plan.executor):
        monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=slow.perf_counter))
        compare = made.plan.benchmark.compare.model_copy(update={"probe_sizes": sizes or {}})
        benchmark = made.plan.benchmark.model_copy(update={"compare": compare})
        probe = probe_of(networks, slow.measure)
        plan = replace(
            made.plan, benchmark=benchmark, probes=(probe,), probe_versions={"fake": version}, executor=executor
        )
        asked = replace(made, plan=plan)
        seconds = None if budget is None else budget + SECONDS_OF_REPORT  # which is left for the report
        limit = TimeLimit(seconds, store, 0.0, clock=slow.perf_counter)
        lines = measure_solutions(asked, of, store, Heard(quiet=True), lambda: open_executor(asked, store), limit)
        limit.write()
        return lines, store.noted("probes")["fake"]

    yield SimpleNamespace(go=go, store=store, said=said, shown=shown, cells=found, setting=made)
    store.__exit__()


ALL = 4 * 3 // 2 * (2 + 2)  # pairs of two of four seeds, in each of two arms and twice between them


def test_everything_is_measured_where_it_fits(measured):
    slow = Slow()
    lines, about = measured.go(slow)
    assert lines == []
    assert (about["done"], about["planned"], about["possible"], about["subset"]) == (ALL, ALL, ALL, "")
    assert len(set(slow.calls)) == ALL
    assert len(slow.calls) <= ALL + probing.TIMED  # a few twice, to know what they cost


@pytest.mark.parametrize("budget", [None, 1, 50, 130, 1e6])
def test_what_is_shown_of_a_probe_is_counted_to_its_end(measured, budget):
    _, about = measured.go(Slow(), budget)
    phases = {
        what: [(done, total) for name, done, total in measured.shown if name == what] for what, _, _ in measured.shown
    }
    for what, counts in phases.items():
        assert all(0 <= done <= total and total > 0 for done, total in counts), what
        assert counts[-1][0] == counts[-1][1], what
    if about["done"]:
        assert phases["fake: pairs of networks"][-1] == (about["planned"], about["planned"])
    assert bool(about["done"]) == ("fake: pairs of networks" in phases)
    assert ("fake: timing pairs of networks" in phases) == (budget is not None)


@pytest.mark.parametrize(("size", "measurements"), [(1, 12), (12, 12), (19, 12), (20, 20), (1000, 24)])
def test_a_size_is_a_number_of_measurements_in_whole_groups_however_slow_the_machine(measured, size, measurements):
    slow = Slow(seconds=1e4)
    lines, about = measured.go(slow, sizes={"fake": size})
    assert (lines, about["left_out"]) == ([], "")
    groups = work_of(probe_of(2), measured.setting, measured.cells).groups
    steps = {12: 1, 20: 2, 24: 3}[measurements]
    assert set(slow.calls) == {named(runs) for group in groups[:steps] for runs in group}
    assert (about["done"], about["planned"], about["possible"]) == (measurements, measurements, ALL)
    before = {12: "one", 20: "2", 24: ""}[measurements]
    part = f"{measurements} of {ALL} pairs of networks: every replicate paired with the {before} before it"
    assert about["subset"] == ("" if measurements == ALL else part)
    assert any(f"{measurements} pairs of networks at about 1e+04 s each, {10_000 * measurements:,} s in all" in line for line in measured.said)  # fmt: skip


def test_a_larger_size_measures_only_what_is_missing_and_a_smaller_one_throws_nothing_away(measured):
    measured.go(Slow(), sizes={"fake": 12})
    more = Slow()
    _, about = measured.go(more)
    _, *others = work_of(probe_of(2), measured.setting, measured.cells).groups
    assert set(more.calls) == {named(runs) for group in others for runs in group}
    assert about["done"] == ALL
    fewer = Slow()
    _, about = measured.go(fewer, sizes={"fake": 12})
    assert (fewer.calls, about["done"]) == ([], 12)
    assert len(measured.store.measured("fake", "1" * 16)) == ALL


COMMAND = ["harness", "run", "my file.toml", "--extend"]


@pytest.mark.parametrize("budget", [13, 16, 19])
def test_a_limit_in_seconds_is_kept_and_the_command_that_adds_the_rest_is_said_and_no_failure(measured, budget):
    slow = Slow()
    measured.store.note("command", COMMAND)
    lines, about = measured.go(slow, budget)
    assert lines == []
    first = work_of(probe_of(2), measured.setting, measured.cells).groups[0]
    assert about["done"] == about["planned"] == len(first) == 12
    assert slow.now <= budget + probing.TIMED - 1
    assert about["subset"] == f"12 of {ALL} pairs of networks: every replicate paired with the one before it"
    assert about["left_out"] == (
        f"probe fake: only {about['subset']}, because the time limit of {duration(budget + 6)} has no room for more; 12 pairs of "
        "networks are missing; this command takes about 12.0 s and measures them: harness run 'my file.toml' --only-measure"
    )
    assert about["left_out"] in measured.said
    assert any(line.endswith("; as many of them as fit into the budget") for line in measured.said)


def test_what_is_too_dear_at_all_is_left_out_and_said(measured):
    slow = Slow()
    lines, about = measured.go(slow, budget=11.5)
    assert (lines, about["done"], about["planned"]) == ([], 0, 0)
    assert about["left_out"] == (
        "probe fake was left out: 12 pairs of networks are the fewest that treat all arms alike, and the time limit of 17.5 s has "
        "no room for more; this command takes about 24.0 s and measures them: harness run ... --only-measure"
    )
    assert measured.said[-1] == about["left_out"]
    assert measured.store.measured("fake", "1" * 16) == set()
    again = Slow()
    assert measured.go(again, budget=11.5) == (lines, about)
    assert again.calls == []


def test_a_higher_limit_counts_what_was_spent_and_measures_only_what_is_missing(measured):
    measured.go(Slow(), 16)
    again = Slow()
    _, about = measured.go(again, 19)
    assert (again.calls, about["done"]) == ([], 12)
    more = Slow()
    _, about = measured.go(more, 25)
    assert (len(more.calls), about["done"], about["left_out"]) == (12, ALL, "")


@pytest.mark.parametrize("budget", [13, 15.5])
def test_later_replicates_that_do_not_fit_into_the_limit_take_nothing_from_those_of_an_earlier_look(measured, budget):
    """A word that was given at the earlier look must keep what it rests on."""
    few = [cell for cell in measured.cells if cell.replicate < 3]
    measured.go(Slow(), budget, of=few)
    before = measured.store.measured("fake", "1" * 16)
    assert len(before) == 12
    slow = Slow()
    lines, about = measured.go(slow, budget)
    assert measured.store.measured("fake", "1" * 16) == before  # without those that were made to be timed
    assert (lines, about["done"], about["planned"], about["groups"]) == ([], 12, 12, 0)
    assert about["left_out"] == (
        "probe fake: 12 pairs of networks of later replicates left out, because the time limit of "
        f"{duration(budget + SECONDS_OF_REPORT)} has no room for more; this command takes about 12.0 s and "
        "measures them: harness run ... --only-measure"
    )
    _, about = measured.go(Slow(), 100)
    assert about["done"] == len(measured.store.measured("fake", "1" * 16)) == ALL


def test_a_kill_while_measurements_are_timed_leaves_none_of_them(measured):
    class Killed(Slow):
        def measure(self, *parts):
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().measure(*parts)

    with pytest.raises(KeyboardInterrupt):
        measured.go(Killed(), 11.5)
    assert len(measured.store.measured("fake", "1" * 16)) == 2
    measured.go(Slow(), 11.5)
    assert measured.store.measured("fake", "1" * 16) == set()


def test_a_lower_limit_throws_nothing_away(measured):
    measured.go(Slow(), 13)
    before = measured.store.measured("fake", "1" * 16)
    _, about = measured.go(Slow(), 5)
    assert measured.store.measured("fake", "1" * 16) == before
    assert about["done"] == len(before) == 12


def test_what_is_measured_is_not_measured_again(measured):
    _, about = measured.go(Slow(), 20)
    again = Slow()
    lines, same = measured.go(again, 20)
    assert (lines, same, again.calls) == ([], about, [])
    more = Slow()
    _, about = measured.go(more)
    assert about["done"] == ALL
    assert not set(more.calls) - {named(runs) for runs in work_of(probe_of(2), measured.setting, measured.cells).all}
    corrected = Slow()
    measured.go(corrected, version="2" * 16)
    assert len(set(corrected.calls)) == ALL


def test_a_kill_costs_one_measurement(measured):
    class Killed(Slow):
        def measure(self, *parts):
            if len(self.calls) == 10:
                raise KeyboardInterrupt
            return super().measure(*parts)

    first, second = Killed(), Slow()
    with pytest.raises(KeyboardInterrupt):
        measured.go(first)
    _, about = measured.go(second)
    assert about["done"] == ALL
    assert not set(first.calls) & set(second.calls)
    assert len(second.calls) == ALL - len(set(first.calls))


def test_a_probe_that_fails_is_named_and_costs_nothing_else(measured):
    bad = ((ARMS["sgd"], 0), (ARMS["sgd"], 1))
    slow, sound = Slow(fails=[bad]), Slow()
    lines, about = measured.go(slow)
    (line,) = lines
    assert line == f"probe 'fake' failed: {ARMS['sgd']} seed 0 and {ARMS['sgd']} seed 1: ValueError: no such luck"
    assert about["done"] == ALL - 1
    measured.go(sound, version="2" * 16)
    query = "SELECT one, other, name, value FROM measured WHERE version = ? ORDER BY one, other, name"
    tables = [set(map(tuple, measured.store.db.execute(query, (v * 16,)).fetchall())) for v in "12"]
    assert tables[0] < tables[1]  # the network it had spoiled was mended before others were measured on it
    assert len(tables[1] - tables[0]) == 1


def test_a_run_that_ended_badly_is_not_measured(measured):
    lost = measured.cells[0].run
    measured.store.append(lost.id, Failed("error", "no"))
    slow = Slow()
    measured.go(slow, networks=1)
    assert named([lost]) not in slow.calls
    assert len(set(slow.calls)) == len(measured.cells) - 2  # nor the other arm's of that seed


def test_a_smaller_comparison_keeps_what_an_earlier_verdict_rests_on_and_measures_nothing_anew(measured):
    measured.go(Slow())
    before = measured.store.measured("fake", "1" * 16)
    few, slow = [cell for cell in measured.cells if cell.run.init_seed < 2], Slow()
    _, about = measured.go(slow, of=few)
    assert measured.store.measured("fake", "1" * 16) == before
    assert not slow.calls
    assert about["done"] == 4


def test_a_control_that_lost_a_seed_takes_nothing_from_the_arms(setting):
    made = setting(more="untuned = 0\ngate = false\nlabel_noise = 0.5\n")
    whole = every(made)
    lost = [cell for cell in whole if not (cell.role == "different" and cell.run.init_seed == 1)]
    own = set(ARMS.values())

    def among_arms(of):
        return {named(runs) for runs in work_of(probe_of(2), made, of).all if {run.arm.name for run in runs} <= own}

    assert among_arms(lost) == among_arms(whole)
    seeds = {run.init_seed for runs in work_of(probe_of(2), made, lost).all for run in runs if run.arm.name not in own}
    assert seeds == {0, 2, 3}


@pytest.mark.parametrize(
    ("profile", "replicates", "sizes"),
    [
        (
            None, 6,
            {
                "representation": (135, 135), "connectivity": (135, 135), "sharpness": (36, 36), "stability": (3, 36),
                "surface": (1, 1),
            },
        ),
        (
            "verdict", 6,
            {
                "representation": (225, 225), "connectivity": (225, 225), "sharpness": (60, 60), "hessian": (15, 60),
                "stability": (5, 60), "surface": (1, 1),
            },
        ),
        (
            "verdict", 24,
            {
                "representation": (4140, 4140), "connectivity": (1575, 4140), "sharpness": (240, 240), "hessian": (15, 240),
                "stability": (5, 240), "surface": (1, 1),
            },
        ),
    ],
)  # fmt: skip
def test_the_flagship_measures_whole_groups_whatever_the_machine(
    setting, repository, registry, profile, replicates, sizes
):
    plan = resolve(*load(repository / "benchmarks" / "dogscats.toml", profile), registry)
    made = replace(setting(), plan=plan)
    works = {probe.name: work_of(probe, made, planned_cells(made, replicates)) for probe in plan.probes if probe.costly}
    assert {name: (len(work.wanted), len(work.all)) for name, work in works.items()} == sizes


def test_no_benchmark_file_of_ours_has_a_limit_in_seconds(repository):
    for file in (repository / "benchmarks").glob("*.toml"):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        workloads = [workload["name"] for workload in table.get("workload", [])] or [None]
        for profile, workload in product((None, *table.get("profiles", {})), workloads):
            assert load(file, profile, workload=workload)[0].budget is None


# --- by workers ----------------------------------------------------------------------------------------------


class Workers:
    """An executor with several places: what it was given ends in an order of its own, and some of it kills its process."""

    isolated = True

    def __init__(self, workbench, workers, deadly=()):
        self.workbench, self.workers, self.room, self.deadly = workbench, workers, 2 * workers, deadly
        self.jobs, self.most, self.random = [], 0, np.random.default_rng(workers)

    def submit(self, jobs):
        self.jobs += jobs
        self.most = max(self.most, len(self.jobs))

    def events(self):
        while self.jobs:
            job = self.jobs.pop(int(self.random.integers(len(self.jobs))))
            if named(job.runs) in self.deadly:
                self.jobs.insert(0, job)  # it begins again, until it is stopped
                yield job.id, Interrupted("exit code 3")
            else:
                for event in execute(job, self.workbench):
                    yield job.id, event

    def stop(self, run_id):
        self.jobs = [job for job in self.jobs if job.id != run_id]


@pytest.fixture
def by_workers(measured):
    """Return a function that measures with so many workers, and returns lines, note, what is entered and the executor."""

    def go(slow, workers, deadly=(), version="1" * 16, **more):
        made = []

        def build(workbench):
            made.append(Workers(workbench, workers, deadly))
            return made[0]

        lines, about = measured.go(slow, executor=Executor("workers", build), version=version, **more)
        query = "SELECT one, other, name, value FROM measured WHERE version = ? ORDER BY one, other, name"
        entered = list(map(tuple, measured.store.db.execute(query, (version,)).fetchall()))
        return SimpleNamespace(lines=lines, about=about, entered=entered, executor=made[0] if made else None)

    return go


@pytest.mark.parametrize("more", [{}, {"sizes": {"fake": 12}}])
def test_however_many_workers_there_are_the_same_is_measured(by_workers, measured, more):
    """Without a time limit, which more workers make more of."""
    alone = by_workers(Slow(), 1, version="a" * 16, **more)
    for workers, letter in ((2, "b"), (8, "c")):
        slow = Slow()
        several = by_workers(slow, workers, version=letter * 16, **more)
        assert several.entered == alone.entered
        assert several.executor.most > workers
        assert Counter(slow.calls) == Counter(set(slow.calls))  # none was made twice
        left_out = ("version", "seconds", "seconds_each", "timed")  # as many are timed first as there are workers
        assert {key: value for key, value in several.about.items() if key not in left_out} == {
            key: value for key, value in alone.about.items() if key not in left_out
        }


def test_the_line_on_costs_counts_the_workers(by_workers, measured):
    by_workers(Slow(), 2)
    line = f"probe fake measures {ALL} pairs of networks at about 1 s each, 12 s in all with 2 workers"
    assert [said for said in measured.said if said.startswith("probe fake")] == [line]


def test_a_measurement_that_kills_three_processes_is_named_and_the_rest_is_measured(by_workers, measured):
    bad = ((ARMS["sgd"], 0), (ARMS["adam"], 1))
    slow = Slow()
    first = by_workers(slow, 2, deadly=[bad])
    assert first.about["done"] == ALL - 1
    (line,) = first.lines
    who = f"{ARMS['sgd']} seed 0 and {ARMS['adam']} seed 1"
    assert line.startswith(f"probe 'fake' failed: {who}: crashed (exit code 3), 3 times in a row")
    assert bad not in slow.calls


def test_where_all_is_measured_no_executor_is_opened(by_workers):
    by_workers(Slow(), 2)
    again = by_workers(Slow(), 2)
    assert (again.executor, again.lines, again.about["done"]) == (None, [], ALL)


def test_an_executor_that_leaves_measurements_out_is_refused(measured):
    class Lazy(Workers):
        def events(self):
            yield from ()

    executor = Executor("lazy", lambda workbench: Lazy(workbench, 1))
    with pytest.raises(PluginError, match=r"executor 'lazy': must carry out every measurement .* got 2 left over"):
        measured.go(Slow(), executor=executor)


# --- options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("probe_options = { hesian = { } }", r"compare\.probe_options\.hesian: .*'hesian'; did you mean 'hessian'"),
        ("probe_sizes = { hesian = 3 }", r"compare\.probe_sizes\.hesian: .*'hesian'; did you mean 'hessian'"),
        (
            "probe_sizes = { hessian = 0 }",
            r"compare\.probe_sizes\.hessian: must be a whole number >= 1 and <= 1000000, got 0",
        ),
        ("probe_sizes = { gradient_norm = 3 }", r"probe_sizes\.gradient_norm: must be for a costly probe"),
    ],
)
def test_a_probe_that_nobody_offers_is_refused(benchmark_file, registry, more, message):
    file = benchmark_file(("seeds = 2", f"seeds = 2\n{more}"))
    with pytest.raises(HarnessError, match=message):
        resolve(*load(file), registry)


def test_options_are_checked_against_what_the_probe_has(benchmark_file, registry):
    probe = next(each for each in registry.all("probe") if each.options and each.costly)
    option = next(iter(probe.options))
    head = f'seeds = 2\nprobes = ["{probe.name}"]\n'

    def refused(said):
        file = benchmark_file(("seeds = 2", f"{head}probe_options = {{ {probe.name} = {{ {said} }} }}"))
        with pytest.raises(HarnessError) as caught:
            resolve(*load(file), registry)
        return str(caught.value)

    assert f"must be an option of probe '{probe.name}', got '{option}x'; did you mean '{option}'" in refused(
        f"{option}x = 1"
    )
    assert re.search(rf"probe_options\.{probe.name}\.{option}: must be .*, got \[\[1\]\]", refused(f"{option} = [[1]]"))


def test_the_roles_that_are_measured_are_the_networks_that_are_compared(setting):
    made = setting(more="twins = 2\nuntuned = 2\naa = true\nlabel_noise = 0.2\n")
    work = work_of(probe_of(1), made, every(made))
    ids = {cell.run.id for cell in every(made) if cell.role in ("fresh", "aa", "different")}
    assert {run.id for runs in work.all for run in runs} == ids


CHEAP = Probe(name="fake", measure=lambda parts: {})


def test_a_probe_that_is_not_costly_measures_every_solution(setting):
    made = setting(more="twins = 2\nuntuned = 2\naa = true\nlabel_noise = 0.2\n", replicates=2, seeds=2)
    comparison = every(made)
    work = work_of(CHEAP, made, comparison)
    roles = ("fresh", "aa", "different")
    assert {run.id for runs in work.all for run in runs} == {p.run.id for p in comparison if p.role in roles}
    assert work.wanted == work.all
    assert [{run.init_seed for runs in group for run in runs} for group in work.groups] == [{0}, {1}, {2}, {3}]


def test_a_time_limit_is_for_costly_probes_alone(setting, tmp_path):
    made = setting()
    with Store(tmp_path / "run") as store:
        limit = TimeLimit(3.0, store)
        limits = [
            probing.Probing(probe, made, work_of(probe, made, every(made)), store, Reporter(quiet=True), limit).limit
            for probe in (CHEAP, probe_of(1))
        ]
    assert limits == [None, 3.0]
