"""How far apart networks are as functions: by what they say of the same test examples.

Every measure takes the predictions of R networks at once and returns a symmetric matrix [R, R], zero (kappa: one) on
its diagonal; of two networks it is ``measure(np.stack([p, q]))[0, 1]``. Predictions of classes are probabilities
[R, N, K]; a network says the class it finds most likely. Nothing of the size R * R * N is ever held.

A network with a prediction that is not finite has no distance: its row and its column are NaN, and no other's changes.
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
    """Return D [R, R]: the part of the examples, in [0, 1], of which two networks say different classes."""
    (given,) = arguments.arrays(("predictions", predictions, "R N K"), keep=True)
    said = given.argmax(2)
    return _of_known(given, np.stack([(one != said).mean(1) for one in said]))


def root_jsd(predictions: ArrayLike) -> Numbers:
    """Return [R, R]: the mean over examples of the root of the Jensen-Shannon divergence, in nats; at most sqrt(ln 2).

    JSD(p, q) = H(m) - H(p)/2 - H(q)/2 with m = (p + q)/2. Its root is a metric: Endres & Schindelin 2003,
    doi:10.1109/TIT.2003.813506.
    """
    (given,) = arguments.arrays(("predictions", predictions, "R N K"), keep=True)
    networks, examples = given.shape[:2]
    total = np.zeros((networks, networks))
    for some in _blocks(given):
        entropies = _entropy(some)
        for one in range(networks - 1):
            middle = _entropy((some[one] + some[one + 1 :]) / 2)
            divergence = middle - (entropies[one] + entropies[one + 1 :]) / 2
            total[one, one + 1 :] += np.sqrt(divergence.clip(min=0)).sum(1)
    return _of_known(given, (total + total.T) / examples)


def error_kappa(predictions: ArrayLike, targets: ArrayLike) -> Numbers:
    """Return Cohen's kappa [R, R] of being right: 1 where two err on the same examples, 0 where as if by chance.

    (c - e) / (1 - e): c is the part of the examples where both are right or both are wrong, e that of networks with
    these accuracies whose errors have nothing to do with each other. Nan where neither errs, or both always do.
    Geirhos et al. 2020, arXiv:2006.16736.
    """
    given, right = _right(predictions, targets)
    alike = (right @ right.T + (1 - right) @ (1 - right).T) / right.shape[1]
    accuracy = right.mean(1)
    chance = np.outer(accuracy, accuracy) + np.outer(1 - accuracy, 1 - accuracy)
    return _of_known(given, _quotient(alike - chance, 1 - chance))


def rms_distance(predictions: ArrayLike, targets: ArrayLike) -> Numbers:
    """Return [R, R]: the root mean squared difference of predicted values over the standard deviation of the targets.

    For regression: predictions [R, N] or [R, N, K], targets [N] or [N, K]; each of the K values is measured in its own
    standard deviation. 1 is as far apart as the targets are from their mean. Nan where a target never varies but for
    rounding, or is not finite.
    """
    (truth,) = arguments.arrays(("targets", targets, "..."), keep=True)
    values = " K" if truth.ndim > 1 else ""
    given, truth = arguments.arrays(
        ("predictions", predictions, f"R N{values}"), ("targets", targets, f"N{values}"), keep=True
    )
    networks, examples = given.shape[:2]
    truth = truth.astype(np.float64).reshape(examples, -1)
    spread = standard_deviation(truth.T, ddof=0)
    if not np.isfinite(spread).all() or equal_numbers(np.abs(truth).max(0), spread).any():
        return np.full((networks, networks), np.nan)
    columns = given.reshape(networks, examples, -1)
    exponent = _exponent(columns, spread)
    total = np.zeros((networks, networks))
    for some in _blocks(columns):
        scaled = np.ldexp(some / spread, -exponent)
        for one in range(networks - 1):
            total[one, one + 1 :] += np.square(scaled[one] - scaled[one + 1 :]).sum((1, 2))
    with np.errstate(over="ignore"):
        return _of_known(given, np.ldexp(np.sqrt((total + total.T) / (examples * len(spread))), exponent))


def _exponent(columns: NDArray[np.floating], spread: Numbers) -> int:
    """Return the binary exponent of the largest finite number of [R, N, K] in its standard deviation [K]."""
    largest = np.abs(columns).max(axis=(0, 1), initial=0, where=np.isfinite(columns))
    return int(scale.exponents(largest / spread).item())


def _of_known(predictions: NDArray[np.floating], found: Numbers) -> Numbers:
    """Return a matrix [R, R] with NaN in the rows and columns of networks with a prediction that is not finite."""
    lost = ~np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    return np.where(lost[:, None] | lost, np.nan, found)


def _blocks(predictions: NDArray[np.floating]) -> Iterator[Numbers]:
    """Yield [R, n, K] in float64, some examples at a time, with 0 for what is not finite."""
    networks, examples, values = predictions.shape
    some = max(1, HELD // max(1, networks * values))
    for start in range(0, examples, some):
        block = predictions[:, start : start + some].astype(np.float64)
        block[~np.isfinite(block)] = 0.0
        yield block


def _entropy(probabilities: Numbers) -> Numbers:
    """Return the entropies [...] of [..., K], in nats."""
    found: Numbers = -np.einsum("...k,...k->...", probabilities, np.log(probabilities.clip(min=TINY)))
    return found


def _quotient(above: Numbers, below: Numbers) -> Numbers:
    """Return above / below, nan where that is 0."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def _right(predictions: ArrayLike, targets: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return the predictions [R, N, K], and which of N examples each of R networks is right about, [R, N], 1 or 0."""
    given, truth = arguments.arrays(("predictions", predictions, "R N K"), ("targets", targets, "N"), keep=True)
    classes = given.shape[2]
    if not (np.isin(truth, np.arange(classes))).all():
        raise ValueError(f"targets: must be classes, whole numbers from 0 to {classes - 1}, got others among them")
    return given, (given.argmax(2) == truth).astype(np.float64)
