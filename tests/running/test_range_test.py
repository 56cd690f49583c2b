"""The range test: rules against curves whose answers are known, a sweep that leaves no trace, and centred searches."""

from __future__ import annotations

import json
import math
import random
import re
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.benchmark.plan import Setting
from harness.cli.app import main
from harness.console.progress import Reporter
from harness.plugin.contracts import Optimizer
from harness.records import open_records
from harness.results.pictures.range_test import draw_range_test, write_picture
from harness.running.prepare import Request, prepare
from harness.running.search.range_test import DENSITY, STILL, _parts, cannot, range_test, sweep
from harness.running.start import run
from harness.running.workbench import Bench
from harness.training.loop import train
from harness.training.lr_curve import Curve, RangeTest, runaway, smooth, suggestions

RATES = np.geomspace(1e-5, 10, 6 * 80 + 1)
DECADES = np.log10(RATES)


def basin(onset, breakdown, top=0.7, floor=0.3, width=0.1):
    """A loss that falls from ``top`` to ``floor`` around ``onset`` and rises again around ``breakdown`` (decades)."""
    down = 1 / (1 + np.exp(-(DECADES - onset) / width))
    up = np.exp(np.minimum((DECADES - breakdown) / width, 5))
    return top - (top - floor) * down + up


def noise(size, seed=0):
    return np.random.default_rng(seed).normal(0, size, len(RATES))


# --- rules ---------------------------------------------------------------------------------------------------


def test_a_straight_valley_has_its_middle_between_its_sides():
    losses = np.interp(DECADES, [-5, -3, -2, -1, 0, 1], [1.0, 1.0, 0.5, 0.5, 1.0, 1.0])
    found = suggestions(RATES, losses)
    assert math.isclose(found["valley"], 10**-1.5, rel_tol=0.06)
    assert -3 < math.log10(found["steepest"]) < -2
    assert -2 < math.log10(10 * found["minimum_tenth"]) < -1


def test_the_minimum_and_the_steepest_point_of_a_parabola_are_where_they_are():
    losses = np.where(DECADES < -4, 2.0, np.where(DECADES > 0, 2.0, 1 + (DECADES + 2) ** 2 / 4))
    found = suggestions(RATES, losses)
    assert math.isclose(math.log10(found["minimum_tenth"]), -3, abs_tol=0.02)
    assert math.isclose(math.log10(found["valley"]), -2, abs_tol=0.02)
    assert math.isclose(math.log10(found["steepest"]), -4, abs_tol=0.25)  # its steepest fall is at its border


@pytest.mark.parametrize("seed", range(4))
def test_noise_moves_the_valley_little(seed):
    clean = suggestions(RATES, basin(-3, 0))["valley"]
    noisy = suggestions(RATES, basin(-3, 0) + noise(0.1, seed))["valley"]
    assert abs(math.log10(noisy / clean)) < 0.25


def test_a_lone_spike_is_not_the_valley_and_does_not_hide_it():
    losses = basin(-3, 0)
    clean = suggestions(RATES, losses)["valley"]
    losses[200] = 1e6
    assert abs(math.log10(suggestions(RATES, losses)["valley"] / clean)) < 0.1


def test_a_loss_that_never_rises_has_its_valley_before_the_end():
    falling = np.interp(DECADES, [-5, -3, -1, 1], [1.0, 1.0, 0.2, 0.2])
    found = suggestions(RATES, falling)
    assert math.isclose(math.log10(found["valley"]), (-2.5 + 1) / 2, abs_tol=0.05)
    assert found["steepest"] < found["valley"]


@pytest.mark.parametrize(
    "losses",
    [
        np.full(len(RATES), 0.7),
        0.7 + noise(0.05),
        0.7 + noise(0.3, 1),
        np.exp(DECADES + 5),
        np.full(len(RATES), np.nan),
        np.full(len(RATES), np.inf),
    ],
    ids=["flat", "noise", "loud-noise", "diverging-at-once", "nan", "inf"],
)
def test_a_curve_that_never_falls_suggests_nothing(losses):
    assert suggestions(RATES, losses) == {}


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_suggests_nothing(seed):
    assert suggestions(RATES, 0.7 + noise(0.1, seed)) == {}


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_curve_too_short_suggests_nothing(count):
    assert suggestions(RATES[:count], np.linspace(1, 0, count)) == {}


