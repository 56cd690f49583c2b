"""A profile can be cut down by --set: settings for what takes no part are left out and named, and slips stay errors."""

from __future__ import annotations

import pytest

from harness.benchmark.loading import load
from harness.benchmark.sections import identity
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, UnknownName
from harness.running.prepare import Request, prepare


def said(*keys: str) -> str:
    """Return the notice that these settings of the file are left out."""
    if len(keys) == 1:
        return f"the file's setting {keys[0]} is left out: what it is for takes no part"
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"the file's settings {', '.join(keys[:3])}{more} are left out: what they are for takes no part"


@pytest.mark.parametrize(
    ("profile", "settings", "left_out"),
    [
        ("photos", ['train.optimizers=["sgd","adam"]'], "search.space.rmsprop, heads.linear.search.space.rmsprop"),
        ("photos", ['train.heads=["mlp"]'], "heads.linear"),
        ("photos", ['train.regime="scratch"'], "train.heads, heads.linear"),
        ("finetune", ['train.optimizers=["adamw"]'], "search.space.sgd, search.space.adam, search.space.rmsprop"),
        (
            "finetune",
            ['train.regime="scratch"'],
            "search.space.rmsprop, train.head_epochs, train.batch_norm, search.layer_factor",
        ),
        (None, ['data.dataset="folder"'], "data.options.train, data.options.tune, data.options.test"),
        (None, ['data.dataset="folder"', "data.options.test=0.2"], "data.options.train, data.options.tune"),
        (None, ['search.sampler="random"'], "search.sampler_options.n_startup_trials"),
        (None, ['train.optimizers=["lion"]'], "search.space.sgd, search.space.adam, search.space.rmsprop"),
        (None, ['search.sampler="tpe"'], ""),
        (
            None,
            ['compare.probes=["inside", "sharpness"]'],
            ("compare.probe_options.stability, compare.probe_options.surface, compare.probe_sizes.stability"),
        ),
        ("verdict", ['train.optimizers=["sgd", "adam"]'], "search.space.rmsprop"),
        (
            "full",
            ['train.optimizers=["adam"]', 'train.schedulers=["cosine"]'],
            "search.space.sgd, search.space.rmsprop",
        ),
        (
            "photos",
            ['train.optimizers=["sgd"]', 'train.heads=["linear"]'],
            "search.space.adam, search.space.rmsprop, heads.linear.search.space.adam, heads.linear.search.space.rmsprop",
        ),
        ("finetune", ["search.layer_factor=[]", 'train.optimizers=["adam"]'], "search.space.sgd, search.space.rmsprop"),
        ("photos", [], ""),
        ("finetune", [], "search.space.rmsprop"),
        ("full", [], ""),
    ],
)
def test_what_a_set_takes_out_takes_its_settings_with_it(repository, profile, settings, left_out):
    benchmark, source = load(repository / "benchmarks" / "dogscats.toml", profile, settings)
    assert list(source.notices) == ([said(*left_out.split(", "))] if left_out else [])
    assert benchmark.name == "dogscats"


def test_the_aa_arm_is_another_optimizer_where_its_own_takes_no_part(repository):
    file = repository / "benchmarks" / "dogscats.toml"
    benchmark, source = load(file, "verdict", ['train.optimizers=["adam", "rmsprop"]'])
    assert benchmark.compare.aa is True
    assert source.notices == (
        said("search.space.sgd"),
        "compare.aa is 'sgd', which takes no part: the first optimizer takes part twice instead",
    )
    assert load(file, "verdict", ['train.optimizers=["sgd"]'])[0].compare.aa == "sgd"


ADAMS = ("[compare]", "[search.space.adam]\nlr = 0.01\n[search.space.sgd]\nlr = 0.1\n[compare]")


def test_what_is_cut_down_is_the_same_run_as_a_file_that_never_named_it(benchmark_file):
    cut = identity(load(benchmark_file(ADAMS), overrides=['train.optimizers=["sgd"]'])[0])
    short = (ADAMS[0], "[search.space.sgd]\nlr = 0.1\n[compare]")
    assert cut == identity(load(benchmark_file(short, ('["sgd", "adam"]', '["sgd"]')))[0])


