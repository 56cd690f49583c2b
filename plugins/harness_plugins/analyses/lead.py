"""The lead of the best arm over every other, with an interval that covers seeds and test examples alike.

Another draw of seeds moves the means, and so does another draw of test examples: 1 of 650 photos is 0.15 points of
accuracy. Both arms see the same seeds and the same examples, so their differences form a table of S seeds by N
examples, two-way crossed without replication:

    d[s, n] = lead + seed[s] + example[n] + rest[s, n]
    variance of the mean = var(seed) / S + var(example) / N + var(rest) / (S N)

The variances come from the mean squares of that table (Searle, Casella and McCulloch 1992, Variance Components,
doi:10.1002/9780470316856, ch. 4), components below zero counted as zero, and Student's t has Satterthwaite's degrees
of freedom (1946, doi:10.2307/3002019). Chosen over the pigeonhole bootstrap (Owen 2007, doi:10.1214/07-AOAS122), which
estimates the same variance somewhat too large: this one is unbiased where no component is cut off, needs no random
numbers, and can be checked by hand.

One departure from the textbook: a difference in few examples (two classifiers that differ on five photos) is far from
normal, so the examples count for as many as carry it, (sum of x^2)^2 / sum of x^4, which for N normal ones is N / 3.

Two accuracies that differ on fewer than six examples no exact test can tell apart, and where they differ on none, all
variances are zero: "the lead is 0.00 points, 0.00 to 0.00" would be said of 70 photos. So the interval of so few is
joined with one of the shares of examples that only the one or only the other arm gets right, each from its count by
Clopper and Pearson (``matched_difference``): two arms that agree on all of 70 photos lie within 5.1 points of each other.
Arms that have no scores per example, and in all seeds the same difference, have Newcombe's interval of two proportions;
any other score that differs alike everywhere has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import (
    EQUAL,
    LEVEL,
    detectable_share,
    fewest_discordant,
    half_width,
    matched_difference,
    newcombe,
    standard_deviation,
)
from harness.statistics.scale import scaled
from harness_plugins.analyses.leaderboard import ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

POWER = 0.8  # with which a lead of ``detectable`` would be found
COLUMNS = (
    "arm", "best", "metric", "lead", "low", "high", "detectable", "se", "se_seeds", "se_examples", "df", "seeds",
    "examples", "covers", "unit",
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, what seeds and examples contribute to that, and its degrees of freedom."""

    mean: float
    se: float  # NaN where it cannot be known
    se_seeds: float
    se_examples: float  # NaN where the examples are not known
    df: float

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval: the smallest lead that would have excluded zero."""
        return self._reach((1 + LEVEL) / 2)

    @property
    def detectable(self) -> float:
        """The true lead whose interval excludes zero in 80 % of all repetitions."""
        return self.half + self._reach(POWER)

    def _reach(self, part: float) -> float:
        return float(half_width(self.se, self.df, 2 * part - 1))


def compute(records: Records) -> DataFrame:
    """Return a row per arm other than the best, in their order: the best arm's ``lead`` in the deciding test metric.

    A lead is above zero where the best is better, whichever way the metric goes. ``low`` and ``high`` bound its 95 %
    interval, each on its own, over the ``seeds`` that ended well in both arms; NaN for fewer than two.
    ``covers`` is "seeds and test examples", or "seeds" where the records have no scores per example, or "test examples"
    where the difference is the same in all seeds, so that nothing says how these scatter, or "".
    """
    import pandas as pd

    deciding, (best, *others) = records.deciding, ranked(records) or [""]
    runs = {arm: _finite(records, arm, deciding.column) for arm in (best, *others)}
    rows = []
    for arm in others if len(runs[best]) else ():
        seeds = [seed for seed in runs[best] if seed in runs[arm]]
        if not runs[arm]:
            continue  # it has no result, and the leaderboard says why
        table = _differences(records, [(runs[best][seed], runs[arm][seed]) for seed in seeds])
        if table is None:
            found, examples = over_seeds([runs[best][s][1] - runs[arm][s][1] for s in seeds]), 0
        else:
            found, examples = over_both(table), table.shape[1]
        values = [[runs[each][s][1] for s in seeds] for each in (best, arm)]
        sure = _sure(records, found, table, *values)
        ends = (sure.low, sure.high) if deciding.sign > 0 else (-sure.high, -sure.low)
        rows.append(
            {
                "arm": arm, "best": best, "metric": deciding.column, "lead": deciding.sign * found.mean, "low": ends[0],
                "high": ends[1], "detectable": sure.detectable, "se": found.se or math.nan, "se_seeds": found.se_seeds,
                "se_examples": found.se_examples, "df": found.df, "seeds": len(seeds),
                "examples": sure.examples or examples, "covers": sure.covers, "unit": deciding.unit,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class Sure:
    """How sure a difference is: its 95 % interval, what that covers, and the difference that would be found."""

    low: float
    high: float
    detectable: float
    covers: str
    examples: int = 0  # that the interval is of, where it covers test examples alone


def _sure(
    records: Records, found: Estimate, table: NDArray[np.float64] | None, one: list[float], other: list[float]
) -> Sure:
    """Return how sure a mean difference is, not turned round; ``table`` is ``[S, N]``, the values of both arms ``[S]``."""
    import numpy as np

    metric = records.deciding.column
    low, high = records.bounds_of(metric)
    many = records.examples_of(metric)
    if many and table is not None:
        many = table.shape[1]
    if math.isnan(found.se):
        return Sure(math.nan, math.nan, math.nan, "")
    flat = found.se <= EQUAL * max(map(abs, (*one, *other)))
    few = _few(table) if many and table is not None else None
    share = detectable_share(many, POWER) if many else math.nan
    ends, detectable = (found.mean - found.half, found.mean + found.half), found.detectable
    covers = "seeds" if table is None else "seeds and test examples"
    if flat:
        ends = few or (newcombe(float(np.mean(one)), float(np.mean(other)), many) if many else (math.nan, math.nan))
        detectable, covers = share, "test examples" if many else ""
    elif few:
        ends = min(ends[0], few[0]), max(ends[1], few[1])
        detectable = share if math.isnan(share) else max(detectable, share)
    most = high - low
    low, high = (float(np.clip(end, -most, most)) for end in ends)
    return Sure(low, high, min(detectable, most), covers, many if flat else 0)


def _few(table: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the exact interval of differences ``[S, N]`` that so few examples carry that no sign test could tell; else None."""
    better, worse = (int(count) for count in ((table.mean(axis=0) > 0).sum(), (table.mean(axis=0) < 0).sum()))
    carriers = int((table != 0).any(axis=0).sum())
    return matched_difference(better, worse, table.shape[1]) if carriers < fewest_discordant() else None