def test_nothing_is_read_after_the_first_loss_that_is_no_number():
    losses = basin(-3, 0)
    cut = int(np.argmax(losses > 1.2))
    after = losses.copy()
    after[cut:] = -5.0
    after[cut] = np.nan
    assert suggestions(RATES, after) == suggestions(RATES[:cut], losses[:cut])


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_unit_of_the_loss_does_not_matter(scale):
    losses = basin(-3, 0) + noise(0.02)
    assert suggestions(RATES, scale * losses) == pytest.approx(suggestions(RATES, losses))


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_rates_that_are_shifted_shift_the_suggestions(factor):
    losses = basin(-3, 0) + noise(0.02)
    plain, shifted = suggestions(RATES, losses), suggestions(factor * RATES, losses)
    assert shifted == pytest.approx({rule: factor * rate for rule, rate in plain.items()})


def test_smoothing_keeps_constants_and_straight_lines_and_lags_behind_neither():
    line = 5 - DECADES
    assert np.allclose(smooth(RATES, np.full(len(RATES), 0.7)), 0.7)
    assert np.allclose(smooth(RATES, line)[40:-40], line[40:-40])


def test_a_sweep_that_comes_close_to_zero_has_not_run_away_at_its_first_loss():
    assert runaway(np.array([0.7, 0.3, 0.001])) == pytest.approx(1.4)
    assert runaway(np.array([-1.0, -3.0])) == pytest.approx(1.0)


# --- the sweep -----------------------------------------------------------------------------------------------


@pytest.fixture
def setting(benchmark_file):
    """Return a function that opens a tiny benchmark; its sweeps are short."""

    def make(*replacements):
        file = benchmark_file(*replacements)
        return prepare(Request(file), Reporter(quiet=True))

    return make


def weights_of(setting, seed=0):
    """Return the weights after a comparison run."""
    competitor = setting.plan.competitors[0]
    run = setting.compare_run(competitor, {"lr": 0.05}, seed)
    parts = Bench(setting, lambda _: None).parts(run)
    for _ in train(run, parts):
        pass
    return parts.model.state_dict()


def test_a_range_test_leaves_no_trace_on_the_training_after_it(setting):
    tiny = setting()
    before = weights_of(tiny)
    assert range_test(tiny, tiny.plan.competitors[0], steps=40).curve is not None
    after = weights_of(tiny)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_range_test_puts_every_random_generator_back(setting):
    tiny = setting()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    wanted = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    range_test(tiny, tiny.plan.competitors[0], steps=30)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == wanted


def test_a_range_test_starts_at_the_weights_the_search_starts_at(setting):
    tiny = setting()
    competitor = tiny.plan.competitors[0]
    ours = _parts(tiny, competitor, 0.1)
    theirs = Bench(tiny, lambda _: None).parts(tiny.search_run(competitor, {"lr": 0.1, "epochs": 2}))
    states = ours.model.state_dict(), theirs.model.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for mine, other in zip(ours.batches.of(1), theirs.batches.of(1), strict=True):
        assert torch.equal(mine[0], other[0])


@pytest.mark.parametrize("scheduler", ["one_cycle", "plateau", "cosine"])
def test_the_schedule_of_the_arm_does_not_touch_the_sweep(setting, scheduler, monkeypatch):
    monkeypatch.setattr(Setting, "_search_seed", lambda *_: 1_000_000)  # that of an arm follows from its schedule too
    curves = []
    for name in ("constant", scheduler):
        tiny = setting(("batch_size = 16", f'batch_size = 16\nschedulers = ["{name}"]'))
        curve = range_test(tiny, tiny.plan.competitors[0], steps=30).curve
        curves.append(curve)
    assert np.array_equal(curves[0].loss, curves[1].loss)
    assert np.array_equal(curves[0].lr, np.geomspace(1e-4, 10, 30)[: len(curves[0].lr)])


def test_parts_with_a_schedule_of_their_own_are_refused(setting):
    tiny = setting()
    run = tiny.search_run(tiny.plan.competitors[0], {"lr": 0.1, "epochs": 1})
    with pytest.raises(ValueError, match="still"):
        sweep(Bench(tiny, lambda _: None).parts(run), 1e-3, 1.0, 10)


