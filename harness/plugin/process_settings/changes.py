"""A setting of the process, and a change of it that can be put back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from harness.errors import one_line

ABSENT: Any = object()


@dataclass(frozen=True)
class Setting:
    """A setting: how it is read, how it is set, and what it is in a fresh process, where that is known."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]
    fresh: Any = ABSENT  # in a process that has just started; ABSENT where that is not known
    differ: Callable[[Any, Any], bool] = operator.ne  # of before and after


@dataclass(frozen=True)
class Change:
    """A setting that is no longer what it was."""

    name: str
    before: Any
    after: Any
    set: Callable[[Any], object]

    @property
    def line(self) -> str:
        """The change for a person: "torch's default dtype from torch.float32 to torch.float64"."""
        return f"{self.name} from {describe(self.before)} to {describe(self.after)}"

    def put_back(self) -> str:
        """Put the setting back; return why it could not be, in a line, or ""."""
        try:
            self.set(self.before)
        except Exception as error:  # the hard limit is lower now, the folder is gone
            return one_line(error)
        return ""

    def make_again(self) -> None:
        """Make the change again."""
        with suppress(Exception):  # then it stays put back
            self.set(self.after)


class Same:
    """A thing or a list of things, equal where they are the very same things."""

    def __init__(self, *things: Any) -> None:
        self.things = things

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and list(map(id, self.things)) == list(map(id, other.things))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return ", ".join(describe(thing) for thing in self.things) or "none"


def describe(value: Any) -> str:
    """Return a value in a few words, for a person."""
    if value is ABSENT or value is None:
        return "none"
    code = code_of(function_of(value))
    if code is not None:
        return f"{getattr(value, '__qualname__', 'a function')} of {Path(code.co_filename).name}:{code.co_firstlineno}"
    if isinstance(value, type) or callable(value):
        return str(getattr(value, "__qualname__", type(value).__qualname__))
    try:
        text = " ".join((value if isinstance(value, str) else repr(value)).split())
    except Exception:  # a plugin's own object
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def code_of(function: Any) -> CodeType | None:
    """Return a function's code; None for anything else: torch's operators have an attribute of any name."""
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def function_of(member: Any) -> Any:
    """Return the function inside a static method or a class method; any other member as it is."""
    return member.__func__ if isinstance(member, staticmethod | classmethod) else member
