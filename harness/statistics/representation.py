"""How far apart two networks are in their activations on the same examples: unbiased CKA and Procrustes, in float64.

Activations are ``[n, p]`` of one layer, a row an example. The two networks' layers need not be of one width. Neither
distance sees a rotation, a shift or a common scale, so neither sees a permutation of units.

In a network that tells few classes apart, both see mostly which class an example has. ``within_classes`` takes the means
of the classes away, and what is left is how a network sees the examples of one class.

The biased CKA is left out on purpose. It grows with p / n, and is 0.5 for unrelated Gaussian activations with
n = p = 100 (Murphy et al. 2024, arXiv:2405.01012).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import arguments
from harness.statistics import scale

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Matrix = NDArray[np.float64]

FEWEST = 4  # examples that the unbiased estimate can be made of
ROUNDING = 1e-12  # of a mean, relative
COLLAPSED = 1e-5  # of the length: what is left within the classes is the rounding of float32 activations


@dataclass(frozen=True)
class Representation:
    """Activations ready to be compared with many others: centred, and no wider than they are long. ``represent`` makes it.

    They are divided by a power of two, so that no product of four of them leaves the floating-point numbers.
    """

    rows: Matrix  # [n, p], p <= n, divided by 2 ** exponent
    exponent: int = 0
    sizes: tuple[int, ...] = ()  # of the classes whose means were taken away, in the order of the rows; () for none

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
        norms: Matrix = np.einsum("ij,ij->i", self.rows, self.rows)
        return norms


def represent(activations: ArrayLike) -> Representation:
    """Return activations, centred and in float64, ready to be compared.

    Where p > n, the triangular factor ``[n, n]`` of their Gram matrix stands for them. It has the same inner products, and
    nothing else counts here.

    Args:
        activations: Numbers ``[n, p]`` of n examples, n >= 4, and p units.

    Returns:
        A value that ``cka`` and ``procrustes`` take. Where an activation is not finite, every similarity and distance of it
        is NaN.

    Raises:
        ValueError: There are fewer than four examples, or not two axes.

    >>> represent([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [1.0, 2.0]]).rows.shape
    (4, 2)
    """
    (numbers,) = arguments.arrays(("activations", activations, "n p"))
    if len(numbers) < FEWEST:
        raise ValueError(f"activations: must be [n, p] of {FEWEST} examples or more, got {arguments.describe(numbers)}")
    if not np.isfinite(numbers).all():
        return Representation(np.full((len(numbers), 1), np.nan))
    rows, exponent = scale.scaled(numbers)
    size = np.abs(rows).max(initial=0.0)
    rows -= rows.mean(0)
    if np.abs(rows).max(initial=0.0) <= ROUNDING * size:
        rows[:] = 0  # what is left of equal rows must not pass for activations
    if rows.shape[1] > len(rows):
        factor: Any = np.linalg.qr(rows.T, mode="r")
        rows = factor.T
    return Representation(rows, exponent)


def within_classes(whole: Representation, labels: ArrayLike) -> Representation:
    """Return activations without the means of their classes.

    Classes of fewer than four examples are left out. The examples are in another order after it: by class.

    Args:
        whole: Activations of n examples, from ``represent``.
        labels: Class numbers ``[n]``.

    Returns:
        A value that ``cka`` and ``procrustes`` take together with another one of the same examples and labels. It is zero,
        so that every similarity and distance of it is NaN, where no more is left than rounding in float32: a network whose
        representation is the labels alone.

    Raises:
        ValueError: The labels are not n whole numbers, or no class has four examples.

    >>> whole = represent([[0.0], [1.0], [2.0], [3.0], [10.0], [12.0], [14.0], [16.0]])
    >>> print(within_classes(whole, [0, 0, 0, 0, 1, 1, 1, 1]).rows.ravel() * 32)
    [-1.5 -0.5  0.5  1.5 -3.  -1.   1.   3. ]
    """
    whole = arguments.instance("whole", whole, Representation, "a Representation, which represent() returns")
    (classes,) = arguments.arrays(("labels", labels, "n"))
    if len(classes) != len(whole.rows):
        raise ValueError(f"labels: must be [{len(whole.rows)}], one an example, got {arguments.describe(classes)}")
    if not np.isfinite(classes).all() or (classes != np.floor(classes)).any():
        raise ValueError(f"labels: must be whole numbers, got {arguments.describe(classes)} with others among them")
    known, counts = np.unique(classes, return_counts=True)
    members = [np.flatnonzero(classes == label) for label in known[counts >= FEWEST]]
    if not members:
        raise ValueError(f"labels: must have {FEWEST} examples or more of a class, got {counts.max()} at most")
    rows = np.concatenate([whole.rows[of_class] - whole.rows[of_class].mean(0) for of_class in members])
    if np.linalg.norm(rows) <= COLLAPSED * np.linalg.norm(whole.rows):
        rows[:] = 0
    return Representation(rows, whole.exponent, tuple(map(len, members)))


def hsic(one: Representation, other: Representation) -> float:
    """Return HSIC_1, the unbiased estimate of the Hilbert-Schmidt independence criterion with linear kernels.

    [tr(K'L') + (1'K'1)(1'L'1) / ((n-1)(n-2)) - 2 * 1'K'L'1 / (n-2)] / (n(n-3)), with K = XX' and L = YY', where ' on K and L
    takes the diagonal away. It is computed from X'Y ``[p, q]`` in O(npq), so no n x n numbers are held: a shift does not
    change it, and the rows of a centred K add up to zero, those of K' therefore to minus its diagonal.

    It estimates the squared length of the covariance of X and Y. Within classes it is that of their pooled covariance:
    products of two classes' covariances, and HSIC_1 within each class, so it has no bias either.

    Args:
        one: Activations of n examples, from ``represent``.
        other: Activations of the same examples.

    Returns:
        The estimate, in the fourth power of the activations' unit. It is infinite or 0 where that is no floating-point
        number.

    Raises:
        ValueError: The two are not of equally many examples.

    Source: Song et al. 2012, JMLR 13, 1393.

    >>> line = represent([[0.0], [1.0], [2.0], [3.0]])
    >>> print(f"{hsic(line, line):.4f}")
    2.1667
    """
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(_hsic(*_pair(one, other)), 2 * (one.exponent + other.exponent)))


def _hsic(one: Representation, other: Representation) -> float:
    """Return HSIC_1 of the rows; of classes, the estimate of the squared length of their pooled covariance."""
    if not one.sizes:
        return _hsic_of_class(one.rows.T @ other.rows, one.squares, other.squares)
    total: Matrix = np.zeros((one.rows.shape[1], other.rows.shape[1]))
    correction, start = 0.0, 0
    for size in one.sizes:
        of_class = slice(start, start + size)
        product = one.rows[of_class].T @ other.rows[of_class]
        total += product
        unbiased = _hsic_of_class(product, one.squares[of_class], other.squares[of_class])
        correction += (size - 1) ** 2 * unbiased - float(np.square(product).sum())
        start += size
    return float((np.square(total).sum() + correction) / (start - len(one.sizes)) ** 2)


def _hsic_of_class(product: Matrix, k: Matrix, diagonal: Matrix) -> float:
    """Return HSIC_1 of n centred examples, from X'Y [p, q] and the diagonals [n] of K and L."""
    n = len(k)
    trace = np.square(product).sum() - k @ diagonal
    return float(
        (trace + k.sum() * diagonal.sum() / ((n - 1) * (n - 2)) - 2 * (k @ diagonal) / (n - 2)) / (n * (n - 3))
    )


def cka(one: Representation, other: Representation) -> float:
    """Return the unbiased CKA = HSIC_1(K, L) / sqrt(HSIC_1(K, K) HSIC_1(L, L)).

    Args:
        one: Activations of n examples, from ``represent``.
        other: Activations of the same examples.

    Returns:
        1 for equal activations, about 0 for unrelated ones, and slightly below 0 too, because it is unbiased. NaN where the
        activations of one of them are the same for all examples.

    Raises:
        ValueError: The two are not of equally many examples.

    Source: Kornblith et al. 2019, arXiv:1905.00414, with the estimate of Nguyen et al. 2021, arXiv:2010.15327.

    >>> line = represent([[0.0], [1.0], [2.0], [3.0]])
    >>> doubled_and_shifted = represent([[5.0], [7.0], [9.0], [11.0]])
    >>> print(f"{cka(line, doubled_and_shifted):.4f}")
    1.0000
    """
    one, other = _pair(one, other)
    return _ratio(_hsic(one, other), one.scaled, other.scaled)


def cka_distance(similarity: float) -> float:
    """Return sqrt(max(0, 1 - CKA)), a distance.

    Args:
        similarity: An unbiased CKA, at most 1 but for rounding.

    Returns:
        The distance; NaN for NaN.

    >>> cka_distance(0.75)
    0.5
    """
    similarity = arguments.number("similarity", similarity, nan=True)
    return float(np.sqrt(max(0.0, 1 - similarity))) if np.isfinite(similarity) else float("nan")


def procrustes(one: Representation, other: Representation) -> float:
    """Return the Procrustes distance: what no rotation takes away.

    sqrt(2 - 2 |X'Y|_*) of X and Y at Frobenius norm 1. It is a metric. Ding et al. find that it shows what changes a
    network's function more faithfully than CKA does.

    Args:
        one: Activations of n examples, from ``represent``.
        other: Activations of the same examples.

    Returns:
        The distance, in [0, sqrt(2)]. NaN where the activations of one of them are the same for all examples.

    Raises:
        ValueError: The two are not of equally many examples.

    Source: Ding et al. 2021, arXiv:2108.01661.

    >>> square = represent([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> turned = represent([[0.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [-1.0, 0.0]])
    >>> procrustes(square, turned) < 1e-7
    True
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
    """Return both without the examples that have the largest norms in either of them.

    A single far example can decide CKA alone, so it should be shown without such examples too. What is left is centred
    anew.

    Args:
        one: Activations of n examples, from ``represent``.
        other: Activations of the same examples.
        part: The share of the examples to leave out of each, in [0, 1]; at least one is left out.

    Returns:
        The two, of the same remaining examples.

    Raises:
        ValueError: Fewer than four examples would be left.

    Source: Davari et al. 2022, arXiv:2210.16156.

    >>> line = represent([[0.0], [1.0], [2.0], [3.0], [4.0], [99.0]])
    >>> shorter, _ = without_largest(line, line)
    >>> len(shorter.rows)
    5
    """
    one, other = _pair(one, other)
    many = max(1, round(arguments.number("part", part, 0, 1) * len(one.rows)))
    if len(one.rows) - 2 * many < FEWEST:
        raise ValueError(f"part: must leave {FEWEST} examples or more of {len(one.rows)}, got {part:g}")
    remaining = np.ones(len(one.rows), dtype=bool)
    for representation in (one, other):
        remaining[np.argsort(representation.squares, kind="stable")[-many:]] = False
    return _rest(one, remaining), _rest(other, remaining)


def _rest(whole: Representation, remaining: NDArray[np.bool_]) -> Representation:
    rest = represent(whole.rows[remaining])
    if whole.sizes:
        rest = within_classes(rest, np.repeat(np.arange(len(whole.sizes)), whole.sizes)[remaining])
    return Representation(rest.rows, rest.exponent + whole.exponent, rest.sizes)


def _pair(one: object, other: object) -> tuple[Representation, Representation]:
    """Return two representations of the same examples."""
    first = arguments.instance("one", one, Representation, "a Representation, which represent() returns")
    second = arguments.instance("other", other, Representation, "a Representation, which represent() returns")
    if len(first.rows) != len(second.rows):
        raise ValueError(f"other: must be of {len(first.rows)} examples as one is, got {len(second.rows)}")
    if first.sizes != second.sizes:
        raise ValueError(
            f"other: must be without the means of the same classes as one is, got classes of {list(second.sizes)} examples "
            f"for {list(first.sizes)}"
        )
    return first, second


def _ratio(both: float, one: float, other: float) -> float:
    return float(both / np.sqrt(one * other)) if one > 0 and other > 0 else float("nan")
