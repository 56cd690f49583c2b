"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be, and drops it where that is a finalizer or the callback of a
weak reference, of which torch and SQLAlchemy have many. So it is also noted, and raised again at the next check.
Signals belong to the process, and so does the note.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

_noted = False


def listen() -> None:
    """Note every SIGINT from now on, besides raising KeyboardInterrupt; one that Python drops is dropped in silence."""
    complain = sys.unraisablehook

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            complain(dropped)

    def note(*_: object) -> None:
        global _noted
        _noted = True
        raise KeyboardInterrupt

    with suppress(ValueError):  # not the main thread: then signals are not ours to handle
        signal.signal(signal.SIGINT, note)
        sys.unraisablehook = unraisable


def check() -> None:
    """Raise KeyboardInterrupt where one has been noted."""
    if _noted:
        raise KeyboardInterrupt
