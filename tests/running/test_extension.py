"""``--extend`` on a synthetic objective with a known optimum: the flagged arm is repaired, and no other is touched."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.benchmark.loading import load
from harness.benchmark.plan import resolve
from harness.console.progress import Reporter
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.search.extension import FURTHER, _extended_arm, _further, _including
from harness.running.start import run
from harness.verdict import tuning as alarms

EXECUTOR = '''
"""An executor that trains nothing: a run's accuracy falls with the squared decades from the best learning rate."""

import hashlib
import math

import numpy as np

from harness import Done, Epoch, Executor, State, hookimpl

BEST = {"sgd": -1.0, "adam": -3.0}  # decimal logarithms of the best learning rates
DEFAULT = {"sgd": 0.03, "adam": 0.002}


class Synthetic:
    room = 1

    def __init__(self, workbench):
        self.queue = []

    def submit(self, runs):
        self.queue += runs

    def events(self):
        while self.queue:
            run = self.queue.pop(0)
            lr = run.optimizer.get("lr", DEFAULT[run.arm.optimizer])
            seed = int(hashlib.sha256(f"{run.id}{run.init_seed}".encode()).hexdigest()[:8], 16)
            noise = np.random.default_rng(seed).normal(0, 0.004)
            value = 0.5 + 0.42 * math.exp(-0.25 * (math.log10(lr) - BEST[run.arm.optimizer]) ** 2) + noise
            metrics = {f"{split}_{name}": x for split in ("train", "tune") for name, x in
                       (("accuracy", value), ("error", 1 - value), ("loss", 1 - value))}
            yield run.id, Epoch(run.epochs, run.epochs, 0.1 * run.epochs, 0.0, metrics, lambda: State({}, {}))
            if run.phase == "compare":
                metrics |= {"test_accuracy": value, "test_error": 1 - value, "test_loss": 1 - value}
            yield run.id, Done(metrics)

    def stop(self, run_id):
        pass


@hookimpl
def harness_executors():
    return [Executor(name="synthetic", build=Synthetic)]
