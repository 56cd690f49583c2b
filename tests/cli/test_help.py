"""The help of every command: whole lines within 80 columns, an example that parses, and the exit codes."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from harness import __version__
from harness.cli.app import app, main
from harness.cli.asked import OfFile, OfRun
from harness.cli.examples import BELOW

GROUP = typer.main.get_command(app)


def commands(group=GROUP, above=()):
    """Yield the words of every command, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield " ".join((*above, name)), command


EVERY = dict(commands())


@pytest.fixture
def help_of(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert (ended.value.code or 0) == 0
        return capsys.readouterr().out

    return call


def test_every_command_has_its_examples():
    assert set(BELOW) == set(EVERY)


@pytest.mark.parametrize("group", [(), ("data",), ("baseline",)])
def test_no_summary_of_a_command_is_cut(help_of, group):
    out = help_of(*group)
    summaries = re.findall(r"^  [a-z-]+ {2,}(\S.*)$", out.partition("Commands:")[2], re.MULTILINE)
    assert len(summaries) >= 1
    assert [line for line in summaries if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("name", [*EVERY, "", "data", "baseline"])
def test_a_commands_help_has_an_example_and_exit_codes(help_of, name):
    out = help_of(*name.split())
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "..." not in out.replace("]...", "").replace("}...", "").replace("optimizer, ...", "")
    assert not re.search(r"\[\[(?!workload)|\]\](?! of that)", out)  # an argument that may be left out has one bracket
    after = out.partition("Example")[2]
    assert re.search(r"^ *Exit codes:\n +0 +done$", after, re.MULTILINE)
    assert re.search(r"^ +2 +the input is wrong", after, re.MULTILINE)


@pytest.mark.parametrize("name", EVERY)
def test_an_example_is_a_command_that_parses(name):
    for example in BELOW[name].examples:
        first, *words = shlex.split(example)
        assert first == "harness"
        assert " ".join(words[: len(name.split())]) == name
        with EVERY[name].make_context(name, words[len(name.split()) :]) as context:
            assert context.params


@pytest.mark.parametrize("name", ["run", "plan", "lr-find"])
def test_what_several_commands_take_is_declared_once_and_in_one_order(name):
    shared = [field.name for field in fields(OfFile if name == "lr-find" else OfRun)]
    assert [parameter.name for parameter in EVERY[name].params][: len(shared)] == shared
    with EVERY[name].make_context(name, ["x.toml", "--set", "a=1", "--set", "b=2", "--plugin", "p.py"]) as context:
        values = {key: value for key, value in context.params.items() if key in shared}
    request = (OfFile if name == "lr-find" else OfRun)(**values).request(("c=3",))
    assert (request.file, request.plugins) == (Path("x.toml"), (Path("p.py"),))
    assert request.overrides == ("a=1", "b=2", "c=3")
    assert request.out == Path("runs")


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version(capsys, flag):
    with pytest.raises(SystemExit) as ended:
        main([flag])
    assert (ended.value.code or 0, capsys.readouterr().out) == (0, f"harness {__version__}\n")
