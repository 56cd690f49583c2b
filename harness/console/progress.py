"""What the user sees while a benchmark runs: one bar, how long everything still takes, and one line per finished trial.

On a terminal the bar is drawn by rich; elsewhere (a log file, CI) only plain lines are printed. The bar has phases
(decoding photos, training, a probe): each has clocks of its own, and a phase that is over leaves no bar behind. What all
phases together still take stands beside it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.console.ahead import Ahead
from harness.console.escaping import EscapingStream, raw, silence
from harness.console.numbers import duration
from harness.errors import printable

TRAINING = "training"  # the phase in which the bar counts epochs
EVERY = 60.0  # seconds, off a terminal, after which a line says again how far the training is


class _Console(Console):
    """A console that falls silent when nobody listens any more: the work goes on, and the records have it all."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        silence(self.file)


class Reporter:
    """Prints lines and, on a terminal, draws one bar counted in epochs."""

    def __init__(self, quiet: bool = False) -> None:
        self.ahead = Ahead()  # what the whole command has still to do
        self.console = _Console(
            file=raw(sys.stdout), highlight=False, emoji=False, soft_wrap=True, quiet=quiet, force_jupyter=False
        )  # a notebook has plain lines
        self._bar: Progress | None = None
        self._said = 0.0
        self._said_training = time.monotonic()
        self._phase = ""  # what the bar counts now; "" after a phase that is over
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                TextColumn("{task.fields[ahead]}", markup=False),
                console=self.console,
                transient=True,  # when the work has ended, by itself or not, no bar stays on the screen
            )
        self._task = self._bar.add_task("starting", total=None, visible=False, unit="", ahead="") if self._bar else None

    def __enter__(self) -> Reporter:
        if self._bar:
            self._bar.start()
            sys.stdout, sys.stderr = (
                EscapingStream(sys.stdout),
                EscapingStream(sys.stderr),
            )  # what others print stands above the bar
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the bar."""
        try:
            self.console.print(printable(text), style=style or None, markup=False)
        except OSError:  # a full disk, say
            self.console.on_broken_pipe()

    def move(self, what: str, done: int, total: int, at_once: int = 1) -> None:
        """Set the bar of the training: ``done`` of ``total`` epochs of all runs; ``what`` has trained the last one.

        Off a terminal a line says it every minute.
        """
        beside = f", {at_once} runs at once" if at_once > 1 else ""
        if self._bar is not None:
            self._set_bar(TRAINING, f"{what}{beside}", done, total, "epochs")
        elif time.monotonic() - self._said_training > EVERY:
            self._said_training = time.monotonic()
            ends = f"; everything is done in {self.ahead.text}" if self.ahead.text else ""
            self.say(f"{done} of {total} epochs{beside}{ends}")

    def preparing(self, what: str, done: int, total: int) -> None:
        """Say how far a phase (decoding, drawing, a probe) has come; a line every five seconds off a terminal.

        The phase is over when ``done`` is ``total``, so whoever counts must come to that.
        """
        if self._bar is not None:
            self._set_bar(what, what, done, total, "")
        elif done >= total or time.monotonic() - self._said > 5:
            self._said = time.monotonic()
            self.say(f"{what}: {done} of {total}")

    def _set_bar(self, phase: str, what: str, done: int, total: int, unit: str) -> None:
        if self._bar is None or self._task is None:
            return
        if phase != self._phase:  # rich would go on with the clocks of the phase before, and call it finished
            self._bar.reset(self._task, total=total, completed=done)
        self._phase = phase if done < total or phase == TRAINING else ""  # restarts come when all else has been trained
        ends = f"(everything: {self.ahead.text})" if self.ahead.text else ""
        self._bar.update(
            self._task, description=printable(what), completed=done, total=total, unit=unit, ahead=ends,
            visible=done < total,
        )  # fmt: skip


class Watch:
    """Says what is under way when nothing has been recorded for long: after ``first`` seconds, then after twice as many, and so on."""

    def __init__(self, reporter: Reporter, first: float = 300.0) -> None:
        self._reporter = reporter
        self._first = first
        self._happened: tuple[Callable[[], str], float] = (lambda: "the first run", time.monotonic())
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def happened(self, what: Callable[[], str]) -> None:
        """Note that something has come of the work; ``what`` says what is under way, if it is asked for from another thread."""
        self._happened = (what, time.monotonic())

    def _watch(self) -> None:
        last, due = self._happened, self._first
        while not self._over.wait(last[1] + due - time.monotonic()):
            if last is self._happened:
                self._reporter.say(
                    f"{last[0]()}: nothing has come of it for {duration(due)}; Ctrl-C stops it", "yellow"
                )
                due *= 2
            else:
                last, due = self._happened, self._first
