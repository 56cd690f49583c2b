"""Reading a TOML file so that every value remembers where it was written.

``tomllib`` gives values without line numbers. So ``benchmark.lines`` has a second, shallow look at the text. What lies over
what: the file, then a workload, then a profile, then each ``--set``.
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

from harness.benchmark.installed import find_benchmark, hint_for
from harness.benchmark.lines import KEY, find_lines, split_key
from harness.benchmark.lines import KeyPath as KeyPath
from harness.benchmark.lines import refusal as refusal
from harness.benchmark.sections.presets import PRESET, preset_note, preset_notice, preset_table
from harness.benchmark.workloads import WORKLOAD, Workload, checked_workloads, find_workload
from harness.errors import BenchmarkError, did_you_mean, encodable, one_line, printable, shown

MOST_PROFILES = 100
MOST_BYTES = 2**20  # of a file
MOST_PARTS = 32  # of a dotted key
_DOTTED = re.compile(r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+'))*+""")


class OptionName(str):
    """The place of a value that an option of its own stands for: ``--time-limit``."""

    __slots__ = ()


class OptionValue(str):
    """An override that another option than ``--set`` stands for."""

    __slots__ = ("option",)
    option: OptionName

    @classmethod
    def of(cls, option: str, override: str) -> OptionValue:
        """Return the override ``KEY=VALUE`` of an option, whose name stands in every error about it."""
        error = cls(override)
        error.option = OptionName(option)
        return error


@dataclass(frozen=True)
class Source:
    """Merged values, and for each dotted key where it was written: ``file:line``, or ``--set KEY``."""

    file: str
    values: dict[str, Any]
    places: Mapping[KeyPath, str]
    chosen: Mapping[str, Any] = field(default_factory=dict)  # the values of the file with its profile, before any --set
    written: Sequence[Mapping[str, Any]] = ()  # the file's own tables: those of all, each workload's, each profile's
    laid: Mapping[str, Any] = field(default_factory=dict)  # what the chosen workload and profile lay over the file
    profiles: Sequence[str] = ()  # the names of all the file's profiles
    workloads: Sequence[Workload] = ()  # those of the file; none where the file itself is the benchmark
    notices: Sequence[str] = ()  # for the user
    preset: Mapping[str, Any] | None = None  # what the records say of the preset, where one is laid over the file

    def where(self, *key: str) -> str:
        """Return ``FILE:LINE: a.b`` of a key, or of the nearest key above it that was written; ``--time-limit`` of an option."""
        for length in range(len(key), 0, -1):
            if isinstance(self.places.get(key[:length]), OptionName):
                return self.places[key[:length]]
            if key[:length] in self.places:
                return f"{self.places[key[:length]]}: {'.'.join(key)}"
        return f"{self.file}: {'.'.join(key)}" if key else self.file

    def refusal(self, key: KeyPath, must: str, got: str, hint: str = "") -> BenchmarkError:
        """Return the error for a key: ``FILE:LINE: a.b: must MUST, got GOT; HINT``."""
        return refusal(self.where(*key), must, got, hint)


def read(
    file: Path, profile: str | None = None, overrides: Sequence[str] = (), workload: str | None = None,
    preset: str | None = None,
) -> Source:  # fmt: skip
    """Return the file's values with a workload, a profile, a preset and then ``key=value`` overrides laid over them.

    A name of a file that came with the harness stands for that file. Raises BenchmarkError where there is no such file, it is
    not TOML, or there is no such workload, profile or preset.
    """
    file = find_benchmark(file)
    text = _read_text(file)
    try:
        values = _parse(text, str(file))
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, file) from error
    places = {key: f"{file}:{line}" for key, line in find_lines(text).items()}
    profiles = _checked_profiles(values.pop("profiles", {}), places, str(file))
    workloads = checked_workloads(values.pop(WORKLOAD, []), places, str(file))
    written = [copy_table(table) for table in (values, *(w.table for w in workloads), *profiles.values())]
    laid: dict[str, Any] = {}
    if workload is not None:
        workload_table = find_workload(workload, workloads, str(file))
        _lay_table(workload_table.table, workload_table.key, values, places, laid)
    if profile is not None:
        if profile not in profiles:
            hint = did_you_mean(profile, profiles) or "the file has none"
            raise refusal(f"{file}: --profile", "name a profile of the file", shown(profile), hint)
        _lay_table(profiles[profile], ("profiles", profile), values, places, laid)
    table = _lay_preset(preset, values, places, laid) if preset is not None else {}
    chosen = copy_table(values)
    places = _lay_overrides(overrides, values, places)
    if workload is not None:  # the name of the file is that of all its workloads
        values["name"], places[("name",)] = workload, places.get((*workload_table.key, "name"), str(file))
    note = preset_note(preset, table, values) if preset is not None else None
    notices = (preset_notice(note),) if note else ()
    return Source(str(file), values, places, chosen, written, laid, tuple(profiles), workloads, notices, note)


