"""What may not stand in a benchmark file is refused in one line that names file, line and key."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w

from harness.benchmark.loading import load
from harness.benchmark.sections import as_plain, identity
from harness.errors import BenchmarkError


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 3", "trials = '3'", r"tiny\.toml:13: search\.trials: must be a whole number >= 1 and <= 1000000, got '3'"),
        ("trials = 3", "trials = 0", r"tiny\.toml:13: search\.trials: must be a whole number >= 1 and <= 1000000, got 0"),
        ("trials = 3", "trials = 2.5", r"search\.trials: must be a whole number >= 1 and <= 1000000, got 2\.5"),
        ("trials = 3", "trails = 3", r"tiny\.toml:13: search\.trails: must be a known key, got 'trails'; did you mean 'trials'\?"),
        ("[compare]", "[comparison]", r"tiny\.toml:17: comparison: must be a known key, .*did you mean 'compare'"),
        ("epochs = [1, 2]", "epochs = [2, 1]", r"tiny\.toml:14: search\.epochs: must be \[from, to\] .*got \[2, 1\]"),
        ("epochs = [1, 2]", "epochs = []", r"search\.epochs: must be a list of 1 to 2 entries, got \[\]"),
        ('"sgd", "adam"', '"sgd", "sgd"', r"train\.optimizers: must name each only once, got 'sgd' twice"),
        ('["sgd", "adam"]', '"sgd"', r"tiny\.toml:7: train\.optimizers: must be a list of 1 to 100 entries, got 'sgd'; write it in brackets: \[\"sgd\"\]"),
        ('precision = "fp32"', 'precision = "fp16"', r"train\.precision: must be 'auto', 'fp32' or 'bf16', got 'fp16'"),
        ('name = "tiny"', 'name = "../x"', r"tiny\.toml:2: name: must be up to 64 letters, digits, .* got '\.\./x'"),
        ('name = "tiny"', f'name = "{"a" * 65}"', r"name: must be up to 64 letters, .* got 'a{65}'$"),
        ("batch_size = 16", f'batch_size = 16\naliases = {{ {"b" * 65} = "sgd" }}', r"train\.aliases: must be named with up to 64 letters, .* got 'b{65}'$"),
        ('name = "tiny"', "", r"tiny\.toml: must have 'name', got none"),
        ("batch_size = 16", "batch_size = 16\nl2 = -1", r"train\.l2: must be a number >= 0 and <= 100, got -1"),
        ("batch_size = 16", "batch_size = 16\nl2 = nan", r"train\.l2: must be a"),
        ("[compare]", "[search.space.sdg]\nlr = 1\n[compare]", r"tiny\.toml:17: search\.space\.sdg: must be for an arm's .*did you mean 'sgd'"),
        ("size = 16", "size = 16\nseed = 2147483648", r"tiny\.toml:5: data\.seed: must be a whole number >= 0 and <= 2147483647, got 2147483648$"),
        ("size = 16", f"size = 16\nseed = {10**19}", r"tiny\.toml:5: data\.seed: must be a whole number of at most 64 bits, got a larger one"),
        ("size = 16", f"size = 16\nseed = 0x{'f' * 5000}", r"data\.seed: must be a whole number of at most 64 bits"),
        ("trials = 3", "trials = 3\nseed = 2147483648", r"search\.seed: must be a whole number >= 0 and <= 2147483647"),
        ("trials = 3", "trials = 1000001", r"search\.trials: must be a whole number >= 1 and <= 1000000, got 1000001"),
        ("epochs = [1, 2]", "epochs = [1, 1000001]", r"tiny\.toml:14: search\.epochs: must be a whole number >= 1 and <= 1000000, got 1000001"),
        ("epochs = [1, 2]", "epochs = [0, 1]", r"tiny\.toml:14: search\.epochs: must be a whole number >= 1 and <= 1000000, got 0"),
        ("seeds = 2", "seeds = 1001", r"compare\.seeds: must be a whole number >= 1 and <= 1000, got 1001"),
        ("batch_size = 16", "batch_size = 1000001", r"train\.batch_size: must be a whole number >= 1 and <= 1000000, got 1000001"),
        ("threads = 1", "threads = 4097", r"train\.threads: must be a whole number >= 0 and <= 4096, got 4097"),
        ("seeds = 2", "seeds = 2\nkeep_weights = true", r"compare\.keep_weights: must be a known key"),
        ("[compare]", "[search.space.sgd]\nlr = { low = nan, high = 1.0 }\n[compare]", r"tiny\.toml:18: search\.space\.sgd\.lr\.low: must be a finite number, got nan"),
        ("train = 64,", "train = 64, x = [1, { y = -inf }],", r"tiny\.toml:5: data\.options\.x\.y: must be a finite number, got -inf"),
        ("n_startup_trials = 2", "n_startup_trials = inf", r"search\.sampler_options\.n_startup_trials: must be a finite number, got inf"),
        ("trials = 3", f"trials = 3\n{'.'.join('a' * 3000)} = 1", r"tiny\.toml: must have keys of at most 32 parts"),
        ("[compare]", "[search.space.sgd]\nepochs = 3\n[compare]", r"tiny\.toml:18: search\.space\.sgd\.epochs: must be .*; use search\.epochs"),
        ("[compare]", "[search.space.cosine]\nbatch_size = { choices = [8] }\n[compare]", r"search\.space\.cosine\.batch_size: must be .*; use search\.batch_size"),
        ("[compare]", "[search.space.sgd]\nlr = { choices = [[1], 2] }\n[compare]", r"tiny\.toml:18: search\.space\.sgd\.lr\.choices: must be true or false, a number .* or a string of at most 4096 characters, got \[1\]"),
        ("[compare]", "[search.space.sgd]\nlr = { choices = 'abc' }\n[compare]", r"search\.space\.sgd\.lr\.choices: must be a list of 1 to 100 entries, got 'abc'"),
        ("[data]\nsize = 16", "[data]\nsize = 16\non_bad_image = 'skp'", r"must be 'error' or 'skip', got 'skp'; did you mean 'skip'"),
        ("batch_size = 16", "batch_size = 16\nhead_epochs = 1", r"tiny\.toml:9: train\.head_epochs: must be 0 in the regime 'scratch', got 1; it needs regime = \"finetune\""),
        ("batch_size = 16", "batch_size = 16\nlayer_factor = 0.1", r"tiny\.toml:9: train\.layer_factor: must be 1\.0 in the regime 'scratch', got 0\.1"),
        ("batch_size = 16", 'batch_size = 16\nbatch_norm = "frozen"', r"train\.batch_norm: must be 'train' in the regime 'scratch', got 'frozen'"),
        ("batch_size = 16", 'batch_size = 16\nregime = "features"\nbatch_norm = "frozen"', r"train\.batch_norm: must be 'train' in the regime 'features'"),
        ("batch_size = 16", 'batch_size = 16\nregime = "finetune"\nlayer_factor = 0', r"train\.layer_factor: must be a number >= 0\.0001 and <= 1, got 0"),
        ("batch_size = 16", 'batch_size = 16\nregime = "finetune"\nlayer_factor = 1.5', r"train\.layer_factor: must be a number >= 0\.0001 and <= 1, got 1\.5"),
        ("batch_size = 16", 'batch_size = 16\nregime = "finetune"\nhead_epochs = 1', r"tiny\.toml:10: train\.head_epochs: must be less than search\.epochs, which is 1 at the least, got 1"),
        ("trials = 3", "trials = 3\nlayer_factor = [0.1, 0.5]", r"tiny\.toml:14: search\.layer_factor: must be \[\] in the regime 'scratch'"),
        ("trials = 3", "trials = 3\nlayer_factor = [0.5, 0.1]", r"search\.layer_factor: must be \[low, high\] with low <= high, got \[0\.5, 0\.1\]"),
        ("trials = 3", "trials = 3\nlayer_factor = [0.5]", r"search\.layer_factor: must be \[low, high\]"),
        ("trials = 3", "trials = 3\nlayer_factor = [0.0, 0.5]", r"search\.layer_factor: must be a number >= 0\.0001 and <= 1, got 0\.0"),
        ("[report]", '[report]\ntarget = { metric = "accuracy" }', r"tiny\.toml:22: report\.target: must have 'value', got none; add value = "),
        ("[report]", '[report]\ntarget = { metric = "accuracy", value = true }', r"report\.target\.value: must be a number >= -1000000 and <= 1000000, got true"),
        ("[report]", '[report]\ntarget = { metric = "accuracy", value = 0.9, by = 3 }', r"report\.target\.by: must be a known key, got 'by'"),
        ("[report]", '[report]\ntarget = { metric = "accuracy", value = inf }', r"report\.target\.value: must be a finite number, got inf"),
        ("[compare]", "[search.space.sgd]\nlayer_factor = 0.1\n[compare]", r"tiny\.toml:18: search\.space\.sgd\.layer_factor: must be .*; use search\.layer_factor"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_place(benchmark_file, old, new, message):
    with pytest.raises(BenchmarkError, match=message) as caught:
        load(benchmark_file((old, new)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.a.b.c=3", "--set: train.a: must be a known key, got 'a'"),
        ("train.5=3", "--set: train.5: must be a known key, got '5'"),
        (
            'optimizers=["sgd"]',
            "--set: optimizers: must be a known key, got 'optimizers'; did you mean 'train.optimizers'?",
        ),
        (
            "name.x=1",
            "--set: name: must be up to 64 letters, digits, '.', '_' or '-', a letter or digit first (it names the run folder), got {x = 1}",
        ),
        ("search.space.sgdd.lr=1", "--set: search.space.sgdd: must be for an arm's optimizer or scheduler, got 'sgdd'"),
        ("search.epochs=[1,true]", "--set: search.epochs: must be a whole number >= 1 and <= 1000000, got true"),
        ("data.seed=10000000000000000000", "--set: data.seed: must be a whole number of at most 64 bits"),
    ],
)
def test_a_wrong_override_is_blamed_on_the_command_line(benchmark_file, override, message):
    with pytest.raises(BenchmarkError) as caught:
        load(benchmark_file(), None, [override])
    assert str(caught.value).startswith(message)


def test_identity_ignores_totals_so_that_a_run_folder_can_grow(benchmark_file):
    base = identity(load(benchmark_file())[0])
    assert identity(load(benchmark_file(("trials = 3", "trials = 9")))[0]) == base
    assert identity(load(benchmark_file(("seeds = 2", "seeds = 9")))[0]) == base
    assert identity(load(benchmark_file(("batch_size = 16", "batch_size = 8")))[0]) != base


def test_the_flagship_is_valid_and_every_profile_too(repository):
    file = repository / "benchmarks" / "dogscats.toml"
    for profile in (None, *tomllib.loads(file.read_text()).get("profiles", {})):
        assert load(file, profile)[0].name == "dogscats"


def test_what_a_run_folder_keeps_of_a_benchmark_is_a_valid_file_too(repository, tmp_path):
    """``benchmark.toml`` in a run folder has every key; predict, export and a second run read it."""
    file, kept = repository / "benchmarks" / "dogscats.toml", tmp_path / "benchmark.toml"
    for profile in (None, *tomllib.loads(file.read_text()).get("profiles", {})):
        benchmark = load(file, profile)[0]
        kept.write_text(tomli_w.dumps(as_plain(benchmark)), encoding="utf-8")
        assert load(kept)[0] == benchmark


@pytest.mark.parametrize("name", ["weight_decay", "weight_decay_1d", "wd", "lambd", "l2"])
@pytest.mark.parametrize("said", ["{ low = 1e-4, high = 1e-1, log = true }", "1e-2"])
def test_a_weight_decay_by_another_name_is_one_too(benchmark_file, name, said):
    text = ("[compare]", f"[search.space.adam]\n{name} = {said}\n[compare]")
    with pytest.raises(
        BenchmarkError, match=rf"search\.space\.adam\.{name}: must be 0 where the arms have one objective"
    ):
        load(benchmark_file(text))
    assert load(benchmark_file((text[0], text[1].replace(said, "0"))))


def test_weight_decay_of_ones_own_is_no_common_objective(benchmark_file):
    text = ("[compare]", "[search.space.adam]\nweight_decay = { low = 1e-4, high = 1e-1, log = true }\n[compare]")
    with pytest.raises(
        BenchmarkError, match=r"search\.space\.adam\.weight_decay: must be 0 where the arms have one objective"
    ):
        load(benchmark_file(text))
    benchmark, _ = load(benchmark_file(text, ("[search]", '[search]\nobjective = "free"')))
    assert benchmark.search.objective == "free"


def test_a_head_may_have_settings_of_its_own(benchmark_file):
    features = ("[train]", '[train]\nregime = "features"\nheads = ["linear", "mlp"]')
    own = ("[report]", "[heads.linear.train]\nl2 = 0.1\n[heads.linear.compare]\nepochs = 7\n[report]")
    benchmark, _ = load(benchmark_file(features, own))
    linear, mlp = benchmark.of_head("linear"), benchmark.of_head("mlp")
    assert (linear.train.l2, linear.compare.epochs, linear.train.batch_size) == (0.1, 7, 16)
    assert mlp is benchmark
    with pytest.raises(BenchmarkError, match=r"heads\.mpl: must be one of train\.heads.*did you mean 'mlp'"):
        load(benchmark_file(features, ("[report]", "[heads.mpl.train]\nl2 = 0.1\n[report]")))
    with pytest.raises(BenchmarkError, match=r"heads\.linear\.train\.epochs: must be a known key"):
        load(benchmark_file(features, ("[report]", "[heads.linear.train]\nepochs = 3\n[report]")))
    with pytest.raises(BenchmarkError, match=r"heads\.linear: must go with the regime 'features'"):
        load(benchmark_file(own))
