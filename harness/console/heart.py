"""A sign of life: a line on what is under way, where nothing was printed for long.

The first one comes after two silent seconds. From then on there is at most one in fifteen seconds, whatever begins and ends in
the meantime, and while one thing goes on they come ever more rarely. A line that says the same again says for how long it has
been going on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.console.numbers import duration

SILENCE = 2.0  # seconds without a line after which one says what is under way
APART = 15.0  # seconds between two such lines, at the least; each further line of a phase waits twice as long as the one before
LONGEST = 60.0  # seconds that such a line waits at the most
AT_WORK = "the work goes on"
LOOK = 0.25  # seconds between two looks at the clock


class Heart:
    """Says what is under way when nothing was printed for ``SILENCE`` seconds, and ever more rarely while that goes on."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._phase = ""
        self._words = ""
        self._due = SILENCE
        self._last_line = clock()
        self._last_sign = float("-inf")
        self._began = clock()
        self._since = self._began  # when the phase began
        self._said: set[tuple[str, float]] = (
            set()
        )  # the words of earlier signs, each with the time when its phase began
        self._over = threading.Event()
        self.otherwise = AT_WORK  # what a line says where nobody has said what is under way

    def begin(self, phase: str) -> None:
        """Look at the clock from here on, in a thread of its own; a phase is under way already."""
        self.under_way(phase)
        threading.Thread(target=self._watch, name="heart", daemon=True).start()

    def end(self) -> None:
        """Say nothing more."""
        self._over.set()

    def line_printed(self) -> None:
        """Take note that a line was printed."""
        self._last_line = self._clock()

    def under_way(self, phase: str = "", words: str = "", since: float | None = None) -> None:
        """Take note of what is under way, in a phase, with words on how far it is; "" where nobody has said what.

        ``since`` is when the phase began, where it was under way before; without it, a new phase begins now.
        """
        if phase != self._phase:
            self._due = SILENCE
            self._since = self._clock()
        if since is not None:
            self._since = since
        self._phase, self._words = phase, words or phase

    @property
    def current(self) -> tuple[str, str, float]:
        """The phase that is under way, the words for it, and when it began."""
        return self._phase, self._words, self._since

    def beat(self) -> None:
        """Say what is under way, if a line is due."""
        now = self._clock()
        if now - self._last_line >= self._due and now - self._last_sign >= APART:
            self._due = APART if self._due < APART else min(2 * self._due, LONGEST)
            self._last_sign = now
            self._say(f"{self._line(now)} ...")

    def _line(self, now: float) -> str:
        """Return what is under way; where a sign has said the same before, with the time since it began."""
        words = self._words or self.otherwise
        since = self._since if self._phase else self._began  # without a phase, it is the command that goes on
        if (words, since) in self._said:
            seconds = round(now - since)
            return f"{words}, {f'{seconds} s' if seconds < 120 else duration(seconds)} so far"
        self._said.add((words, since))
        return words

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            self.beat()
