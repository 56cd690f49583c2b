"""Messages name what a person can set as the command line does, and each of them can be worded for a Python caller."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping

import pytest
import typer

import harness
from harness.cli.app import app
from harness.console.in_python import FUNCTIONS, in_python

OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
STYLE = re.compile(r"[{;(]\s*--[a-z]")  # a variable of a style sheet
COMMAND = re.compile(r"'[a-z]+ [a-z]+ [^']*'|(?<!')\bharness [a-z]+ .*")  # it is typed as it stands
ON_THE_CONSOLE = {"help", "json", "listen", "open"}  # options that a function has no use for
FEWEST = 100  # messages that name an option, at the least
OF_PICTURE = {"out", "columns"}  # of the curves, which a notebook shows


def commands() -> Mapping[str, typer.core.TyperCommand]:
    """Return every command by the words that are typed for it."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {word}": one for word, one in below.items()} if below else {name: command}
    return found


def options(command: typer.core.TyperCommand) -> Mapping[str, typer.core.TyperOption]:
    """Return the long options of a command, without their dashes."""
    return {name[2:]: option for option in command.params for name in option.opts if name.startswith("--")}


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings; X stands for what an f-string puts in."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | statements:
            yield node.value


def messages(trees: Mapping[str, ast.Module]) -> list[tuple[str, str]]:
    """Return place and text of all that names an option, in what functions and commands share."""
    named = []
    for file, tree in trees.items():
        if not file.startswith(("harness/cli/", "harness/console/", "reports/")):
            named += [(file, text) for text in texts(tree) if OPTION.search(text) and not STYLE.search(text)]
    assert len(named) >= FEWEST, "where they are looked for, or by what, is wrong"
    return named


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_becomes_the_argument_of_that_name(name):
    function = getattr(harness, FUNCTIONS[name])
    for option, of in options(commands()[name]).items():
        if option in ON_THE_CONSOLE or (name == "lr-find" and option in OF_PICTURE):
            continue
        word = in_python(f"--{option}: must").removesuffix(": must")
        argument = "arms" if (name, option) == ("lr-find", "arm") else word  # as ``lr_find`` words it itself
        assert argument in inspect.signature(function).parameters, option
        parameter = inspect.signature(function).parameters[argument]
        assert of.is_flag == isinstance(parameter.default, bool), option
        assert in_python(f"leave out --{option} or not") == f"leave out {word}{'=True' if of.is_flag else ''} or not"


def test_every_option_that_a_message_names_exists(trees):
    known = {option for command in commands().values() for option in options(command)}
    for file, text in messages(trees):
        assert set(OPTION.findall(COMMAND.sub("", text))) <= known, (file, text)


def test_every_message_can_be_worded_for_python(trees):
    for file, text in messages(trees):
        assert not OPTION.search(COMMAND.sub("", in_python(text))), (file, text)
