"""The settings of Python and numpy that plugins share."""

from __future__ import annotations

import gc
import locale
import operator
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from harness.plugin.process_settings.changes import Same, Setting


class _Filters:
    """The filters of warnings; equal where the same warnings are errors: what is shown changes no result."""

    def __init__(self) -> None:
        self.all = list(warnings.filters)
        self.errors = [entry for entry in self.all if entry[0] == "error"]

    def __eq__(self, second: object) -> bool:
        return isinstance(second, _Filters) and self.errors == second.errors

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{len(self.errors)} filters that raise"

    def set(self) -> None:
        """Have these filters in force."""
        warnings.filters[:] = self.all  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]


def _of_attribute(owner: Any, attribute: str, name: str) -> Setting:
    """Return the setting that is a module's attribute, compared by identity."""
    return Setting(name, lambda: Same(getattr(owner, attribute)), lambda v: setattr(owner, attribute, v.things[0]))


def python_settings() -> list[Setting]:
    """Return the settings of Python and numpy."""
    settings = [
        Setting("the working directory", os.getcwd, os.chdir),
        Setting("Python's warnings as errors", _Filters, _Filters.set),
        # Only a limit that was lowered is put back.
        Setting("Python's recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, differ=operator.gt),
        Setting("Python's garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        Setting("the thresholds of garbage collection", gc.get_threshold, lambda values: gc.set_threshold(*values)),
        Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
        Setting("Python's trace function", lambda: Same(sys.gettrace()), lambda v: sys.settrace(v.things[0])),
        Setting("Python's profile function", lambda: Same(sys.getprofile()), lambda v: sys.setprofile(v.things[0])),
        *(_of_attribute(sys, stream, f"sys.{stream}") for stream in ("stdout", "stderr", "stdin")),
    ]
    if hasattr(os, "sched_getaffinity"):
        set_cores = lambda cores: os.sched_setaffinity(0, cores)  # noqa: E731
        settings.append(Setting("the cores in use", lambda: os.sched_getaffinity(0), set_cores))
    return [*settings, _of_numpy(), *_of_signals(), *_of_limits()]


def _of_signals() -> Iterator[Setting]:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGFPE"):
        if hasattr(signal, name):
            number = getattr(signal, name)
            yield Setting(f"the handler of {name}", _reader_of_signal(number), _setter_of_signal(number))
    for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"):
        if hasattr(signal, name):
            yield _of_timer(name, getattr(signal, name))


def _reader_of_signal(number: int) -> Callable[[], Any]:
    return lambda: Same(signal.getsignal(number))


def _setter_of_signal(number: int) -> Callable[[Any], object]:
    return lambda handler: signal.signal(number, handler.things[0])


def _of_timer(name: str, number: int) -> Setting:
    def stop(running: bool) -> None:
        if not running:
            signal.setitimer(number, 0)

    return Setting(f"the timer {name}, running", lambda: signal.getitimer(number) != (0.0, 0.0), stop)


def _of_limits() -> Iterator[Setting]:
    try:
        import resource
    except ImportError:  # Windows
        return
    for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        number = getattr(resource, name)

        def set_limit(soft: int, number: int = number) -> None:
            resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))

        yield Setting(f"the limit {name}", lambda number=number: resource.getrlimit(number)[0], set_limit)  # type: ignore[misc]


def _of_numpy() -> Setting:
    """Return numpy's only setting that results depend on; it cannot be read before numpy is loaded."""
    fresh = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    return Setting(
        "numpy's error state",
        lambda: sys.modules["numpy"].geterr(),
        lambda state: sys.modules["numpy"].seterr(**state),
        fresh,
    )
