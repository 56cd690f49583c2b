"""Samplers and pruners with every wrong option: one line before anything is trained, and nothing breaks in mid-search."""

from __future__ import annotations

import inspect
import math
import re
import sys
from dataclasses import replace

import optuna
import pytest

from harness.benchmark.loading import load
from harness.benchmark.plan import resolve
from harness.errors import LONGEST_LINE, BenchmarkError
from harness.running.search import check, dry_run
from harness.running.search.samplers import pruners, samplers

NEEDED = {"percentile": {"percentile": 25.0}, "threshold": {"upper": 0.99}}  # options that a pruner cannot be without
VALUES = [
    -1, 0, 1, 2, 10**6, 2**62, 0.0, -0.5, 0.5, 1e300, 5e-324, True, False, "", "adam", "auto", "1", "\x1b]0;x\x07\u202e",
    "x" * 5000, [], [1], {}, {"lr": 0.1}, {"a\nb": [1]},
]  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory, registry):
    """Return a function that plans a search by a sampler and a pruner with options, and returns what ``check`` says."""
    file = tmp_path_factory.mktemp("benchmark") / "tiny.toml"
    file.write_text(
        'name = "tiny"\n[train]\noptimizers = ["adam"]\n[search]\ntrials = 40\nsampler_options = { a = 1 }\n'
        "[search.space.adam]\nlr = { low = 1e-4, high = 1e-1, log = true }\nbeta1 = { choices = [0.8, 0.9] }\n"
    )
    benchmark, source = load(file)
    resolved = resolve(benchmark, source, registry)

    def planned(sampler="random", pruner="none", sampler_options=None, pruner_options=None, **more):
        update = {
            "sampler": sampler, "sampler_options": sampler_options or {}, "pruner": pruner,
            "pruner_options": pruner_options or {}, "seeds": 3 if pruner == "wilcoxon" else 1, **more,
        }  # fmt: skip
        search = benchmark.search.model_copy(update=update)
        return replace(resolved, benchmark=benchmark.model_copy(update={"search": search}))

    return planned


def said(plan):
    """Return the line that refuses a plan, "" where it is taken."""
    try:
        check(plan, lambda *key: ".".join(key))
    except BenchmarkError as error:
        return str(error)
    return ""


def cases():
    """Yield every option of every sampler and pruner."""
    for part, classes in (("sampler", samplers()), ("pruner", pruners())):
        for name, of in classes.items():
            for key in inspect.signature(of).parameters:
                yield part, name, key


@pytest.mark.parametrize(("part", "name"), sorted({case[:2] for case in cases()}))
def test_every_option_with_any_value_is_refused_by_its_name_or_searches(plan, part, name):
    for key in (key for of, other, key in cases() if (of, other) == (part, name)):
        for value in VALUES:
            options = {**NEEDED.get(name, {}), key: value} if part == "pruner" else {key: value}
            line = said(
                plan(**{part: name, f"{part}_options": options}, trials=4 if name == "gp" else 14)
            )  # gp takes long
            infinite = name in ("grid", "bruteforce") and "must have finite spaces" in line
            named = line.startswith(f"search.{part}_options.{key}: must ") or f"got {{upper = 0.99, {key} = " in line
            assert not line or named or infinite, line
            assert len(line) <= LONGEST_LINE
            assert line.isprintable()


@pytest.mark.parametrize("name", sorted(samplers()))
def test_every_sampler_searches_with_its_own_defaults(plan, name):
    line = said(plan(name))
    assert ("must have finite spaces" in line) if name in ("grid", "bruteforce") else line == ""


@pytest.mark.parametrize("name", sorted(pruners()))
def test_every_pruner_prunes_with_its_own_defaults(plan, name):
    assert said(plan(pruner=name, pruner_options=NEEDED.get(name))) == ""


OF_THE_REVIEW = [
    ("tpe", {"multivariate": "adam"}, "multivariate: must be true or false, got 'adam'"),
    ("tpe", {"n_startup_trials": -1}, "n_startup_trials: must be a whole number >= 0, got -1"),
    ("tpe", {"n_startup_trials": True}, "n_startup_trials: must be a whole number >= 0, got true"),
    ("tpe", {"n_ei_candidates": 0}, "n_ei_candidates: must be a whole number from 1 to 100000, got 0"),
    ("tpe", {"gamma": 1}, "gamma: must be left out, got 1; it is not a value that TOML can hold"),
    ("tpe", {"seed": 1}, "seed: must be left out, got 1; it is made from search.seed"),
    ("tpe", {"N_Startup_Trials": 1}, "N_Startup_Trials: must be an option of Optuna's TPESampler, got 'N_Startup_Trials'; did you mean 'n_startup_trials'?"),
    ("cmaes", {"sigma0": 0}, "sigma0: must be a number above 0, got 0"),
    ("cmaes", {"popsize": 1}, "popsize: must be a whole number from 2 to 10000, got 1"),
    ("cmaes", {"x0": 1}, "x0: must be a table, got 1"),
    ("cmaes", {"warn_independent_sampling": True, "x0": {"lr": 0.1}}, "x0: must be such that Optuna's sampler can search lesson_cnn/adam/cosine, got {lr = 0.1}"),
    ("cmaes", {"restart_strategy": "ipop"}, "restart_strategy: must be left out, got 'ipop'; Optuna does not use it any more"),
    ("qmc", {"qmc_type": "adam"}, "qmc_type: must be 'halton' or 'sobol', got 'adam'"),
    ("grid", {"search_space": {"lr": [1]}}, "search_space: must be left out, got {lr = [1]}; it is made from search.space"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "message"), OF_THE_REVIEW)
