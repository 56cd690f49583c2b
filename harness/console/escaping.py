"""Output to the terminal: everything that is printed is escaped first, so that no text can steer the terminal.

Names of arms, classes, photos and keys, and the messages of plugins, come from strangers. So ``escaped_output()`` wraps
standard output and standard error while a command runs. It escapes control characters, replaces characters that the
encoding lacks by plain letters, and ignores broken pipes and full disks. Only the progress bar, whose colours are ours,
goes past it.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, Any, TextIO

from harness.console.columns import columns_of, folded
from harness.errors import LONGEST_LINE, on_one_line, printable, shortened

PLAIN = {
    "\N{PLUS-MINUS SIGN}": "+-", "\N{MULTIPLICATION SIGN}": "x", "\N{MIDDLE DOT}": "-", "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{MINUS SIGN}": "-", "\N{RIGHTWARDS ARROW}": "->",
    "\N{LESS-THAN OR EQUAL TO}": "<=", "\N{GREATER-THAN OR EQUAL TO}": ">=", "\N{ALMOST EQUAL TO}": "~",
    "\N{LEFT SINGLE QUOTATION MARK}": "'", "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{NO-BREAK SPACE}": " ",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"', "\N{MICRO SIGN}": "u",
}  # fmt: skip


def _encode_plainly(error: UnicodeError) -> tuple[str, int]:
    """Return plain letters for characters that the output's encoding has not, or their escapes."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in text), error.end


codecs.register_error("harness.plain", _encode_plainly)


class EscapingStream:
    """A text stream in front of another one; all but writing is the other one's."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, its control characters escaped; a carriage return ends a line."""
        lines = re.split(r"\r\n?|\n", text)
        self._attempt(lambda: self.stream.write("\n".join(map(printable, lines))))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what is still held back."""
        self._attempt(self.stream.flush)

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # of a copy that is not made yet
            raise AttributeError(name)
        return getattr(self.stream, name)

    def _attempt(self, action: Any) -> None:
        try:
            action()
        except OSError:  # a closed pipe, a full disk
            silence(self.stream)


def silence(stream: IO[str]) -> None:
    """Send what a stream still holds, and all that is written to it from now on, nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stream in memory has no number
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


@contextlib.contextmanager
def escaped_output(with_warnings: bool = False) -> Iterator[None]:
    """Put an EscapingStream in front of standard output and standard error.

    The warnings of Python and of libraries, which would stand between our lines, are not printed, unless asked for.
    """
    _open_closed_streams()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - for a stream that is closed
        streams = [_escaping_stream(stream or nowhere) for stream in before]
        sys.stdout, sys.stderr = streams
        try:
            with contextlib.nullcontext() if with_warnings else _without_warnings():
                yield
        finally:
            for stream in streams:
                stream.flush()
            sys.stdout, sys.stderr = before


def _escaping_stream(stream: Any) -> EscapingStream:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="harness.plain")
    return EscapingStream(stream)


def _open_closed_streams() -> None:
    """Give standard streams that were closed a file that goes nowhere: else the next file that is opened is one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno == errno.EBADF:
                os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    before = warnings.showwarning, logging.lastResort
    warnings.showwarning, logging.lastResort = (lambda *_, **__: None), logging.NullHandler()
    try:
        yield
    finally:
        warnings.showwarning, logging.lastResort = before


def raw(stream: Any) -> Any:
    """Return the stream behind it, for one who prints styles of its own and lets ``printable`` do the rest."""
    while isinstance(stream, EscapingStream):
        stream = stream.stream
    return stream


def say_lines(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Print lines to a stream, or to standard output; a line that has a line break in it stays one line.

    On a terminal a line that is longer than it has columns is broken between words.
    """
    columns = columns_of(stream or sys.stdout)
    for line in lines:
        for piece in folded(printable(line), columns):
            print(piece, file=stream)


def say_begun(what: str) -> None:
    """Say to a person who waits what is begun; a file, or a program that reads the results, gets nothing of it."""
    if columns_of(sys.stderr) is not None:
        say_lines([f"{what} ..."], sys.stderr)
        sys.stderr.flush()


def say_error(text: str) -> None:
    """Print an error's line, of bounded length, to standard error."""
    say_lines([f"error: {shortened(on_one_line(text), LONGEST_LINE)}"], sys.stderr)
