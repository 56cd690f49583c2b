"""What a single replicate does to an estimate: every primary estimate again, without each replicate in turn.

An odd network can hide a difference or make one. This table shows which one would; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.course import Course, courses_of
from harness.verdict.measurements import Missing
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "facet", "measure", "arm", "other", "scale", "look", "replicate", "estimate", "change", "margin",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, primary measure, pair of arms and ``replicate`` that is left out.

    ``estimate`` is that of the other replicates in the ``scale`` of the table ``facets``, and ``change`` is that less the
    estimate of all. The replicates are those of the look whose numbers stand in ``facets``. Controls have no rows, nor has a
    measure with fewer than three replicates.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for course in courses_of(records, registered):
            place = {"hash": registered.protocol.hash, "network": course.network.name}
            rows += [{**place, **row} for row in _rows(course)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(course: Course) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for facet in course.last.facets:
        examined = course.shown(facet)
        for entry in examined.entries_of(facet):
            if isinstance(entry.compared, Missing):
                continue
            place = {
                "facet": facet, "measure": entry.measure.name, "arm": entry.pair.one, "other": entry.pair.other,
                "scale": entry.measure.scale, "look": examined.network.look, "margin": entry.margin().size,
            }  # fmt: skip
            for replicate, estimate in entry.compared.influence().items():
                change = estimate - entry.estimate.value
                rows.append({**place, "replicate": replicate, "estimate": estimate, "change": change})
    return rows


MEANINGS = {  # of the columns that are not the same in every table
    "scale": "what the estimate is",
    "replicate": "the replicate that is left out",
    "estimate": "the estimate without it",
    "change": "that less the estimate of all",
}
ANALYSIS = Analysis(
    name="influence", compute=compute, reference="Efron and Stein 1981, doi:10.1214/aos/1176345462", columns=MEANINGS
)
