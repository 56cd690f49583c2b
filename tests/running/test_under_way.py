"""What is under way has a name wherever work takes long, so that the sign of life never says only that something goes on."""

from __future__ import annotations

import importlib

import pytest

from harness.console.progress import Reporter
from harness.running.forecast import timing
from harness.running.forecast.estimate import estimate
from harness.running.prepare import Request
from harness.running.start import run

OF_BOTH = (
    "harness.running.prepare.resolve",
    "harness.running.search.check",
    "harness.running.prepare.check_overrides",
    "harness.running.prepare.check_fairness",
)
OF_RUN = (
    *OF_BOTH,
    "harness.running.start.earlier_runs",
    "harness.running.start.open_executor",
    "harness.running.start.describe_run",
    "harness.running.search.centring.range_test",
    "harness.running.campaign.expect_measurements",
    "harness.running.campaign.foretell",
    "harness.running.driver.register_protocol",
    "harness.running.after.late_probes._measure",
    "harness.running.after.beside.EventLoop",
    "harness.running.start.collect",
    "harness.running.start.write_reports",
)
OF_PLAN = (
    *OF_BOTH,
    "harness.running.forecast.estimate.pace_of",
    "harness.running.forecast.estimate.time_arm",
    "harness.running.after.probe_costs._timed",
    "harness.running.forecast.estimate.earlier_runs",
)


@pytest.fixture
def named(monkeypatch):
    """Return a function that has functions note what the reporter says to be under way when they are called."""
    reporter, under_way = Reporter(quiet=True), {}

    def watch(path):
        module, _, name = path.rpartition(".")
        function = getattr(importlib.import_module(module), name)

        def noting(*args, **more):
            under_way.setdefault(path, []).append(reporter._heart.current[0])
            return function(*args, **more)

        monkeypatch.setattr(path, noting)

    def go(work, paths):
        for path in paths:
            watch(path)
        work(reporter)
        assert set(under_way) == set(paths)
        assert {path: phases for path, phases in under_way.items() if "" in phases} == {}
        assert reporter._heart.current[0] == ""  # at the end nothing is

    return go


@pytest.mark.usefixtures("unreported")
def test_of_a_run(named, benchmark_file, smallest, tmp_path):
    asked = (
        ("seeds = 1", 'seeds = 1\nprobes = ["distance"]\nfolds = 2'),
        ("trials = 1", "trials = 1\nlr_range_test = true"),
    )
    request = Request(benchmark_file(*smallest, *asked), out=tmp_path / "runs")
    named(lambda reporter: run(request, reporter), OF_RUN)


def test_of_a_plan(named, benchmark_file, smallest, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "SECONDS_PER_ARM", 0.02)
    request = Request(
        benchmark_file(*smallest, ("seeds = 1", 'seeds = 1\nprobes = ["distance"]')), out=tmp_path / "runs"
    )
    named(lambda reporter: estimate(request, reporter), OF_PLAN)
