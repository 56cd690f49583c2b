"""The errors a user can meet: one class per cause, one line each.

    HarnessError                 exit code 2 unless said otherwise
    ├── BenchmarkError           the benchmark file, or a --set, is wrong
    ├── DataError                the photos or tables are missing, broken or too few
    ├── PluginError              a plugin cannot be loaded or does not keep its contract
    │   └── UnknownName          no plugin of that kind has that name
    ├── DeviceError              the device asked for is not there
    ├── NotThere                 a run has no figure, table or score of that name; it is a KeyError too
    ├── RunFolderError           a run folder is missing, damaged, or in use by another process
    ├── DiskError                the system refuses a file: no room, no permission, a limit (harness.errors.disk)
    └── Diverged                 training left the finite numbers (ends one run, never the benchmark)

Every message reads ``WHERE: must be X, got Y; what to do``. Begin here; ``disk`` words what the operating system refuses,
``arguments`` checks the arguments of public functions, and ``names`` answers a name that is not there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import islice

LONGEST_VALUE = 80  # characters of a value that a message names
MOST_ITEMS = 20  # of a table or an array that a message names
LONGEST_LINE = 400  # characters of an error's line

_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+[ ]*")  # whatever some reader takes for the end of a line
# Characters that steer a terminal or that nobody sees: C0, DEL and C1; marks without a width; directions of writing;
# tags; lone surrogates. The two joiners stay where writing needs them: between letters of scripts from Hebrew on, and
# between emoji.
_JOINED = r"\u0590-\u1fff\u2190-\uffff\U00010000-\U0001ffff"
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
    rf"|(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"
)

_LETTERS = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}

MOST = 1000  # characters of an exception's message that are kept


class HarnessError(Exception):
    """Anything the user can mend. The command line prints it as one line, and exits with 2.

    >>> print(HarnessError("train.epochs: must be 1 or more, got 0"))
    train.epochs: must be 1 or more, got 0
    """

    def __str__(self) -> str:
        """Return one line, printable whatever it names."""
        return on_one_line(super().__str__())


class BenchmarkError(HarnessError):
    """A benchmark file or an override is wrong."""


class DataError(HarnessError):
    """The data is missing, broken or too small.

    >>> raise DataError("photos: must be a folder with photos, got an empty one")
    Traceback (most recent call last):
    harness.errors.DataError: photos: must be a folder with photos, got an empty one
    """


class PluginError(HarnessError):
    """A plugin cannot be loaded, clashes with another, or does not keep its contract.

    >>> raise PluginError("optimizer 'adam': must be named once, got it from two plugins")
    Traceback (most recent call last):
    harness.errors.PluginError: optimizer 'adam': must be named once, got it from two plugins
    """


class UnknownName(PluginError):
    """No plugin of that kind has that name."""


class DeviceError(HarnessError):
    """The device asked for is not there."""


class NotThere(HarnessError, KeyError):
    """A run has no figure, table or score of that name. It is a KeyError too, so a mapping may raise it.

    >>> {}.get("curve", NotThere("run.figures: must be a figure, got 'curve'; there is board"))
    NotThere("run.figures: must be a figure, got 'curve'; there is board")
    """

    def __str__(self) -> str:
        """Return the line as it is; a KeyError would quote it."""
        return on_one_line(str(self.args[0]))


class RunFolderError(HarnessError):
    """A run folder is missing, damaged, or in use by another process."""


class DiskError(HarnessError):
    """The system refuses to write a file, or to read it: no room, no permission, a limit; it is no plugin's failure."""

    full = False  # whether more room would help


class Diverged(HarnessError):
    """Training left the finite numbers. The line says where, and with what value.

    >>> raise Diverged("epoch 3: the training loss must be finite, got nan")
    Traceback (most recent call last):
    harness.errors.Diverged: epoch 3: the training loss must be finite, got nan
    """


def printable(text: str) -> str:
    r"""Return text without a character that could steer a terminal, break a line, or hide: each is escaped, as ``\x1b``.

    Bytes of a path that are not UTF-8, which Python keeps as lone surrogates, are escaped too, as in ``caf\xe9.jpg``.
    """
    return text if text.isprintable() else _UNSEEN.sub(_escape, text)


