"""How good class probabilities are when how sure they are is put right first: one temperature, fitted on other examples.

A network that was trained for long is surer than it is right. Its log loss then measures that more than what it has
learned. One number, the temperature, puts it right and leaves every answer as it is.

Probabilities are ``[N, C]`` of N examples and C classes, as a network predicts them. Where one is not finite,
every result that rests on it is NaN. One below 1.2e-38, where float32 ends, counts as that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import arguments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

LOWEST, HIGHEST = 0.05, 100.0  # temperatures that are looked at
SMALLEST = float(np.finfo(np.float32).tiny)
SUMS = 1e-3  # probabilities of an example add up to 1, but for so much
UNIFORM = 1e-6  # of a logarithm: probabilities that differ by less are the same but for rounding in float32


@dataclass(frozen=True)
class Temperature:
    """A temperature, above 1 where predictions were too sure; ``reason`` says why it is no minimum, and is "" for one.

    >>> Temperature(2.0).reason
    ''
    """

    value: float
    reason: str = ""


@dataclass(frozen=True)
class Calibration:
    """What predictions of a split are worth, as they are and with the temperature of another split."""

    temperature: Temperature
    raw_loss: float  # nats
    loss: float  # nats, of the calibrated probabilities
    brier: float  # of the calibrated probabilities, in [0, 2]


def calibrate(tune: ArrayLike, tune_labels: ArrayLike, test: ArrayLike, test_labels: ArrayLike) -> Calibration:
    """Return the loss on the test split, with a temperature that was fitted on the tune split.

    Args:
        tune: Probabilities ``[M, C]`` of the split that the temperature is fitted on.
        tune_labels: Its class numbers ``[M]``, from 0 to C - 1.
        test: Probabilities ``[N, C]`` of the split that is scored.
        test_labels: Its class numbers ``[N]``.

    Returns:
        The temperature, the log loss in nats before and after, and the Brier score after.

    Raises:
        ValueError: The shapes do not agree, a row is no distribution, or a label is no class number.

    Source: Guo et al. 2017, arXiv:1706.04599.

    >>> tune, test = [[0.99, 0.01], [0.01, 0.99], [0.99, 0.01], [0.99, 0.01]], [[0.99, 0.01], [0.01, 0.99]]
    >>> result = calibrate(tune, [0, 1, 1, 0], test, [0, 0])  # 99 % sure, and right three times in four
    >>> print(f"{result.temperature.value:.2f}: {result.raw_loss:.2f} becomes {result.loss:.2f} nats")
    4.18: 2.31 becomes 0.84 nats
    """
    temperature = fit_temperature(*_checked(("tune", tune), ("tune_labels", tune_labels)))
    probabilities, labels = _checked(("test", test), ("test_labels", test_labels))
    scaled = calibrated(probabilities, temperature.value)
    return Calibration(temperature, log_loss(probabilities, labels), log_loss(scaled, labels), brier(scaled, labels))


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> Temperature:
    """Return the temperature T for which ``softmax(log p / T)`` has the least log loss.

    The loss is convex in 1 / T, so its slope is zero at one T at most, and bisection finds that between 0.05 and 100.

    Args:
        probabilities: ``[N, C]`` of N examples and C classes.
        labels: Class numbers ``[N]``, from 0 to C - 1.

    Returns:
        The temperature, with a reason where the loss has no minimum between the ends. It is 1, which changes nothing,
        where nothing can be learned of it: every example is right, or all classes are as probable. It is 0.05 or 100
        where the minimum lies beyond; 100 is nearly no prediction at all.

    Raises:
        ValueError: The shapes do not agree, a row is no distribution, or a label is no class number.

    Source: Guo et al. 2017, arXiv:1706.04599.

    >>> temperature = fit_temperature([[0.99, 0.01], [0.01, 0.99], [0.99, 0.01], [0.99, 0.01]], [0, 1, 1, 0])
    >>> print(f"{temperature.value:.2f}")  # log 99 / log 3, for three of four are right
    4.18
    >>> fit_temperature([[0.9, 0.1], [0.2, 0.8]], [0, 1])
    Temperature(value=1.0, reason='every example is right')
    """
    from scipy.optimize import brentq

    numbers, classes = _checked(("probabilities", probabilities), ("labels", labels))
    if not np.isfinite(numbers).all():
        return Temperature(float("nan"), "a probability is not finite")
    logs = _logs(numbers)
    of_label = logs[np.arange(len(classes)), classes]
    other_logs = np.where(np.arange(logs.shape[1]) == classes[:, None], -np.inf, logs)
    if (of_label > other_logs.max(axis=1)).all():
        return Temperature(1.0, "every example is right")
    if np.ptp(logs, axis=1).max() <= UNIFORM:
        return Temperature(1.0, "all classes are as probable")

    def slope(log_temperature: float) -> float:
        """Return the derivative of the loss by 1 / T."""
        shares = _softmax(logs / np.exp(log_temperature))
        return float((np.einsum("nc,nc->n", shares, logs) - of_label).mean())

    ends = np.log(LOWEST), np.log(HIGHEST)
    if slope(ends[0]) <= 0:
        return Temperature(LOWEST, "the loss still falls where predictions are 20 times as sure")
    if slope(ends[1]) >= 0:
        return Temperature(HIGHEST, "the predictions are no better than none")
    return Temperature(float(np.exp(brentq(slope, *ends, xtol=1e-12, rtol=1e-12))))


def calibrated(probabilities: ArrayLike, temperature: float) -> Numbers:
    """Return ``softmax(log p / T)``: the same answers, less sure where T is above 1.

    Args:
        probabilities: ``[N, C]`` of N examples and C classes.
        temperature: T, from 0.001 to 1000.

    Returns:
        Probabilities ``[N, C]``.

    Source: Guo et al. 2017, arXiv:1706.04599.

    >>> print(calibrated([[0.8, 0.2]], 2.0).round(3))  # 2 : 1, the root of 4 : 1
    [[0.667 0.333]]
    """
    (numbers,) = arguments.arrays(("probabilities", probabilities, "N C"))
    numbers = _distributions("probabilities", numbers)
    degree = arguments.number("temperature", temperature, 1e-3, 1e3, nan=True)
    if not np.isfinite(numbers).all():
        return np.full_like(numbers, np.nan)
    return _softmax(_logs(numbers) / degree)


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of ``-log p`` of the right classes.

    Args:
        probabilities: ``[N, C]`` of N examples and C classes.
        labels: Class numbers ``[N]``, from 0 to C - 1.

    Returns:
        The loss in nats.

    >>> print(f"{log_loss([[0.5, 0.5], [0.25, 0.75]], [0, 1]):.4f}")
    0.4904
    """
    numbers, classes = _checked(("probabilities", probabilities), ("labels", labels))
    if not np.isfinite(numbers).all():
        return float("nan")
    return float(-_logs(numbers)[np.arange(len(classes)), classes].mean())


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared distance of the probabilities from what is right: 1 for the right class, 0 for the others.

    Args:
        probabilities: ``[N, C]`` of N examples and C classes.
        labels: Class numbers ``[N]``, from 0 to C - 1.

    Returns:
        The score, 0 where every example is right and sure, at most 2.

    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    >>> brier([[0.5, 0.5], [0.0, 1.0]], [0, 1])
    0.25
    """
    numbers, classes = _checked(("probabilities", probabilities), ("labels", labels))
    truth = np.zeros_like(numbers)
    truth[np.arange(len(classes)), classes] = 1.0
    return float(np.square(numbers - truth).sum(axis=1).mean()) if np.isfinite(numbers).all() else float("nan")


def _checked(given: tuple[str, ArrayLike], labelled: tuple[str, ArrayLike]) -> tuple[Numbers, NDArray[np.int64]]:
    """Return probabilities [N, C] in float64, and class numbers [N]."""
    name, labels_name = given[0], labelled[0]
    numbers, labels = arguments.arrays((*given, "N C"), (*labelled, "N"))
    classes = numbers.shape[1]
    if not np.isin(labels, np.arange(classes)).all():
        raise ValueError(
            f"{labels_name}: must be classes, whole numbers from 0 to {classes - 1}, got {arguments.describe(labels)} "
            "with others among them"
        )
    return _distributions(name, numbers), labels.astype(np.int64)


def _distributions(name: str, numbers: Numbers) -> Numbers:
    """Return rows [N, C] that are distributions, or not finite."""
    finite: Any = np.isfinite(numbers)
    is_finite = finite.all(axis=1)
    sums = np.where(finite, numbers, 0.0).sum(axis=1)
    if (finite & (numbers < 0)).any() or (np.abs(sums[is_finite] - 1) > SUMS).any():
        raise ValueError(
            f"{name}: must be probabilities, which add up to 1 over the classes, got {arguments.describe(numbers)} with others"
        )
    return numbers


def _logs(probabilities: Numbers) -> Numbers:
    logs: Numbers = np.log(np.maximum(probabilities, SMALLEST))
    return logs


def _softmax(logits: Numbers) -> Numbers:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return shares
