"""The boundary to plugins: whatever a plugin raises becomes one line that names it, and ends nothing but its own work.

Plugins run in this process, so they can raise anything: SystemExit, which would end the run with any exit code, a
KeyboardInterrupt that no user has typed, an exception that cannot be printed. Every call of a plugin's code passes
through here. Two things pass as they are: the user's Ctrl-C, also where the plugin has swallowed it, and errors of the
harness's own, a divergence or a full disk for example. A child process that a plugin has forked ends here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from harness.console import interruption
from harness.errors import DiskError, HarnessError, PluginError, message_of, one_line

T = TypeVar("T")
NAMED = re.compile(r"(dataset|task|backbone|optimizer|scheduler|executor|probe|analysis|report|catalogue) '")

_exit = os._exit  # discovery replaces it for a while
_forks = 0  # of this process and its parents, counted in the child


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class PluginFailed(PluginError):
    """A plugin has ``raised``; ``who`` it is, or "", and ``why``: what it raised, in a line that does not name the plugin."""

    def __init__(self, who: str, must: str, error: BaseException) -> None:
        self.who, self.raised = who, error
        self.why = one_line(error)
        super().__init__(f"{who}: must {must}, got {self.why}" if who else self.why)


class Boundary:
    """``with Boundary("optimizer", "adam", "step"):`` raises PluginFailed, ``optimizer 'adam': must step, got ...``.

    It can be entered again and inside itself, and costs a step of the training nothing that could be measured. Errors of
    the harness's own stay what they are, but a PluginError that does not say whose it is gets the name; with
    ``everything`` they are the plugin's failure too, all but a DiskError. Without a name, for what several plugins do
    together, the line is what was raised.

    No generator may yield inside it: whoever closes the generator would then be taken for the plugin.
    """

    def __init__(self, kind: str = "", name: str = "", must: str = "", everything: bool = False) -> None:
        self._who = f"{kind} '{name}'" if kind else ""
        self._must = must
        self._everything = everything
        self._forks = 0

    def __enter__(self) -> None:
        self._forks = _forks

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if self._forks != _forks:
            _exit(1)  # a child process that a plugin has forked: the run is its parent's
        if error is None or interruption.is_users(error):
            interruption.check()
            return
        interruption.check(error)
        if isinstance(error, PluginFailed | DiskError):
            return
        if self._everything or not isinstance(error, HarnessError):
            raise PluginFailed(self._who, self._must, error) from error
        if isinstance(error, PluginError) and self._who and not NAMED.match(message_of(error)):
            raise PluginError(f"{self._who}: {' '.join(message_of(error).split())}") from error


def through(boundary: Boundary, items: Iterable[T]) -> Iterator[T]:
    """Yield what a plugin's iterable yields; what it raises on the way is its failure."""
    with boundary:
        iterator = iter(items)
    while True:
        with boundary:
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
