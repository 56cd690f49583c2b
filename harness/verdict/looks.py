"""Which look a comparison has reached, and whether more replicates could still bring a word."""

from __future__ import annotations

from harness.records import Records
from harness.verdict.course import courses_of
from harness.verdict.protocol import Registered, standing_protocol
from harness.verdict.replicates import ended_replicates, reached_look

__all__ = ["ended_replicates", "reached_look", "settled"]


def settled(records: Records, registered: Registered | None = None) -> bool:
    """Return whether the comparison is over: no replicate more could bring a word that is missing.

    It is over at the last look, and at an earlier one where every facet has its word or can get none. It is not over before
    the first look. The records must hold what the probes measured of the replicates that count. It goes by the protocol that
    is ``registered``; by the standing one where none is given. Without a protocol there is nothing to wait for.
    """
    registered = registered or standing_protocol(records.meta)
    if registered is None:
        return True
    courses = courses_of(records, registered)
    return bool(courses) and all(course.settled for course in courses)