def test_the_sweep_is_the_training_at_those_rates(setting):
    """The oracle: the same steps by hand, the rate set before each."""
    tiny = setting()
    competitor = tiny.plan.competitors[0]
    curve = sweep(_parts(tiny, competitor, 1e-3), 1e-3, 1e-1, 6)
    parts = _parts(tiny, competitor, 1e-3)
    losses = []
    parts.model.train()
    for epoch in (1, 2):
        for inputs, targets in parts.batches.of(epoch):
            if len(losses) == 6:
                break
            parts.optimizer.param_groups[0]["lr"] = np.geomspace(1e-3, 1e-1, 6)[len(losses)]
            parts.optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(parts.model(inputs), targets)
            losses.append(loss.item())
            penalty = sum(p.square().sum() for p in parts.parameters)
            (loss + tiny.plan.benchmark.train.l2 / 2 * penalty).backward()
            parts.optimizer.step()
    assert np.allclose(curve.loss, losses, rtol=1e-5)


def test_a_sweep_stops_when_the_loss_runs_away(setting):
    tiny = setting()
    curve = sweep(_parts(tiny, tiny.plan.competitors[0], 1e-3), 1e-3, 1e9, 60)
    assert curve.diverged
    assert len(curve.lr) < 60
    assert np.isfinite(curve.loss).all()
    assert np.isfinite(curve.smoothed).all()


class Switched(torch.optim.SGD):
    """Refuses a step in evaluation mode, as Schedule-Free does."""

    training = False

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def step(self, closure=None):
        assert self.training
        return super().step(closure)


def test_optimizers_that_switch_or_evaluate_the_objective_themselves_are_swept(setting):
    tiny = setting(('optimizers = ["sgd", "adam"]', 'optimizers = ["torch:LBFGS", "sgd"]'))
    lbfgs, sgd = tiny.plan.competitors
    assert len(range_test(tiny, lbfgs, steps=20).curve.lr) > 5
    own = Optimizer("sgd", Switched, sgd.optimizer.space, {"lr": 0.1, "momentum": 0.9}, switches=True)
    switched = range_test(tiny, replace(sgd, optimizer=own), steps=20)
    assert switched.curve is not None, switched.note
    assert np.array_equal(switched.curve.loss, range_test(tiny, sgd, steps=20).curve.loss)


def test_the_rates_of_layer_groups_keep_their_ratio(setting):
    tiny = setting()
    parts = _parts(tiny, tiny.plan.competitors[0], 0.1)
    first, second = parts.parameters[:2], parts.parameters[2:]
    parts.optimizer = torch.optim.SGD([{"params": first, "lr": 0.4}, {"params": second, "lr": 0.1}])
    sweep(parts, 1e-3, 1e-2, 4)
    rates = [group["lr"] for group in parts.optimizer.param_groups]
    assert rates == pytest.approx([1e-2, 2.5e-3])


def test_without_a_number_of_steps_a_sweep_has_as_many_a_decade_whatever_its_range(benchmark_file):
    for high in (0.01, 1.0):
        file = benchmark_file(text=PATIENTS + f"[search.space.sgd]\nlr = {{ low = 1e-3, high = {high}, log = true }}\n")
        setting = prepare(Request(file), Reporter(quiet=True))
        curve = range_test(setting, setting.plan.competitors[0]).curve
        assert curve.lr[0] == pytest.approx(1e-4)
        assert math.log10(curve.lr[1] / curve.lr[0]) == pytest.approx(1 / DENSITY, rel=0.02)


@pytest.mark.parametrize(
    ("said", "why"),
    [("lr = 0.1", "fixed at 0.1"), ("lr = { choices = [0.1, 0.2] }", "range above 0")],
)
def test_an_arm_whose_rate_is_not_searched_in_a_range_is_skipped_with_a_line(setting, said, why):
    tiny = setting(("[compare]", f"[search.space.sgd]\n{said}\n[compare]"))
    test = range_test(tiny, tiny.plan.competitors[0])
    assert (test.lr, test.curve, test.failed) == (None, None, False)
    assert why in test.note


def test_an_optimizer_without_a_rate_is_skipped_with_a_line(setting):
    tiny = setting()
    free = replace(tiny.plan.competitors[0], space={"epochs": tiny.plan.competitors[0].space["epochs"]})
    assert cannot(free) == "it has no learning rate to search"