def encodable(text: str) -> str:
    """Return text that can be written as UTF-8: lone surrogates are escaped, and all else stays as it is."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # other surrogates, which a path on Windows may have
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def on_one_line(text: str) -> str:
    """Return text as one printable line: a break in it, with the spaces after it, becomes a space."""
    return printable(_BREAKS.sub(" ", text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
    if code in _LETTERS:
        return _LETTERS[code]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object) -> str:
    """Return a value for a message: in the words of TOML, on one printable line of at most ``LONGEST_VALUE`` characters."""
    return shortened(printable(_as_toml(value)), LONGEST_VALUE)


def shortened(text: str, longest: int, end: int | None = None, dots: str = " ... ") -> str:
    """Return a text of at most so many characters: of a longer one the beginning, three dots, and the end.

    ``end`` is the number of characters that are kept at the end; without it a third. Of a path the end tells more.
    """
    if len(text) <= longest:
        return text
    end = (longest - len(dots)) // 3 if end is None else end
    return f"{text[: longest - len(dots) - end]}{dots}{text[-end:]}"


def _as_toml(value: object, depth: int = 3) -> str:
    """Return a value as TOML writes it; a long or deeply nested one is cut to what a message can show."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 300:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write out larger ones
    if isinstance(value, str):
        return repr(shortened(value, LONGEST_VALUE))
    if isinstance(value, Mapping | list | tuple):
        return _container_as_toml(value, depth)
    try:
        return repr(value)
    except Exception:  # of a plugin's object
        return f"a {type(value).__name__}"


def _container_as_toml(value: Mapping[object, object] | list[object] | tuple[object, ...], depth: int) -> str:
    """Return a table or an array as TOML writes it, its first ``MOST_ITEMS`` items, ``depth`` levels deep."""
    opening, closing = ("{", "}") if isinstance(value, Mapping) else ("[", "]")
    if not depth:
        return f"{opening}...{closing}"
    if isinstance(value, Mapping):
        texts = [f"{key} = {_as_toml(value[key], depth - 1)}" for key in islice(value, MOST_ITEMS)]
    else:
        texts = [_as_toml(item, depth - 1) for item in value[:MOST_ITEMS]]
    more = ", ..." if len(value) > MOST_ITEMS else ""
    return f"{opening}{', '.join(texts)}{more}{closing}"


def did_you_mean(name: str, known: Iterable[str], listed: bool = False) -> str:
    """Return ``"; did you mean 'adam'?"`` for the nearest known name, or else a short list of the known names.

    Capitals make no difference. Names that the message has ``listed`` already are not listed again.
    """
    known = sorted(known)
    if near := nearest(name, known):
        return f"; did you mean '{near}'?"
    if listed or not known:
        return ""
    return f"; there is {', '.join(known[:12])}{' ...' if len(known) > 12 else ''}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like a name, however they are capitalized; "" where none is."""
    return next(iter(near_names(name, known)), "")


def near_names(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Return the known names that are most like a name, however they are capitalized, the nearest first.

    >>> near_names("adm", ["sgd", "adam", "adamw"], most=3)
    ['adam', 'adamw']
    """
    by_letters: dict[str, str] = {}
    for candidate in known:
        by_letters.setdefault(candidate.casefold(), candidate)
    near = difflib.get_close_matches(name[:LONGEST_VALUE].casefold(), by_letters, n=most, cutoff=0.6)
    return [by_letters[letters] for letters in near]


def message_of(error: BaseException) -> str:
    """Return an exception's message on one line, whatever its class does: ``__str__`` may raise, or return no text."""
    try:
        text = str.__str__(str(error))  # of a subclass, which can do anything too
    except BaseException:  # the user's Ctrl-C is noted: it is raised at the next check
        return "(its message cannot be read)"
    line = " ".join(text[: 4 * MOST].split())
    if len(line) > MOST or len(text) > 4 * MOST:
        line = f"{line[:MOST]} ... ({len(text):,} characters)"
    return printable(line)


def repr_of(value: object) -> str:
    """Return a value's ``repr`` on one line, whatever its class does."""
    try:
        return printable(" ".join(str.__str__(repr(value))[: 4 * MOST].split()))
    except BaseException:  # see message_of
        return f"<{type(value).__name__} that cannot be shown>"


def one_line(error: BaseException) -> str:
    """Return ``TypeName: message`` of any exception on one line, for records and messages."""
    name: str = type.__dict__["__name__"].__get__(type(error))  # whatever a metaclass says
    name, text = printable(" ".join(name.split())), message_of(error)
    return f"{name}: {text}" if text else name


def traceback_of(error: BaseException) -> str:
    """Return an exception's traceback as text, for the records; its last part where it is very long."""
    import traceback

    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:  # its attributes are not what Python expects
        text = f"{one_line(error)} (its traceback cannot be read)"
    return text[-20 * MOST :].encode("utf-8", "backslashreplace").decode()
