"""Which arms may not be called worse: their searches raised an alarm that the verdict has not weighed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.plugin.meta import Meta
from harness.verdict import tuning
from harness.verdict.reading import read_verdicts

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
    """Return whether the verdict on the arm's network calls its arms equally good, and has so weighed their alarms."""
    verdicts = read_verdicts(meta, tables)
    free = meta.benchmark["search"].get("objective", "common") != "common"
    if not verdicts or free or int(verdicts[0].pooled["replicates_promised"]) == 1:
        return False
    return any(
        network.row["statement"] in SETTLED and arm.startswith(f"{network.network}/")
        for network in verdicts[0].networks
    )
