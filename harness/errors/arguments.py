"""Checks of the arguments of public functions: each returns the value, or raises one line that names the argument.

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
    result = _as_float(value)
    if result is None:
        raise TypeError(f"{name}: must be a number, got {describe(value)}")
    if not (low <= result <= high or (nan and math.isnan(result))):
        raise ValueError(f"{name}: must be a number{_limits_text(low, high)}, got {result:g}")
    return result


def share(name: str, value: object) -> float:
    """Return a number above 0 and below 1: a level, a power, a probability of an error."""
    result = _as_float(value)
    if result is None:
        raise TypeError(f"{name}: must be a number above 0 and below 1, got {describe(value)}")
    if not 0 < result < 1:
        raise ValueError(f"{name}: must be a number above 0 and below 1, got {result:g}")
    return result


def whole(name: str, value: object, low: int = 0, high: int | None = None) -> int:
    """Return a whole number from ``low`` to ``high``; neither True nor 3.0 is one."""
    limits = _limits_text(low, math.inf if high is None else high)
    try:
        result = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except Exception:  # a stranger's __index__ may raise anything
        result = None
    if result is None:
        raise TypeError(f"{name}: must be a whole number{limits}, got {describe(value)}")
    if high is None and result >= 2**64:  # more counts nothing, and is no floating-point number
        raise ValueError(f"{name}: must be a whole number below 2**64, got {describe(result)}")
    if result < low or (high is not None and result > high):
        raise ValueError(f"{name}: must be a whole number{limits}, got {describe(result)}")
    return result


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
    """Return a function, or another value that can be called."""
    if not callable(value):
        raise TypeError(f"{name}: must be a function, got {describe(value)}")
    return value


def text(name: str, value: object) -> str:
    """Return a text."""
    return instance(name, value, str, "a text")


def having(name: str, value: T, what: str, *attributes: str) -> T:
    """Return a value that has these attributes, ``what`` in words: for a value that is accepted by what it can do."""
    if isinstance(value, type) or not all(hasattr(value, attribute) for attribute in attributes):
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
        result: list[Any] = list(value)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{name}: must be a list of {what}, got {describe(value)}") from None
    if len(result) < least:
        raise ValueError(f"{name}: must be {least} or more {what}, got {len(result)}")
    return result


def ends(name: str, value: object) -> tuple[float, float]:
    """Return two numbers, the least and the largest that something can be."""
    numbers = items(name, value, "two numbers")
    if len(numbers) != 2 or isinstance(value, set | frozenset):
        raise ValueError(f"{name}: must be two numbers in their order, got {describe(value)}")
    low = number(name, numbers[0])
    return low, number(name, numbers[1], low)


def arrays(*given: tuple[str, object, str], keep: bool = False, empty: bool = False) -> tuple[Array, ...]:
    """Return arguments as arrays of float64, from their names, values and axes: ``arrays(("ab", ab, "S S"))``.

    An axis of one name has one length in all of them, and none is empty unless ``empty`` says so; ``... S`` has any axes
    before the last. Nothing is broadcast. NaN and infinite numbers may be in them. With ``keep`` numbers stay of their own
    type.
    """
    import numpy as np

    lengths: dict[str, tuple[int, str]] = {}
    results = []
    for name, value, text in given:
        axes = text.split()
        numbers = value if type(value) is np.ndarray and value.dtype == np.float64 else _as_numbers(name, value, text)
        free = axes[:1] == ["..."]
        named = axes[1:] if free else axes
        if numbers.ndim < len(named) or (numbers.ndim > len(named) and not free):
            raise ValueError(f"{name}: must be {_axes_text(axes)}, got {describe(numbers)}")
        if 0 in numbers.shape and not empty:
            raise ValueError(f"{name}: must be {_axes_text(axes)} and not empty, got {describe(numbers)}")
        for axis, length in zip(named, numbers.shape[numbers.ndim - len(named) :], strict=True):
            known_length, known_in = lengths.setdefault(axis, (length, name))
            if known_length != length:
                relation = f" of one {axis}" if known_in == name else f" with {axis} = {known_length} as in {known_in}"
                raise ValueError(f"{name}: must be {_axes_text(axes)}{relation}, got {describe(numbers)}")
        results.append(numbers if keep else numbers.astype(np.float64, copy=False))
    return tuple(results)


def alike(*given: tuple[str, object]) -> tuple[Array, ...]:
    """Return arguments of a function that works element by element, as arrays of float64 of one shape.

    Each is a single number, or an array of the one shape that all arrays have. Nothing else is broadcast.
    """
    import numpy as np

    shape: tuple[int, ...] = ()
    named = ""
    results = []
    for name, value in given:
        numbers = _as_numbers(name, value).astype(np.float64, copy=False)
        if numbers.ndim:
            if named and numbers.shape != shape:
                raise ValueError(
                    f"{name}: must be a number or {_axes_text(map(str, shape))} as {named} is, got {describe(numbers)}"
                )
            shape, named = numbers.shape, named or name
        results.append(numbers)
    return tuple(np.broadcast_to(numbers, shape) for numbers in results)


def describe(value: object) -> str:
    """Return a value for a message, on one line: its shape where it is an array, else its ``repr``, cut off."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return _axes_text(map(str, shape))
    return shortened(repr_of(value), LONGEST)


def _as_float(value: object) -> float | None:
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


def _as_numbers(name: str, value: object, text: str = "") -> Any:
    """Return an array of numbers, of any number of axes; ``text`` are those it must have."""
    import numpy as np

    try:
        array = np.asarray(value)
    except Exception as error:  # unequal rows; a stranger's __array__ may raise anything
        raise ValueError(f"{name}: must be {_describe_axes(text)}, got {describe(value)}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name}: must be {_describe_axes(text)}, got {describe(value) if array.ndim == 0 else array.dtype}"
        )
    return array


def _describe_axes(text: str) -> str:
    return f"numbers, {_axes_text(text.split())}" if text else "a number or an array of numbers"


def _axes_text(axes: Any) -> str:
    return f"[{', '.join(axes)}]"


def _limits_text(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low:g} to {high:g}"
    if math.isfinite(low):
        return f", {low:g} or more"
    return f", {high:g} or less" if math.isfinite(high) else ""
