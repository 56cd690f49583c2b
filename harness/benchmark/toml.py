"""Reading a TOML file so that every value remembers where it was written.

``tomllib`` gives values without line numbers, so the lines are found by a second, shallow look at the text: table
headers and ``key =`` at the start of a line. A key inside an inline table gets the line of that table.
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BenchmarkError, did_you_mean, encodable, one_line, printable, shown

Path_ = tuple[str, ...]  # a dotted key: ("train", "l2")
MOST_PROFILES = 100
_HEADER = re.compile(r"^\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$")  # with blanks around the name, which _split leaves out
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = re.compile(r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+'))*+""")
MOST_BYTES = 2**20  # of a file
MOST_PARTS = 32  # of a dotted key
_KEY = re.compile(rf"^\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


@dataclass(frozen=True)
class Source:
    """Merged values, and for each dotted key where it was said: ``file:line``, or ``--set KEY``."""

    file: str
    values: dict[str, Any]
    places: Mapping[Path_, str]
    chosen: Mapping[str, Any] = field(default_factory=dict)  # what the file says with its profile, before any --set
    written: Sequence[Mapping[str, Any]] = ()  # the file's own tables: what holds for all profiles, then each profile
    profile: Mapping[str, Any] = field(default_factory=dict)  # the chosen profile's own table
    profiles: Sequence[str] = ()  # the names of all the file's profiles
    notices: Sequence[str] = ()  # for the user

    def where(self, *key: str) -> str:
        """Return ``FILE:LINE: a.b`` of a key, or of the nearest key above it that was written."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.places:
                return f"{self.places[key[:length]]}: {'.'.join(key)}"
        return f"{self.file}: {'.'.join(key)}" if key else self.file

    def refusal(self, key: Path_, must: str, got: str, hint: str = "") -> BenchmarkError:
        """Return the error for a key: ``FILE:LINE: a.b: must MUST, got GOT; HINT``."""
        return refusal(self.where(*key), must, got, hint)


def refusal(where: str, must: str, got: str, hint: str = "") -> BenchmarkError:
    """Return an error in the form of all errors: where, what must be, what was given, and what to do about it."""
    advice = hint.removeprefix("; ")
    return BenchmarkError(f"{where}: must {must}, got {got}{'; ' if advice else ''}{advice}")


def read(file: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> Source:
    """Return the file's values with a profile and then ``key=value`` overrides laid over them.

    Raises BenchmarkError where there is no such file, it is not TOML, or there is no such profile.
    """
    text = _text(file)
    try:
        values = _parse(text, str(file))
    except tomllib.TOMLDecodeError as error:
        raise BenchmarkError(_line(error, text, file)) from error
    places = {key: f"{file}:{line}" for key, line in _lines(text).items()}
    profiles = values.pop("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(value, dict) for value in profiles.values()):
        got = shown(profiles)
        raise BenchmarkError(
            f"{places.get(('profiles',), file)}: profiles: must be tables, [profiles.NAME.SECTION], got {got}"
        )
    if len(profiles) > MOST_PROFILES:
        where = places.get(("profiles",), file)
        raise BenchmarkError(f"{where}: profiles: must be at most {MOST_PROFILES}, got {len(profiles)}")
    written = [copied(table) for table in (values, *profiles.values())]
    if profile is not None:
        if profile not in profiles:
            hint = did_you_mean(profile, profiles) or "; the file has none"
            raise BenchmarkError(f"{file}: --profile must name a profile of the file, got {shown(profile)}{hint}")
        _lay(copied(profiles[profile]), values)
        below = {key[2:]: place for key, place in places.items() if key[:2] == ("profiles", profile)}
        places.update({key: place for key, place in below.items() if key})
    chosen = copied(values)
    plain: dict[Path_, str] = {}  # what a --set has given a value that is no table
    for override in overrides:
        key, value = parse_override(override)
        for above in (key[:length] for length in range(1, len(key))):
            if above in plain:
                raise BenchmarkError(
                    f"--set: {'.'.join(key)}: must be below a table, got it beside --set {plain[above]}; leave one out"
                )
        if not isinstance(value, dict):
            plain[key] = printable(override)
        new = _new(key, values)
        _lay(_nested(key, value), values)
        places = {k: v for k, v in places.items() if k[: len(new[0])] != new[0]} | dict.fromkeys(new, "--set")
    laid = copied(profiles[profile]) if profile is not None else {}
    return Source(str(file), values, places, chosen, written, laid, tuple(profiles))


def _text(file: Path) -> str:
    """Return a file's text, its lines ended by line feeds alone; raises BenchmarkError where it cannot be read as UTF-8."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BenchmarkError(f"{file}: must have at most {MOST_BYTES >> 20} MiB, got more; write less")
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        why = "a folder" if file.is_dir() else "nothing there" if not file.exists() else one_line(error)
        raise BenchmarkError(f"{file}: must be a benchmark file (TOML), got {why}; check the path") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise BenchmarkError(f"{file}: must be text in UTF-8, got UTF-16 or another encoding; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")  # an editor may have put a byte order mark in front
    except UnicodeDecodeError as error:
        number = len(re.findall(rb"\r\n?|\n", content[: error.start])) + 1
        what = f"the byte 0x{content[error.start]:02x}"
        raise BenchmarkError(f"{file}:{number}: must be text in UTF-8, got {what}; save it as UTF-8") from error
    return re.sub(r"\r\n?", "\n", text)


_FAULTS = {
    "Expected '='": "a key without '= VALUE' behind it",
    "Invalid value": "a value that TOML does not have; texts stand in quotes",
    "Unclosed array": "a list without its ']', or without a comma",
    "Unclosed inline table": "a table without its '}', or without a comma",
    "Expected ']": "a table's name without its closing bracket",
    "Illegal character '\\n'": "a text without its closing quote",
    "Found invalid character '\\n'": "a text without its closing quote",
    "Illegal character": "a control character",
    "Found invalid character": "a control character",
    "Expected newline": "something more behind a value; texts stand in quotes",
    "Expected": "a text without its closing quote",
    "Unterminated string": "a text without its closing quote",
    "Cannot": "a key or a table that is there already",
    "Duplicate": "a key or a table that is there already",
    "Unescaped": "a backslash in a text; write two of them, or put the text in single quotes",
    "Escaped": "a character that does not exist",
    "Invalid statement": "a line that is neither KEY = VALUE nor [TABLE]",
    "Invalid initial": "a name without letters; others than A to Z stand in quotes",
}  # by how tomllib's words begin


def _line(error: tomllib.TOMLDecodeError, text: str, file: Path) -> str:
    """Return what is wrong with a file that is not TOML, on which line, in plain words."""
    lines = text.rstrip().split("\n")
    at = re.search(r"\(at line (\d+), column \d+\)", str(error))
    number = int(at[1]) if at else _begun(lines)  # "at end of document" has no number
    what = next((words for beginning, words in _FAULTS.items() if str(error).startswith(beginning)), "something else")
    written = lines[number - 1].strip() if number <= len(lines) else ""
    fault, _, hint = what.partition("; ")
    return f"{file}:{number}: must be valid TOML, got {fault}: {shown(written)}{hint and f'; {hint}'}"


def _begun(lines: Sequence[str]) -> int:
    """Return on which line begins what has no end: the one after the last that are TOML together."""
    whole = len(lines)
    tries = 100 if sum(map(len, lines)) < 20_000 else 0
    for number in range(whole - 1, max(whole - tries, 0) - 1, -1):
        with suppress(ValueError, RecursionError):
            tomllib.loads("\n".join(lines[:number]))
            return number + 1
    return whole


def _parse(text: str, where: str) -> dict[str, Any]:
    """Return the values of TOML; raises TOMLDecodeError, or BenchmarkError for what is too much for Python."""
    _check_size(text, where)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        what = "brackets nested too deep" if isinstance(error, RecursionError) else "a number of too many digits"
        raise BenchmarkError(f"{where}: must be valid TOML, got {what}; write less") from error


def _check_size(text: str, where: str) -> None:
    """Raise BenchmarkError for a text, or a key in it, that takes the parser more time than any benchmark is worth."""
    if len(text) > MOST_BYTES:
        raise BenchmarkError(f"{where}: must have at most {MOST_BYTES >> 20} MiB, got {len(text):,} bytes; write less")
    for dotted in _DOTTED.finditer(text):
        if dotted[0].count(".") >= MOST_PARTS and len(_split(dotted[0])) > MOST_PARTS:
            raise BenchmarkError(
                f"{where}: must have keys of at most {MOST_PARTS} parts, got {dotted[0][:40]!r} ...; write less"
            )


def _lines(text: str) -> dict[Path_, int]:
    """Return the line (1 is the first) on which each dotted key was written."""
    table: Path_ = ()
    lines: dict[Path_, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_split(key[1])), number)
    return lines


