"""What listeners are told when a run is over: the verdict that stands, and the reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.plugin.runs import digest
from harness.results.reports import Written
from harness.verdict.protocol import FACETS
from harness.verdict.reading import read_verdicts


def last_occurrences(written: Written) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of the occurrences of a run that is over. Their keys come from their values, so another verdict is told."""
    verdicts = read_verdicts(written.results.records.meta, written.results.tables)
    networks = []
    for network in verdicts[0].networks if verdicts else ():
        words = {name: str(network.row[name]) for name in ("network", "statement", *FACETS)}
        networks.append({**words, "lines": network.lines})
    if networks:
        yield _occurrence("verdict", {"networks": networks}, networks)
    files = {"files": [str(file.absolute()) for file in written.files]}
    yield _occurrence("report", files, [*(file.name for file in written.files), networks])


def _occurrence(kind: str, values: Mapping[str, Any], made_of: Any) -> Mapping[str, Any]:
    return {"kind": kind, "key": f"{kind} {digest(made_of)[:16]}", "values": values}
