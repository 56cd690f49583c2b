"""Standard output that may end before the command does: a pipe that nobody reads any more, a log file on a full disk.

The command goes on to its end all the same, because its results are in files.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.errors.disk import refused


class _Raw(io.FileIO):
    """Writes until that fails, and drops whatever comes after."""

    failed: OSError | None = None

    def write(self, data: object) -> int:
        """Write bytes, or take them for written; return how many they were."""
        if self.failed is None:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self.failed = error
        return memoryview(data).nbytes  # type: ignore[arg-type]


@contextmanager
def lasting_stdout() -> Iterator[Callable[[], str]]:
    """Have ``sys.stdout`` accept everything, however early it ends.

    Gives a function that returns why it ended, in a line; "" where it did not, or where its reader had seen enough.
    """
    before = sys.__stdout__
    if before is None or sys.stdout is not before or before.isatty():  # closed, a test's own, a terminal
        yield lambda: ""
        return
    raw = _Raw(before.fileno(), "w", closefd=False)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=before.encoding, errors="backslashreplace", line_buffering=True
    )  # a line is seen when it is printed, also through a pipe

    def ending() -> str:
        stream.flush()
        if raw.failed is None or raw.failed.errno in (errno.EPIPE, errno.EINVAL):  # EINVAL: the broken pipe of Windows
            return ""
        return str(refused(raw.failed, "standard output"))

    sys.stdout = stream
    try:
        yield ending
    finally:
        stream.flush()
        sys.stdout = before
