"""Every pair of arms on every primary measure: how far apart, how sure, and what may be said of it.

The unit is the seed, everywhere. Five facets: loss, function, representation, connectivity, geometry. "similar" is said by
an equivalence test against a margin that was registered beforehand, or where the distance itself is negligible; "different"
by an exact permutation test whose interval lies outside the margin; all else is inconclusive. docs/protocol.md explains
every measure, and what would make it lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.alarmed import alarmed
from harness.verdict.columns import numbers
from harness.verdict.design import cells
from harness.verdict.judging import DOUBLE, HALF, Entry, Examined, examine, needed
from harness.verdict.measurements import Missing
from harness.verdict.protocol import registered_protocols
from harness.verdict.secondary import secondary
from harness.verdict.stating import NOT_APPLICABLE, NOT_MEASURED, controls_text

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "regime", "network", "facet", "measure", "primary", "arm", "other", "pair", "scale", "unit", "estimate", "low",
    "high", "se", "rho", "rho_low", "rho_high", "within", "within_other", "distance", "distance_high", "margin", "floor",
    "below_floor", "p_same", "p_different", "p_same_holm", "p_different_holm", "p_different_overall", "label", "detail",
    "label_half_margin", "label_double_margin", "seeds", "seeds_missing", "seeds_needed", "unit_kind", "covers",
    "controls",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure and pair of arms: ``arm`` and ``other``.

    ``pair`` is "arms", or for a control "aa" (one optimizer, tuned twice) or "different" (label noise), compared with the
    arm it belongs to. ``scale`` says what the ``estimate`` is: "difference" and "log ratio" of numbers paired by seed,
    arm less other; "log rho", the log of the mean distance between the arms over that within them, and "excess", the
    first less the second. ``low`` to ``high`` is its 1 - 2 alpha interval, ``margin`` stands in the same scale; ``rho``
    and its ends are exp of them, of the logs. ``within`` and ``within_other`` are the mean distances within the arms (of
    numbers: their SD over seeds), ``distance`` that between them in ``unit``, ``distance_high`` the upper end of its
    interval, ``below_floor`` whether that lies below the ``floor``. ``p_same`` is of the equivalence test, ``p_different``
    of the permutation test, each also adjusted within the facet (``_holm``), the latter across facets (``_overall``).
    ``label`` is similar, different, inconclusive, not measured or not applicable, with a ``detail``, and what it would
    be at half and at twice the margin. ``seeds`` were used and ``seeds_missing`` of the promised ones have no result in
    one of the arms; with three searches of each arm the loss's ``seeds`` are searches, and ``unit_kind`` says so;
    ``seeds_needed`` of that kind would settle what is inconclusive, NaN where that is not known. ``covers`` says what
    was compared, ``controls`` what the controls say of the facet. Secondary measures have ``primary`` False and no label.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        alarms = alarmed(records, registered)
        for cell in cells(records, registered.protocol):
            found = examine(records, cell, alarms)
            about = {"hash": registered.protocol.hash, "regime": cell.regime, "network": cell.network}
            rows += [{**about, **row} for row in (*_rows(found), *secondary(records, found))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(found: Examined) -> Iterator[dict[str, Any]]:
    for entry in found.entries:
        judged, compared = entry.holm(), entry.compared
        row = {**_about(found, entry), **numbers(entry.estimate, entry.measure.scale)}
        if isinstance(compared, Missing):
            word = NOT_MEASURED if compared.applicable else NOT_APPLICABLE
            words = dict.fromkeys(("label", "label_half_margin", "label_double_margin"), word)
            yield {**row, **words, "detail": compared.reason, "covers": "", "below_floor": False}
            continue
        within, within_other = compared.within()
        yield {
            **row,
            "within": within,
            "within_other": within_other,
            "distance": entry.distance.value,
            "distance_high": entry.distance.high if math.isfinite(entry.distance.high) else math.nan,
            "below_floor": entry.below_floor,
            "p_same": entry.p_same.get(1.0, 1.0),
            "p_different": entry.p_different,
            "p_same_holm": entry.p_same_holm.get(1.0, 1.0),
            "p_different_holm": entry.p_different_holm,
            "p_different_overall": entry.p_different_overall,
            "label": judged.label,
            "detail": judged.detail or _basin(entry),
            "label_half_margin": entry.holm(HALF).label,
            "label_double_margin": entry.holm(DOUBLE).label,
            "seeds_needed": needed(entry, found.cell.rivals) or math.nan,
            "covers": compared.covers,
        }


def _basin(entry: Entry) -> str:
    """Return whether the networks of both arms lie in one basin: the barrier between them is below the margin for sure."""
    margin = entry.margin().size
    one = entry.measure.scale == "excess" and entry.distance.high < margin
    return f"one basin: the barrier between the arms is below {margin:g}" if one else ""


def _about(found: Examined, entry: Entry) -> dict[str, Any]:
    measure, pair, cell = entry.measure, entry.pair, found.cell
    runs = [cell.done(arm) for arm in (pair.one, pair.other)]
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
        "floor": measure.floor_of(cell.protocol) if measure.floor else math.nan,
        "seeds": entry.estimate.seeds,
        "seeds_missing": cell.protocol.seeds - len(runs[0].keys() & runs[1].keys()),
        "unit_kind": entry.unit_kind,
        "controls": controls_text(found, measure.facet),
    }


ANALYSIS = Analysis(name="facets", compute=compute, reference="Schuirmann 1987, doi:10.1007/BF01068419")
