"""Two arms compared in one number of their runs, with an interval over replicates, and of the test score over examples too.

Both arms see the same seeds and the same examples, so their differences in the test score form a table of seeds by examples. The
seeds of one replicate share its search, so they count as one row, their mean; in a run of one replicate every seed is a row.
``harness.statistics.crossed`` has the mean of that table, its standard error and its degrees of freedom.

No exact test can tell two accuracies apart that differ on fewer than six examples. Where they differ on none, all variances are
zero, and the difference on 70 photos would be "0.00 points, 0.00 to 0.00". So if so few examples differ, the interval is joined
with an exact one, of the shares of examples that only one of the two arms gets right, each from its count by Clopper and Pearson
(``matched_difference``). Two arms that agree on all of 70 photos then lie within 5.1 points of each other. Arms without scores
per example that have the same difference in all seeds get Newcombe's interval of two proportions. Any other number with the same
difference in all seeds has no interval.

The p-value belongs to the interval: Student's, joined with McNemar's exact test of the examples where the interval is joined.
Where the difference is the same in all seeds it is that exact test, the score test of two proportions beside Newcombe's interval,
or the test that exchanges the arms' names within seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.records import Records
from harness.results.tables.draws import draw_means, draw_of_seed, draw_word
from harness.statistics.crossed import POWER, CrossedMean, over_both, over_seeds
from harness.statistics.intervals import EQUAL
from harness.statistics.paired import permutation_p
from harness.statistics.proportions import detectable_share, fewest_discordant, matched_difference, newcombe
from harness.verdict.finite_runs import Finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_INTERVAL = (math.nan, math.nan)
NO_SEEDS = CrossedMean(math.nan, math.nan, math.nan, math.nan, -1.0)  # of two arms without a seed in common


@dataclass(frozen=True)
class Certainty:
    """How sure a difference is: its 95 % interval, what that covers, the smallest difference that would be found, and p."""

    low: float
    high: float
    detectable: float
    covers: str
    examples: int = 0  # that the interval is of, where it covers test examples alone
    p: float = math.nan  # two-sided, of the hypothesis that there is no difference


@dataclass(frozen=True)
class TwoArms:
    """The difference of two arms in a number: the mean of the first less that of the second, over the seeds that both have."""

    one: float  # mean of the first arm over the draws
    other: float  # mean of the second
    mean: CrossedMean  # of the differences
    certainty: Certainty
    draws: int
    seeds: int
    examples: int  # 0 where there are no numbers per example

    @property
    def reversed(self) -> TwoArms:
        """The same with the arms exchanged."""
        certainty = self.certainty
        return replace(
            self, one=self.other, other=self.one, mean=replace(self.mean, mean=0.0 - self.mean.mean),
            certainty=replace(certainty, low=0.0 - certainty.high, high=0.0 - certainty.low),
        )  # fmt: skip


def compare_arms(records: Records, column: str, one: Mapping[int, Finite], other: Mapping[int, Finite]) -> TwoArms:
    """Return the difference of two arms in a number of their runs, from its values by seed.

    Where ``column`` is the deciding test metric, and both arms have scores per example, its interval covers these too.
    """
    import numpy as np

    seeds = [seed for seed in one if seed in other]
    draw_of = draw_of_seed(records)
    draws = np.array([draw_of[seed] for seed in seeds], dtype=int)
    values = np.array([(one[seed][1], other[seed][1]) for seed in seeds], dtype=float).reshape(len(seeds), 2)
    of_one, of_other = draw_means(values, draws).T.tolist()
    pairs = [(one[seed], other[seed]) for seed in seeds]
    table = _score_differences(records, pairs) if column == records.deciding.column else None
    mean, examples = NO_SEEDS, 0
    if table is not None:
        table = draw_means(table, draws)
        mean, examples = over_both(table), table.shape[1]
    elif seeds:
        mean = over_seeds([first - second for first, second in zip(of_one, of_other, strict=True)])
    certainty = certainty_of(records, mean, table, of_one, of_other, column)
    one_mean, other_mean = (float(np.mean(numbers)) if numbers else math.nan for numbers in (of_one, of_other))
    return TwoArms(one_mean, other_mean, mean, certainty, len(of_one), len(seeds), certainty.examples or examples)


def certainty_of(
    records: Records, mean: CrossedMean, table: NDArray[np.float64] | None, one: Sequence[float], other: Sequence[float],
    column: str = "",
) -> Certainty:  # fmt: skip
    """Return how sure a mean difference is, one less other, whichever way the number goes.

    ``table`` has the differences [D, N] by draw and example, None without scores per example; ``one`` and ``other`` are the
    values [D] of the two arms in ``column``, which is the deciding test metric where it is left out.
    """
    import numpy as np

    column = column or records.deciding.column
    examples = records.examples_of(column)  # 0 for a number that is no proportion
    if examples and table is not None:
        examples = table.shape[1]
    if math.isnan(mean.se):
        return Certainty(math.nan, math.nan, math.nan, "")
    flat = mean.se <= EQUAL * max(map(abs, (*one, *other)))  # the same difference in all draws
    exact = _exact_interval(table) if examples and table is not None else None
    share = detectable_share(examples, POWER) if examples else math.nan
    ends, detectable = (mean.mean - mean.half, mean.mean + mean.half), mean.detectable
    draws = f"{draw_word(records)}s"
    covers = draws if table is None else f"{draws} and test examples"
    if flat:
        of_proportions = newcombe(float(np.mean(one)), float(np.mean(other)), examples) if examples else NO_INTERVAL
        ends, detectable, covers = exact or of_proportions, share, "test examples" if examples else ""
        p = _p_of_equal_differences(table if examples else None, one, other, examples)
    else:
        p = _student_p(mean)
    if exact and not flat:
        ends = min(ends[0], exact[0]), max(ends[1], exact[1])
        detectable = share if math.isnan(share) else max(detectable, share)
        p = max(p, _mcnemar_p(table)) if table is not None else p
    lowest, highest = records.bounds_of(column)
    most = highest - lowest
    low, high = (float(np.clip(end, -most, most)) for end in ends)
    return Certainty(low, high, min(detectable, most), covers, examples if flat else 0, p)


def _exact_interval(table: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the exact interval of differences [S, N] if so few examples differ that no sign test could tell; else None."""
    carriers = int((table != 0).any(axis=0).sum())
    return matched_difference(*_signs(table), table.shape[1]) if carriers < fewest_discordant() else None


