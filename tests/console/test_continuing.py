"""The commands that go on with a run: without what was asked of one call, and without a limit that may be used up."""

from __future__ import annotations

import pytest

from harness.console.continuing import continuing, has_limit


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "a b.toml"], "harness run 'a b.toml'"),
        (["run", "a.toml", "--time-limit", "1h", "--refit"], "harness run a.toml --refit"),
        (["run", "a.toml", "--time-limit=1h", "--open", "--retry"], "harness run a.toml"),
        (["run", "a.toml", "--set", "budget=1h", "--set=search.budget=3"], "harness run a.toml --set search.budget=3"),
        (["run", "a.toml", "--profile", "p", "--data", "my photos", "--out", "o", "--only-measure", "--extend"],
         "harness run a.toml --profile p --data 'my photos' --out o"),
        ([], "harness run ..."),
    ],
)  # fmt: skip
def test_a_command_keeps_what_the_run_was_begun_with(words, expected):
    command = ["harness", *words] if words else []
    assert continuing(command) == expected
    assert continuing(command, time_limit="2h") == f"{expected} --time-limit 2h"
    assert continuing(command, only_measure=True) == f"{expected} --only-measure"


def test_a_new_value_takes_the_place_of_the_command_s_own():
    command = ["harness", "run", "a.toml", "--set", "compare.probes=[]", "--set", "compare.seeds=2"]
    asked = continuing(command, {"compare.probes": ["distance"]})
    assert asked == "harness run a.toml --set compare.seeds=2 --set 'compare.probes=[\"distance\"]'"


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--time-limit", "1h"], True), (["--set", "budget=2"], True), (["--set", "x=budget"], False)],
)
def test_whether_a_command_has_a_limit(words, expected):
    assert has_limit(["harness", "run", "a.toml", *words]) is expected
