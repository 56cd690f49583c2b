"""A name that is not there: what a figure, a table or a score is asked for by is answered with those that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from harness.errors import NotThere, nearest, shown

T = TypeVar("T")


def missing(where: str, what: str, name: object, known: Iterable[str], listed: Iterable[str] | None = None) -> NotThere:
    """Return the error of a name that is not there: it names the nearest one, and all that there are, or only those ``listed``.

    >>> print(missing("run.figures", "a figure of the report", "curve", ["curve-0", "board"]))
    run.figures: must be a figure of the report, got 'curve'; did you mean 'curve-0'? there are board, curve-0
    """
    names = sorted(known)
    near = nearest(str(name), names)
    meant = f"did you mean '{near}'? " if near else ""
    names = names if listed is None else list(listed)
    listing = f"there {'are' if len(names) > 1 else 'is'} {', '.join(names) or 'none'}"
    return NotThere(f"{where}: must be {what}, got {shown(name)}; {meant}{listing}")


class Named(dict[str, T]):
    """Values by name, as a dict has them.

    >>> Named({"test_accuracy": 0.9}, "metrics", "a score of the model")["accuracy"]
    Traceback (most recent call last):
        ...
    harness.errors.NotThere: metrics: must be a score of the model, got 'accuracy'; did you mean 'test_accuracy'? there is test_accuracy
    """

    def __init__(self, values: Mapping[str, T], where: str, what: str) -> None:
        super().__init__(values)
        self._where, self._what = where, what

    def __missing__(self, name: str) -> T:
        raise missing(self._where, self._what, name, self)