def _signs(table: NDArray[np.float64]) -> tuple[int, int]:
    """Return on how many examples of [S, N] the first arm is better on average, and on how many the second."""
    means = table.mean(axis=0)
    return int((means > 0).sum()), int((means < 0).sum())


def _mcnemar_p(table: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the exact test of examples [S, N]: McNemar 1947, doi:10.1007/BF02295996."""
    from scipy.stats import binomtest

    better, worse = _signs(table)
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _p_of_equal_differences(
    table: NDArray[np.float64] | None, one: Sequence[float], other: Sequence[float], examples: int
) -> float:  # fmt: skip
    """Return the two-sided p-value that belongs to the interval of a difference that is the same in all draws.

    That is McNemar's exact test where there are scores per example, and the score test of two proportions where there are
    only their numbers of examples. Where there are none, the names of the arms are exchanged within draws.
    """
    from scipy.stats import norm

    if table is not None:
        return _mcnemar_p(table)
    if not examples:
        return permutation_p(one, other)
    first, second = sum(one) / len(one), sum(other) / len(other)
    share = (first + second) / 2
    se = math.sqrt(2 * share * (1 - share) / examples)
    return 2 * float(norm.sf(abs(first - second) / se)) if se else 1.0


def _student_p(mean: CrossedMean) -> float:
    """Return the two-sided p-value of a mean of 0."""
    from scipy.stats import t

    return 2 * float(t.sf(abs(mean.mean) / mean.se, mean.df))


def _score_differences(records: Records, pairs: Sequence[tuple[Finite, Finite]]) -> NDArray[np.float64] | None:
    """Return the differences of scores ``[S, N]`` of these pairs of runs; None where a run has no scores."""
    import numpy as np

    scores = records.scores
    if not pairs or any(run not in scores for pair in pairs for run, _ in pair):
        return None
    return np.stack([scores[first].astype(np.float64) - scores[second] for (first, _), (second, _) in pairs])
