"""``harness plan``: the runs it promises are those that a run makes, controls and all, and what they can show."""

from __future__ import annotations

import re
import sqlite3
from types import SimpleNamespace

import pytest

from harness.benchmark.comparison import count_comparison_runs
from harness.benchmark.loading import load
from harness.benchmark.plan import resolve
from harness.benchmark.sections import as_plain
from harness.benchmark.sections.base import seconds_of
from harness.cli.app import main
from harness.console.progress import Reporter
from harness.plugin.contracts import Probe
from harness.records import Store
from harness.running.after import probe_costs, retraining
from harness.running.after.probe_costs import foretell, planned_cells
from harness.running.forecast import timing as module
from harness.running.forecast.estimate import estimate
from harness.running.forecast.lines import lines
from harness.running.forecast.power import power
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.running.time_limit import TimeLimit
from harness.verdict.power import design_power
from harness.verdict.protocol import resolve as protocol_of

PROBE = '''
"""Late probes that cost nothing, too much, or fail."""

from harness import Int, Probe, hookimpl


def count(*parts):
    return {"networks": len(parts)}


def fails(parts):
    raise ValueError("not trained enough")


def again(parts, images=64):
    return {"images": images} if parts.run.arm.optimizer == "sgd" else {"epochs": parts.trained_again().run.epochs}


@hookimpl
def harness_probes():
    return [
        Probe(name="pairs", measure=count, networks=2),
        Probe(name="fails", measure=fails, costly=True),
        Probe(name="again", measure=again, costly=True, options={"images": 64}, limits={"images": Int(1, 64)}),
    ]
'''
BARE = ('formats = ["text"]', "formats = []")
EVERYTHING = (
    ("name = ", 'plugins = ["probe.py"]\nname = '),
    ("seeds = 2", 'seeds = 3\naa = true\nlabel_noise = 0.5\ntwins = 1\nuntuned = 2\nprobes = ["pairs", "fails"]'),
    ("trials = 3", "trials = 2\nseeds = 2"),
    ("looks = [1]", "looks = [2]"),
    BARE,
)


@pytest.fixture
def planned(benchmark_file, tmp_path, monkeypatch):
    """Return a function that estimates a benchmark, quickly."""
    monkeypatch.setattr(module, "SECONDS_PER_ARM", 0.02)
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")

    def go(*replacements):
        request = Request(benchmark_file(*replacements), out=tmp_path / "runs")
        return estimate(request, Reporter(quiet=True)), request

    return go


