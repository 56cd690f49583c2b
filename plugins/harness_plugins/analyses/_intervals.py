"""Student's t-interval of a mean, shared by the analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95


def t_interval(mean: ArrayLike, sd: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``low`` and ``high`` of the two-sided 95 % t-interval, elementwise; NaN where ``n < 2``.

    ``mean -+ t(n - 1) * sd / sqrt(n)``, where ``sd`` divides by ``n - 1``. Student 1908, doi:10.2307/2331554.
    """
    import numpy as np
    from scipy.stats import t

    count: NDArray[Any] = np.asarray(n, dtype=float)
    enough = np.where(count >= 2, count, np.nan)
    half = t.ppf((1 + LEVEL) / 2, enough - 1) * np.asarray(sd, dtype=float) / np.sqrt(enough)
    middle: NDArray[Any] = np.asarray(mean, dtype=float)
    return middle - half, middle + half
