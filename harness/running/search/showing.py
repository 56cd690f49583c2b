"""The searches under way in Optuna's tables, written now and then, so that an open dashboard follows them.

No search reads these tables, so when they are written decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from harness.records import database
from harness.running.search.study import Search

EVERY = 10.0  # seconds between two writings
SHARE = 0.02  # of the time that goes into writing, at the most


class Showing:
    """Writes the searches under way every ten seconds, and less often where that takes long."""

    def __init__(self) -> None:
        self._due = time.monotonic() + EVERY

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() >= self._due

    def write(self, searches: Iterable[Search]) -> None:
        """Write the searches that have begun and are not over. One that another program keeps from it waits for the next time."""
        began = time.monotonic()
        for search in searches:
            if search.asked and not search.finished:
                self._attempt(search)
        now = time.monotonic()
        self._due = now + max(EVERY, (now - began) / SHARE)

    @staticmethod
    def _attempt(search: Search) -> None:
        try:
            search.write_for_optuna()
        except Exception as error:  # Optuna and SQLAlchemy raise many types
            if not database.is_passing(error):
                raise