@pytest.mark.usefixtures("unreported")
def test_the_runs_it_promises_are_the_runs_there_will_be(planned, tmp_path):
    found, request = planned(*EVERYTHING[:1], ("seeds = 2", 'seeds = 2\naa = true\ntwins = 1\nuntuned = 1\nprobes = ["pairs"]'), ("trials = 3", "trials = 1"), ("looks = [1]", "looks = [2]"), BARE)  # fmt: skip
    assert run(request, Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    db = sqlite3.connect(folder / "run.db")
    (made,) = db.execute("SELECT count(*) FROM runs").fetchone()
    (measured,) = db.execute("SELECT count(*) FROM measured").fetchone()
    db.close()
    assert found["runs"] == made
    assert found["probes"][0]["possible"] == measured


def test_every_control_is_counted_with_its_arm(planned):
    found, request = planned(*EVERYTHING)
    sgd, adam = found["arms"]
    common = {"fresh": 6, "twin": 1, "untuned": 2, "restart": 1}
    assert sgd["comparison"] == common | {"aa": 6, "different": 6}
    assert adam["comparison"] == common
    assert (sgd["searches"], sgd["trials"], adam["searches"], adam["trials"]) == (4, 8, 2, 4)
    assert sgd["runs"] == 8 * 2 + 22
    setting = prepare(request, Reporter(quiet=True))
    assert sum(sum(arm["comparison"].values()) for arm in found["arms"]) == count_comparison_runs(setting, 2)
    said = "\n".join(lines(found))
    assert "8 trials in 4 searches, 6 seeds" in said
    assert "beside its seeds: 1 twin, 6 aa, 6 different, 2 untuned, 1 restart" in said


def test_late_probes_are_timed_and_one_that_cannot_be_says_why(planned):
    found, _ = planned(*EVERYTHING)
    pairs, fails = found["probes"]
    assert (pairs["probe"], pairs["problem"], pairs["wanted"]) == ("pairs", "", pairs["possible"])
    assert pairs["seconds"] == pytest.approx(pairs["possible"] * pairs["seconds_each"])
    assert (fails["problem"], fails["seconds"]) == ("ValueError: not trained enough", 0)
    assert "not timed: ValueError: not trained enough" in "\n".join(lines(found))


@pytest.mark.parametrize(
    ("said", "wanted", "line"),
    [
        ("", 24, "24 pairs of networks, at about 1 s each: 24 s"),
        (
            "probe_sizes = { pairs = 20 }",
            20,
            "20 of 24 pairs of networks: every replicate paired with the 2 before it (compare.probe_sizes), at about 1 s each: 20 s",
        ),
    ],
)
def test_what_a_size_leaves_out_is_said_before_anything_is_spent(planned, monkeypatch, tmp_path, said, wanted, line):
    monkeypatch.setattr("harness.running.after.probe_costs._timed", lambda probe, setting, runs: 1.0)
    head = ("seeds = 2", f'seeds = 1\nprobes = ["pairs"]\n{said}')
    found, request = planned(EVERYTHING[0], ("looks = [1]", "looks = [4]"), head)
    (probe,) = found["probes"]
    assert (probe["possible"], probe["wanted"], probe["seconds"]) == (24, wanted, wanted)
    assert f"  probe pairs: {line}" in lines(found)
    setting = prepare(request, Reporter(quiet=True))
    untimed, quiet = line.split(", at about")[0], Reporter(quiet=True)
    with Store(tmp_path / "run") as store:
        assert foretell(setting, 4, TimeLimit(None, store), quiet) == ([f"probe pairs: {untimed}"] if said else [])
        limit = TimeLimit(1e6, store)
        assert foretell(setting, 4, limit, quiet) == ([f"probe pairs: {line}"] if said else [])
        assert limit.probes == {"pairs": 1.0}  # under a time limit it is known what a measurement takes


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        ("9h", "budget, 9 h: all 4 replicates fit"),
        ("1s", "budget, 1.00 s: one whole replicate takes about"),
    ],
)
def test_what_fits_into_a_time_limit_is_said(planned, monkeypatch, limit, line):
    monkeypatch.setattr("harness.running.after.probe_costs._timed", lambda probe, setting, runs: 1.0)
    named = ('name = "tiny"', f'name = "tiny"\nbudget = "{limit}"')
    found, _ = planned(EVERYTHING[0], ("looks = [1]", "looks = [2, 4]"), named)
    assert found["budget"]["asked"] == seconds_of(limit)
    assert any(said.startswith(line) for said in lines(found))


@pytest.mark.parametrize(
    ("said", "trials", "epochs"),
    [
        ("trials = 4", 4, 6),
        ('unit = "epochs"\nbudget = 9', 6, 9),
        ('unit = "epochs"\nbudget = 9\nseeds = 2', 3, 9),
        ("trials = 4\nseeds = 3", 4, 18),
        ('trials = 4\npruner = "median"', 4, 8),
    ],
)
def test_a_budget_in_another_unit_is_turned_into_trials_and_epochs(planned, said, trials, epochs):
    found, _ = planned(("seeds = 2", "seeds = 2\nuntuned = 0\ngate = false"), ("trials = 3", said))
    for arm in found["arms"]:
        assert (arm["trials"], arm["epochs"]) == (trials, epochs + 2 * 2)


def cost_always(monkeypatch, seconds):
    """Let a step and an evaluation cost so many seconds, whatever machine this is."""
    monkeypatch.setattr(module, "_step_seconds", lambda parts: seconds)
    monkeypatch.setattr(module, "_seconds", lambda work: seconds)


def test_a_budget_in_seconds_is_about_so_many_seconds(planned, monkeypatch):
    cost_always(monkeypatch, 0.01)
    found, _ = planned(
        ("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false"), ("trials = 3", 'unit = "seconds"\nbudget = 5')
    )
    for arm in found["arms"]:
        assert arm["trials"] > 1
        assert "5 seconds of search (about" in "\n".join(lines(found))