def test_a_plugin_that_raises_is_named_and_is_not_the_end(setting):
    tiny = setting()

    def broken(parameters, **_):
        raise RuntimeError("no")

    own = replace(tiny.plan.competitors[0].optimizer, build=broken)
    test = range_test(tiny, replace(tiny.plan.competitors[0], optimizer=own), steps=20)
    assert test.failed
    assert "RuntimeError: no" in test.note


def test_the_schedule_that_does_nothing_keeps_nothing():
    still = STILL.build(None, 1)
    still.step()
    still.load_state_dict(still.state_dict())
    assert still.state_dict() == {}


# --- the command ---------------------------------------------------------------------------------------------


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["lr-find", *map(str, arguments)])
    return ended.value.code, capsys.readouterr()


def test_the_command_says_the_same_twice_and_writes_no_run_folder(benchmark_file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = benchmark_file()
    answers = [call(capsys, file, "--steps", 30, "--json") for _ in range(2)]
    assert answers[0] == answers[1]
    code, said = answers[0]
    assert (code, said.err) == (0, "")
    document = json.loads(said.out)
    assert [arm["arm"] for arm in document["arms"]] == ["lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"]
    assert {len(arm["curve"]["lr"]) == len(arm["curve"]["smoothed"]) <= 30 for arm in document["arms"]} == {True}
    assert {path.name for path in tmp_path.iterdir()} <= {file.name, "cache"}


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("found.svg", b"<?xml"),
        ("found.png", b"\x89PNG"),
        ("found.pdf", b"%PDF"),
        ("found.pgf", b"%% optimizer-harness"),
    ],
)
def test_a_picture_of_the_same_tests_has_the_same_bytes(tmp_path, name, head):
    losses = basin(-3, 0)
    curve = Curve(RATES, losses, smooth(RATES, losses), diverged=True)
    tests = [
        RangeTest("one", curve, suggestions(RATES, losses)),
        RangeTest("two", note="skipped"),
        RangeTest("$3", curve),
    ]
    pictures = []
    for _ in range(2):
        write_picture(tmp_path / name, tests)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(head)


@pytest.mark.parametrize(("columns", "inches"), [(1, 3.05), (2, 6.25)])
def test_a_picture_for_a_paper_is_as_wide_as_its_columns(tmp_path, columns, inches):
    losses = basin(-3, 0)
    curve = Curve(RATES, losses, smooth(RATES, losses), diverged=True)
    tests = [RangeTest(name, curve, suggestions(RATES, losses)) for name in ("one", "two", "three")]
    write_picture(tmp_path / "found.pdf", tests, columns)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "found.pdf").read_bytes())
    assert float(box[1]) == pytest.approx(72 * inches, abs=0.5)
    assert b"/Creator (optimizer-harness)" in (tmp_path / "found.pdf").read_bytes()


def test_the_lines_of_a_picture_stand_at_the_suggestions_and_at_the_tuned_rate():
    from matplotlib.figure import Figure

    losses = basin(-3, 0)
    found = suggestions(RATES, losses)
    axes = Figure().subplots()
    draw_range_test(axes, RATES, losses, smooth(RATES, losses), found, tuned=0.02)
    assert axes.get_xscale() == "log"
    upright = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert sorted(upright) == pytest.approx(sorted([*found.values(), 0.02]))


def test_one_arm_may_be_named_and_drawn(benchmark_file, tmp_path, capsys):
    code, said = call(
        capsys, benchmark_file(), "--steps", 20, "--arm", "lesson_cnn/adam/cosine", "--out", tmp_path / "one.svg"
    )
    assert code == 0
    assert "</svg>" in (tmp_path / "one.svg").read_text()
    assert "/adam/" in said.out
    assert "/sgd/" not in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arm", "lesson_cnn/adm/cosine"], "did you mean 'lesson_cnn/adam/cosine'"),
        (["--out", "curve.jpg"], ".pdf, .pgf, .svg or .png"),
        (["--out", "nowhere/curve.svg"], "its folder is not there"),
        (["--steps", "3"], "--steps"),
    ],
)
def test_wrong_input_gets_one_line(benchmark_file, capsys, arguments, words):
    code, said = call(capsys, benchmark_file(), *arguments)
    assert code == 2
    assert words in said.err
    assert said.err.count("\n") == 1


