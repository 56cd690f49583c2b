"""Which arms were tuned too badly to be judged by their loss."""

from __future__ import annotations

from harness.records import Records
from harness.verdict import tuning as alarms
from harness.verdict.protocol import Registered


def alarmed(records: Records, registered: Registered) -> dict[str, list[str]]:
    """Return the alarms that went off, by arm, with the margins of a protocol; none before anything was compared."""
    if not len(records.comparison):
        return {}
    margins = tuple(sorted(registered.protocol.margins.items()))
    table = records.once(("alarms", margins), lambda: alarms.judged(records, registered))
    found: dict[str, list[str]] = {}
    for arm, alarm in table.loc[table["state"] == "alarm", ["arm", "alarm"]].itertuples(index=False):
        found.setdefault(str(arm), []).append(str(alarm))
    return found