def test_a_wrong_option_of_a_sampler_is_named(plan, name, options, message):
    assert said(plan(name, sampler_options=options)).startswith(f"search.sampler_options.{message}")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hyperband", {"min_resource": 0}, "_options.min_resource: must be a whole number above 0, got 0"),
        ("hyperband", {"reduction_factor": 1}, "_options.reduction_factor: must be a whole number above 1, got 1"),
        ("successivehalving", {"min_resource": "much"}, "_options.min_resource: must be 'auto' or a whole number above 0, got 'much'"),
        ("percentile", {}, "_options: must have 'percentile' for 'percentile', got none; add percentile = ..."),
        ("percentile", {"percentile": 101.0}, "_options.percentile: must be a number from 0 to 100, got 101.0"),
        ("threshold", {}, ": must work for lesson_cnn/adam/cosine, got TypeError"),
        ("threshold", {"lower": 2, "upper": 1}, "_options: must be such that Optuna's pruner can search lesson_cnn/adam/cosine, got {lower = 2, upper = 1}"),
        ("none", {"n_warmup_steps": 1}, "_options.n_warmup_steps: must go with a pruner, got it with pruner = 'none'"),
    ],
)  # fmt: skip
def test_a_wrong_option_of_a_pruner_is_named(plan, name, options, message):
    assert said(plan(pruner=name, pruner_options=options)).startswith(f"search.pruner{message}")


def test_the_small_search_goes_beyond_the_start_up_and_stays_within_the_budget(plan, monkeypatch):
    asked = []

    class Sampler(optuna.samplers.RandomSampler):
        def before_trial(self, study, trial):
            asked.append(trial.number)

    monkeypatch.setattr(dry_run, "make_sampler", lambda *_, **__: Sampler(seed=0))
    for trials, startup, expected in ((40, 5, 7), (40, 0, 2), (4, 10, 4), (1000, 10**6, dry_run.MOST_TRIALS)):
        asked.clear()
        dry_run._tried.clear()
        said(plan("tpe", sampler_options={"n_startup_trials": startup}, trials=trials))
        assert asked == list(range(expected))
    dry_run._tried.clear()


def test_what_was_tried_is_not_tried_again_in_the_process(plan, monkeypatch):
    assert said(plan("tpe")) == ""
    monkeypatch.setattr(dry_run, "_search", lambda *_: 1 / 0)
    assert said(plan("tpe")) == ""
    assert "ZeroDivisionError" in said(plan("tpe", trials=39))


def test_what_breaks_in_mid_search_is_one_line_and_the_same_command_goes_on(
    benchmark_file, tmp_path, monkeypatch, capsys
):
    from harness.cli.app import main
    from harness.records import open_records

    def run():
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "run",
                    str(benchmark_file()),
                    "--out",
                    str(tmp_path / "runs"),
                    "--only-search",
                    "--set",
                    "report.formats=[]",
                ]
            )
        return ended.value.code, capsys.readouterr().err

    class Broken(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study, trial):
            if trial.number == 1:
                raise IndexError("list index\nout of range")
            return {}

    with monkeypatch.context() as patched:
        patched.setattr("harness.running.search.trials.make_sampler", lambda *_, **__: Broken(seed=0))
        code, line = run()
    assert code == 2
    assert re.fullmatch(
        r"error: search\.sampler: must go on for lesson_cnn/\w+/cosine, got IndexError: list index out of range at trial 2; "
        r"what is trained stays in \S+; choose other options in search\.sampler_options\n",
        line,
    )
    monkeypatch.setattr(
        "harness.running.start.write_reports", lambda *_, **__: sys.exit("the search is over")
    )  # reports take long
    run()
    (folder,) = (tmp_path / "runs").iterdir()
    values = open_records(folder).trials["value"]
    assert len(values) == 6
    assert all(map(math.isfinite, values))
