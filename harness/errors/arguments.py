"""What an argument of a public function must be: each check returns the value, or raises one line that names it.

``name: must be ..., got ...`` is a TypeError for a value of the wrong kind, and a ValueError for one out of its range or
of the wrong shape.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Real
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import repr_of, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

T = TypeVar("T")
LONGEST = 60  # characters of a value in a message


def number(name: str, value: object, low: float = -math.inf, high: float = math.inf, nan: bool = False) -> float:
    """Return a real number between ``low`` and ``high``, both included; NaN only where ``nan`` says so."""
    found = _float(value)
    if found is None:
        raise TypeError(f"{name}: must be a number, got {describe(value)}")
    if not (low <= found <= high or (nan and math.isnan(found))):
        raise ValueError(f"{name}: must be a number{_between(low, high)}, got {found:g}")
    return found


def share(name: str, value: object) -> float:
    """Return a number above 0 and below 1: a level, a power, a probability of an error."""
    found = _float(value)
    if found is None:
        raise TypeError(f"{name}: must be a number above 0 and below 1, got {describe(value)}")
    if not 0 < found < 1:
        raise ValueError(f"{name}: must be a number above 0 and below 1, got {found:g}")
    return found


def whole(name: str, value: object, low: int = 0, high: int | None = None) -> int:
    """Return a whole number from ``low`` to ``high``; neither True nor 3.0 is one."""
    limits = _between(low, math.inf if high is None else high)
    try:
        found = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except Exception:  # a stranger's __index__ may raise anything
        found = None
    if found is None:
        raise TypeError(f"{name}: must be a whole number{limits}, got {describe(value)}")
    if high is None and found >= 2**64:  # more counts nothing, and is no floating-point number
        raise ValueError(f"{name}: must be a whole number below 2**64, got {describe(found)}")
    if found < low or (high is not None and found > high):
        raise ValueError(f"{name}: must be a whole number{limits}, got {describe(found)}")
    return found


def flag(name: str, value: object) -> bool:
    """Return True or False, numpy's own too."""
    single = getattr(value, "shape", None) == () and getattr(getattr(value, "dtype", None), "kind", "") == "b"
    if isinstance(value, bool) or single:
        return bool(value)
    raise TypeError(f"{name}: must be True or False, got {describe(value)}")


def instance(name: str, value: object, kind: type[T] | tuple[type[T], ...], what: str) -> T:
    """Return a value of that type, ``what`` in words."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: must be {what}, got {describe(value)}")
    return value


def function(name: str, value: T) -> T:
    """Return what can be called."""
    if not callable(value):
        raise TypeError(f"{name}: must be a function, got {describe(value)}")
    return value


def text(name: str, value: object) -> str:
    """Return a text."""
    return instance(name, value, str, "a text")


def having(name: str, value: T, what: str, *attributes: str) -> T:
    """Return a value that has these attributes, ``what`` in words: for what is known by what it can do."""
    if isinstance(value, type) or not all(hasattr(value, each) for each in attributes):
        raise TypeError(f"{name}: must be {what}, got {describe(value)}")
    return value


def mapping(name: str, value: Any, what: str, *keys: str) -> Mapping[str, Any]:
    """Return a mapping that has these keys, ``what`` in words."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: must be {what}, got {describe(value)}")
    for key in keys:
        if key not in value:
            raise ValueError(f"{name}: must be {what}, with '{key}', got {describe(sorted(map(str, value)))}")
    return value


def table(name: str, value: Any, *columns: str) -> Any:
    """Return a pandas table that has these columns."""
    having(name, value, "a pandas table", "columns", "iloc")
    for column in columns:
        if column not in value.columns:
            raise ValueError(f"{name}: must be a table with a column '{column}', got {describe(list(value.columns))}")
    return value


def color(name: str, value: object) -> str:
    """Return a colour that matplotlib knows, as a text."""
    from matplotlib.colors import is_color_like

    if not is_color_like(text(name, value)):
        raise ValueError(f"{name}: must be a colour, such as '#1b1f24', got {describe(value)}")
    return str(value)


