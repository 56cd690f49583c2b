"""Which look a comparison has reached, and whether more replicates could still bring a word."""

from __future__ import annotations

from harness.records import Records
from harness.verdict.design import networks_of
from harness.verdict.judging import Examined, examine
from harness.verdict.protocol import Protocol, standing_protocol
from harness.verdict.replicates import ended_replicates, reached_look
from harness.verdict.stating import facet_label
from harness.verdict.tuning import raised_alarms

__all__ = ["ended_replicates", "reached_look", "settled"]


def settled(records: Records) -> bool:
    """Return whether the comparison is over: no replicate more could bring a word that is missing.

    It is over at the last look, and at an earlier one where every facet has its word or can get none. It is not over before
    the first look. The records must hold what the probes measured of the replicates that count.
    """
    registered = standing_protocol(records.meta)
    if registered is None:
        return True
    protocol: Protocol = registered.protocol
    look = reached_look(records, protocol)
    if look in (0, len(protocol.looks)):
        return look > 0
    alarms = raised_alarms(records, registered)
    examined = [examine(records, network, alarms) for network in networks_of(records, protocol)]
    return all(_is_settled(network, facet) for network in examined for facet in network.facets)


def _is_settled(examined: Examined, facet: str) -> bool:
    """Return whether a facet has its word, or cannot get one."""
    barred = all("inconclusive" in entry.demotions for entry in examined.entries_of(facet) if entry.measured)
    return barred or facet_label(examined, facet) != "inconclusive"
