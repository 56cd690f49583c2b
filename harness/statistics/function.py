"""How far apart networks are as functions: by what they predict for the same test examples.

Every measure takes the predictions of R networks at once and returns a symmetric matrix ``[R, R]``, with zero (kappa:
one) on its diagonal. For two networks it is ``measure(np.stack([p, q]))[0, 1]``. Predictions of classes are probabilities
``[R, N, K]``, and a network's answer is its most likely class. No array of size R * R * N is ever held.

A network with a prediction that is not finite has no distance. Its row and its column are NaN, and no other's changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics import scale
from harness.statistics.intervals import equal_numbers, standard_deviation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

HELD = 2**18  # numbers at a time; 2 MiB, which a processor's cache holds
TINY = 1e-300  # 0 log 0 is 0


def disagreement(predictions: ArrayLike) -> Numbers:
    """Return the share of the examples for which two networks answer different classes.

    Args:
        predictions: Probabilities ``[R, N, K]`` of R networks, N examples and K classes.

    Returns:
        Shares ``[R, R]``, in [0, 1].

    >>> probabilities = [[[0.9, 0.1], [0.4, 0.6]], [[0.8, 0.2], [0.7, 0.3]]]  # two networks, two examples, two classes
    >>> print(disagreement(probabilities))
    [[0.  0.5]
     [0.5 0. ]]
    """
    (probabilities,) = arguments.arrays(("predictions", predictions, "R N K"), keep=True)
    answers = probabilities.argmax(2)
    return _of_known(probabilities, np.stack([(answer != answers).mean(1) for answer in answers]))


def root_jsd(predictions: ArrayLike) -> Numbers:
    """Return the mean over examples of the root of the Jensen-Shannon divergence.

    JSD(p, q) = H(m) - H(p)/2 - H(q)/2 with m = (p + q)/2. Its root is a metric.

    Args:
        predictions: Probabilities ``[R, N, K]`` of R networks, N examples and K classes.

    Returns:
        Distances ``[R, R]`` in root nats, at most sqrt(ln 2) = 0.83.

    Source: Endres and Schindelin 2003, doi:10.1109/TIT.2003.813506.

    >>> certain_and_opposite = [[[1.0, 0.0]], [[0.0, 1.0]]]
    >>> print(root_jsd(certain_and_opposite).round(4))
    [[0.     0.8326]
     [0.8326 0.    ]]
    """
    (probabilities,) = arguments.arrays(("predictions", predictions, "R N K"), keep=True)
    networks, examples = probabilities.shape[:2]
    total = np.zeros((networks, networks))
    for block in _blocks(probabilities):
        entropies = _entropy(block)
        for first in range(networks - 1):
            middle = _entropy((block[first] + block[first + 1 :]) / 2)
            divergence = middle - (entropies[first] + entropies[first + 1 :]) / 2
            total[first, first + 1 :] += np.sqrt(divergence.clip(min=0)).sum(1)
    return _of_known(probabilities, (total + total.T) / examples)


def error_kappa(predictions: ArrayLike, targets: ArrayLike) -> Numbers:
    """Return Cohen's kappa of being right: do two networks err on the same examples?

    (c - e) / (1 - e), where c is the share of the examples for which both are right or both are wrong. e is what c would be
    for two networks of these accuracies whose errors have nothing to do with each other.

    Args:
        predictions: Probabilities ``[R, N, K]`` of R networks, N examples and K classes.
        targets: Class numbers ``[N]``, from 0 to K - 1.

    Returns:
        Kappas ``[R, R]``: 1 for the same errors, 0 for errors that coincide as by chance. NaN where neither errs, or both
        always do.

    Raises:
        ValueError: The lengths do not agree, or a target is no class number.

    Source: Geirhos et al. 2020, arXiv:2006.16736.

    >>> probabilities = [[[0.9, 0.1], [0.4, 0.6]], [[0.8, 0.2], [0.7, 0.3]]]  # the first network is right about both
    >>> print(error_kappa(probabilities, [0, 1]))
    [[nan  0.]
     [ 0.  1.]]
    """
    probabilities, right = _right(predictions, targets)
    agreement = (right @ right.T + (1 - right) @ (1 - right).T) / right.shape[1]
    accuracy = right.mean(1)
    chance = np.outer(accuracy, accuracy) + np.outer(1 - accuracy, 1 - accuracy)
    return _of_known(probabilities, _quotient(agreement - chance, 1 - chance))


def rms_distance(predictions: ArrayLike, targets: ArrayLike) -> Numbers:
    """Return the root mean squared difference of predicted values, over the standard deviation of the targets.

    It is for regression. Each of the K values is measured in its own standard deviation.

    Args:
        predictions: Values ``[R, N]`` or ``[R, N, K]`` of R networks and N examples, in the unit of the targets.
        targets: Values ``[N]`` or ``[N, K]``.

    Returns:
        Distances ``[R, R]`` without a unit: 1 is as far apart as the targets are from their mean. All are NaN where a
        target never varies but for rounding, or is not finite.

    Raises:
        ValueError: The shapes do not agree.

    >>> print(rms_distance([[1.0, 3.0], [2.0, 4.0]], targets=[1.0, 3.0]))
    [[0. 1.]
     [1. 0.]]
    """
    (truth,) = arguments.arrays(("targets", targets, "..."), keep=True)
    axis = " K" if truth.ndim > 1 else ""
    values, truth = arguments.arrays(
        ("predictions", predictions, f"R N{axis}"), ("targets", targets, f"N{axis}"), keep=True
    )
    networks, examples = values.shape[:2]
    truth = truth.astype(np.float64).reshape(examples, -1)
    spread = standard_deviation(truth.T, ddof=0)
    if not np.isfinite(spread).all() or equal_numbers(np.abs(truth).max(0), spread).any():
        return np.full((networks, networks), np.nan)
    columns = values.reshape(networks, examples, -1)
    exponent = _exponent(columns, spread)
    total = np.zeros((networks, networks))
    for block in _blocks(columns):
        scaled = np.ldexp(block / spread, -exponent)
        for first in range(networks - 1):
            total[first, first + 1 :] += np.square(scaled[first] - scaled[first + 1 :]).sum((1, 2))
    with np.errstate(over="ignore"):
        return _of_known(values, np.ldexp(np.sqrt((total + total.T) / (examples * len(spread))), exponent))


def _exponent(columns: NDArray[np.floating], spread: Numbers) -> int:
    """Return the binary exponent of the largest finite number of [R, N, K] in its standard deviation [K]."""
    largest = np.abs(columns).max(axis=(0, 1), initial=0, where=np.isfinite(columns))
    return int(scale.exponents(largest / spread).item())


def _of_known(predictions: NDArray[np.floating], measured: Numbers) -> Numbers:
    """Return a matrix [R, R] with NaN in the rows and columns of networks with a prediction that is not finite."""
    unknown = ~np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    return np.where(unknown[:, None] | unknown, np.nan, measured)


def _blocks(predictions: NDArray[np.floating]) -> Iterator[Numbers]:
    """Yield [R, n, K] in float64, some examples at a time, with 0 for what is not finite."""
    networks, examples, values = predictions.shape
    size = max(1, HELD // max(1, networks * values))
    for start in range(0, examples, size):
        block = predictions[:, start : start + size].astype(np.float64)
        block[~np.isfinite(block)] = 0.0
        yield block


def _entropy(probabilities: Numbers) -> Numbers:
    """Return the entropies [...] of [..., K], in nats."""
    entropies: Numbers = -np.einsum("...k,...k->...", probabilities, np.log(probabilities.clip(min=TINY)))
    return entropies


def _quotient(above: Numbers, below: Numbers) -> Numbers:
    """Return above / below, nan where that is 0."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def _right(predictions: ArrayLike, targets: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return the predictions [R, N, K], and which of N examples each of R networks is right about, [R, N], 1 or 0."""
    probabilities, labels = arguments.arrays(
        ("predictions", predictions, "R N K"), ("targets", targets, "N"), keep=True
    )
    classes = probabilities.shape[2]
    if not (np.isin(labels, np.arange(classes))).all():
        raise ValueError(f"targets: must be classes, whole numbers from 0 to {classes - 1}, got others among them")
    return probabilities, (probabilities.argmax(2) == labels).astype(np.float64)
