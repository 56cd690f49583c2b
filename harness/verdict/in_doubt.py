"""Which arms may not be called worse: their searches raised an alarm that the verdict has not weighed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugin.meta import Meta
from harness.verdict import tuning
from harness.verdict.gate import PASSED
from harness.verdict.reading import Row, read_verdicts

if TYPE_CHECKING:
    from pandas import DataFrame

LABEL = "inconclusive (tuning)"  # what such an arm is called
SETTLED = (
    "supported",
    "value only",
)  # statements with which every arm is equally good: the verdict has weighed the alarms


def arms_in_doubt(meta: Meta, tables: Mapping[str, DataFrame]) -> set[str]:
    """Return the arms that are "inconclusive (tuning)"; none where there is no table of alarms."""
    table = tables.get(tuning.ANALYSIS.name)
    if table is None or table.empty:
        return set()
    alarmed = {str(arm) for arm in table.loc[table["state"] == "alarm", "arm"]}
    return {arm for arm in alarmed if not verdict_stands(meta, tables, arm)}


def verdict_stands(meta: Meta, tables: Mapping[str, DataFrame], arm: str) -> bool:
    """Return whether the verdict does not depend on an arm's alarms.

    So it is where the verdict calls the arms of the network equally good, and has so weighed their alarms, and where the arm is
    at the one minimum of a convex objective, whatever the other arms came to.
    """
    verdicts = read_verdicts(meta, tables)
    return any(
        network.row["statement"] in SETTLED
        or any(row["arm"] == arm and _at_the_one_minimum(row) for row in network.gate)
        for network in (verdicts[0].networks if verdicts else ())
        if arm.startswith(f"{network.network}/")
    )


def _at_the_one_minimum(row: Row) -> bool:
    """Return whether an arm is at the one minimum of a convex objective, by its row of the table ``gate``."""
    return bool(row["convex"]) and row["state"] == PASSED
