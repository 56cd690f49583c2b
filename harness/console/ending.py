"""The end of the process: threads that a plugin left behind do not keep it alive, and a crash says where it happened."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from harness.console.escaping import say_error

PATIENCE = 5.0  # seconds that threads have to end by themselves, once everything is done
_REASON = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_PLACE = re.compile(r'^Current thread .*?^  File "(.+?)", (line \d+) in (.+?)$', re.MULTILINE | re.DOTALL)


def trace_crashes() -> None:
    """Have a segmentation fault, or an abort, say in a line in which line of Python it happened, and where the trace is.

    Python's own trace has a page of names of extension modules. It goes to a file, which the line names; without ``os.fork``
    it goes to stderr as it is.
    """
    with suppress(RuntimeError, ValueError, OSError, AttributeError):  # no stderr
        if not faulthandler.is_enabled():
            faulthandler.enable(_watched() if hasattr(os, "fork") else sys.stderr)


def _watched() -> int:
    """Return a descriptor to which a trace can be written: a child process waits for one, and ends when this process does.

    After a crash nothing of Python runs in the process, so another one has to say what happened.
    """
    trace, descriptor = os.pipe()
    if os.fork():
        os.close(trace)
        return descriptor
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; this process outlives the other
        os.close(descriptor)
        with os.fdopen(trace, encoding="utf-8", errors="backslashreplace") as file:
            _say_crash(file)
    finally:
        os._exit(0)


def _say_crash(file: TextIO) -> None:
    """Read a trace up to the end of the process that writes it; where there is one, keep it and say what it comes to."""
    text = file.read()
    if not (reason := _REASON.search(text)):
        return
    number, kept = tempfile.mkstemp(prefix="harness-crash-", suffix=".txt")
    os.close(number)
    Path(kept).write_text(text, encoding="utf-8")
    place = _PLACE.search(text)
    where = f" in {place[1]}, {place[2]}, in {place[3]}" if place else ""
    say_error(f"harness itself: crashed ({reason[1]}){where}; the whole trace is in {kept}")


def end_without_threads(code: int) -> None:
    """End the process with this code, soon, also where a thread of a plugin goes on for ever."""
    threading.Thread(target=_outlast, args=(code,), daemon=True).start()


def _outlast(code: int) -> None:
    time.sleep(PATIENCE)
    left = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if not left:
        return
    with suppress(Exception):  # whatever the streams are by now
        print(f"note: threads that a plugin has left behind are not waited for: {', '.join(left)}", file=sys.stderr)
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(code)
