"""Text that is safe to share: in spreadsheet cells and Markdown, and with paths that show no home folder.

Names come from strangers' photos, plugins and run folders, so they are escaped: no program takes them for a formula or for
code. Pages, cards and tables are passed on to others, so they name no home folder, user or host.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import arguments, printable

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

# --- spreadsheets

# Signs that begin a formula, also as full-width letters, after whatever a spreadsheet leaves out before them.
_BEGIN = "(?='*[\\t\\r\\n]|[\\s\u200b\ufeff']*[=+\\-@\uff0b\uff0d\uff1d\uff20])"
_FORMULA = re.compile(f"(^|;){_BEGIN}")  # in half of the world a semicolon parts the cells
_ESCAPED = re.compile(f"(^|;)'{_BEGIN}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)", re.IGNORECASE)


def spreadsheet_cell(value: T) -> T | str:
    """Return a value as a spreadsheet shows it: a text that would be a formula gets an apostrophe before it.

    Args:
        value: A cell of a table. Numbers, also as text (-0.5), stay as they are.

    Returns:
        The value, or a text from which ``from_spreadsheet_cell`` gives the first one back.

    Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell(-0.5)
    ("'=1+1", -0.5)
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return _FORMULA.sub(r"\1'", value)


def from_spreadsheet_cell(text: str) -> str:
    """Return the text that ``spreadsheet_cell`` was given.

    Args:
        text: A cell of a CSV file that the harness wrote.

    >>> from_spreadsheet_cell("'=1+1")
    '=1+1'
    """
    return _ESCAPED.sub(r"\1", arguments.text("text", text))


def spreadsheet_table(table: DataFrame) -> DataFrame:
    """Return a table whose texts, and whose columns' names, are as ``spreadsheet_cell`` writes them.

    Args:
        table: Any table. It is left as it is.

    >>> import pandas as pd
    >>> spreadsheet_table(pd.DataFrame({"arm": ["=adam"]}))["arm"].tolist()
    ["'=adam"]
    """
    safe = _change_texts(arguments.table("table", table), spreadsheet_cell)
    return safe.set_axis([spreadsheet_cell(str(name)) for name in table.columns], axis=1)


def _change_texts(table: DataFrame, change: Any) -> DataFrame:
    """Return the table with every text in it changed; the table itself where there is nothing to change."""
    changed = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        if column.dtype.kind not in "biufcmM":
            texts = {value for value in column if isinstance(value, str)}
            after = {text: change(text) for text in texts}
            new = {text: after[text] for text in texts if after[text] != text}
            if new:
                values = [new.get(value, value) if isinstance(value, str) else value for value in column]
                changed[name] = type(column)(values, index=column.index, dtype=column.dtype)
    return table.assign(**changed) if changed else table


# --- Markdown

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!@])")


def markdown_text(text: object) -> str:
    r"""Return a line in which nothing is read as Markdown, HTML, mathematics or a mention.

    Args:
        text: Anything; its text is put on one line.

    >>> print(markdown_text("a *bold* name"))
    a \*bold\* name
    """
    line = " ".join(str(text).split())
    return _SPECIAL.sub(r"\\\1", line).replace("\\@", "@\u200b").replace("\\<", "&lt;").replace("\\>", "&gt;")


def markdown_code(text: object) -> str:
    """Return a line as code in Markdown, also in a cell of a table; its backticks become apostrophes."""
    line = " ".join(str(text).replace("`", "'").split())
    return f"`{line}`" if not set(line) & set("|<>&@") else markdown_text(line)


# --- paths

_END = r"(?=[/\\\s'\",;:)\]}]|$)"
_HOMES = re.compile(
    r"(?<![\w.~-])(?:/home|/Users)/[^/\s'\",;:)\]}]+" + _END + r"|(?<![\w.~-])/root" + _END
    # Windows; the backslashes may be doubled, as in TOML
    + r"|(?<!\w)[A-Za-z]:[\\/]+Users[\\/]+(?:[^\\/'\"\r\n]+(?=[\\/])|[^\\/\s'\",;:)\]}]+)"
)  # fmt: skip
_ABSOLUTE = re.compile(r"(?<![\w:/.\\])(?:[A-Za-z]:)?[\\/][^\s'\",;]*")  # and no part of an address


def impersonal(value: T) -> T:
    """Return a value with ``~`` for every home folder in its texts, and no user name or host name in a path there.

    Texts may stand in lists, tuples and mappings; keys stay as they are.
    """
    if isinstance(value, str):
        return _hide_persons(value)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {key: impersonal(inner) for key, inner in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return type(value)(impersonal(inner) for inner in value)
    return value


def impersonal_table(table: DataFrame) -> DataFrame:
    """Return the table with ``impersonal`` applied to every text in it."""
    return _change_texts(table, _hide_persons)


def typed(words: Iterable[str]) -> str:
    """Return a command as it is typed in a shell, where a ``~`` for the home folder is one again.

    Args:
        words: The command and its arguments.

    >>> typed(["harness", "show", "my runs/a"])
    "harness show 'my runs/a'"
    """
    return " ".join(_quote_word(arguments.text("words", word)) for word in arguments.items("words", words, "texts"))


def _quote_word(word: str) -> str:
    if word == "~" or word.startswith("~/"):
        return f"~{word[1:2]}{shlex.quote(word[2:]) if word[2:] else ''}"
    before, home, rest = word.partition("~/")
    if home and before[-1:] in ("=", '"', "'"):  # where no shell makes it the home folder
        return f'{shlex.quote(before)}"$HOME"/{shlex.quote(rest)}'
    return shlex.quote(word)


def _hide_persons(text: str) -> str:
    if "/" not in text and "\\" not in text:
        return text
    for home in _own_homes(os.environ.get("HOME", "")):
        text = home.sub("~", text)
    text = _HOMES.sub("~", text)
    names = _own_names(os.environ.get("USER", ""))
    return _ABSOLUTE.sub(lambda path: names.sub(_replace_name, path[0]), text) if names else text


def _replace_name(name: re.Match[str]) -> str:
    return "HOST" if name[0] in _host_names() else "USER"


@cache
def _own_homes(_: str) -> tuple[re.Pattern[str], ...]:
    """Return patterns that find the user's home folder, in every way it can be written."""
    try:
        home = Path.home()
        places = {str(home), os.path.realpath(home)}
    except (RuntimeError, OSError):  # nobody says where it is
        places = set()
    places = {place for place in places | {printable(place) for place in places} if len(Path(place).parts) > 1}
    return tuple(re.compile(re.escape(place) + _END) for place in sorted(places, key=len, reverse=True))


@cache
def _host_names() -> frozenset[str]:
    name = socket.gethostname()
    return frozenset({name, name.partition(".")[0]}) - {"", "localhost"}


@cache
def _own_names(_: str) -> re.Pattern[str] | None:
    """Return a pattern that finds the user's name or the host's as a whole part of a path."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a name, as in a container
        user = ""
    names = sorted({user, *_host_names()} - {"", "root"}, key=len, reverse=True)
    return re.compile(rf"(?<=[/\\@])(?:{'|'.join(map(re.escape, names))}){_END}") if names else None
