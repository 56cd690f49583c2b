"""Lines that fit the terminal: a long line is broken between words, and never within a word, a path or a number.

Off a terminal nothing is broken, so that a file or another program gets every line whole.
"""

from __future__ import annotations

import re
import shutil
from textwrap import wrap
from typing import Any

NARROWEST = 40  # columns; a terminal that says that it has fewer is not believed
INDENT = 4  # columns before the rest of a broken line
_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|min|h|nats|points?)(?![\w.]))")  # what no line is broken at
_TIED = "\N{NO-BREAK SPACE}"


def columns_of(stream: Any) -> int | None:
    """Return how many columns the terminal behind a stream has; None where there is none."""
    try:
        on_terminal = stream.isatty()
    except (AttributeError, ValueError):  # a stream of a test, or one that is closed
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST) if on_terminal else None


def folded(line: str, columns: int | None) -> list[str]:
    """Return a line broken between words into lines of so many columns; whole, where ``columns`` is None.

    >>> folded("  adam: test accuracy 93.2 %", 20)
    ['  adam: test', '      accuracy 93.2', '      %']
    """
    if columns is None or len(line) <= columns:
        return [line]
    return _wrapped(line, columns, "", " " * min(len(line) - len(line.lstrip()) + INDENT, columns // 2)) or [line]


def _wrapped(text: str, columns: int, first: str, indent: str) -> list[str]:
    """Return lines of whole words that begin with ``first`` and then with ``indent``; a number and its unit are one word."""
    lines = wrap(
        _UNIT.sub(_TIED, text), columns, initial_indent=first, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace(_TIED, " ") for line in lines]


def hanging(begins: str, words: str, columns: int | None) -> list[str]:
    """Return ``begins`` with words beside it that are folded in a column of their own; one line where ``columns`` is None.

    >>> hanging("probe  distance", "How far the weights have gone", 38)
    ['probe  distance  How far the weights', '                 have gone']
    """
    line, left = f"{begins}  {words}".rstrip(), len(begins) + 2
    if columns is None or len(line) <= columns or 2 * left > columns:
        return folded(line, columns)
    return _wrapped(words, columns, f"{begins}  ", " " * left)


def cut(line: str, columns: int | None) -> str:
    """Return as many whole words of a line as fit, with "..." where some are left out; the line, where ``columns`` is None.

    >>> cut("trial 4/8  adam  lr=0.01 beta1=0.9", 30)
    'trial 4/8  adam  lr=0.01 ...'
    """
    if columns is None or len(line) <= columns:
        return line
    whole = line[: columns - 3].rsplit(" ", 1)[0].rstrip()
    return f"{whole} ..."
