"""Every pair of arms on every primary measure: how far apart they are, how sure that is, and the label that it allows.

The unit is the seed, everywhere. There are five facets: loss, function, representation, connectivity, geometry. A pair is

- "similar" by an equivalence test against a margin that was registered beforehand, or where the distance is negligible;
- "different" by an exact permutation test, where the interval lies outside the margin as well;
- "inconclusive" otherwise.

docs/protocol.md explains every measure, and what would make it mislead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.design import networks_of
from harness.verdict.entries import DOUBLE, HALF, Entry
from harness.verdict.estimate_columns import estimate_columns
from harness.verdict.judging import Examined, examine, units_needed
from harness.verdict.measurements import Missing
from harness.verdict.protocol import registered_protocols
from harness.verdict.secondary import secondary_rows
from harness.verdict.stating import NOT_APPLICABLE, NOT_MEASURED, controls_text
from harness.verdict.tuning import raised_alarms

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "regime", "network", "facet", "measure", "primary", "arm", "other", "pair", "scale", "unit", "estimate", "low",
    "high", "se", "rho", "rho_low", "rho_high", "within", "within_other", "distance", "distance_high", "margin", "floor",
    "below_floor", "p_same", "p_different", "p_different_holm", "p_different_overall", "p_permuted", "p_within", "p_above",
    "p_below", "sd_searches", "sd_seeds", "single_different", "single_reverse", "label", "detail", "label_half_margin",
    "label_double_margin", "look", "looks", "level", "replicates", "replicates_lost", "replicates_needed", "covers",
    "controls",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure and pair of arms: ``arm`` and ``other``.

    - ``pair`` is "arms". For a control it is "aa" (one optimizer, tuned twice) or "different" (label noise), compared with
      the arm that it belongs to.
    - ``scale`` says what the ``estimate`` is. "difference" and "log ratio" are of numbers paired by seed, arm less other.
      "log rho" is the logarithm of the mean distance between the arms over that within them. "excess" is the first less the
      second.
    - ``low`` to ``high`` is the estimate's 1 - 2 alpha interval, and ``margin`` stands in the same scale. ``rho``,
      ``rho_low`` and ``rho_high`` are the exponentials of a logarithm and its ends.
    - ``within`` and ``within_other`` are the mean distances within the arms; of numbers, their SD over seeds. ``distance`` is
      that between the arms in ``unit``, ``distance_high`` the upper end of its interval, and ``below_floor`` whether that
      lies below the ``floor``.
    - ``p_same`` is of the equivalence test, ``p_different`` of the permutation test. Each is also adjusted within the facet
      (``_holm``), and the second one across facets (``_overall``).
    - ``label`` is similar, different, inconclusive, not measured or not applicable, with a ``detail``. Two more columns have
      the label at half and at twice the margin.
    - ``seeds`` were used, and ``seeds_missing`` of the promised ones have no result in one of the arms. With three searches
      of each arm the loss's ``seeds`` are searches, and ``unit_kind`` says so. ``seeds_needed`` of that kind would settle
      what is inconclusive; NaN where that is not known.
    - ``covers`` says what was compared, ``controls`` what the controls say of the facet.
    - Secondary measures have ``primary`` False and no label.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        alarms = raised_alarms(records, registered)
        for network in networks_of(records, registered.protocol):
            examined = examine(records, network, alarms)
            place = {"hash": registered.protocol.hash, "regime": network.regime, "network": network.name}
            rows += [{**place, **_row(examined, entry)} for entry in examined.entries]
            rows += [{**place, **row} for row in secondary_rows(records, examined)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(examined: Examined, entry: Entry) -> dict[str, Any]:
    """Return the columns of one pair on one measure."""
    row = {**_about(examined, entry), **estimate_columns(entry.estimate, entry.measure.scale)}
    compared = entry.compared
    if isinstance(compared, Missing):
        word = NOT_MEASURED if compared.applicable else NOT_APPLICABLE
        labels = dict.fromkeys(("label", "label_half_margin", "label_double_margin"), word)
        return {**row, **labels, "detail": compared.reason, "covers": "", "below_floor": False}
    judged = entry.judge_alone()
    within, within_other = compared.within()
    return {
        **row,
        "within": within,
        "within_other": within_other,
        "distance": entry.distance.value,
        "distance_high": entry.distance.high if math.isfinite(entry.distance.high) else math.nan,
        "below_floor": entry.below_floor,
        "p_same": entry.p.same.get(1.0, 1.0),
        "p_different": entry.p.different,
        "p_same_holm": entry.p.same_holm.get(1.0, 1.0),
        "p_different_holm": entry.p.different_holm,
        "p_different_overall": entry.p.different_overall,
        "label": judged.label,
        "detail": judged.detail or _basin_text(entry),
        "label_half_margin": entry.judge_alone(HALF).label,
        "label_double_margin": entry.judge_alone(DOUBLE).label,
        "seeds_needed": units_needed(entry) or math.nan,
        "covers": compared.covers,
    }


def _about(examined: Examined, entry: Entry) -> dict[str, Any]:
    """Return the columns that a pair has on every measure, measured or not."""
    measure, pair, network = entry.measure, entry.pair, entry.network
    one, other = network.done_runs(pair.one), network.done_runs(pair.other)
    return {
        "facet": measure.facet,
        "measure": measure.name,
        "primary": True,
        "arm": pair.one,
        "other": pair.other,
        "pair": pair.kind,
        "scale": measure.scale,
        "unit": measure.unit,
        "margin": entry.margin().size,
        "floor": measure.floor_of(network.protocol) if measure.floor else math.nan,
        "seeds": entry.estimate.seeds,
        "seeds_missing": network.protocol.seeds - len(one.keys() & other.keys()),
        "unit_kind": entry.unit_kind,
        "controls": controls_text(examined, measure.facet),
    }


def _basin_text(entry: Entry) -> str:
    """Return that the networks of both arms lie in one basin, where the barrier between them is surely below the margin."""
    margin = entry.margin().size
    in_one_basin = entry.measure.scale == "excess" and entry.distance.high < margin
    return f"one basin: the barrier between the arms is below {margin:g}" if in_one_basin else ""


ANALYSIS = Analysis(name="facets", compute=compute, reference="Schuirmann 1987, doi:10.1007/BF01068419")
