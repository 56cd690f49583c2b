"""Which replicates of a comparison have ended, and which look that makes.

A replicate has ended when every run of it has: of the arms, of the A/A arm and of the known-different arm. It need not have
ended well. An arm without any run in an ended replicate has lost it, because its search chose nothing.
"""

from __future__ import annotations

from harness.records import Records
from harness.verdict.protocol import Protocol

FRESH = "fresh"  # the role of an arm's own runs
CONTROLS = {"aa": "A/A", "different": "known different"}  # by role, in words
ENDED = ("done", "diverged", "failed")  # states of a run that has ended


def ended_replicates(records: Records, protocol: Protocol) -> int:
    """Return how many replicates have ended, counted from the first one without a gap."""
    rows = records.comparison
    if not len(rows):
        return 0
    is_fresh = (rows["role"] == FRESH) & rows["arm"].isin(protocol.arms)
    counted = rows[is_fresh | (rows["role"].isin(list(CONTROLS)) & rows["of"].isin(protocol.arms))]
    ended = counted["state"].isin(ENDED).groupby(counted["replicate"].astype(int)).all()
    count = 0
    while ended.get(count, False):
        count += 1
    return count


def replicate_of_run(records: Records) -> dict[str, int]:
    """Return the replicate of every comparison run that has one, by run_id; nobody may write to it."""
    return records.once("replicate of run", lambda: _replicate_of_run(records))


def _replicate_of_run(records: Records) -> dict[str, int]:
    rows = records.comparison
    if not len(rows):
        return {}
    return {str(run_id): int(number) for run_id, number in zip(rows["run_id"], rows["replicate"], strict=True)}


def reached_look(records: Records, protocol: Protocol) -> int:
    """Return the number of the last look that was reached, from 1; 0 where too few replicates have ended for the first."""
    return look_after(ended_replicates(records, protocol), protocol)


def look_after(replicates: int, protocol: Protocol) -> int:
    """Return the number of the last look at which so many replicates are enough, from 1; 0 where they are too few."""
    return sum(least <= replicates for least in protocol.looks)
