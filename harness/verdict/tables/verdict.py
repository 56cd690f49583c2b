"""Do the optimizers reach the same minimum? A statement per registered protocol and network, and one for all networks.

- Supported: similar in all facets.
- Value only: similar in loss and different in another facet, "equally good, not the same minima".
- Refuted: the loss is different.
- Inconclusive: anything else; the reasons say what is missing.

The statement on all networks together is theirs where they agree, else "mixed".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.design import Network, networks_of
from harness.verdict.judging import Examined, examine
from harness.verdict.protocol import FACETS, registered_protocols, standing_protocol
from harness.verdict.stating import CONDITIONAL, Stated, claim, pool_statements, state
from harness.verdict.tuning import raised_alarms

if TYPE_CHECKING:
    from pandas import DataFrame

STATEMENTS = ("statement", "statement_half_margins", "statement_double_margins")
LOOK_OF = "look_"  # before a facet: the column of the look at which it got its word
COLUMNS = (
    "hash", "registered", "standing", "scope", "regime", "network", "statement", *FACETS,
    *(f"{LOOK_OF}{facet}" for facet in FACETS), "statement_half_margins", "statement_double_margins", "exploratory", "power",
    "arms", "look", "looks", "level", "replicates", "replicates_promised", "replicates_ended", "replicates_lost",
    "seeds_per_replicate", "twins", "trials", "aa", "different", "cells", "lines", "doubts", "reasons", "dataset",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``, ``registered`` when) and network, and a row of ``scope`` "pooled" for all.

    - ``standing`` is True for the one protocol whose verdict leads everywhere; the others stand beside it.
    - ``statement`` is supported, value only, refuted or inconclusive, and for all networks also mixed. Two more columns have
      the statement at half and at twice the margins.
    - A column per facet is similar, different, inconclusive, not measured (which counts as inconclusive) or not applicable
      (left out). It is adjusted within the facet; the statement is adjusted across facets too.
    - ``power`` is the probability that identical arms would come out similar by this design and the pairs that were measured.
      Below .5 the run is ``exploratory``.
    - ``trials`` is the smallest number of trials of an arm, ``seeds`` and ``searches`` are per arm.
    - ``claim`` says what the statement is about: with 3 ``searches`` the loss compares optimizers, and everything else is
      conditional on hyperparameters.
    - ``aa`` and ``different`` say what the controls came to.
    - ``reasons`` has a line per reason, limit or missing measurement. A protocol whose search, controls or measurements are
      no longer those in the records is inconclusive.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    standing = standing_protocol(records.meta)
    for registered in registered_protocols(records.meta):
        alarms = raised_alarms(records, registered)
        protocol = {
            "hash": registered.protocol.hash, "registered": registered.when, "standing": registered == standing,
        }  # fmt: skip
        networks = networks_of(records, registered.protocol)
        network_rows = [_network_row(records, network, examine(records, network, alarms)) for network in networks]
        if network_rows:
            rows += [{**protocol, **row} for row in (*network_rows, _pooled_row(network_rows))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _network_row(records: Records, network: Network, examined: Examined) -> dict[str, Any]:
    stated: Stated = state(examined)
    return {
        "scope": "network",
        "regime": network.regime,
        "network": network.name,
        "statement": stated.statement,
        **stated.labels,
        "statement_half_margins": stated.half,
        "statement_double_margins": stated.double,
        "exploratory": stated.exploratory,
        "power": stated.power,
        "arms": len(network.arms),
        "seeds": len(network.seeds),
        "seeds_promised": network.protocol.seeds,
        "searches": examined.searches,
        "twins": max((len(network.twins.get(arm, {})) for arm in network.arms), default=0),
        "trials": min((int((records.trials["arm"] == arm).sum()) for arm in network.arms), default=0),
        "claim": claim(examined),
        "aa": stated.aa,
        "different": stated.different,
        "cells": network.name,
        "reasons": "\n".join(stated.reasons),
        "dataset": str(records.meta.data["name"]),
    }


def _pooled_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of all networks: their statement, or "mixed", with the networks of each statement."""
    first, single = rows[0], len(rows) == 1
    pooled = {}
    for column in (*STATEMENTS, *FACETS):
        pooled[column] = pool_statements([(row["network"], row[column]) for row in rows])
    names = "; ".join(row["network"] for row in rows)
    return {
        **{column: first[column] for column in ("regime", "seeds_promised", "dataset")},
        **{column: statement for column, (statement, _) in pooled.items()},
        "scope": "pooled",
        "network": first["network"] if single else f"all {len(rows)} networks",
        "exploratory": any(row["exploratory"] for row in rows),
        "power": min((row["power"] for row in rows), default=math.nan),
        "arms": max(row["arms"] for row in rows),
        **{column: min(row[column] for row in rows) for column in ("seeds", "searches", "twins", "trials")},
        "claim": first["claim"] if len({row["claim"] for row in rows}) == 1 else CONDITIONAL,
        "aa": first["aa"] if single else "",
        "different": first["different"] if single else "",
        "cells": pooled["statement"][1] or names,
        "reasons": first["reasons"] if single else "",
    }


ANALYSIS = Analysis(name="verdict", compute=compute)