# --- a search that is centred --------------------------------------------------------------------------------

CENTRED = ("trials = 3", "trials = 3\nlr_range_test = true")
PATIENTS = """
name = "patients"
[data]
dataset = "diabetes"
[train]
executor = "inprocess"
task = "regression"
backbones = ["linear"]
optimizers = ["sgd"]
batch_size = 32
precision = "fp32"
threads = 1
[search]
trials = 3
epochs = [1]
lr_range_test = true
"""
ARM = "linear/sgd/cosine"


def run_it(file, out, *overrides):
    return run(Request(file, out=out, overrides=overrides, only_search=True), Reporter(quiet=True))


def test_a_centred_search_stays_within_a_decade_and_says_so_in_its_records(benchmark_file, tmp_path):
    assert run_it(benchmark_file(text=PATIENTS), tmp_path / "runs") == 0
    folder = next((tmp_path / "runs").iterdir())
    records = open_records(folder)
    test, space = records.meta.range_tests[ARM], records.meta.spaces[ARM]["lr"]
    assert test["lr"] == test["suggestions"]["valley"]
    assert (space["low"], space["high"]) == pytest.approx((test["lr"] / 10, test["lr"] * 10))
    assert all(space["low"] <= params["lr"] <= space["high"] for params in records.trials["params"])
    curve = records.range_tests
    assert list(curve["step"]) == list(range(1, len(curve) + 1))
    assert suggestions(curve["lr"].to_numpy(), curve["loss"].to_numpy()) == pytest.approx(test["suggestions"])
    assert (folder / "tables" / "range_tests.parquet").is_file()


@pytest.mark.usefixtures("unreported")
def test_a_search_that_goes_on_keeps_the_range_it_was_recorded_with(benchmark_file, tmp_path):
    """A second sweep that came out otherwise, as on a GPU, must not move the range: the records decide."""
    file = benchmark_file(text=PATIENTS)
    run_it(file, tmp_path / "runs")
    folder = next((tmp_path / "runs").iterdir())
    with sqlite3.connect(folder / "run.db") as db:
        tests = json.loads(db.execute("SELECT value FROM meta WHERE key = 'range_tests'").fetchone()[0])
        tests[ARM]["lr"] *= 1.2  # so that the trials still lie within
        db.execute("UPDATE meta SET value = ? WHERE key = 'range_tests'", (json.dumps(tests),))
    assert run_it(file, tmp_path / "runs", "search.trials=4") == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]
    records = open_records(folder)
    assert records.meta.spaces[ARM]["lr"]["low"] == pytest.approx(tests[ARM]["lr"] / 10)
    assert len(records.trials) == 4


def test_range_tests_have_the_seeds_of_the_search_and_never_those_of_the_comparison(benchmark_file):
    found = []
    for seed in (0, 1):
        request = Request(benchmark_file(text=PATIENTS), overrides=(f"search.seed={seed}",))
        setting = prepare(request, Reporter(quiet=True))
        parts = _parts(setting, setting.plan.competitors[0], 0.1)
        assert parts.run.init_seed == parts.run.order_seed >= 1_000_000
        found.append(range_test(setting, setting.plan.competitors[0], steps=60).curve.loss)
    assert not np.array_equal(*(losses[:20] for losses in found))


def test_asking_for_a_range_test_is_another_search(benchmark_file):
    plain = prepare(Request(benchmark_file()), Reporter(quiet=True))
    centred = prepare(Request(benchmark_file(CENTRED, name="other.toml")), Reporter(quiet=True))
    assert plain.folder_name != centred.folder_name


@pytest.mark.usefixtures("unreported")
def test_an_arm_that_suggests_nothing_keeps_its_range(benchmark_file, tmp_path):
    run_it(benchmark_file(text=PATIENTS + "[search.space.sgd]\nlr = 0.1\n"), tmp_path / "runs")
    records = open_records(next((tmp_path / "runs").iterdir()))
    assert records.meta.spaces[ARM]["lr"] == {"fixed": 0.1}
    assert "fixed" in records.meta.range_tests[ARM]["note"]
    assert not len(records.range_tests)
