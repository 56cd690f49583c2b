"""The arms of a run compared with one of them, as a frame, as plain values and as lines: ``run.against`` and ``--against``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import RunFolderError
from harness.plugin.contracts import Results
from harness.plugin.registry import Registry
from harness.plugin.runs import short_arm_names
from harness.records.tables import plain_rows
from harness.results.analysis import own_tables
from harness.results.tables import differences
from harness.results.tables.against import beside, reference_arms, remarks, rows_against, sentence
from harness.verdict import tuning
from harness.verdict.in_doubt import arms_in_doubt
from harness.verdict.reading import TABLES

if TYPE_CHECKING:
    from pandas import DataFrame

ALONE = "There is no other arm to compare it with."


def compared_with(results: Results, registry: Registry, name: str | None = None) -> DataFrame:
    """Return the rows of ``rows_against`` for the arm of this name, for that of ``report.against`` or for the best one.

    The column ``sentence`` has a sentence in the rows of the deciding metric. Raises BenchmarkError for a name that no arm has.
    """
    records = results.records
    references = reference_arms(records, name)
    core = own_tables(results, [*TABLES, tuning.ANALYSIS, differences.ANALYSIS], registry)
    table = core.tables.get(differences.ANALYSIS.name)
    if table is None:
        raise RunFolderError(
            f"{records.folder}: must have a table of differences, got none: {'; '.join(core.problems)}"
        )
    rows = rows_against(table, references, arms_in_doubt(records.meta, core.tables))
    names, column = short_arm_names(records.meta.arms), records.deciding.column
    sentences_of_rows = [sentence(row, names) if row["measure"] == column else "" for row in rows.to_dict("records")]
    return rows.assign(sentence=sentences_of_rows)


def describe_against(results: Results, registry: Registry, name: str | None = None) -> dict[str, Any]:
    """Return the comparison with the arm that ``name`` or the file names, for JSON; nothing where neither does.

    ``references`` are the full names of the arms. ``arms`` has a sentence for each other arm, and ``beside``, a line with its
    other measures. A number in ``rows`` that is not known is absent.
    """
    records = results.records
    if name is None and not records.meta.benchmark.get("report", {}).get("against", ""):
        return {}
    rows = compared_with(results, registry, name)
    of_metric = rows["measure"] == records.deciding.column
    arms = []
    for row in rows[of_metric].to_dict("records"):
        other_measures = rows[~of_metric & (rows["arm"] == row["arm"])].to_dict("records")
        arms.append({"arm": row["arm"], "sentence": row["sentence"], "beside": beside(other_measures)})
    return {
        "references": reference_arms(records, name),
        "arms": arms,
        "remarks": list(remarks(rows[of_metric].to_dict("records"), records)) if arms else [ALONE],
        "rows": plain_rows(rows.drop(columns="sentence")),
    }


def against_lines(described: Mapping[str, Any]) -> list[str]:
    """Return that comparison for a person: two lines an arm, and what holds for all of them."""
    lines = []
    for arm in described.get("arms", ()):
        lines.append(arm["sentence"])
        lines += [f"    {arm['beside']}"] if arm["beside"] else []
    return [*lines, *described.get("remarks", ())]
