"""What may not stand in a benchmark file is refused in one line that names file, line and key."""

from __future__ import annotations

import pytest

from harness.config import identity, load
from harness.errors import BenchmarkError


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 3", "trials = '3'", r"tiny\.toml:12: search\.trials: must be a whole number >= 1, got '3'"),
        ("trials = 3", "trials = 0", r"tiny\.toml:12: search\.trials: must be greater than or equal to 1, got 0"),
        ("trials = 3", "trials = 2.5", r"search\.trials: must be a whole number >= 1, got 2\.5"),
        ("trials = 3", "trails = 3", r"tiny\.toml:12: search\.trails: must be a known key, got 'trails'; did you mean 'trials'\?"),
        ("[compare]", "[comparison]", r"tiny\.toml:15: comparison: must be a known key, .*did you mean 'compare'"),
        ("epochs = [1, 2]", "epochs = [2, 1]", r"tiny\.toml:13: search\.epochs: must be \[from, to\] .*got \[2, 1\]"),
        ("epochs = [1, 2]", "epochs = []", r"search\.epochs: must have at least 1 item"),
        ('"sgd", "adam"', '"sgd", "sgd"', r"train\.optimizers: must name each only once, got 'sgd' twice"),
        ('["sgd", "adam"]', '"sgd"', r"tiny\.toml:7: train\.optimizers: must be a list, got 'sgd'"),
        ('precision = "fp32"', 'precision = "fp16"', r"train\.precision: must be 'auto', 'fp32' or 'bf16', got 'fp16'"),
        ('name = "tiny"', 'name = "../x"', r"tiny\.toml:2: name: must be letters, digits"),
        ('name = "tiny"', "", r"tiny\.toml: must have 'name', got none"),
        ("batch_size = 16", "batch_size = 16\nl2 = -1", r"train\.l2: must be greater than or equal to 0, got -1"),
        ("batch_size = 16", "batch_size = 16\nl2 = nan", r"train\.l2: must be a"),
        ("[compare]", "[search.space.sdg]\nlr = 1\n[compare]", r"tiny\.toml:15: search\.space\.sdg: must be for an arm's .*did you mean 'sgd'"),
        ("[data]\nsize = 16", "[data]\nsize = 16\non_bad_image = 'skp'", r"must be 'error' or 'skip', got 'skp'; did you mean 'skip'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_place(benchmark_file, old, new, message):
    with pytest.raises(BenchmarkError, match=message) as caught:
        load(benchmark_file((old, new)))
    assert "\n" not in str(caught.value)


def test_identity_ignores_totals_so_that_a_run_folder_can_grow(benchmark_file):
    base = identity(load(benchmark_file())[0])
    assert identity(load(benchmark_file(("trials = 3", "trials = 9")))[0]) == base
    assert identity(load(benchmark_file(("seeds = 2", "seeds = 9")))[0]) == base
    assert identity(load(benchmark_file(("batch_size = 16", "batch_size = 8")))[0]) != base


def test_the_flagship_is_valid_and_every_profile_too(repository):
    import tomllib

    file = repository / "benchmarks" / "dogscats.toml"
    for profile in (None, *tomllib.loads(file.read_text()).get("profiles", {})):
        assert load(file, profile)[0].name == "dogscats"
