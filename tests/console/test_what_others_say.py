"""What libraries say while a command runs, and what a command's line says to a Python caller."""

from __future__ import annotations

import logging

import pytest

from harness.console.escaping import escaped_output
from harness.console.in_python import for_python, in_python
from harness.errors import DiskError, HarnessError


def test_a_logger_without_a_handler_says_nothing(capsys, monkeypatch):
    """torch's tracing has one; Python would name it on standard error."""
    logger = logging.getLogger("harness.nobody.listens")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logging.Logger.manager, "emittedNoHandlerWarning", False)
    with escaped_output():
        logger.error("nobody asked")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ("--clip: must be LOW HIGH with 0 <= LOW", "clip: must be LOW HIGH with 0 <= LOW"),
        ("a.toml: --profile: must name a profile of the file", "a.toml: profile: must name a profile of the file"),
        ("--set: train.regime: must be", "set: train.regime: must be"),
        ("stop and go on with --set train.threads=1", 'stop and go on with set={"train.threads": 1}'),
        ("it must be without --no-reuse, got it", "it must be without no_reuse=True, got it"),
        ("take it with --arm 'refit'", 'take it with arm="refit"'),
        ("--format timm: must be one network; leave out --ensemble", 'formats=["timm"]: must be one network; leave out ensemble=True'),
        ("name a folder with --data, or leave out --data", "name a folder with data=..., or leave out data"),
        ("figures --only: must be a figure", "names: must be a figure"),
        ("'harness run' goes on; 'harness status' tells", "harness.run goes on; 'harness status' tells"),
        ("To measure: harness run a.toml --time-limit 2h --set x.y=3", "To measure: harness run a.toml --time-limit 2h --set x.y=3"),
        ("birds--2/crow: must be a folder", "birds--2/crow: must be a folder"),
        ("must have a refit for --arm 'adam/cosine', got none", 'must have a refit for arm="adam/cosine", got none'),
        ("--arm refit:adam: must be one network", 'arm="refit:adam": must be one network'),
        ("--reuse: must be left out with --no-reuse, got 'a'", "reuse: must be left out with no_reuse=True, got 'a'"),
        ("start one with 'ray start --head', or leave --data out", "start one with 'ray start --head', or leave data out"),
        ("'harness run' goes on with --data DIR", "harness.run goes on with data=DIR"),
        (
            "leave out --data; to go on: harness run a.toml --data 'x' --retry",
            "leave out data; to go on: harness run a.toml --data 'x' --retry",
        ),
    ],
)  # fmt: skip
def test_a_line_names_arguments_in_the_place_of_options(typed, called):
    assert in_python(typed) == called


def test_an_error_keeps_its_class_and_what_it_knows():
    error = DiskError("must have room; name another folder with --out")
    error.full = True
    with pytest.raises(HarnessError, match=r"name another folder with out=\.\.\.$") as raised, for_python():
        raise error
    assert raised.value is error
    assert raised.value.full
    with pytest.raises(HarnessError, match=r"^arms: must be"), for_python({"--arm:": "arms:"}):
        raise HarnessError("--arm: must be")
