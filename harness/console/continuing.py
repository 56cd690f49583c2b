"""The commands that go on with a run: this module alone makes them, for the console, the page and every other command.

Each begins with the command that was recorded, so it has the run's file, profile, data, folder, plugins and ``--set`` values.
What was asked of one call alone is taken out, and so is the time limit, which may be used up.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.console.safe_text import typed

ONE_CALL = ("--only-search", "--only-measure", "--extend", "--retry", "--open")  # what is asked of one call alone
LIMIT = "--time-limit"
NO_LIMIT = "none"  # as a time limit: none, whatever the file says


def continuing(
    command: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    time_limit: str = "",
    only_measure: bool = False,
) -> str:
    r"""Return the command that goes on with a run, as it is typed in a shell.

    Args:
        command: The words of the recorded ``harness run``; where there are none, three dots stand for its arguments.
        settings: Values that take the place of the command's own, by key.
        time_limit: The new limit for everything, such as "2h"; "" for none on the command line.
        only_measure: Whether it trains nothing and measures what is missing. No time limit holds for that.

    >>> continuing(["harness", "run", "a.toml", "--time-limit", "1h"], time_limit="2h")
    'harness run a.toml --time-limit 2h'
    >>> continuing(["harness", "run", "a.toml"], {"compare.probes": ["distance"]}, only_measure=True)
    'harness run a.toml --set \'compare.probes=["distance"]\' --only-measure'
    """
    settings = settings or {}
    words = list(_kept_words(command, {"budget", *settings}))
    parts = [typed(words) if words else "harness run ..."]
    for key, value in settings.items():  # numbers, texts and lists of them are written as in TOML
        parts += ["--set", shlex.quote(f"{key}={json.dumps(value, ensure_ascii=False)}")]
    parts += [LIMIT, time_limit] if time_limit else []
    parts += ["--only-measure"] if only_measure else []
    return " ".join(parts)


def has_limit(command: Sequence[str]) -> bool:
    """Return whether a command names a time limit itself."""
    return list(_kept_words(command, {"budget"})) != list(_kept_words(command, set()))


def without_one_call(command: Sequence[str]) -> list[str]:
    """Return a command's words without what is asked of one call alone."""
    return [word for word in command if word not in ONE_CALL]


def _kept_words(command: Sequence[str], replaced: set[str]) -> Iterator[str]:
    """Yield the words of a command that stay, without the values of these keys; "budget" is that of the time limit."""
    words = iter(without_one_call(command))
    for word in words:
        option, is_joined, value = word.partition("=")
        if option == LIMIT and "budget" in replaced:
            _ = is_joined or next(words, "")
        elif option == "--set":
            value = value if is_joined else next(words, "")
            if value.partition("=")[0].strip() not in replaced:
                yield from ("--set", value)
        else:
            yield word
