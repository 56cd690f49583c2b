"""How far apart two networks are in what they make of the same examples: unbiased CKA and Procrustes, in float64.

Activations are [n, p], a row an example, of one layer; the two networks' layers need not be of one width. Neither
distance sees a rotation, a shift or a common scale, so neither sees a permutation of units.

The biased CKA is not here on purpose: of unrelated Gaussian activations with n = p = 100 it is 0.5, for it grows with
p / n (Murphy et al. 2024, arXiv:2405.01012).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import arguments
from harness.statistics import scale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    Matrix = NDArray[np.float64]

FEWEST = 4  # examples that the unbiased estimate can be made of
ROUNDING = 1e-12  # of a mean, relative


@dataclass(frozen=True)
class Representation:
    """Activations ready to be compared with many others: centred, and no wider than they are long.

    They are divided by a power of two, so that no product of four of them leaves the floating-point numbers.
    """

    rows: Matrix  # [n, p], p <= n, divided by 2 ** exponent
    exponent: int = 0

    @cached_property
    def own(self) -> float:
        """HSIC_1 with itself."""
        return hsic(self, self)

    @cached_property
    def scaled(self) -> float:
        """HSIC_1 of the rows, with themselves."""
        return _hsic(self, self)

    @cached_property
    def squares(self) -> Matrix:
        """The squared Euclidean norms [n] of the rows, divided by 2 ** (2 * exponent)."""
        found: Matrix = np.einsum("ij,ij->i", self.rows, self.rows)
        return found


def represent(activations: ArrayLike) -> Representation:
    """Return activations [n, p], n >= 4, centred, in float64.

    Where p > n, the triangular factor of their Gram matrix, [n, n], stands for them: their inner products are its own,
    and nothing else counts here. Where one of them is not finite, nothing is known: every similarity and distance is NaN.
    """
    (given,) = arguments.arrays(("activations", activations, "n p"))
    if len(given) < FEWEST:
        raise ValueError(f"activations: must be [n, p] of {FEWEST} examples or more, got {arguments.describe(given)}")
    if not np.isfinite(given).all():
        return Representation(np.full((len(given), 1), np.nan))
    rows, exponent = scale.scaled(given)
    size = np.abs(rows).max(initial=0.0)
    rows -= rows.mean(0)
    if np.abs(rows).max(initial=0.0) <= ROUNDING * size:
        rows[:] = 0  # what is left of equal rows must not pass for activations
    if rows.shape[1] > len(rows):
        factor: Any = np.linalg.qr(rows.T, mode="r")
        rows = factor.T
    return Representation(rows, exponent)


def hsic(one: Representation, other: Representation) -> float:
    """Return HSIC_1, the unbiased estimate of the Hilbert-Schmidt independence criterion with linear kernels.

    [tr(K'L') + (1'K'1)(1'L'1) / ((n-1)(n-2)) - 2 * 1'K'L'1 / (n-2)] / (n(n-3)), K = XX', L = YY', ' on K and L takes
    the diagonal away: Song et al. 2012, JMLR 13, 1393. From X'Y [p, q], so n x n numbers are never held: O(npq). A
    shift does not change it, and the rows of a centred K add up to zero, those of K' therefore to -k, its diagonal. It
    grows with the fourth power of the activations: infinite or 0 where that is no floating-point number.
    """
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(_hsic(*_pair(one, other)), 2 * (one.exponent + other.exponent)))


def _hsic(one: Representation, other: Representation) -> float:
    """Return HSIC_1 of the rows."""
    n = len(one.rows)
    k, its = one.squares, other.squares
    trace = np.square(one.rows.T @ other.rows).sum() - k @ its
    return float((trace + k.sum() * its.sum() / ((n - 1) * (n - 2)) - 2 * (k @ its) / (n - 2)) / (n * (n - 3)))


def cka(one: Representation, other: Representation) -> float:
    """Return CKA_u = HSIC_1(K, L) / sqrt(HSIC_1(K, K) HSIC_1(L, L)): 1 for equal ones, about 0 for unrelated ones.

    Slightly below 0 too, for it is unbiased; nan where either says the same of all examples. Kornblith et al.
    2019, arXiv:1905.00414, with the estimate of Nguyen et al. 2021, arXiv:2010.15327.
    """
    one, other = _pair(one, other)
    return _ratio(_hsic(one, other), one.scaled, other.scaled)


def minibatch_cka(batches: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    """Return CKA_u of activations that come in batches of one size, ``([n, p], [n, q])`` of the same examples.

    The three terms are averaged before the division; an average of quotients would be biased again.
    """
    pairs = []
    for batch in arguments.items("batches", batches, "pairs of activations", 1):
        x, y = _two(batch)
        pairs.append(_pair(represent(x), represent(y)))
    first, second = (max(pair[i].exponent for pair in pairs) for i in (0, 1))
    terms = []
    for one, other in pairs:
        a, b = 2 * (one.exponent - first), 2 * (other.exponent - second)
        terms.append(np.ldexp([_hsic(one, other), one.scaled, other.scaled], [a + b, 2 * a, 2 * b]))
    return _ratio(*np.mean(terms, axis=0))


def _two(batch: object) -> list[Any]:
    found = arguments.items("batches", batch, "pairs of activations")
    if len(found) != 2:
        raise ValueError(f"batches: must be pairs of activations, got {len(found)} of them in one batch")
    return found


def cka_distance(similarity: float) -> float:
    """Return sqrt(max(0, 1 - CKA_u)); nan for nan."""
    similarity = arguments.number("similarity", similarity, nan=True)
    return float(np.sqrt(max(0.0, 1 - similarity))) if np.isfinite(similarity) else float("nan")


def procrustes(one: Representation, other: Representation) -> float:
    """Return sqrt(2 - 2 |X'Y|_*) of X and Y at Frobenius norm 1: what no rotation takes away, in [0, sqrt 2].

    Nan where either says the same of all examples. A metric, and what Ding et al. 2021, arXiv:2108.01661, find to tell
    what changes a network's function more faithfully than CKA does.
    """
    one, other = _pair(one, other)
    size = np.linalg.norm(one.rows) * np.linalg.norm(other.rows)
    if not size > 0:
        return float("nan")
    nuclear = float(np.linalg.svd(one.rows.T @ other.rows, compute_uv=False).sum() / size)
    return float(np.sqrt(max(0.0, 2 - 2 * nuclear)))


def without_largest(
    one: Representation, other: Representation, part: float = 0.01
) -> tuple[Representation, Representation]:
    """Return both without the examples that are among the ``part`` with the largest norms in either of them.

    A single far example can decide CKA alone (Davari et al. 2022, arXiv:2210.16156), so it should be shown without
    them. At least one is left out of each; what is left is centred anew.
    """
    one, other = _pair(one, other)
    many = max(1, round(arguments.number("part", part, 0, 1) * len(one.rows)))
    if len(one.rows) - 2 * many < FEWEST:
        raise ValueError(f"part: must leave {FEWEST} examples or more of {len(one.rows)}, got {part:g}")
    kept = np.ones(len(one.rows), dtype=bool)
    for each in (one, other):
        kept[np.argsort(each.squares, kind="stable")[-many:]] = False
    return _rest(one, kept), _rest(other, kept)


def _rest(whole: Representation, kept: NDArray[np.bool_]) -> Representation:
    rest = represent(whole.rows[kept])
    return Representation(rest.rows, rest.exponent + whole.exponent)


def _pair(one: object, other: object) -> tuple[Representation, Representation]:
    """Return two representations of the same examples."""
    first = arguments.instance("one", one, Representation, "a Representation, which represent() returns")
    second = arguments.instance("other", other, Representation, "a Representation, which represent() returns")
    if len(first.rows) != len(second.rows):
        raise ValueError(f"other: must be of {len(first.rows)} examples as one is, got {len(second.rows)}")
    return first, second


def _ratio(both: float, one: float, other: float) -> float:
    return float(both / np.sqrt(one * other)) if one > 0 and other > 0 else float("nan")
