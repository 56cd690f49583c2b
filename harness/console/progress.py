"""What the user sees while a benchmark runs: one bar, how long everything still takes, and one line per finished trial.

On a terminal the bar is drawn by rich; elsewhere (a log file, CI) only plain lines are printed. The bar has phases
(decoding photos, training, a probe): each has clocks of its own, and a phase that is over leaves no bar behind. What all
phases together still take stands beside it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from harness.console.ahead import Ahead
from harness.console.columns import columns_of, cut, folded
from harness.console.escaping import EscapingStream, raw, silence
from harness.console.heart import Heart
from harness.console.numbers import duration
from harness.errors import printable

LOADING = "loading torch and the plugins"  # what the first seconds of a command go into
TRAINING = "training"  # the phase in which the bar counts epochs
WIDE = 110  # columns of a terminal that has room for both times that are left
OF_NUMBERS = 58  # columns that the bar and its numbers take
EVERY = 60.0  # seconds, off a terminal, after which a line says again how far the training is


class _Console(Console):
    """A console that falls silent when nobody listens any more: the work goes on, and the records have it all."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        silence(self.file)


class Reporter:
    """Prints lines and, on a terminal, draws one bar counted in epochs."""

    def __init__(self, quiet: bool = False, words: Callable[[str], str] = str) -> None:
        self._words = words  # of the reader: a Python caller has no options
        self.ahead = Ahead()  # what the whole command has still to do
        # A notebook gets plain lines too.
        self.console = _Console(
            file=raw(sys.stdout), highlight=False, emoji=False, soft_wrap=True, quiet=quiet, force_jupyter=False
        )
        self._bar: Progress | None = None
        self._said_training = time.monotonic()
        self._phase = ""  # what the bar counts now; "" after a phase that is over
        self._over = ""  # the phase that was over last; more than one piece of work may come to its end
        self._around: list[tuple[str, float]] = []  # what is under way and not counted since when, the outer work first
        self._heart = Heart(self.say)  # off a terminal, where no bar shows that something is under way
        is_screen = getattr(
            self.console.file, "isatty", lambda: False
        )()  # FORCE_COLOR, which notebooks set, makes none
        if self.console.is_terminal and is_screen:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None if self.console.width >= WIDE else 8),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                TimeElapsedColumn(),
                _Left(wide=self.console.width >= WIDE),
                console=self.console,
                expand=self.console.width >= WIDE,
                transient=True,  # when the work has ended, by itself or not, no bar stays on the screen
            )
        fields: dict[str, Any] = {"unit": "", "ahead": "", "seconds_ahead": 0.0}
        self._task = self._bar.add_task("starting", total=None, visible=False, **fields) if self._bar else None

    def __enter__(self) -> Reporter:
        if self._bar:
            self._bar.start()
            sys.stdout, sys.stderr = (
                EscapingStream(sys.stdout),
                EscapingStream(sys.stderr),
            )  # what others print stands above the bar
        elif not self.console.quiet:
            self._heart.begin(LOADING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heart.end()
        if self._bar:
            self._bar.stop()

    def start(self, command: str, version: str) -> None:
        """Say at once which command is begun: it takes seconds until torch is there, and longer until the data are open."""
        self.say(f"harness {version}: {command}")
        self._heart.otherwise = f"harness {command} goes on"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, visible=True)

    def say(self, text: str, style: str = "", brief: bool = False) -> None:
        """Print a line above the bar. On a terminal a long one is broken between words; a ``brief`` one loses its last words."""
        text, columns = self._words(text), columns_of(self.console.file)
        lines = [cut(printable(text), columns)] if brief else folded(printable(text), columns)
        self._heart.line_printed()
        try:
            for line in lines:
                self.console.print(line, style=style or None, markup=False)
        except OSError:  # a full disk, say
            self.console.on_broken_pipe()

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Show what is under way while nothing of it is counted: beside the bar, or off a terminal in a line after two seconds."""
        before: tuple[str, str, float | None] = self._heart.current
        if before[0] != TRAINING and not self._around:  # the first seconds of a command are over
            before = ("", "", None)
        self._heart.under_way(what)
        self._around.append((what, self._heart.current[2]))
        self._show_uncounted(what)
        try:
            yield
        finally:
            self._around.pop()
            self._heart.under_way(*before)
            self._show_uncounted(self._outer)

    @property
    def _outer(self) -> str:
        """What is under way around the work that is counted; "" where nobody has said it."""
        return self._around[-1][0] if self._around else ""

    def _show_uncounted(self, what: str) -> None:
        """Show beside the bar what is under way, without a number; "" hides the bar. That of a training that goes on stays."""
        trains = self._phase == TRAINING and self._bar is not None and not self._bar.finished
        if self._bar is not None and self._task is not None and not trains:
            self._phase = ""  # what is counted next begins with clocks of its own
            description = _shortened(printable(what), self.console.width)
            self._bar.reset(
                self._task, description=description, visible=bool(what), unit="", ahead="", seconds_ahead=0.0
            )
            self._bar.tasks[0].total = None

    def move(self, what: str, done: int, total: int, at_once: int = 1) -> None:
        """Set the bar of the training: ``done`` of ``total`` epochs of all runs; ``what`` has trained the last one.

        Off a terminal a line says it every minute.
        """
        if self._bar is not None:
            beside = f", {at_once} at once" if at_once > 1 else ""
            self._set_bar(TRAINING, f"{what}{beside}", done, total, "epochs")
            return
        beside = f", {at_once} runs at once" if at_once > 1 else ""
        ends = f", {self.ahead.text} left" if self.ahead.text else ""
        words = f"{done:,} of {total:,} epochs{beside}{ends}" if done else f"waiting for the first of {total:,} epochs"
        self._heart.under_way(*((TRAINING, words) if done < total else ("", "ending the last runs")))
        if not done:
            self._said_training = time.monotonic()
        elif time.monotonic() - self._said_training > EVERY:
            self._said_training = time.monotonic()
            self.say(words)

    def training_ended(self) -> None:
        """Take note that nothing more is trained, also where a time limit has left epochs out: their bar would stay."""
        if self._phase == TRAINING:
            self._phase = ""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Say how far a phase (decoding, drawing, a probe) has come. Off a terminal the sign of life says it, and a line that it is over.

        The phase is over when ``done`` is ``total``, so whoever counts must come to that. A ``total`` of 0 is one that is not known.
        """
        if not total:
            self._heart.under_way(what)
            self._show_uncounted(what)
            return
        if self._bar is not None:
            self._set_bar(what, what, done, total, "")
            return
        if done < total:
            self._over = ""
            self._heart.under_way(what, f"{what}: {done:,} of {total:,}")
            return
        self._heart.under_way(self._outer, since=self._around[-1][1] if self._around else None)
        if self._over != what:
            self._over = what
            self.say(f"{what}: {done:,} of {total:,}")

    def _set_bar(self, phase: str, what: str, done: int, total: int, unit: str) -> None:
        if self._bar is None or self._task is None:
            return
        if phase != self._phase:  # rich would go on with the clocks of the phase before, and call it finished
            self._bar.reset(self._task, total=total, completed=done)
        self._phase = phase if done < total or phase == TRAINING else ""  # restarts come when all else has been trained
        ends = f"(everything: {self.ahead.text})" if self.ahead.text else ""
        self._bar.update(
            self._task, description=_shortened(printable(what), self.console.width), completed=done, total=total, unit=unit,
            ahead=ends, seconds_ahead=self.ahead.seconds, visible=done < total,
        )  # fmt: skip


def _shortened(what: str, width: int) -> str:
    """Return what is under way, so short on a narrow terminal that the numbers behind it stay whole."""
    most = width - OF_NUMBERS
    return what if len(what) <= most or width >= WIDE else f"{what[: most - 3]}..."


class _Left(ProgressColumn):
    """How long it still takes: the phase and everything on a wide terminal, and one of both on a narrow one."""

    def __init__(self, wide: bool) -> None:
        super().__init__()
        self._wide = wide
        self._phase = TimeRemainingColumn(elapsed_when_finished=False)

    def render(self, task: Task) -> Text:
        """Return the time of everything that is to come where it is known, else that of the phase."""
        if task.total is None:  # nothing is counted yet
            return Text()
        phase = Text.assemble("left ", self._phase.render(task))
        if self._wide:
            return Text.assemble(phase, " ", task.fields["ahead"])
        seconds = task.fields["seconds_ahead"]
        return Text(f"left in all {duration(seconds)}") if seconds else phase


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
