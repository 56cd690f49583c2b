"""Several workloads of one benchmark: what each of their runs says, and what they say together.

Begin with ``open_workloads``. ``tables`` makes the tables of the verdict from the runs' own ones, and ``writing`` the common
report. What an analysis has to say of several workloads it computes itself, with its function ``across``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console.safe_text import impersonal, impersonal_table
from harness.errors import HarnessError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Analysis, Results, Workloads
from harness.plugin.copies import copied
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.records import Records, open_records
from harness.records.workloads import Workbook, read_workbook, run_folders
from harness.results.analysis import analyse
from harness.results.reports import quiet_libraries
from harness.results.workloads.tables import level_of, pooled_tables, workloads_table
from harness.verdict import reading

if TYPE_CHECKING:
    from pandas import DataFrame


def open_workloads(folder: Path, registry: Registry) -> Workloads:
    """Return the workloads of a common folder, with the tables of their verdicts and of every analysis across runs.

    A run that cannot be read, and an analysis that fails, are named in ``problems``, and the others are there. A workload
    without a run stands with the reason in the table ``workloads``. Raises RunFolderError where it is no folder of several workloads.
    """
    workbook = read_workbook(folder)
    runs, unread = _read_runs(folder)
    problems = [f"{name}: {reason}" for name, reason in unread.items()]
    results = {}
    with quiet_libraries():
        for name, records in runs.items():
            results[name] = analyse(records, reading.TABLES)
            problems += [f"{name}: {problem}" for problem in results[name].problems]
        across, failed = _across(runs, registry)
    folders = {member.name: member.folder for member in workbook.members if member.name in runs}
    verdict_tables = _verdict_tables(workbook, results, unread)
    return Workloads(
        impersonal(workbook.name),
        runs,
        folders,
        {name: impersonal_table(table) for name, table in {**across, **verdict_tables}.items()},
        tuple(impersonal([*problems, *failed])),
    )


def _read_runs(folder: Path) -> tuple[dict[str, Records], dict[str, str]]:
    """Return the records of the runs that can be read, and why the others cannot."""
    runs: dict[str, Records] = {}
    unread: dict[str, str] = {}
    for name, run in run_folders(folder).items():
        try:
            runs[name] = open_records(run)
        except HarnessError as error:
            unread[name] = str(error)
    return runs, unread


def _verdict_tables(
    workbook: Workbook, results: Mapping[str, Results], unread: Mapping[str, str]
) -> dict[str, DataFrame]:
    """Return the tables of the verdict, which are the core's own."""
    verdicts = {}
    for name, result in results.items():
        if standing := reading.read_verdicts(result.records.meta, result.tables)[:1]:
            verdicts[name] = standing[0]
    return {
        "workloads": workloads_table(workbook, results, verdicts, unread),
        **pooled_tables(verdicts, level_of(results.values())),
    }


def _across(runs: Mapping[str, Records], registry: Registry) -> tuple[dict[str, DataFrame], list[str]]:
    """Return the table of each analysis that has one of several runs, and a line for each that failed."""
    across: dict[str, DataFrame] = {}
    failed: list[str] = []
    for analysis in registry.all("analysis"):
        if isinstance(analysis, Analysis) and analysis.across is not None:
            try:
                across[analysis.name] = _computed(analysis, runs, failed)
            except PluginFailed as error:
                failed.append(f"analysis '{analysis.name}' failed across workloads: {error.why}")
    return across, failed


def _computed(analysis: Analysis, runs: Mapping[str, Records], notes: list[str]) -> DataFrame:
    """Return the table across runs, from records of its own; raises PluginFailed where there is none."""
    from pandas import DataFrame

    who = f"analysis '{analysis.name}'"
    with Boundary("analysis", analysis.name, "compute across workloads", everything=True), kept(who, notes.append):
        table = analysis.across({name: records.own() for name, records in runs.items()}) if analysis.across else None
        if not isinstance(table, DataFrame):
            raise TypeError(f"across() must return a pandas DataFrame, got {type(table).__name__}")
        copy: DataFrame = copied(table)
    return copy
