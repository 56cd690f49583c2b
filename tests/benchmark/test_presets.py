"""Presets: laid over every benchmark file, before --set, and said in one line."""

from __future__ import annotations

import pytest

from harness.benchmark.loading import load
from harness.benchmark.sections import identity
from harness.benchmark.sections.presets import PRESETS
from harness.benchmark.toml import read
from harness.errors import BenchmarkError


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_goes_with_every_file_profile_and_workload_and_changes_no_identity(repository, preset):
    for file in [*(repository / "benchmarks").glob("*.toml"), repository / "tests" / "tiny.toml"]:
        source = read(file)
        for workload in [each.name for each in source.workloads] or [None]:
            for profile in (None, *source.profiles):
                plain, _ = load(file, profile, (), workload)
                laid, said = load(file, profile, (), workload, preset)
                assert identity(laid) == identity(plain), (
                    file,
                    profile,
                    workload,
                )  # so it goes on in the same run folder
                assert laid.compare.looks == PRESETS[preset].compare["looks"]
                assert sum(line.startswith(f"preset {preset}, ") for line in said.notices) == 1


def test_a_preset_is_laid_over_the_profile_and_under_a_set(repository):
    file = repository / "benchmarks" / "dogscats.toml"
    benchmark, source = load(file, "verdict", ["search.trials=5"], preset="quick")
    assert (benchmark.search.trials, benchmark.compare.looks, benchmark.compare.twins) == (5, [1], 0)
    assert benchmark.compare.probes == []
    line = source.notices[0]
    assert line.startswith(
        "preset quick, a leaderboard of one search of each arm, without a verdict: compare.looks = [1], compare.seeds = 2 and "
    )
    assert " more keys, which 'harness docs search' explains; " in line
    assert ": search.confirm = 0, compare.looks = [1], " in source.preset["line"]  # the records have all of it
    assert line.endswith("; --set replaces its search.trials")
    assert source.preset["sets"]["compare.probes"] == []
    assert source.preset["replaced"] == ["search.trials"]


def test_a_budget_in_epochs_is_scaled(benchmark_file):
    epochs = ("trials = 3", 'trials = 3\nunit = "epochs"\nbudget = 30')
    budgets = [load(benchmark_file(epochs), preset=preset)[0].search.budget for preset in (None, *PRESETS)]
    assert budgets == [30, 15, 30, 60]


def test_an_unknown_preset_is_refused(benchmark_file):
    with pytest.raises(BenchmarkError, match="--preset: must be quick, good or best, got 'god'; did you mean 'good'"):
        load(benchmark_file(), preset="god")
    with pytest.raises(BenchmarkError, match=r"--preset: must be quick, good or best, got 'fast'$"):
        load(benchmark_file(), preset="fast")