def test_settings_that_stand_only_in_the_profile_go_with_its_arms(benchmark_file):
    profile = (
        '[profiles.p.train]\nschedulers = ["cosine", "linear"]\n[profiles.p.search.space]\nlinear = { floor = 0.1 }\n'
    )
    file = benchmark_file(("[report]", f"{profile}[report]"))
    benchmark, source = load(file, "p", ['train.schedulers=["cosine"]'])
    assert benchmark.search.space == {}
    assert source.notices == (said("search.space.linear"),)


def test_a_profile_of_fewer_arms_takes_out_their_settings_too(benchmark_file):
    file = benchmark_file(ADAMS, ("[report]", '[profiles.short.train]\noptimizers = ["sgd"]\n[report]'))
    benchmark, source = load(file, "short")
    assert list(benchmark.search.space) == ["sgd"]
    assert source.notices == (said("search.space.adam"),)


@pytest.mark.parametrize(
    ("replacements", "settings", "message"),
    [
        (
            [("[compare]", "[search.space.adma]\nlr = 0.1\n[compare]")],
            [],
            r"search\.space\.adma: .*did you mean 'adam'",
        ),
        (
            [("[compare]", "[search.space.adma]\nlr = 0.1\n[compare]")],
            ['train.optimizers=["sgd"]'],
            r"search\.space\.adma: ",
        ),
        (
            [ADAMS],
            ['train.optimizers=["sgd"]', "search.space.adam.beta1=0.9"],
            r"search\.space\.adam: must be for an arm's",
        ),
        ([], ['train.optimizers=["sgd"]', "search.space.adam.beta1=0.9"], r"search\.space\.adam: must be for an arm's"),
        ([], ['train.regime="features"', "heads.mpl.train.l2=0.1"], r"--set: heads\.mpl: must be one of train\.heads"),
        ([], ["search.space=3"], r"search\.space: must be a table"),
        ([], ["heads=3"], r"heads: must be a table"),
        ([], ["train=3"], r"train: must be a table"),
    ],
)
def test_slips_stay_errors(benchmark_file, replacements, settings, message):
    with pytest.raises(BenchmarkError, match=message):
        load(benchmark_file(*replacements), overrides=settings)


def test_an_alias_goes_with_its_arm(benchmark_file):
    arms = ('["sgd", "adam"]', '["sgd", "plain"]\naliases = { plain = "sgd" }')
    file = benchmark_file(arms, ("[compare]", "[search.space.plain]\nmomentum = 0.0\n[compare]"))
    benchmark, source = load(file, overrides=['train.optimizers=["sgd"]'])
    assert (benchmark.train.aliases, benchmark.search.space) == ({}, {})
    assert source.notices == (said("search.space.plain", "train.aliases.plain"),)


def test_it_is_said_in_one_line(benchmark_file, tmp_path, capsys):
    prepare(Request(benchmark_file(ADAMS), overrides=('train.optimizers=["sgd"]',), out=tmp_path), Reporter())
    notes = [line for line in capsys.readouterr().out.splitlines() if "takes no part" in line]
    assert notes == [f"note: {said('search.space.adam')}"]


def test_a_name_that_nobody_knows_is_refused_before_anything_is_said_to_be_left_out(benchmark_file, tmp_path, capsys):
    request = Request(benchmark_file(ADAMS), overrides=('train.optimizers=["sdg"]',), out=tmp_path)
    with pytest.raises(UnknownName, match=r"train\.optimizers: must name an optimizer, got 'sdg'; did you mean 'sgd'"):
        prepare(request, Reporter())
    assert "left out" not in capsys.readouterr().out


def test_options_of_listeners_that_are_not_asked_for_are_left_out(benchmark_file):
    file = benchmark_file(
        ("paths = false", 'paths = false\nlisteners = ["mlflow"]\nlistener_options = { mlflow = { uri = "http://a" } }')
    )
    benchmark, source = load(file, overrides=['report.listeners=["tensorboard"]'])
    assert benchmark.report.listener_options == {}
    assert source.notices == (said("report.listener_options.mlflow"),)
    request = Request(file, overrides=('report.listener_options.wandb={ project = "a" }',))
    with pytest.raises(
        BenchmarkError, match=r"report\.listener_options\.wandb: must be one of report\.listeners, got 'wandb'"
    ):
        prepare(request, Reporter(quiet=True))
    request = Request(file, overrides=('report.listener_options.mlflow={ url = "a" }',))
    with pytest.raises(
        BenchmarkError, match=r"listener_options\.mlflow\.url: must be an option of listener 'mlflow', got 'url'"
    ):
        prepare(request, Reporter(quiet=True))