def test_range_tests_take_time(planned, monkeypatch):
    cost_always(monkeypatch, 0.01)
    plain = planned()[0]["arms"][0]
    tested = planned(("trials = 3", "trials = 3\nlr_range_test = true"))[0]["arms"][0]
    assert tested["runs"] == plain["runs"]
    assert tested["seconds"] > plain["seconds"]


SCATTER = "accuracy = 0.001\ntest_loss = 0.01\ntrain_loss = 0.001\nobjective = 0.001\nfunction = 0.05"


def test_the_power_is_that_of_the_statement_by_the_registered_scatter(benchmark_file, registry):
    benchmark, source = load(benchmark_file(), overrides=["compare.looks=[6]"])
    plan, data = resolve(benchmark, source, registry), SimpleNamespace(classes=("cat", "dog"))
    (found,) = power(SimpleNamespace(plan=plan, data=data))
    assert (found["network"], found["arms"], found["replicates"]) == ("lesson_cnn", 2, 6)
    assert found["supported_if_identical"] is None  # nobody knows how the measures scatter
    assert not found["exploratory"]
    sizes = [f"verdict.scatter.{line.replace(' ', '')}" for line in SCATTER.splitlines()]
    benchmark, source = load(benchmark_file(), overrides=["compare.looks=[6]", "compare.probes=[]", *sizes])
    plan = resolve(benchmark, source, registry)
    (found,) = power(SimpleNamespace(plan=plan, data=data))
    protocol = protocol_of(as_plain(benchmark), [c.name for c in plan.competitors], tuple(plan.task.metrics), classes=2)
    assert found["supported_if_identical"] == design_power(protocol, 2, probes=()) > 0.8


def test_the_design_is_said_in_a_line(planned):
    found, _ = planned()
    line = next(line for line in lines(found) if "power" in line)
    assert line.endswith(": the power is not known yet: the first look will show how widely the replicates scatter")
    alone, _ = planned(('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'))
    assert alone["power"] == []


BAD = """
import torch

from harness import Backbone, Float, Optimizer, hookimpl


class Network(torch.nn.Linear):
    def forward(self, images):
        raise ValueError("images are too small")


class Raises(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("no step today")


def build(*settings, **more):
    raise TypeError("not this one")


@hookimpl
def harness_optimizers():
    space = {"lr": Float(1e-3, 1.0, log=True)}
    return [Optimizer(name="raises", build=Raises, space=space), Optimizer(name="unbuilt", build=build, space=space)]


@hookimpl
def harness_backbones():
    return [Backbone(name="small", build=lambda *about, **more: Network(2, 2)), Backbone(name="none", build=build)]
"""


@pytest.mark.parametrize(
    ("arms", "problems"),
    [
        (
            'optimizers = ["raises", "sgd", "unbuilt"]',
            {
                "lesson_cnn/raises/cosine": "optimizer 'raises': must step, got RuntimeError: no step today",
                "lesson_cnn/unbuilt/cosine": "optimizer 'unbuilt': must build, got TypeError: not this one",
            },
        ),
        (
            'optimizers = ["sgd"]\nbackbones = ["small", "none", "lesson_cnn"]',
            {
                "small/sgd/cosine": "backbone 'small': must map inputs to outputs, got ValueError: images are too small",
                "none/sgd/cosine": "backbone 'none': must build, got TypeError: not this one",
            },
        ),
    ],
)
def test_an_arm_whose_plugin_raises_is_named_and_the_others_are_estimated(planned, tmp_path, arms, problems):
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    found, _ = planned(("name = ", 'plugins = ["bad.py"]\nname = '), ('optimizers = ["sgd", "adam"]', arms))
    assert {arm["arm"]: arm["problem"] for arm in found["arms"] if arm["problem"]} == problems
    told = lines(found)
    for arm, problem in problems.items():
        assert f"  {arm}: cannot be estimated: {problem}" in told
    (sound,) = [arm for arm in found["arms"] if not arm["problem"]]
    assert (sound["runs"], sound["seconds"] > 0) == (found["runs"], True)
    assert told[-1].endswith(", without the 2 arms that cannot be estimated")


