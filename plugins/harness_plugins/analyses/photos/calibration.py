"""Calibration: is a class that is given 90 % right nine times in ten? Guo et al. 2017, arXiv:1706.04599.

    ECE = sum over bins of |B| / N * |accuracy(B) - confidence(B)|

over 15 bins of equal width between 0 and 1, by the probability of the most probable class. It is above zero even where everything
is calibrated, because a bin of few examples is seldom right exactly as often as it should be. ``expected`` says about how much of
it that explains: the mean of the same sum if each example were right with exactly its predicted probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.results.tables.class_probabilities import arm_probabilities, class_targets
from harness.statistics.intervals import mean_interval, standard_deviation
from harness.statistics.proportions import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

BINS = 15
COLUMNS = (
    "arm", "bin", "from", "to", "count", "confidence", "accuracy", "accuracy_low", "accuracy_high",
    "ece", "ece_low", "ece_high", "expected", "seeds", "examples",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per arm and bin that has examples, of the whole test split; none without class probabilities.

    ``confidence`` and ``accuracy`` are over all seeds, and ``count`` is per seed. ``accuracy_low`` and ``accuracy_high`` are
    Wilson's 95 % interval (1927, doi:10.2307/2276774) for that many examples. ``ece`` is the mean of the seeds' errors, with its
    95 % t-interval, cut off at 0 and 1; NaN for one seed, and where all seeds are equal.
    """
    import numpy as np
    import pandas as pd

    rows = []
    for arm, probabilities in arm_probabilities(records).items():
        truth = class_targets(records, "test")
        confident, right = probabilities.max(axis=2), probabilities.argmax(axis=2) == truth  # [S, N] both
        errors = np.array([ece(c, r) for c, r in zip(confident, right, strict=True)])  # [S]
        ends = mean_interval(errors.mean(), standard_deviation(errors), len(errors), (0.0, 1.0))
        chance = float(np.mean([ece_by_chance(of_seed) for of_seed in confident]))
        of_arm = (float(errors.mean()), float(ends[0]), float(ends[1]), chance, len(errors), len(truth))
        bins = bin_of(confident)
        for b in np.unique(bins):
            inside = bins == b
            count, accuracy = inside.sum() / len(errors), float(right[inside].mean())
            low, high = map(float, wilson(accuracy, count))
            of_bin = (float(confident[inside].mean()), accuracy, low, high)
            rows.append((arm, int(b), b / BINS, (b + 1) / BINS, float(count), *of_bin, *of_arm))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def bin_of(confident: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each confidence's bin ``(b / BINS, (b + 1) / BINS]``, 0 is the first."""
    import numpy as np

    return np.clip(np.ceil(confident * BINS).astype(np.int64) - 1, 0, BINS - 1)


def ece(confident: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error, in [0, 1], of confidences ``[N]`` and of whether each was right."""
    import numpy as np

    excess = np.bincount(bin_of(confident), weights=right - confident, minlength=BINS)
    return float(np.abs(excess).sum() / len(confident))


def ece_by_chance(confident: NDArray[np.float64]) -> float:
    """Return the calibration error to expect of calibrated examples with these confidences [N].

    The number of right examples in a bin, less its expectation, has the variance ``sum of c (1 - c)``. If it is normal, its size
    is ``sqrt(2 / pi)`` of its standard deviation on average.
    """
    import numpy as np

    variance = np.bincount(bin_of(confident), weights=confident * (1 - confident), minlength=BINS)
    return float(np.sqrt(2 / np.pi * np.maximum(variance, 0)).sum() / len(confident))


MEANINGS = {  # of the columns that are not the same in every table
    "bin": "the bin of probabilities",
    "from": "where the bin begins",
    "to": "where the bin ends",
    "count": "examples in the bin, per seed",
    "confidence": "the mean probability of the class predicted",
    "accuracy": "the part of them that is right",
    "accuracy_low": "the lower end of Wilson's 95 % interval",
    "accuracy_high": "its upper end",
    "ece": "the arm's expected calibration error, the mean over seeds",
    "ece_low": "the lower end of its 95 % interval",
    "ece_high": "its upper end",
    "expected": "the error to expect of a calibrated network with as many examples",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer calibration."""
    return [Analysis(name="calibration", compute=compute, reference="arXiv:1706.04599", columns=MEANINGS)]
