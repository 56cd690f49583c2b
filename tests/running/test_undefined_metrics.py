"""A metric may be undefined: where it does not decide that is said once, where it decides the exit code is 1."""

from __future__ import annotations

import json

import pytest

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.running.prepare import Request
from harness.running.start import run

PLUGIN = """
import math
import torch
from harness import Metric, Task, hookimpl


def right(predictions, targets):
    return float((predictions.argmax(1) == targets).mean())


def odd(predictions, targets):
    return math.nan


def undefined_on_test(predictions, targets):
    return right(predictions, targets) if len(targets) == 32 else math.nan


@hookimpl
def harness_tasks():
    common = (lambda data: 2, torch.nn.functional.cross_entropy, lambda outputs: outputs.softmax(1))
    return [
        Task("second", *common, {"right": Metric(right, "max", "%"), "odd": Metric(odd, "max")}),
        Task("first", *common, {"right": Metric(undefined_on_test, "max", "%")}),
    ]
"""


class Heard(Reporter):
    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def say(self, text, style="", brief=False):
        self.lines.append(text)


@pytest.mark.parametrize(
    ("task", "code", "line"),
    [
        (
            "second",
            0,
            "runs of the comparison (train, tune, test); its means leave them out",
        ),
        (
            "first",
            1,
            "3 of 3 runs of the comparison done; the first one, seed 0: test_right, the deciding metric, must be finite, got nan",
        ),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_a_run_says_so_and_keeps_its_results(benchmark_file, page, tmp_path, task, code, line):
    plugin = tmp_path / "tasks.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    arms = ('optimizers = ["sgd", "adam"]', f'optimizers = ["sgd"]\ntask = "{task}"')
    heard = Heard()
    assert (
        run(
            Request(benchmark_file(arms, page, ("trials = 3", "trials = 1")), out=tmp_path / "runs", plugins=(plugin,)),
            heard,
        )
        == code
    )
    assert sum(line in each for each in heard.lines) == 1
    (folder,) = (tmp_path / "runs").iterdir()
    (arm,) = show(folder)["arms"]
    assert [seed["state"] for seed in arm["seeds"]] == ["done", "done"]
    assert all(trial["state"] == "done" for trial in arm["trials"])
    assert not {"tune_odd", "test_odd"} & {*arm["seeds"][0]["metrics"]}
    json.dumps(show(folder), allow_nan=False)