def over_both(table: NDArray[np.float64]) -> Estimate:
    """Return the mean of differences ``[S, N]``, its standard error over both seeds and examples; NaN for S or N < 2."""
    import numpy as np

    seeds, examples = table.shape
    mean = float(table.mean())
    if min(seeds, examples) < 2:
        return Estimate(mean, math.nan, math.nan, math.nan, math.nan)
    table, exponent = scaled(table)
    middle = float(table.mean())
    of_seeds, of_examples = table.mean(axis=1) - middle, table.mean(axis=0) - middle
    rest = table - middle - of_seeds[:, None] - of_examples
    free = (seeds - 1, _carriers(of_examples) - 1, (seeds - 1) * (examples - 1))
    between = examples * float(np.square(of_seeds).sum()) / free[0]
    across = seeds * float(np.square(of_examples).sum()) / (examples - 1)
    within = float(np.square(rest).sum()) / free[2]
    # each mean square holds the rest's variance once; one below it has a variance component of zero
    terms = [(between, free[0]), (across, free[1]), (-within, free[2])]
    if between <= within or across <= within:
        terms = [max(terms[0], terms[1], (within, free[2]))]
    total = sum(square for square, _ in terms)
    spread = sum(square**2 / df for square, df in terms)
    df = total**2 / spread if spread > 0 else math.inf
    size = seeds * examples
    squares = (total, max(0.0, between - within), max(0.0, across - within))
    se, by_seeds, by_examples = (float(np.ldexp(math.sqrt(square / size), exponent)) for square in squares)
    return Estimate(mean, se, by_seeds, by_examples, max(df, min(free)))


def over_seeds(differences: list[float]) -> Estimate:
    """Return the mean of a difference per seed, with its standard error over seeds alone; NaN for fewer than two."""
    import numpy as np

    count = len(differences)
    mean = float(np.mean(differences)) if count else math.nan
    se = float(standard_deviation(differences)) / math.sqrt(count) if count > 1 else math.nan
    return Estimate(mean, se, se, math.nan, float(count - 1))


def _carriers(values: NDArray[np.float64]) -> float:
    """Return how many examples carry a difference, at least 2: all N where they differ alike, N / 3 of N normal ones."""
    import numpy as np

    largest = float(np.abs(values).max())
    if not largest > 0:
        return float(len(values))
    squares = np.square(values / largest)
    return min(float(len(values)), max(2.0, float(squares.sum() ** 2 / np.square(squares).sum())))


def _finite(records: Records, arm: str, metric: str) -> dict[int, tuple[str, float]]:
    """Return run and value of an arm by seed, of the runs that ended well with a finite value."""
    runs = records.compared()
    mine = runs[(runs["arm"] == arm) & (runs["state"] == "done")]
    if metric not in mine:
        return {}
    found = zip(mine["seed"], mine["run_id"], mine[metric], strict=True)
    return {int(seed): (str(run), float(value)) for seed, run, value in found if math.isfinite(value)}


def _differences(records: Records, pairs: list[tuple[Any, Any]]) -> NDArray[np.float64] | None:
    """Return the differences of scores ``[S, N]`` of these pairs of runs; None where a run has no scores."""
    import numpy as np

    scores = records.scores
    if not pairs or any(run not in scores for pair in pairs for run, _ in pair):
        return None
    return np.stack([scores[one].astype(np.float64) - scores[other] for (one, _), (other, _) in pairs])


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer lead."""
    return [Analysis(name="lead", compute=compute, reference="Searle, Casella and McCulloch 1992, ch. 4")]