def test_a_failing_plugin_makes_plan_exit_with_1(benchmark_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "SECONDS_PER_ARM", 0.02)
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    file = benchmark_file(('optimizers = ["sgd", "adam"]', 'optimizers = ["raises"]'))
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(file), "--plugin", str(tmp_path / "bad.py")])
    assert (ended.value.code, capsys.readouterr().err) == (1, "")


def test_a_busy_machine_is_said_as_a_run_says_it(planned, monkeypatch):
    monkeypatch.setattr("harness.training.device.contention", lambda device: f"{device.threads} threads wait")
    found, _ = planned()
    assert found["busy"] == "1 threads wait"
    assert lines(found)[1] == "warning: 1 threads wait"


def test_one_of_a_kind_is_singular(planned):
    found, _ = planned(("seeds = 2", 'seeds = 1\nuntuned = 0\nprobes = ["surface"]'), ("trials = 3", "trials = 1"))
    told = "\n".join(lines(found))
    assert "1 thread)" in told
    assert ": 1 trial, 1 seed, about" in told
    assert not re.search(r"\b1 (threads|trials|seeds|runs|networks|pairs|triples)\b", told)


@pytest.mark.parametrize(("networks", "seconds", "calls"), [(1, 0.5, 2), (1, 1.5, 1), (2, 1.5, 2), (2, 6.0, 1)])
def test_a_measurement_that_takes_long_is_timed_once(planned, monkeypatch, networks, seconds, calls):
    """A pair's second one has what the first kept of its networks; of one network nothing is kept."""
    _, request = planned(("seeds = 2", 'seeds = 1\nuntuned = 0\nprobes = ["distance"]'))
    setting = prepare(request, Reporter(quiet=True))
    clock, made = SimpleNamespace(now=0.0), []

    def measure(*parts):
        clock.now += seconds * (1 + (not made))  # the first one is slower
        made.append(parts)
        return {}

    monkeypatch.setattr(probe_costs, "time", SimpleNamespace(perf_counter=lambda: clock.now, monotonic=lambda: 0.0))
    run = setting.compare_run(
        setting.plan.competitors[0], {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 2}, 0
    )
    spent = probe_costs._timed(Probe(name="fake", measure=measure, networks=networks), setting, (run,) * networks)
    assert len(made) == calls
    assert spent == seconds * (2 if calls == 1 else 1)


def test_the_trainings_that_a_probe_asks_for_count_whatever_arm_is_first(planned, monkeypatch):
    monkeypatch.setattr(retraining, "_training_seconds", lambda bench, run: 1000.0)
    found, _ = planned(EVERYTHING[0], ("seeds = 2", 'seeds = 2\nuntuned = 0\nprobes = ["again"]'))
    (probe,) = found["probes"]
    assert (probe["problem"], probe["wanted"]) == ("", 4)  # two of sgd, which does not ask, and two of adam
    assert 500 < probe["seconds_each"] < 501


def test_a_training_that_a_probe_asks_for_takes_its_epochs_and_what_comes_once(planned, monkeypatch):
    _, request = planned(
        EVERYTHING[0], ("seeds = 2", 'seeds = 1\nuntuned = 0\nprobes = ["again"]'), ("epochs = 2\n", "epochs = 40\n")
    )
    setting = prepare(request, Reporter(quiet=True))
    clock = SimpleNamespace(now=0.0)

    def parts(run):
        def trained_again():
            clock.now += 5.0 + 0.5 * run.epochs

        return SimpleNamespace(trained_again=trained_again)

    monkeypatch.setattr(retraining, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    first = planned_cells(setting, 1)[0].run
    assert first.epochs == 40
    assert retraining._training_seconds(SimpleNamespace(parts=parts), first) == 5.0 + 0.5 * 40


def test_a_plan_says_first_what_it_does(planned, tmp_path):
    said = []
    _, request = planned(*EVERYTHING[:1], ("seeds = 2", 'seeds = 1\nuntuned = 0\nprobes = ["pairs"]'))
    reporter = Reporter(quiet=True)
    reporter.say = lambda text, style="", brief=False: said.append(text)
    estimate(request, reporter)
    timing = "timing some steps of 2 arms, and a measurement or two of 1 probe: a few seconds each, and nothing is kept"
    assert timing in said
    assert said.index(timing) < said.index("timing arms: 2 of 2") < said.index("timing probes: 1 of 1")
