"""What is wrong with the arguments of a command, in one line, with the nearest name that exists."""

from __future__ import annotations

import re
from typing import Any

from harness.errors import nearest


def explain_usage_error(error: Any) -> str:
    """Return a line on the wrong argument, with the nearest name that exists; ``error`` is click's UsageError."""
    text, context = error.format_message().rstrip("."), error.ctx
    if context and (more := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)$", text)):
        return _explain_extra(more[1], context)
    unknown = re.match(r"(No such (command|option):? '?-*)([^'.(]*[^'.( ])", text)
    if unknown and context and unknown[2] == "command":
        if known := nearest(unknown[3], getattr(context.command, "commands", ())):
            return f"{unknown[0]}'; did you mean '{known}'?"
    elif unknown and context and (known := nearest(unknown[3], _long_options(context.command))):
        return f"{unknown[0]}; did you mean '--{known}'?"
    if unknown and context and "set" in _long_options(context.command) and (key := _key_called(unknown[3])):
        return f"{unknown[0]}; it is a key of the benchmark file: --set {key}=VALUE"
    return f"{text}; try '{context.command_path if context else 'harness'} --help'"


def _key_called(option: str) -> str:
    """Return the first key of the benchmark file whose last part is called like an option; "" where there is none."""
    from harness.benchmark.meaning import key_meanings
    from harness.benchmark.sections import Benchmark

    keys = (".".join(key) for key, *_ in key_meanings(Benchmark) if "*" not in key)
    return next((key for key in keys if key.rpartition(".")[2] == option.replace("-", "_")), "")


def _explain_extra(words: str, context: Any) -> str:
    """Return a line on words that stand for nothing; often they are the rest of a value that has blanks in it."""
    must = f"{context.command_path}: must be given nothing more, got '{words}'"
    if "time-limit" in _long_options(context.command) and _is_unit_of_time(words):
        return f"{must}; a time is one word, such as 5min or 1h30m"
    if "set" in _long_options(context.command):
        return f'{must}; a value with blanks needs quotes: --set \'train.optimizers=["sgd", "adam"]\''
    return f"{must}; a name with blanks needs quotes; see '{context.command_path} --help'"


def _is_unit_of_time(word: str) -> bool:
    from harness.benchmark.sections.base import seconds_of

    return seconds_of(f"1{word.lower()}") > 0


def _long_options(command: Any) -> list[str]:
    """Return the names of a command's options, without their dashes."""
    names = [name for parameter in command.params for name in parameter.opts]
    return [name.removeprefix("--") for name in names if name.startswith("--")]
