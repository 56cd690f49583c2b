"""Every pair of arms on every primary measure: how far apart they are, how sure that is, and the label that it allows.

The unit is the replicate, everywhere: a search of each arm, and the seeds that it was trained under. There are five facets:
loss, function, representation, connectivity, geometry. A pair is

- "similar" by an equivalence test against a margin that was registered beforehand, or where the distance is negligible;
- "different" by a minimum-effect test against the same margin; for distances permuted names must say so too;
- "inconclusive" otherwise.

docs/protocol.md explains every measure, and what would make it mislead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.posterior import posterior
from harness.verdict.course import Course, courses_of
from harness.verdict.design import Network
from harness.verdict.entries import DOUBLE, HALF, Entry
from harness.verdict.estimate_columns import estimate_columns
from harness.verdict.judging import Examined, needed
from harness.verdict.measurements import Missing
from harness.verdict.paired_numbers import PairedNumbers
from harness.verdict.protocol import registered_protocols
from harness.verdict.secondary import secondary_rows
from harness.verdict.stating import NOT_APPLICABLE, NOT_MEASURED, controls_text

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "regime", "network", "facet", "measure", "primary", "arm", "other", "pair", "scale", "unit", "estimate", "low",
    "high", "se", "rho", "rho_low", "rho_high", "within", "within_other", "distance", "distance_high", "margin", "floor",
    "below_floor", "barred", "p_same", "p_different", "p_different_holm", "p_different_overall", "p_permuted", "p_within", "p_above",
    "p_below", "sd_searches", "sd_seeds", "single_different", "single_reverse", "label", "detail", "label_half_margin",
    "label_double_margin", "look", "looks", "level", "replicates", "replicates_lost", "replicates_needed", "covers",
    "controls",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure and pair of arms: ``arm`` and ``other``.

    - ``pair`` is "arms". For a control it is "aa" (one optimizer, tuned twice) or "different" (label noise), compared with
      the arm that it belongs to.
    - ``scale`` says what the ``estimate`` is. "difference" and "log ratio" are of numbers paired by replicate, arm less other.
      "log rho" is the logarithm of the mean distance between the arms over that within them, "log scatter" of that within
      arm over that within other. "barrier" is the mean distance between the arms, and "excess" that less the mean within them.
    - ``low`` to ``high`` is the estimate's 1 - 2 ``level`` interval, and ``margin`` stands in the same scale. ``rho``,
      ``rho_low`` and ``rho_high`` are the exponentials of a logarithm and its ends.
    - ``within`` and ``within_other`` are the mean distances within the arms; of numbers, their SD over replicates. ``distance``
      is that between the arms in ``unit``, ``distance_high`` the upper end of its interval, and ``below_floor`` whether that
      lies below the ``floor``. ``barred`` is whether the gate, an alarm or the design allows the pair no word at all.
    - ``p_same`` is of the equivalence test, ``p_different`` of the minimum-effect test, adjusted by Holm within the facet
      (``_holm``) and across facets (``_overall``). ``p_permuted`` is of the arms' names, permuted over all replicates; NaN for
      numbers, scatter and barriers, which are not tested so.
    - ``p_within``, ``p_above`` and ``p_below`` are the probabilities that the truth lies within the margin, above it and below
      minus the margin. ``sd_searches`` and ``sd_seeds`` say how much numbers scatter between searches, and between the seeds
      of one search. ``single_different`` and ``single_reverse`` are the parts of all pairs of single searches that would have
      called a difference, to the side of the estimate and to the other. They decide nothing.
    - ``label`` is similar, different, inconclusive, not measured or not applicable, with a ``detail``. Two more columns have
      the label at half and at twice the margin.
    - ``look`` of ``looks`` is where these numbers were taken: where the facet got its word, else the last one reached; 0 before
      the first. ``replicates`` were used, and either arm has lost ``replicates_lost``. ``replicates_needed`` would settle what
      is inconclusive; NaN where that is not known.
    - ``covers`` says what was compared, ``controls`` what the controls say of the facet.
    - Secondary measures have ``primary`` False and no label.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for course in courses_of(records, registered):
            network = course.network
            place = {"hash": registered.protocol.hash, "regime": network.regime, "network": network.name}
            rows += [{**place, **row} for row in _rows(course)]
            rows += [{**place, **row} for row in secondary_rows(records, course)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(course: Course) -> list[dict[str, Any]]:
    """Return a row per pair and primary measure, each facet as it stood at its own look."""
    facets = dict.fromkeys(entry.measure.facet for entry in course.last.entries)
    looks = {facet: course.shown(facet) for facet in facets}  # once a facet, for it judges every pair
    entries = {(facet, entry.key): entry for facet, look in looks.items() for entry in look.entries}
    rows = []
    for entry in course.last.entries:
        facet = entry.measure.facet
        rows.append(_row(looks[facet], entries[facet, entry.key]))
    return rows


def _row(examined: Examined, entry: Entry) -> dict[str, Any]:
    """Return the columns of one pair on one measure."""
    row = {**_about(examined, entry), **estimate_columns(entry.estimate, entry.measure.scale)}
    compared = entry.compared
    if isinstance(compared, Missing):
        word = NOT_MEASURED if compared.applicable else NOT_APPLICABLE
        labels = dict.fromkeys(("label", "label_half_margin", "label_double_margin"), word)
        return {**row, **labels, "detail": compared.reason, "covers": "", "below_floor": False, "barred": True}
    judged = entry.judge_in_facet()
    within, within_other = compared.within()
    return {
        **row,
        "within": within,
        "within_other": within_other,
        "distance": entry.distance.value,
        "distance_high": entry.distance.high if math.isfinite(entry.distance.high) else math.nan,
        "below_floor": entry.below_floor,
        "barred": entry.barred,
        "p_same": entry.p.same.get(1.0, 1.0),
        "p_different": entry.p.different.get(1.0, 1.0),
        "p_different_holm": entry.p.different_holm.get(1.0, 1.0),
        "p_different_overall": entry.p.different_overall.get(1.0, 1.0),
        "p_permuted": entry.p.names or math.nan,
        **_beside(entry),
        "label": judged.label,
        "detail": judged.detail,
        "label_half_margin": entry.judge_in_facet(HALF).label,
        "label_double_margin": entry.judge_in_facet(DOUBLE).label,
        "replicates_needed": needed(examined, entry) or math.nan,
        "covers": compared.covers,
    }


def _beside(entry: Entry) -> dict[str, float]:
    """Return the columns that stand beside a label and decide nothing."""
    beliefs = posterior(entry.estimate, entry.margin())
    columns = {"p_within": beliefs.within, "p_above": beliefs.above, "p_below": beliefs.below}
    if isinstance(entry.compared, PairedNumbers) and len(entry.compared.units) > 1:
        scatter, singles = entry.compared.scatter(), entry.compared.single_searches(entry.margin())
        columns |= {"sd_searches": scatter.searches, "sd_seeds": scatter.seeds}
        columns |= {"single_different": singles.different, "single_reverse": singles.reverse}
    return columns


def _about(examined: Examined, entry: Entry) -> dict[str, Any]:
    """Return the columns that a pair has on every measure, measured or not."""
    measure, pair, network = entry.measure, entry.pair, entry.network
    lost = network.lost_replicates(pair.one).keys() | network.lost_replicates(pair.other).keys()
    return {
        "facet": measure.facet,
        "measure": measure.name,
        "primary": True,
        "arm": pair.one,
        "other": pair.other,
        "pair": pair.kind,
        "scale": measure.scale,
        "unit": measure.distances_in(network.protocol).unit,
        "margin": entry.margin().size,
        "floor": measure.floor_of(network.protocol) or math.nan,
        **look_columns(network),
        "replicates": entry.estimate.replicates,
        "replicates_lost": len(lost),
        "controls": controls_text(examined, measure.facet),
    }


def look_columns(network: Network) -> dict[str, Any]:
    """Return the columns of the look that a network stands at."""
    return {"look": network.look, "looks": len(network.protocol.looks), "level": network.level}


MEANINGS = {  # of the columns that are not the same in every table
    "regime": "how the networks were trained",
    "primary": "whether it has a part in the verdict",
    "pair": "arms, or the role of a control",
    "scale": "what the estimate is: difference, log ratio, log rho, log scatter, barrier or excess",
    "estimate": "the estimate, in the scale",
    "rho": "the exponential of a logarithm",
    "rho_low": "its lower end",
    "rho_high": "its upper end",
    "within": "the mean distance within the arm; of numbers, their standard deviation",
    "within_other": "the same of the other arm",
    "distance": "the mean distance between the arms",
    "distance_high": "the upper end of its interval",
    "floor": "the distance below which two networks count as the same",
    "below_floor": "whether the distance is below the floor",
    "barred": "whether the gate, an alarm or the design allows the pair no word",
    "p_same": "the p value of the equivalence test",
    "p_different": "the p value of the minimum-effect test",
    "p_different_holm": "the same, adjusted within the facet",
    "p_different_overall": "the same, adjusted across facets too",
    "p_permuted": "the p value of a permutation of the arms' names",
    "p_within": "the probability that the truth lies within the margin",
    "p_above": "the probability that it lies above the margin",
    "p_below": "the probability that it lies below minus the margin",
    "sd_searches": "the scatter between searches",
    "sd_seeds": "the scatter between seeds of one search",
    "single_different": "the part of all pairs of single searches that would have called the difference",
    "single_reverse": "the part that would have called it the other way round",
    "label": "similar, different, inconclusive, not measured or not applicable",
    "detail": "what to know about the label",
    "label_half_margin": "the label at half the margin",
    "label_double_margin": "the label at twice the margin",
    "replicates_lost": "replicates that either arm has lost",
    "replicates_needed": "how many replicates would settle it; NaN where that is not known",
    "covers": "what was compared",
    "controls": "what the controls say of the facet",
}
ANALYSIS = Analysis(
    name="facets", compute=compute, reference="Schuirmann 1987, doi:10.1007/BF01068419", columns=MEANINGS
)
