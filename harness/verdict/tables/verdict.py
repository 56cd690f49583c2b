"""Do the optimizers reach the same minimum? One statement per registered protocol and network, and one for all networks.

Supported: similar in all facets. Value only: similar in loss and different in another facet, "equally good, not the same
minima". Refuted: the loss is different. Inconclusive: anything else, and the reasons say what is missing. Pooled over
networks it is their statement where they agree, else "mixed".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.alarmed import alarmed
from harness.verdict.design import Cell, cells
from harness.verdict.judging import Examined, examine
from harness.verdict.protocol import registered_protocols, standing_protocol
from harness.verdict.stating import CONDITIONAL, Stated, claim, pooled, state

if TYPE_CHECKING:
    from pandas import DataFrame

FACETS = ("loss", "function", "representation", "connectivity", "geometry")
COLUMNS = (
    "hash", "registered", "standing", "scope", "regime", "network", "statement", *FACETS, "statement_half_margins",
    "statement_double_margins", "exploratory", "power", "arms", "seeds", "seeds_promised", "searches", "twins", "trials", "claim",
    "aa", "different", "cells", "reasons", "dataset",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``, ``registered`` when) and network, and a row of ``scope`` "pooled" for all.

    ``standing`` is True for the one protocol whose verdict leads everywhere; the others stand beside it.

    The ``statement`` is supported, value only, refuted or inconclusive, of all networks also mixed; the same at half and at
    twice the margins. Each facet's column is similar, different, inconclusive, not measured (counts as inconclusive) or not
    applicable (left out), adjusted within the facet; the statement adjusts across facets too. ``power`` is the probability
    that identical arms would come out similar by this design and the pairs that were measured, below .5 the run is
    ``exploratory``. ``trials`` is the smallest number of an arm. ``claim`` says what is about optimizers: the loss, with
    3 ``searches``; all else is conditional on hyperparameters. A protocol whose search, controls or measurements are no
    longer those in the records is inconclusive. ``aa`` and ``different``
    say what the controls came to. ``reasons`` has a line per reason, limit or missing measurement.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    standing = standing_protocol(records.meta)
    for registered in registered_protocols(records.meta):
        alarms = alarmed(records, registered)
        about = {
            "hash": registered.protocol.hash,
            "registered": registered.when,
            "standing": registered == standing,
        }
        mine = [
            {**about, **_row(records, cell, examine(records, cell, alarms))}
            for cell in cells(records, registered.protocol)
        ]
        rows += [*mine, {**about, **_pooled(mine)}] if mine else []
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, cell: Cell, found: Examined) -> dict[str, Any]:
    stated: Stated = state(found)
    return {
        "scope": "network",
        "regime": cell.regime,
        "network": cell.network,
        "statement": stated.statement,
        **stated.labels,
        "statement_half_margins": stated.half,
        "statement_double_margins": stated.double,
        "exploratory": stated.exploratory,
        "power": stated.power,
        "arms": len(cell.arms),
        "seeds": len(cell.seeds),
        "seeds_promised": cell.protocol.seeds,
        "searches": found.searches,
        "twins": max((len(cell.twins.get(arm, {})) for arm in cell.arms), default=0),
        "trials": min((int((records.trials["arm"] == arm).sum()) for arm in cell.arms), default=0),
        "claim": claim(found),
        "aa": stated.aa,
        "different": stated.different,
        "cells": cell.network,
        "reasons": "\n".join(stated.reasons),
        "dataset": str(records.meta.data["name"]),
    }


def _pooled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of all networks: their statement, or "mixed", with the cells that differ."""
    first = rows[0]
    found = {key: pooled([(row["network"], row[key]) for row in rows]) for key in _STATEMENTS}
    facets = {facet: pooled([(row["network"], row[facet]) for row in rows])[0] for facet in FACETS}
    powers = [row["power"] for row in rows]
    return {
        **{key: first[key] for key in ("regime", "seeds_promised", "dataset")},
        **{key: statement for key, (statement, _) in found.items()},
        **facets,
        "scope": "pooled",
        "network": f"all {len(rows)} networks" if len(rows) > 1 else first["network"],
        "exploratory": any(row["exploratory"] for row in rows),
        "power": min(powers, default=math.nan),
        "arms": max(row["arms"] for row in rows),
        "seeds": min(row["seeds"] for row in rows),
        "searches": min(row["searches"] for row in rows),
        "twins": min(row["twins"] for row in rows),
        "trials": min(row["trials"] for row in rows),
        "claim": first["claim"] if len({row["claim"] for row in rows}) == 1 else CONDITIONAL,
        "aa": first["aa"] if len(rows) == 1 else "",
        "different": first["different"] if len(rows) == 1 else "",
        "cells": found["statement"][1] or "; ".join(row["network"] for row in rows),
        "reasons": first["reasons"] if len(rows) == 1 else "",
    }


_STATEMENTS = ("statement", "statement_half_margins", "statement_double_margins")


ANALYSIS = Analysis(name="verdict", compute=compute)