'''

FILE = """
name = "synthetic"
plugins = ["synthetic.py"]
[data]
size = 16
options = { train = 64, tune = 200, test = 64 }
[train]
optimizers = ["sgd", "adam"]
executor = "synthetic"
precision = "fp32"
threads = 1
[search]
trials = 12
epochs = [2]
[search.space.sgd]
momentum = 0.9
nesterov = false
[search.space.adam]
beta1 = 0.9
[compare]
looks = [1]
seeds = 5
epochs = 5
probes = []
[report]
formats = []
paths = false
"""
BAD = ("momentum = 0.9", "momentum = 0.9\nlr = { low = 1e-6, high = 1e-4, log = true }")
SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture
def carry_out(tmp_path, benchmark_file, leave_out_reports):
    """Return a function that carries a benchmark out, and returns its records and what was said."""
    (tmp_path / "synthetic.py").write_text(EXECUTOR, encoding="utf-8")

    def start(*replacements, reported=False, **more):
        said = []

        class Heard(Reporter):
            def say(self, text, style="", brief=False):
                said.append(text)

        file = benchmark_file(*replacements, text=FILE)
        with pytest.MonkeyPatch.context() as patch:
            if not reported:
                leave_out_reports(patch)
            code = run(Request(file, out=tmp_path / "runs", **more), Heard(quiet=True), ["harness", "run", file.name])
        assert code == 0
        return open_records(next((tmp_path / "runs").iterdir())), said

    return start


def raised(records):
    table = alarms.compute(records)
    return {(row["arm"], row["alarm"]) for row in table.to_dict("records") if row["state"] == "alarm"}


def tuned(records, arm):
    return records.arms.set_index("arm").loc[arm, "tuned_params"]["lr"]


def ended(records):
    db = sqlite3.connect(records.folder / "run.db")
    try:
        return dict(db.execute("SELECT run_id, ended || state || metrics FROM runs").fetchall())
    finally:
        db.close()


def test_a_bad_range_is_repaired_and_the_other_arm_is_left_alone(carry_out):
    bad, _ = carry_out(BAD)
    before = ended(bad)
    assert {arm for arm, _ in raised(bad)} == {SGD}
    assert (SGD, "defaults") in raised(bad)
    assert tuned(bad, SGD) <= 1e-4

    mended, said = carry_out(BAD, extend=True, reported=True)
    assert raised(mended) == set()
    assert abs(math.log10(tuned(mended, SGD)) + 1) < 0.5
    assert any(line.startswith(f"extended {SGD} (") for line in said)
    assert {e["arm"] for e in mended.meta.extensions} == {SGD}
    trials = [records.trials[records.trials["arm"] == ADAM] for records in (bad, mended)]
    assert trials[0].equals(trials[1])
    after = ended(mended)
    assert {run: after[run] for run in before} == before  # nothing was done again
    assert not [r for r in after.keys() - before.keys() if r in set(mended.comparison.query("of == @ADAM")["run_id"])]
    mine = mended.trials[mended.trials["arm"] == SGD]
    assert len(mine) == mended.trials_wanted(SGD) > 12
    assert [p["lr"] <= 1e-4 for p in mine["params"][:12]] == [True] * 12

    again, said = carry_out(BAD)  # the same command without the flag goes on with what was noted
    assert ended(again) == after
    assert any(line.startswith("nothing left to do") for line in said)
    assert tuned(again, SGD) == tuned(mended, SGD)

    quiet, said = carry_out(BAD, extend=True)
    assert ended(quiet) == after
    assert quiet.meta.extensions == mended.meta.extensions
    assert any("no arm has a tuning alarm" in line for line in said)


def test_arms_tuned_well_are_not_extended(carry_out):
    records, said = carry_out(extend=True)
    assert raised(records) == set()
    assert not records.meta.extensions
    assert any("no arm has a tuning alarm" in line for line in said)


def test_an_arm_that_has_tried_everything_is_not_extended(carry_out):
    """Two rates, both bad: more trials cannot help, and the arm stays with its alarm."""
    grid = ("momentum = 0.9", "momentum = 0.9\nlr = { choices = [1e-6, 1e-5] }")
    brute = ("epochs = [2]", 'epochs = [2]\nsampler = "bruteforce"')
    alone = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]')
    records, said = carry_out(
        grid, brute, alone, ("[search.space.adam]\nbeta1 = 0.9\n", ""), extend=True, reported=True
    )
    assert (SGD, "defaults") in raised(records)
    assert f"{SGD}: the grid of 2 combinations is exhausted after 2 of 12 trials" in said
    assert f"{SGD} is not extended: all 2 combinations have been tried" in said
    assert not records.meta.extensions
    assert len(records.trials) == records.trials_wanted(SGD) == records.exhausted(SGD) == 2


def test_an_extension_survives_a_kill(carry_out, tmp_path):
    """What was noted is gone on with, whenever the work was cut short: here before the first new trial."""
    whole, _ = carry_out(BAD, extend=True)
    (tmp_path / "runs").rename(tmp_path / "whole")
    bad, _ = carry_out(BAD)
    with sqlite3.connect(bad.folder / "run.db") as db:
        first = json.dumps(whole.meta.extensions[:1])
        db.execute("INSERT OR REPLACE INTO meta VALUES ('extensions', ?)", (first,))
    db.close()
    gone_on, _ = carry_out(BAD, extend=True)
    assert gone_on.meta.extensions == whole.meta.extensions
    table = gone_on.trials[["arm", "number", "value"]]
    assert table.equals(open_records(next((tmp_path / "whole").iterdir())).trials[["arm", "number", "value"]])


# --- the ranges ----------------------------------------------------------------------------------------------


@pytest.fixture
def competitor(benchmark_file, registry):
    """Return a function from a space to an arm that has it."""
    benchmark, source = load(benchmark_file())
    first = resolve(benchmark, source, registry).competitors[0]
    return lambda **space: replace(first, space=space)


def extended(competitor, ranges, extra=0.0):
    return _extended_arm(competitor, [{"arm": competitor.name, "ranges": ranges, "extra": extra}]).space


def test_a_logarithmic_range_reaches_further_at_the_end_that_the_rate_is_near_to(competitor):
    arm = competitor(lr=FloatDistribution(1e-4, 1e-2, log=True))
    assert _further(arm, upwards=True) == {"lr": {"low": 1e-4, "high": 1e-2 * FURTHER, "log": True}}
    assert _further(arm, upwards=False) == {"lr": {"low": 1e-4 / FURTHER, "high": 1e-2, "log": True}}
    assert extended(arm, _further(arm, upwards=True))["lr"] == FloatDistribution(1e-4, 1.0, log=True)


def test_a_linear_range_becomes_as_wide_again_and_stays_above_zero(competitor):
    arm = competitor(lr=FloatDistribution(0.5, 1.0))
    assert _further(arm, upwards=True)["lr"]["high"] == 1.5
    assert _further(arm, upwards=False)["lr"]["low"] == 1e-12  # where the limits of a rate end
    assert _further(competitor(lr=FloatDistribution(0.0, 1.0)), upwards=False) == {}  # it ends at zero already


def test_what_is_no_range_is_not_widened(competitor):
    assert _further(competitor(lr=CategoricalDistribution([0.1, 0.2])), upwards=True) == {}
    assert _further(competitor(), upwards=True) == {}


def test_steps_and_whole_numbers_stay_what_they_are(competitor):
    arm = competitor(
        lr=FloatDistribution(0.1, 0.5, step=0.1), n=IntDistribution(2, 8, step=2), k=IntDistribution(4, 64, log=True)
    )
    assert extended(arm, _further(arm, {"lr": 0.5}))["lr"] == FloatDistribution(0.1, 0.9, step=0.1)
    found = extended(arm, _including(arm, {"n": 11, "k": 2}, around=10))
    assert found["n"] == IntDistribution(2, 12, step=2)
    assert found["k"] == IntDistribution(1, 64, log=True)
    assert _including(arm, {"n": 4, "k": 64, "lr": 0.2}, around=10) == {}


def test_a_default_outside_a_range_is_included_with_a_decade_around_it(competitor):
    arm = competitor(lr=FloatDistribution(1.0, 10.0, log=True), momentum=FloatDistribution(0.5, 0.9))
    found = _including(arm, {"lr": 0.01, "momentum": 0.0}, around=10)
    assert found["lr"] == {"low": pytest.approx(0.001), "high": 10.0, "log": True}
    assert found["momentum"] == {"low": 0.0, "high": 0.9, "log": False}
