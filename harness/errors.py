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

    full = False  # whether more room would help


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


def one_line(error: BaseException) -> str:
    """Return ``TypeName: message`` of any exception on one line, for records and messages."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
