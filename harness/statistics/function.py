"""How far apart networks are as functions: by what they say of the same test examples.

Every measure takes the predictions of R networks at once and returns a symmetric matrix [R, R], zero (kappa: one) on
its diagonal; of two networks it is ``measure(np.stack([p, q]))[0, 1]``. Predictions of classes are probabilities
[R, N, K]; a network says the class it finds most likely. Nothing of the size R * R * N is ever held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

HELD = 2**18  # numbers at a time; 2 MiB, which a processor's cache holds
TINY = 1e-300  # 0 log 0 is 0


def disagreement(predictions: NDArray[np.floating]) -> Numbers:
    """Return D [R, R]: the part of the examples, in [0, 1], of which two networks say different classes."""
    said = np.asarray(predictions).argmax(2)
    return np.stack([(one != said).mean(1) for one in said])


def root_jsd(predictions: NDArray[np.floating]) -> Numbers:
    """Return [R, R]: the mean over examples of the root of the Jensen-Shannon divergence, in nats; at most sqrt(ln 2).

    JSD(p, q) = H(m) - H(p)/2 - H(q)/2 with m = (p + q)/2. Its root is a metric: Endres & Schindelin 2003,
    doi:10.1109/TIT.2003.813506.
    """
    networks, examples = predictions.shape[:2]
    total = np.zeros((networks, networks))
    for some in _blocks(predictions):
        entropies = _entropy(some)
        for one in range(networks - 1):
            middle = _entropy((some[one] + some[one + 1 :]) / 2)
            divergence = middle - (entropies[one] + entropies[one + 1 :]) / 2
            total[one, one + 1 :] += np.sqrt(divergence.clip(min=0)).sum(1)
    found: Numbers = (total + total.T) / examples
    return found


def error_kappa(predictions: NDArray[np.floating], targets: NDArray[np.integer]) -> Numbers:
    """Return Cohen's kappa [R, R] of being right: 1 where two err on the same examples, 0 where as if by chance.

    (c - e) / (1 - e): c is the part of the examples where both are right or both are wrong, e that of networks with
    these accuracies whose errors have nothing to do with each other. Nan where neither errs, or both always do.
    Geirhos et al. 2020, arXiv:2006.16736.
    """
    right = _right(predictions, targets).astype(float)
    alike = (right @ right.T + (1 - right) @ (1 - right).T) / right.shape[1]
    accuracy = right.mean(1)
    chance = np.outer(accuracy, accuracy) + np.outer(1 - accuracy, 1 - accuracy)
    return _quotient(alike - chance, 1 - chance)


def gde_ratio(predictions: NDArray[np.floating], targets: NDArray[np.integer]) -> Numbers:
    """Return [R, R]: the disagreement over the mean error of the two; nan where neither errs.

    About 1 for networks of one training algorithm with other seeds: Jiang et al. 2022, arXiv:2106.13799.
    """
    errors = 1 - _right(predictions, targets).mean(1)
    mean = (errors[:, None] + errors) / 2
    return _quotient(disagreement(predictions), mean)


def rms_distance(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> Numbers:
    """Return [R, R]: the root mean squared difference of predicted values over the standard deviation of the targets.

    For regression: predictions [R, N] or [R, N, K], targets [N] or [N, K]; each of the K values is measured in its own
    standard deviation. 1 is as far apart as the targets are from their mean. Nan where a target never varies.
    """
    networks, examples = predictions.shape[:2]
    spread = np.asarray(targets, dtype=float).reshape(examples, -1).std(0)
    if not (spread > 0).all():
        return np.full((networks, networks), np.nan)
    total = np.zeros((networks, networks))
    for some in _blocks(predictions.reshape(networks, examples, -1)):
        scaled = some / spread
        for one in range(networks - 1):
            total[one, one + 1 :] += np.square(scaled[one] - scaled[one + 1 :]).sum((1, 2))
    found: Numbers = np.sqrt((total + total.T) / (examples * len(spread)))
    return found


def _blocks(predictions: NDArray[np.floating]) -> Iterator[Numbers]:
    """Yield [R, n, K] in float64, some examples at a time."""
    networks, examples, values = predictions.shape
    some = max(1, HELD // max(1, networks * values))
    for start in range(0, examples, some):
        yield predictions[:, start : start + some].astype(np.float64)


def _entropy(probabilities: Numbers) -> Numbers:
    """Return the entropies [...] of [..., K], in nats."""
    found: Numbers = -np.einsum("...k,...k->...", probabilities, np.log(probabilities.clip(min=TINY)))
    return found


def _quotient(above: Numbers, below: Numbers) -> Numbers:
    """Return above / below, nan where that is 0."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def _right(predictions: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of N examples each of R networks is right about, [R, N]."""
    found: NDArray[np.bool_] = np.asarray(predictions).argmax(2) == targets
    return found
