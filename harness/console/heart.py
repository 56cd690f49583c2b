"""A sign of life: a line on what is under way, where nothing was printed for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SILENCE = 2.0  # seconds without a line after which one says what is under way
AGAIN = 10.0  # seconds after which it is said again; each further line of a phase waits twice as long as the one before
LONGEST = 60.0  # seconds that such a line waits at the most
AT_WORK = "at work"  # what a line says where nobody has said what is under way
LOOK = 0.25  # seconds between two looks at the clock


class Heart:
    """Says what is under way when nothing was printed for ``SILENCE`` seconds, and ever more rarely while that goes on."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._phase = ""
        self._words = AT_WORK
        self._due = SILENCE
        self._last_line = clock()
        self._over = threading.Event()

    def begin(self) -> None:
        """Look at the clock from here on, in a thread of its own."""
        threading.Thread(target=self._watch, name="heart", daemon=True).start()

    def end(self) -> None:
        """Say nothing more."""
        self._over.set()

    def line_printed(self) -> None:
        """Take note that a line was printed."""
        self._last_line = self._clock()

    def under_way(self, phase: str = "", words: str = "") -> None:
        """Take note of what is under way, in a phase, with words on how far it is; "" where nobody has said what."""
        if phase != self._phase:
            self._due = SILENCE
        self._phase, self._words = phase, words or phase or AT_WORK

    @property
    def current(self) -> tuple[str, str]:
        """The phase that is under way, and the words for it."""
        return self._phase, self._words

    def beat(self) -> None:
        """Say what is under way, if a line is due."""
        if self._clock() - self._last_line >= self._due:
            self._due = AGAIN if self._due < AGAIN else min(2 * self._due, LONGEST)
            self._say(f"{self._words} ...")

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            self.beat()