def _lay_preset(
    name: str, values: dict[str, Any], places: dict[KeyPath, str], laid: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Lay a preset over the values, and return what it lays over them."""
    table = preset_table(name, values)
    for below in (values, laid):
        _merge_tables(copy_table(table), below)
    for section, keys in table.items():
        places |= dict.fromkeys(((section, key) for key in keys), PRESET)
    return table


def read_overrides(name: str, overrides: Sequence[str]) -> Source:
    """Return the values of a benchmark that no file has: its name, and the ``key=value`` overrides."""
    values: dict[str, Any] = {"name": name}
    return Source("command line", values, _lay_overrides(overrides, values, {}))


def _lay_table(
    table: Mapping[str, Any], key: KeyPath, values: dict[str, Any], places: dict[KeyPath, str], laid: dict[str, Any]
) -> None:
    """Lay a table that stands at ``key`` over the values, and over what was laid over them before, with its places."""
    _merge_tables(copy_table(table), values)
    _merge_tables(copy_table(table), laid)
    for inner, place in list(places.items()):
        if inner[: len(key)] == key and len(inner) > len(key):
            places[inner[len(key) :]] = place


def _checked_profiles(profiles: Any, places: Mapping[KeyPath, str], file: str) -> dict[str, dict[str, Any]]:
    """Return the table of the profiles; raises BenchmarkError where it is none, too large, or has workloads in it."""
    where = places.get(("profiles",), file)
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise refusal(f"{where}: profiles", "be tables, [profiles.NAME.SECTION]", shown(profiles))
    if len(profiles) > MOST_PROFILES:
        raise refusal(f"{where}: profiles", f"be at most {MOST_PROFILES}", str(len(profiles)))
    for name, table in profiles.items():
        if WORKLOAD in table:
            key = ("profiles", name, WORKLOAD)
            place = f"{places.get(key, where)}: {'.'.join(key)}"
            raise refusal(place, "stand outside of a profile", "it in one", "a profile is laid over every workload")
    return profiles


def _lay_overrides(
    overrides: Sequence[str], values: dict[str, Any], places: Mapping[KeyPath, str]
) -> dict[KeyPath, str]:
    """Lay every ``--set KEY=VALUE`` over the values, and return the places with those that came from a ``--set``."""
    places = dict(places)
    plain: dict[KeyPath, str] = {}  # the overrides whose value is no table
    for override in overrides:
        key, value = parse_override(override)
        for above in (key[:length] for length in range(1, len(key))):
            if above in plain:
                conflict = f"it beside --set {plain[above]}"
                raise refusal(f"--set: {'.'.join(key)}", "be below a table", conflict, "leave one out")
        if not isinstance(value, dict):
            plain[key] = printable(override)
        new_keys = _new_keys(key, values)
        _merge_tables(_nest_value(key, value), values)
        remaining = {path: place for path, place in places.items() if path[: len(new_keys[0])] != new_keys[0]}
        places = remaining | dict.fromkeys(new_keys, getattr(override, "option", "--set"))
    return places


def _read_text(file: Path) -> str:
    """Return a file's text, its lines ended by line feeds alone; raises BenchmarkError where it cannot be read as UTF-8."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise refusal(str(file), f"have at most {MOST_BYTES >> 20} MiB", "more", "write less")
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        reason = _unreadable(file, error)
        hint = "check the path" if file.is_file() else hint_for(file)
        raise refusal(str(file), "be a benchmark file (TOML)", reason, hint) from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise refusal(str(file), "be text in UTF-8", "UTF-16 or another encoding", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")  # an editor may have put a byte order mark in front
    except UnicodeDecodeError as error:
        number = len(re.findall(rb"\r\n?|\n", content[: error.start])) + 1
        byte = f"the byte 0x{content[error.start]:02x}"
        raise refusal(f"{file}:{number}", "be text in UTF-8", byte, "save it as UTF-8") from error
    return re.sub(r"\r\n?", "\n", text)


def _unreadable(file: Path, error: Exception) -> str:
    """Return why a file cannot be read, in words."""
    if file.is_dir():
        return "a folder"
    return one_line(error) if file.exists() else "nothing there"


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
}  # by the beginning of tomllib's message


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, file: Path) -> BenchmarkError:
    """Return the error for a file that is not TOML: the line, and in plain words what is wrong with it."""
    lines = text.rstrip().split("\n")
    match = re.search(r"\(at line (\d+), column \d+\)", str(error))
    number = int(match[1]) if match else _unfinished_line(lines)  # "at end of document" has no number
    words = next((words for beginning, words in _FAULTS.items() if str(error).startswith(beginning)), "something else")
    line = lines[number - 1].strip() if number <= len(lines) else ""
    fault, _, hint = words.partition("; ")
    return refusal(f"{file}:{number}", "be valid TOML", f"{fault}: {shown(line)}", hint)


