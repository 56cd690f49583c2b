"""Do the optimizers reach the same minimum? A statement per registered protocol and network, and one for all networks.

- Supported: similar in all facets.
- Value only: similar in loss and different in another facet, "equally good, not the same minima".
- Refuted: the loss is different.
- Inconclusive: anything else; the reasons say what is missing.
- No verdict: the design ranks the arms and compares no minima.

The word of a facet is that of the first look at which it has one, and is never taken back.

The statement on all networks together is theirs where they agree, else "mixed".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.course import Course, courses_of
from harness.verdict.protocol import FACETS, registered_protocols, standing_protocol
from harness.verdict.stating import Stated, pool_statements, state
from harness.verdict.tables.facets import look_columns

if TYPE_CHECKING:
    from pandas import DataFrame

STATEMENTS = ("statement", "statement_half_margins", "statement_double_margins")
SHARED = (
    "regime", "dataset", "look", "looks", "level", "replicates", "replicates_promised", "replicates_ended",
    "seeds_per_replicate",
)  # fmt: skip # columns that all networks have alike
LOOK_OF = "look_"  # before a facet: the column of the look at which it got its word
WHY_OF = "why_"  # before a facet: the column of the reason that it has no word
OF_ONE = ("aa", "different", "lines", "doubts", "reasons", *(f"{WHY_OF}{facet}" for facet in FACETS))  # of one network
COLUMNS = (
    "hash", "registered", "standing", "scope", "regime", "network", "statement", *FACETS,
    *(f"{LOOK_OF}{facet}" for facet in FACETS), *(f"{WHY_OF}{facet}" for facet in FACETS), "statement_half_margins", "statement_double_margins", "exploratory", "power",
    "arms", "look", "looks", "level", "replicates", "replicates_promised", "replicates_ended", "replicates_lost",
    "seeds_per_replicate", "twins", "trials", "aa", "different", "cells", "lines", "doubts", "reasons", "dataset",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``, ``registered`` when) and network, and a row of ``scope`` "pooled" for all.

    - ``standing`` is True for the one protocol whose verdict leads everywhere; the others stand beside it.
    - ``statement`` is supported, value only, refuted or inconclusive, for all networks also mixed, and "no verdict" where the
      design ranks the arms and compares no minima: one search of each arm, or an objective of its own for each. Two more columns have
      the statement at half and at twice the margins.
    - A column per facet is similar, different, inconclusive, not measured (which counts as inconclusive) or not applicable
      (left out); of connectivity also "not connected" or "upper bound only", which are no part of supported. It is adjusted
      within the facet; the statement is adjusted across facets too. ``look_FACET`` is the look at which it got its word, NaN
      without one, and ``why_FACET`` the gravest reason that it has none, "" where it has one.
    - ``look`` of ``looks`` is the last one reached, 0 before the first, with its ``level``. ``replicates`` count at it, of the
      ``replicates_promised`` at the last look, and ``replicates_ended`` are in the records. ``replicates_lost`` is the most
      that an arm has lost. Each replicate has a search of each arm and ``seeds_per_replicate``.
    - ``power`` is the probability that identical arms would come out similar by this design and the pairs that were measured.
      Below .5 the run is ``exploratory``.
    - ``trials`` is the smallest number of trials of an arm's first search.
    - ``aa`` and ``different`` say what the controls came to.
    - ``lines`` has a line per facet: its word, its look, and the pair that it rests on. ``doubts`` has a line per doubt, "kind:
      text", the gravest first. ``reasons`` has a line for each reason that a facet has no other word. A protocol whose search,
      controls or measurements are no longer those in the records is inconclusive.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    standing = standing_protocol(records.meta)
    for registered in registered_protocols(records.meta):
        protocol = {
            "hash": registered.protocol.hash, "registered": registered.when, "standing": registered == standing,
        }  # fmt: skip
        network_rows = [_network_row(records, course) for course in courses_of(records, registered)]
        if network_rows:
            rows += [{**protocol, **row} for row in (*network_rows, _pooled_row(network_rows))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _network_row(records: Records, course: Course) -> dict[str, Any]:
    stated: Stated = state(course)
    network = course.network
    return {
        "scope": "network",
        "regime": network.regime,
        "network": network.name,
        "statement": stated.statement,
        **stated.words,
        **{f"{LOOK_OF}{facet}": look or math.nan for facet, look in stated.looks.items()},
        **{f"{WHY_OF}{facet}": reason for facet, reason in stated.why.items()},
        "statement_half_margins": stated.half,
        "statement_double_margins": stated.double,
        "exploratory": stated.exploratory,
        "power": stated.power,
        "arms": len(network.arms),
        **look_columns(network),
        "replicates": len(network.replicates),
        "replicates_promised": network.protocol.most_replicates,
        "replicates_ended": network.ended,
        "replicates_lost": max((len(network.lost_replicates(arm)) for arm in network.arms), default=0),
        "seeds_per_replicate": network.protocol.seeds,
        "twins": max((len(network.twins.get(arm, {})) for arm in network.arms), default=0),
        "trials": min((int((records.trials["arm"] == arm).sum()) for arm in network.arms), default=0),
        "aa": stated.aa,
        "different": stated.different,
        "cells": network.name,
        "lines": "\n".join(stated.lines),
        "doubts": "\n".join(map(str, stated.doubts)),
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
        **{column: first[column] for column in SHARED},
        **{column: statement for column, (statement, _) in pooled.items()},
        **{f"{LOOK_OF}{facet}": max(row[f"{LOOK_OF}{facet}"] for row in rows) for facet in FACETS},
        "scope": "pooled",
        "network": first["network"] if single else f"all {len(rows)} networks",
        "exploratory": any(row["exploratory"] for row in rows),
        "power": min((row["power"] for row in rows), default=math.nan),
        **{column: max(row[column] for row in rows) for column in ("arms", "replicates_lost")},
        **{column: min(row[column] for row in rows) for column in ("twins", "trials")},
        **{column: first[column] if single else "" for column in OF_ONE},
        "cells": pooled["statement"][1] or names,
    }


MEANINGS = {  # of the columns that are not the same in every table
    **{facet: f"what the facet {facet} came to: similar, different, inconclusive or another word" for facet in FACETS},
    **{f"{LOOK_OF}{facet}": f"the look at which the facet {facet} got its word; NaN without one" for facet in FACETS},
    **{f"{WHY_OF}{facet}": f"the gravest reason that the facet {facet} has no word" for facet in FACETS},
    "registered": "when the protocol was registered",
    "standing": "whether this protocol's verdict leads",
    "scope": "network, or pooled for all",
    "regime": "how the networks were trained",
    "statement": "supported, value only, refuted, inconclusive, mixed or no verdict",
    "statement_half_margins": "the statement at half the margins",
    "statement_double_margins": "the statement at twice the margins",
    "exploratory": "whether identical arms would come out similar less often than not",
    "power": "the probability that identical arms would come out similar",
    "arms": "how many arms",
    "replicates_promised": "replicates at the last look",
    "replicates_ended": "replicates in the records",
    "replicates_lost": "the most that an arm has lost",
    "seeds_per_replicate": "seeds of each replicate",
    "twins": "twins of each arm",
    "trials": "the smallest number of trials of an arm's first search",
    "aa": "what the A/A control came to",
    "different": "what the known-different control came to",
    "cells": "what was compared, in words",
    "lines": "a line for each facet",
    "doubts": "a line for each doubt, the gravest first",
    "reasons": "a line for each reason that a facet has no other word",
    "dataset": "the dataset",
}
ANALYSIS = Analysis(name="verdict", compute=compute, columns=MEANINGS)
