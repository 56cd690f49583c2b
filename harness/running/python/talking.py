"""How the functions for Python speak and read: lines and errors name arguments, and a wrong argument is one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.console import interruption
from harness.console.escaping import escaped_output
from harness.console.in_python import for_python, in_python
from harness.console.progress import Reporter
from harness.errors import arguments
from harness.errors.disk import refused


@contextmanager
def talking(quiet: bool, words: Mapping[str, str] | None = None) -> Iterator[Reporter]:
    """Give what prints the lines of a command, as the command line has it: escaped, and Ctrl-C is never lost.

    Lines and errors name arguments where those of the command name options; ``words`` are those of one function.
    """
    quiet = arguments.flag("quiet", quiet)
    with for_python(words), escaped_output(), interruption.listening(), Reporter(quiet, in_python) as reporter:
        try:
            yield reporter
        except OSError as error:
            raise refused(error, must="be usable") from error


def optional_path(name: str, value: object) -> Path | None:
    """Return a path, or None where none is given."""
    return None if value is None else arguments.path(name, value)


def optional_text(name: str, value: object) -> str | None:
    """Return a text, or None where none is given."""
    return None if value is None else arguments.text(name, value)


def plugin_files(values: object) -> tuple[Path, ...]:
    """Return the paths of loose plugin files."""
    return tuple(arguments.path("plugins", value) for value in arguments.items("plugins", values, "plugin files"))


def texts(name: str, values: object, what: str) -> tuple[str, ...]:
    """Return the texts of a list, each once."""
    return tuple(dict.fromkeys(arguments.text(name, value) for value in arguments.items(name, values, what)))
