"""What is shown beside the primary measures and decides nothing.

P(A > B) = mean of [A > B] + [A = B] / 2 over pairs of the same seed, with a bootstrap interval over seeds (Bouthillier et
al. 2021, arXiv:2103.03098), and the difference of interquartile means, which one odd seed does not move (Agarwal et al.
2021, arXiv:2108.13264). Other depths of the representation, and the barriers without alignment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.plugin.runs import digest
from harness.records import Records
from harness.statistics.intervals import clopper_pearson
from harness.statistics.pairwise import Estimate
from harness.statistics.power import seeds_for_better
from harness.verdict.columns import numbers
from harness.verdict.design import ARMS, Pair
from harness.verdict.judging import Examined
from harness.verdict.matrices import Matrices
from harness.verdict.measurements import KAPPA, SEARCHES, Missing, Sources
from harness.verdict.measures import PROBES, Measure
from harness.verdict.numbers import FEWEST, KINDS, Numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 1_000  # of the bootstrap
BETTER = {"accuracy": 1, "test_loss": -1}  # the sign of a better value
PREFIXES = {"representation": ("cka_", "procrustes_"), "connectivity": ("naive_", "aligned_", "repaired_")}
NO_DISTANCES = ("cka_value_",)  # similarities among the numbers of a probe


def secondary(records: Records, found: Examined) -> Iterator[dict[str, Any]]:
    """Yield rows of the table ``facets`` without p-values and labels."""
    sources = Sources(records, found.cell)
    for pair in (pair for pair in found.cell.pairs if pair.kind == ARMS):
        searched = sources.searches(pair) >= SEARCHES
        for facet, name, scale, unit, estimate in (*_of_losses(found, pair), *_of_probes(sources, pair)):
            yield {
                "facet": facet, "measure": name, "primary": False, "arm": pair.one, "other": pair.other,
                "pair": pair.kind, "scale": scale, "unit": unit, **numbers(estimate, scale), "below_floor": False,
                "label": "", "detail": "secondary: decides nothing", "label_half_margin": "", "label_double_margin": "",
                "seeds": estimate.seeds, "seeds_missing": found.cell.protocol.seeds - estimate.seeds,
                "seeds_needed": seeds_for_better() if scale == "probability" else math.nan,
                "unit_kind": KINDS["search" if searched and facet == "loss" else "seed"], "covers": "",
                "controls": "",
            }  # fmt: skip


def _of_losses(found: Examined, pair: Pair) -> Iterator[tuple[str, str, str, str, Estimate]]:
    import numpy as np

    for entry in found.entries:
        if entry.pair != pair or entry.measure.name not in BETTER or not isinstance(entry.compared, Numbers):
            continue
        units = entry.compared.units
        if len(units) < FEWEST:
            continue
        a = BETTER[entry.measure.name] * np.array([entry.compared.a[unit] for unit in units])
        b = BETTER[entry.measure.name] * np.array([entry.compared.b[unit] for unit in units])
        key, alpha = digest([pair.one, pair.other, entry.measure.name]), found.cell.protocol.alpha
        yield "loss", f"{entry.measure.name}: P(arm better)", "probability", "", _probability(a, b, key, alpha)
        gap = BETTER[entry.measure.name] * (_iqm(a) - _iqm(b))
        unit = entry.measure.unit if entry.measure.scale == "difference" else "log"
        estimate = Estimate(gap, math.nan, math.nan, math.nan, len(units))
        yield "loss", f"{entry.measure.name}: IQM difference", "iqm difference", unit, estimate


def _probability(a: NDArray[np.float64], b: NDArray[np.float64], key: str, alpha: float) -> Estimate:
    """Return P(A > B), ties half, over pairs of one seed, with the ends of its bootstrap over seeds."""
    import numpy as np

    if not (np.isfinite(a) & np.isfinite(b)).all():
        return Estimate(math.nan, math.nan, math.nan, math.nan, len(a))
    wins = np.where(a == b, 0.5, (a > b).astype(float))
    random = np.random.default_rng(int(key[:8], 16))
    drawn = wins[random.integers(0, len(wins), (DRAWS, len(wins)))].mean(axis=1)
    low, high = np.quantile(drawn, [alpha, 1 - alpha])
    if low == high:  # a bootstrap of equal outcomes says nothing of other seeds
        low, high = map(float, clopper_pearson(wins.mean(), len(wins), 1 - 2 * alpha))
    return Estimate(float(wins.mean()), float(low), float(high), float(drawn.std(ddof=1)), len(wins))


def _iqm(values: NDArray[np.float64]) -> float:
    """Return the mean of the middle half."""
    from scipy.stats import trim_mean

    return float(trim_mean(values, 0.25))


def _of_probes(sources: Sources, pair: Pair) -> Iterator[tuple[str, str, str, str, Estimate]]:
    cell = sources.cell
    kappa = sources.distances(KAPPA)
    alike = None if kappa is None else sources.between(kappa, Measure(KAPPA, "function", "excess", ""), pair)
    if isinstance(alike, Matrices) and len(alike.units) >= FEWEST:
        yield "function", "Cohen's kappa of errors, between the arms", "mean", "", alike.distance(cell.protocol.alpha)
    for facet, prefixes in PREFIXES.items():
        names = sorted(sources.names(PROBES[facet]))
        wanted = [name for name in names if name.startswith(prefixes) and not name.startswith(NO_DISTANCES)]
        for name in wanted:
            if name in cell.protocol.primaries[facet]:
                continue
            barrier = facet == "connectivity"
            scale = "excess" if barrier else "log rho"
            unit = ("train error" if name.endswith("error") else "nats") if barrier else ""
            found = sources.between(sources.probed(PROBES[facet], name), Measure(name, facet, scale, ""), pair)
            if not isinstance(found, Missing) and len(found.units) >= FEWEST:
                yield facet, name, scale, unit, found.estimate(cell.protocol.alpha)