def _split(dotted: str) -> Path_:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def parse_override(text: str) -> tuple[Path_, Any]:
    """Return the key and the value of ``key=value``; a value that is not TOML is taken as a string."""
    _check_size(text, "--set")
    found = _KEY.match(text)
    if not found:
        raise BenchmarkError(f"--set: must be KEY=VALUE, got {shown(text)}; for example --set train.l2=1e-4")
    if encodable(text) != text:
        raise BenchmarkError(f"--set: must be UTF-8, got {shown(text)}; rename the file or folder")
    key, value = _split(found[1]), text[found.end() :]
    if len(value.splitlines()) > 1:  # of several lines TOML would read all, and the first alone would be the value
        raise BenchmarkError(
            f"--set: {found[1]}: must be a value on one line, got {shown(value)}; say --set once for each key"
        )
    try:
        return key, _parse(f"value = {value}", f"--set: {found[1]}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()


def _new(key: Path_, values: Mapping[str, Any]) -> list[Path_]:
    """Return the key and those of its prefixes that are no table of the values: what laying it over them makes."""
    known = 0
    inner: Any = values
    while known < len(key) - 1 and isinstance(inner := inner.get(key[known]), dict):
        known += 1
    return [key[:length] for length in range(known + 1, len(key) + 1)]


def _nested(key: Path_, value: Any) -> dict[str, Any]:
    for part in reversed(key):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def copied(table: Mapping[str, Any], levels: int = 8) -> dict[str, Any]:
    """Return a copy of a table and of the tables in it, so many levels deep; a file may have thousands of levels."""
    return {
        key: copied(value, levels - 1) if levels and isinstance(value, dict) else value for key, value in table.items()
    }


def to_toml(value: Any) -> str:
    """Return a value as TOML writes it on one line; a table becomes an inline table."""
    if isinstance(value, Mapping):
        entries = ", ".join(f"{toml_key(key)} = {to_toml(inner)}" for key, inner in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def toml_key(key: str) -> str:
    """Return a key as TOML writes it: in quotes where it has other characters than letters, digits, ``_`` and ``-``."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _lay(top: Mapping[str, Any], below: dict[str, Any]) -> None:
    """Lay one tree of values over another: tables are merged, anything else replaced."""
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay(value, below[key])
        else:
            below[key] = value
