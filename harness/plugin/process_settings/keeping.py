"""Settings put back after a plugin's code, and the lines that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from harness.errors import printable
from harness.plugin.process_settings.changes import ABSENT, Change
from harness.plugin.process_settings.comparing import Taken, changed, taken
from harness.plugin.process_settings.members import Members, changed_members, members_taken

T = TypeVar("T")

_notes: list[str] = []


def note_line(line: str) -> None:
    """Note a line on what a plugin changed, for ``take_notes``."""
    _notes.append(line)


@contextmanager
def kept(who: str, note: Callable[[str], object] = note_line) -> Iterator[None]:
    """Put back what the code inside changes of the process's settings, also where it raises.

    ``note`` takes a line for each change, which begins with ``who``; without it ``take_notes`` returns the lines.
    """
    settings, members = taken(), members_taken()
    try:
        yield
    finally:
        named: set[str] = set()
        changes = [*changed(settings), *changed_members(members)]
        for line in _put_back(changes, who, named):
            note(line)
        _put_back_rest(settings, changes)


def take_notes() -> list[str]:
    """Return the lines that were noted since the last call, each once."""
    lines = list(dict.fromkeys(_notes))
    _notes.clear()
    return lines


def kept_apart(items: Iterator[T], who: str) -> Iterator[tuple[T, list[str]]]:
    """Yield what an iterator yields, with a line for each setting that it has changed for the first time.

    Its changes are in force while it works. They are put back at every yield and at its end, while other code works.
    Functions that it has replaced are put back at its end only, because comparing all of them takes a millisecond.
    At an item with ``keeps_settings`` they stay in force: whoever takes it calls no plugin's code.
    After an item with ``calls_no_plugin`` nothing is compared up to the next one: no plugin's code is called in between.
    When the iterator is closed before its end, its changes are noted as ``kept`` notes them.
    """
    changes: list[Change] = []
    named: set[str] = set()  # settings that a line has named
    members: Members | None = members_taken()  # None once they have been looked at
    try:
        item: Any = None
        while True:
            if getattr(item, "calls_no_plugin", False):
                item = next(items, ABSENT)
                if item is ABSENT:
                    return
                yield item, []
                continue
            settings = taken()
            for change in changes:
                change.make_again()
            lines: list[str] = []
            try:
                item = next(items, ABSENT)
                while getattr(item, "keeps_settings", False):
                    yield item, []
                    item = next(items, ABSENT)
            finally:
                changes = changed(settings)
                lines += _put_back(changes, who, named)
                _put_back_rest(settings, changes)
            if item is ABSENT:
                _notes.extend(lines)
                return
            if getattr(item, "ends_run", False):
                lines += _put_back(changed_members(members), who, named) if members else []
                members = None
            yield item, lines
    finally:
        if members:
            _notes.extend(_put_back(changed_members(members), who, named))


def _put_back_rest(before: Taken, changes: Sequence[Change]) -> None:
    """Put back settings that changed while these changes were put back: torch's matmul precision sets those of the backends.

    Nothing changes where nothing was put back, and to compare all settings once more would take time at every event.
    """
    for change in changed(before) if changes else ():
        change.put_back()


def _put_back(changes: Sequence[Change], who: str, named: set[str]) -> list[str]:
    """Put back what has changed; return a line for each that is not in ``named``, which it joins."""
    lines = []
    for change in changes:
        problem = change.put_back()
        if change.name not in named:
            named.add(change.name)
            end = f"it could not be put back: {problem}" if problem else "it was put back"
            lines.append(printable(f"{who} changed a setting that all share, {change.line}; {end}"))
    return lines
