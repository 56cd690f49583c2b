"""The errors a user can meet: one class per cause, one line each.

    HarnessError                 exit code 2 unless said otherwise
    ├── BenchmarkError           the benchmark file, or a --set, is wrong
    ├── DataError                the photos or tables are missing, broken or too few
    ├── PluginError              a plugin cannot be loaded or does not keep its contract
    │   └── UnknownName          no plugin of that kind has that name
    ├── DeviceError              the device asked for is not there
    ├── RunFolderError           a run folder is missing, damaged, or in use by another process
    ├── DiskError                the system refuses a file: no room, no permission, a limit (harness.disk)
    └── Diverged                 training left the finite numbers (ends one run, never the benchmark)

Every message reads ``WHERE: what must be, got what; what to do``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 1000  # characters of an exception's message that are kept


class HarnessError(Exception):
    """Anything the user can mend; the command line prints it as one line and exits with 2."""

    def __str__(self) -> str:
        """Return the line, printable whatever path it names."""
        return printable(super().__str__())


class BenchmarkError(HarnessError):
    """A benchmark file or an override is wrong."""


class DataError(HarnessError):
    """The data is missing, broken or too small."""


class PluginError(HarnessError):
    """A plugin cannot be loaded, clashes with another, or does not keep its contract."""


class UnknownName(PluginError):
    """No plugin of that kind has that name."""


class DeviceError(HarnessError):
    """The device asked for is not there."""


class RunFolderError(HarnessError):
    """A run folder is missing, damaged, or in use by another process."""


class DiskError(HarnessError):
    """The system refuses to write a file, or to read it: no room, no permission, a limit; it is no plugin's failure."""


class Diverged(HarnessError):
    """Training left the finite numbers; says where and with what value."""


def printable(text: str) -> str:
    r"""Return text that can be encoded: the bytes of a path that are not UTF-8 are escaped, as in ``caf\xe9.jpg``.

    Python keeps such bytes as lone surrogates, which cannot be encoded.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # other surrogates, which a path on Windows may have
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'adam'?"`` for the nearest known name, or a short list of what there is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is {', '.join(known[:12])}{' ...' if len(known) > 12 else ''}" if known else ""


def message_of(error: BaseException) -> str:
    """Return what an exception says, on one line, whatever its class does: ``__str__`` may raise, or return no text."""
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
