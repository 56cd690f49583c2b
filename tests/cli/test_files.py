"""One file a command: its name is the command's, and it has the arguments, which ``app`` only joins."""

from __future__ import annotations

import ast

import pytest
from typer.main import get_command

from harness.cli.app import app


def list_commands():
    """Return every command by what a person types, "data get"."""
    commands = {}
    for name, command in get_command(app).commands.items():
        group = getattr(command, "commands", None)
        if group is None:
            commands[name] = command
        else:
            commands |= {f"{name} {inner}": group[inner] for inner in group}
    return commands


COMMANDS = list_commands()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_commands_file_has_its_name(name):
    function = COMMANDS[name].callback
    assert function.__module__ == f"harness.cli.{name.replace(' ', '_').replace('-', '_')}"
    assert function.__name__ == "command"


def test_app_has_no_options_but_those_of_every_command(repository):
    tree = ast.parse((repository / "harness" / "cli" / "app.py").read_text(encoding="utf-8"))
    options = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("Option", "Argument")
    ]
    assert len(options) == 2  # --debug and --version