def one_of(name: str, value: object, known: Collection[str]) -> str:
    """Return one of the known texts."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: must be one of {', '.join(sorted(known))}, got {describe(value)}")
    if value not in known:
        raise ValueError(f"{name}: must be one of {', '.join(sorted(known))}, got {describe(value)}")
    return value


def path(name: str, value: object) -> Path:
    """Return a path from a text or a Path that is not empty and can be a path."""
    if not isinstance(value, str | Path):
        raise TypeError(f"{name}: must be a path, a text or a Path, got {describe(value)}")
    if not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{name}: must be a path, got {describe(value)}")
    return Path(value)


def items(name: str, value: object, what: str, least: int = 0) -> list[Any]:
    """Return the items of a list, a tuple or another iterable that is no text, no mapping and no table."""
    if isinstance(value, str | bytes | Mapping) or hasattr(value, "columns"):
        raise TypeError(f"{name}: must be a list of {what}, got {describe(value)}")
    try:
        found: list[Any] = list(value)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{name}: must be a list of {what}, got {describe(value)}") from None
    if len(found) < least:
        raise ValueError(f"{name}: must be {least} or more {what}, got {len(found)}")
    return found


def ends(name: str, value: object) -> tuple[float, float]:
    """Return two numbers, the least and the largest that something can be."""
    both = items(name, value, "two numbers")
    if len(both) != 2 or isinstance(value, set | frozenset):
        raise ValueError(f"{name}: must be two numbers in their order, got {describe(value)}")
    low = number(name, both[0])
    return low, number(name, both[1], low)


def arrays(*given: tuple[str, object, str], keep: bool = False, empty: bool = False) -> tuple[Array, ...]:
    """Return arguments as arrays of float64, from their names, values and axes: ``arrays(("ab", ab, "S S"))``.

    An axis of one name has one length in all of them, and none is empty unless ``empty`` says so; ``... S`` has any axes
    before the last. Nothing is broadcast. NaN and infinite numbers may be in them. With ``keep`` numbers stay of their own
    type.
    """
    import numpy as np

    lengths: dict[str, tuple[int, str]] = {}
    found = []
    for name, value, text in given:
        axes = text.split()
        numbers = value if type(value) is np.ndarray and value.dtype == np.float64 else _numbers(name, value, text)
        free = axes[:1] == ["..."]
        named = axes[1:] if free else axes
        if numbers.ndim < len(named) or (numbers.ndim > len(named) and not free):
            raise ValueError(f"{name}: must be {_axes(axes)}, got {describe(numbers)}")
        if 0 in numbers.shape and not empty:
            raise ValueError(f"{name}: must be {_axes(axes)} and not empty, got {describe(numbers)}")
        for axis, length in zip(named, numbers.shape[numbers.ndim - len(named) :], strict=True):
            known, where = lengths.setdefault(axis, (length, name))
            if known != length:
                same = f" of one {axis}" if where == name else f" with {axis} = {known} as in {where}"
                raise ValueError(f"{name}: must be {_axes(axes)}{same}, got {describe(numbers)}")
        found.append(numbers if keep else numbers.astype(np.float64, copy=False))
    return tuple(found)


def alike(*given: tuple[str, object]) -> tuple[Array, ...]:
    """Return arguments that are worked on element by element, as arrays of float64 of one shape.

    Each is a single number, or of the shape of all others that are none. Nothing else is broadcast.
    """
    import numpy as np

    shape: tuple[int, ...] = ()
    named = ""
    found = []
    for name, value in given:
        numbers = _numbers(name, value).astype(np.float64, copy=False)
        if numbers.ndim:
            if named and numbers.shape != shape:
                raise ValueError(
                    f"{name}: must be a number or {_axes(map(str, shape))} as {named} is, got {describe(numbers)}"
                )
            shape, named = numbers.shape, named or name
        found.append(numbers)
    return tuple(np.broadcast_to(numbers, shape) for numbers in found)


def describe(value: object) -> str:
    """Return a value for a message, on one line: its shape where it is an array, else its ``repr``, cut off."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return _axes(map(str, shape))
    return shortened(repr_of(value), LONGEST)


def _float(value: object) -> float | None:
    """Return a real number as a float, None for anything else; a complex number, a text and a flag are none."""
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    single = shape == () and getattr(dtype, "kind", "") in "iuf"
    if isinstance(value, bool) or not (isinstance(value, Real) or single):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _numbers(name: str, value: object, text: str = "") -> Any:
    """Return an array of numbers, of any number of axes; ``text`` are those it must have."""
    import numpy as np

    try:
        found = np.asarray(value)
    except Exception as error:  # unequal rows; a stranger's __array__ may raise anything
        raise ValueError(f"{name}: must be {_what(text)}, got {describe(value)}") from error
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: must be {_what(text)}, got {describe(value) if found.ndim == 0 else found.dtype}")
    return found


def _what(text: str) -> str:
    return f"numbers, {_axes(text.split())}" if text else "a number or an array of numbers"


def _axes(axes: Any) -> str:
    return f"[{', '.join(axes)}]"


def _between(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low:g} to {high:g}"
    if math.isfinite(low):
        return f", {low:g} or more"
    return f", {high:g} or less" if math.isfinite(high) else ""
