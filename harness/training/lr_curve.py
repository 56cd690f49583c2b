"""The curve of a learning-rate range test, in numbers alone: how it is smoothed, where it diverges, what it suggests.

``running.search.range_test`` makes the sweep; ``docs/lr-find.md`` has the measurements that the rules rest on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = {"steepest": "steepest", "minimum_tenth": "minimum / 10", "valley": "valley"}  # the rules of suggestions
CHOSEN = "valley"  # which suggestion is *the* suggestion
BLUR = 0.12  # decades: the standard deviation of the smoothing
PART = 0.25  # of the fall: what the valley's two sides have in common
CLEAR = 8.0  # standard errors of the smoothed loss that a fall must have to be one; noise alone reaches about 5


@dataclass(frozen=True)
class Curve:
    """A sweep: three arrays ``[n]``, all finite, n at most the number of steps."""

    lr: NDArray[np.float64]
    loss: NDArray[np.float64]  # of each batch, where its step began
    smoothed: NDArray[np.float64]
    diverged: bool  # it stopped early, because the loss ran away


@dataclass(frozen=True)
class RangeTest:
    """The result of the range test of one arm."""

    arm: str
    curve: Curve | None = None  # None where there was nothing to sweep, or the sweep failed
    suggestions: Mapping[str, float] | None = None  # by rule; None where the curve suggests nothing
    note: str = ""  # why there is none, or what to know about it
    failed: bool = False  # a plugin raised

    @property
    def lr(self) -> float | None:
        """The suggestion."""
        return self.suggestions[CHOSEN] if self.suggestions else None


def runaway(losses: NDArray[np.float64]) -> float:
    """Return the level above which a sweep has diverged.

    It is as far above the first loss as the best is below, and at least twice the first loss. A multiple of the best
    loss, the usual rule, would end a sweep that has come close to zero at the first unlucky batch.
    """
    start = float(losses[0])
    return start + max(start - float(losses.min()), abs(start))


def smooth(lrs: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the losses ``[n]`` as a centred Gaussian mean over ``BLUR`` decades of the rate, and two steps at least.

    A loss counts at most as the level of divergence, so that one explosion does not show far around it.
    """
    capped = np.minimum(losses, runaway(losses))
    kernel = _kernel(lrs)
    reach = len(kernel) // 2
    sums, weights = (np.convolve(np.pad(values, reach), kernel, "valid") for values in (capped, np.ones(len(capped))))
    smoothed: NDArray[np.float64] = sums / weights
    return smoothed


def _kernel(lrs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the smoothing, of odd number, which sum to 1."""
    steps = 2.0
    if len(lrs) > 1:
        steps = max(steps, BLUR / math.log10(lrs[1] / lrs[0]))
    reach = math.ceil(3 * steps)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / steps) ** 2)
    kernel: NDArray[np.float64] = weights / weights.sum()
    return kernel


def suggestions(lrs: NDArray[np.float64], losses: NDArray[np.float64]) -> dict[str, float]:
    """Return the rates that a sweep suggests, by rule; empty where the loss never clearly fell.

    ``lrs`` ``[n]`` rise by one factor; ``losses`` ``[n]`` are the raw ones, and from the first that is not finite on,
    nothing is read. All rules read the smoothed curve:

    - ``steepest``: where the loss falls fastest per decade, before its minimum;
    - ``minimum_tenth``: a tenth of where it is lowest;
    - ``valley``: the middle, in decades, between where learning sets in (the loss has made ``PART`` of its fall) and
      where it breaks down (no more than that is left).
    """
    finite = np.isfinite(losses)
    count = len(losses) if finite.all() else int(np.argmin(finite))
    if count < 5:
        return {}
    rates, raw = np.asarray(lrs[:count], dtype=float), np.asarray(losses[:count], dtype=float)
    smoothed = smooth(rates, raw)
    lowest = int(np.argmin(smoothed))
    if lowest == 0:
        return {}
    top = int(np.argmax(smoothed[: lowest + 1]))
    fall = smoothed[top] - smoothed[lowest]
    if fall <= CLEAR * _uncertainty(rates, raw, smoothed, lowest):
        return {}
    decades = np.log10(rates)
    slopes = np.gradient(smoothed, decades)
    low = np.flatnonzero(smoothed <= smoothed[top] - PART * fall)
    low = low[low >= top]
    return {
        "steepest": float(rates[top + int(np.argmin(slopes[top : lowest + 1]))]),
        "minimum_tenth": float(rates[lowest] / 10),
        "valley": float(10 ** ((decades[low[0]] + decades[low[-1]]) / 2)),
    }


def _uncertainty(
    rates: NDArray[np.float64], losses: NDArray[np.float64], smoothed: NDArray[np.float64], lowest: int
) -> float:
    """Return the standard error of the smoothed loss, from what it leaves over up to its minimum."""
    rest = np.abs(losses - smoothed)[: lowest + 1]
    return float(1.4826 * np.median(rest) * math.sqrt(float(np.square(_kernel(rates)).sum())))
