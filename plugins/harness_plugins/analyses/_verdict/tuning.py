"""Which arms were tuned too badly to be judged by their loss."""

from __future__ import annotations

from harness import Records
from harness_plugins.analyses import alarms
from harness_plugins.analyses._once import once


def alarmed(records: Records) -> dict[str, list[str]]:
    """Return the alarms that went off, by arm."""
    table = once(records, "alarms", lambda: alarms.compute(records))
    found: dict[str, list[str]] = {}
    for arm, alarm in table.loc[table["state"] == "alarm", ["arm", "alarm"]].itertuples(index=False):
        found.setdefault(str(arm), []).append(str(alarm))
    return found
