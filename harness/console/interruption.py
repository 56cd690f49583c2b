"""Ctrl-C that is never lost, and is never confused with a KeyboardInterrupt that a plugin raises.

Python raises KeyboardInterrupt wherever it happens to be. In a finalizer or in the callback of a weak reference, of which
torch and SQLAlchemy have many, it drops the exception; a plugin may swallow it too. So Ctrl-C is also noted, and
``check`` raises it again. Signals belong to the whole process, and so does the note.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_noted = False


@contextmanager
def listening() -> Iterator[None]:
    """Note every SIGINT inside, besides raising KeyboardInterrupt; one that Python drops is dropped in silence."""
    global _noted
    complain = sys.unraisablehook

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            complain(dropped)

    try:
        before = signal.signal(signal.SIGINT, _note)
    except ValueError:  # not the main thread: then signals are not ours to handle
        yield
        return
    _noted, sys.unraisablehook = False, unraisable
    try:
        yield
    finally:
        sys.unraisablehook = complain
        signal.signal(signal.SIGINT, before)
        _noted = False


def _note(*_: object) -> None:
    global _noted
    _noted = True
    raise KeyboardInterrupt


def check(instead_of: BaseException | None = None) -> None:
    """Raise KeyboardInterrupt where the user's has been noted, whatever else is on its way."""
    if _noted:
        raise KeyboardInterrupt from instead_of


def is_users(error: BaseException) -> bool:
    """Return whether an exception is the user's Ctrl-C; where nobody listens, every KeyboardInterrupt is."""
    return isinstance(error, KeyboardInterrupt) and (_noted or signal.getsignal(signal.SIGINT) is not _note)
