"""Squares of numbers far from 1 leave the floating-point numbers, so numbers are scaled by a power of two before.

A power of two changes no digit: at ordinary sizes every result is, bit by bit, the one without scaling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


def exponents(values: ArrayLike, axis: int | None = None) -> NDArray[np.intc]:
    """Return the binary exponents of the largest finite numbers along an axis.

    Args:
        values: Numbers of any shape.
        axis: The axis, which is kept; None for all.

    Returns:
        Whole numbers; 0 where there is no finite number but 0.

    >>> print(exponents([[0.75, 3.0], [1e-200, 0.0]], axis=1).ravel())
    [   2 -664]
    """
    (numbers,) = arguments.arrays(("values", values, "..."), empty=True)
    if axis is not None:
        axis = arguments.whole("axis", axis, -numbers.ndim, numbers.ndim - 1)
    sizes = np.abs(numbers)
    largest = sizes.max(axis=axis, keepdims=True, initial=0.0)
    if not np.isfinite(largest).all():
        largest = sizes.max(axis=axis, keepdims=True, initial=0.0, where=np.isfinite(sizes))
    largest_exponents: NDArray[np.intc] = np.frexp(largest)[1]
    return largest_exponents


def scaled(values: ArrayLike) -> tuple[Array, int]:
    """Return numbers divided by a power of two, so that the largest finite one is below 1, and the exponent of that power.

    Args:
        values: Numbers of any shape.

    Returns:
        The numbers and the exponent, from which ``np.ldexp(numbers, exponent)`` gives the values back.

    >>> print(scaled([3e-200, 1e-200]))
    (array([0.57408789, 0.19136263]), -662)
    """
    (numbers,) = arguments.arrays(("values", values, "..."), empty=True)
    exponent = int(exponents(numbers).item())
    return np.ldexp(numbers, -exponent), exponent
