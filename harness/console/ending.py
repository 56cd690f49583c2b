"""The end of the process: threads that a plugin left behind do not keep it alive, and a crash says where it happened."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import suppress

PATIENCE = 5.0  # seconds that threads have to end by themselves, once everything is done


def trace_crashes() -> None:
    """Have a segmentation fault, or an abort, print on stderr in which line of Python it happened."""
    with suppress(RuntimeError, ValueError, OSError, AttributeError):  # no stderr
        if not faulthandler.is_enabled():
            faulthandler.enable()


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
