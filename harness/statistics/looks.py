"""The levels of the looks of a group-sequential test: how much of alpha each look may spend.

A comparison is looked at after R_1 < ... < R_J replicates. Look j tests at the level

    a_j = alpha * ((R_j / R_J)^1.5 - (R_{j-1} / R_J)^1.5)        with R_0 = 0

The levels sum to alpha. By the union bound, the chance of a false word at any of the looks is therefore at most alpha, for
any statistic and however the looks depend on each other. The power family alpha * t^rho of spending functions is that of
Kim and DeMets (1987, doi:10.1093/biomet/74.1.149). With rho = 1.5 early looks get little, and the last one nearly half.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.errors import arguments
from harness.statistics.labels import ALPHA

EXPONENT = 1.5
MOST = 10_000  # replicates at the last look


def levels(looks: Sequence[int], alpha: float = ALPHA) -> list[float]:
    """Return the level of every look.

    Args:
        looks: The numbers of replicates after which is looked, rising, each from 1 to 10,000.
        alpha: The level of all looks together, in (0, 1).

    Returns:
        As many levels as looks, in their order; they sum to ``alpha``. A single look has all of it.

    Raises:
        ValueError: The looks do not rise, or there is none.

    Source: Kim and DeMets 1987, doi:10.1093/biomet/74.1.149.

    >>> print([f"{level:.4f}" for level in levels([6, 9, 12, 16, 24])])
    ['0.0063', '0.0052', '0.0062', '0.0095', '0.0228']
    """
    counts = rising("looks", looks)
    alpha = arguments.share("alpha", alpha)
    spent = [alpha * (count / counts[-1]) ** EXPONENT for count in counts]
    return [now - before for now, before in zip(spent, [0.0, *spent[:-1]], strict=True)]


def rising(name: str, looks: Sequence[int]) -> list[int]:
    """Return looks as a list of whole numbers that rise.

    Args:
        name: What the error line calls them.
        looks: The numbers of replicates.

    Raises:
        ValueError: They do not rise, or there is none.

    >>> rising("looks", (6, 9))
    [6, 9]
    """
    looks_given = arguments.items(name, looks, "numbers of replicates", least=1)
    counts = [arguments.whole(name, count, 1, MOST) for count in looks_given]
    if any(later <= earlier for earlier, later in pairwise(counts)):
        raise ValueError(f"{name}: must be numbers of replicates that rise, got {arguments.describe(counts)}")
    return counts