def _unfinished_line(lines: Sequence[str]) -> int:
    """Return the line on which something begins that never ends: the one after the longest beginning that is TOML."""
    count = len(lines)
    tries = 100 if sum(map(len, lines)) < 20_000 else 0
    for number in range(count - 1, max(count - tries, 0) - 1, -1):
        with suppress(ValueError, RecursionError):
            tomllib.loads("\n".join(lines[:number]))
            return number + 1
    return count


def _parse(text: str, where: str) -> dict[str, Any]:
    """Return the values of TOML; raises TOMLDecodeError, or BenchmarkError for what is too much for Python."""
    _check_size(text, where)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        fault = "brackets nested too deep" if deep else "a number of too many digits"
        raise refusal(where, "be valid TOML", fault, "write less") from error


def _check_size(text: str, where: str) -> None:
    """Refuse a text, or a key in it, that takes the parser more time than any benchmark is worth."""
    if len(text) > MOST_BYTES:
        raise refusal(where, f"have at most {MOST_BYTES >> 20} MiB", f"{len(text):,} bytes", "write less")
    for dotted in _DOTTED.finditer(text):
        if dotted[0].count(".") >= MOST_PARTS and len(split_key(dotted[0])) > MOST_PARTS:
            raise refusal(where, f"have keys of at most {MOST_PARTS} parts", f"{dotted[0][:40]!r} ...", "write less")


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """Return the key and the value of ``key=value``; a value that is not TOML is taken as a string."""
    _check_size(text, "--set")
    match = KEY.match(text)
    if not match:
        raise refusal("--set", "be KEY=VALUE", shown(text), "for example --set train.l2=1e-4")
    if encodable(text) != text:
        raise refusal("--set", "be UTF-8", shown(text), "rename the file or folder")
    key, value = split_key(match[1]), text[match.end() :]
    if len(value.splitlines()) > 1:  # of several lines TOML would read all, and the first alone would be the value
        raise refusal(f"--set: {match[1]}", "be a value on one line", shown(value), "give one --set for each key")
    try:
        return key, _parse(f"value = {value}", f"--set: {match[1]}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()


def _new_keys(key: KeyPath, values: Mapping[str, Any]) -> list[KeyPath]:
    """Return the keys that an override makes: the key itself, and every table above it that is not there yet."""
    existing = 0
    inner: Any = values
    while existing < len(key) - 1 and isinstance(inner := inner.get(key[existing]), dict):
        existing += 1
    return [key[:length] for length in range(existing + 1, len(key) + 1)]


def _nest_value(key: KeyPath, value: Any) -> dict[str, Any]:
    """Return the value inside one table for each part of the key."""
    for part in reversed(key):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def copy_table(table: Mapping[str, Any], levels: int = 8) -> dict[str, Any]:
    """Return a copy of a table and of the tables in it, so many levels deep; a file may have thousands of levels."""
    copy = {}
    for key, value in table.items():
        copy[key] = copy_table(value, levels - 1) if levels and isinstance(value, dict) else value
    return copy


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


def _merge_tables(top: Mapping[str, Any], below: dict[str, Any]) -> None:
    """Lay one tree of values over another: tables are merged, anything else replaced."""
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _merge_tables(value, below[key])
        else:
            below[key] = value
