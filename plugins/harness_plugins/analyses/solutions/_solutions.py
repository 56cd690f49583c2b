"""The solutions that a report shows side by side: every run that ended well of the arms and of their controls, by network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import Records, standing_protocol
from harness.verdict.design import Cell
from harness.verdict.design import cells as cells_of
from harness.verdict.measurements import Sources


def networks(records: Records) -> list[Sources]:
    """Return what was measured of each network, of the arms and seeds of the standing protocol; none without a comparison."""
    return records.once("networks of solutions", lambda: _networks(records))


def _networks(records: Records) -> list[Sources]:
    standing = standing_protocol(records.meta)
    found = [Sources(records, cell) for cell in cells_of(records, standing.protocol)] if standing else []
    return [sources for sources in found if sources.runs]


def solutions(cell: Cell) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield arm, seed and run of every solution, by arm and then by seed, the controls last: the order of ``Sources.runs``."""
    for name in (*cell.arms, *cell.controls):
        for seed, row in cell.done(name).items():
            yield name, seed, row


def kind_of(cell: Cell, arm: str) -> str:
    """Return "arm", or the role of a control."""
    return cell.controls[arm][0] if arm in cell.controls else "arm"
