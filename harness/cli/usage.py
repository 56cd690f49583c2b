"""What is wrong with the arguments of a command, in one line, with the nearest name that exists."""

from __future__ import annotations

import re
from typing import Any

from harness.errors import nearest


def explain_usage_error(error: Any) -> str:
    """Return a line on the wrong argument, with the nearest name that exists; ``error`` is click's UsageError."""
    text, context = error.format_message().rstrip("."), error.ctx
    unknown = re.match(r"(No such (command|option):? '?-*)([^'.(]*[^'.( ])", text)
    if unknown and context and unknown[2] == "command":
        if known := nearest(unknown[3], getattr(context.command, "commands", ())):
            return f"{unknown[0]}'; did you mean '{known}'?"
    elif unknown and context and (known := nearest(unknown[3], _long_options(context.command))):
        return f"{unknown[0]}; did you mean '--{known}'?"
    return f"{text}; try '{context.command_path if context else 'harness'} --help'"


def _long_options(command: Any) -> list[str]:
    """Return the names of a command's options, without their dashes."""
    names = [name for parameter in command.params for name in parameter.opts]
    return [name.removeprefix("--") for name in names if name.startswith("--")]
