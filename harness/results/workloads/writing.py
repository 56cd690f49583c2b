"""The common report of several workloads, from the records of their runs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import encodable
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Report, Workloads
from harness.plugin.copies import copied
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.records import files
from harness.records.links import check_no_links
from harness.results.reports import HINT, PARQUET, quiet_libraries, text_formats, write_tables
from harness.results.workloads import open_workloads


@dataclass(frozen=True)
class WrittenTogether:
    """The common reports: their files, what they were made from, and a line for whatever went wrong."""

    files: Sequence[Path]
    workloads: Workloads
    failures: Sequence[str]


def write_common_reports(folder: Path, formats: Iterable[str], registry: Registry) -> WrittenTogether:
    """Write ``tables/*.parquet``, and ``report.EXTENSION`` for every format that has a common report, into the folder.

    A report that fails is named, and the others are written. Raises UnknownName for a format nobody offers, and DiskError
    where nothing can be written.
    """
    reports = [registry.get("report", name, Report, "report --format") for name in dict.fromkeys(formats)]
    check_no_links(folder)
    workloads = open_workloads(folder, registry)
    problems = write_tables(folder / "tables", workloads.tables, [PARQUET, *text_formats(reports)])
    workloads = replace(workloads, problems=(*workloads.problems, *problems))
    written, failures = [], []
    for report in reports:
        if report.workloads is None:
            continue
        file = folder / f"report.{report.extension}"
        try:
            text = _rendered(report, report.workloads, workloads)
        except PluginFailed as error:
            failures.append(f"{error}; the records are whole: 'harness report' tries again")
            continue
        files.write(file, text, durable=False, hint=HINT)
        written.append(file)
    return WrittenTogether(written, workloads, (*workloads.problems, *failures))


def _rendered(report: Report, render: Callable[[Workloads], str], workloads: Workloads) -> bytes:
    """Return the common report's text, from workloads of its own; raises PluginFailed where there is none."""
    who = f"report '{report.name}'"
    copies = replace(
        workloads,
        records={name: records.own() for name, records in workloads.records.items()},
        tables={name: copied(table) for name, table in workloads.tables.items()},
    )
    with Boundary("report", report.name, "render", everything=True), kept(who), quiet_libraries():
        text = render(copies)
        if not isinstance(text, str):
            raise TypeError(f"workloads() must return a text, got {type(text).__name__}")
        return encodable(text).encode()
