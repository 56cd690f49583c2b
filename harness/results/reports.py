"""Reports and tables written from records alone; nothing here needs torch."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.console.safe_text import impersonal, impersonal_table
from harness.errors import DataError, HarnessError, disk, encodable
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Analysis, Kind, Report, Results
from harness.plugin.copies import copied
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.plugin.validate import RECORD_TABLES, clash
from harness.records import Records, files, open_records
from harness.records.attempts import Attempts
from harness.records.links import check_no_links
from harness.records.promised import summary
from harness.records.schema import is_run_folder
from harness.results.analysis import analyse, own_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

T = TypeVar("T")

PAGE = "html"  # the format of the page that people read, of all formats the one that other parts of the harness lead to
PAGE_FILE = f"report.{PAGE}"
DOUBT = "doubt: "  # with which a line of a headline begins that says a doubt
HINT = "name another folder with 'harness report --out'"  # where a report cannot be written
WRITTEN = ".harness-report"  # a file in a folder that 'harness report --out' wrote


@dataclass(frozen=True)
class Written:
    """The reports that were written: their files, the results in them, and a line for each plugin that failed."""

    files: Sequence[Path]
    results: Results
    failures: Sequence[str]


def page_of(folder: Path) -> Path:
    """Return where the page of a run folder is, once it is written."""
    return folder / PAGE_FILE


def write_reports(
    folder: Path, formats: Iterable[str], registry: Registry, out: Path | None = None, attempts: Attempts | None = None
) -> Written:
    """Write ``tables/*.parquet``, and ``report.EXTENSION`` for every format, into the run folder or into ``out``.

    The tables of the records are written before any plugin has seen them. Where a format is one of tables too,
    ``tables/*.EXTENSION`` are written too. An analysis or a report that fails is named, and the others are written.

    Raises UnknownName for a format nobody offers, HarnessError for two that write one file, and DiskError where
    nothing can be written.
    """
    out = out or folder
    reports = [registry.get("report", name, Report, "report --format") for name in dict.fromkeys(formats)]
    if conflict := clash(reports):
        raise HarnessError(f"report --format: {conflict}")
    if out.absolute() != folder.absolute():
        _check_elsewhere(out, reports)
    check_no_links(out)
    records = _for_readers(open_records(folder))
    tables = {name: getattr(records, name) for name in RECORD_TABLES}
    table_formats = list(text_formats(reports))
    problems = write_tables(out / "tables", tables, [PARQUET])
    attempts = attempts or Attempts()
    results = _analysed(records, registry, attempts)
    results = replace(results, tables={name: impersonal_table(table) for name, table in results.tables.items()})
    problems += write_tables(out / "tables", tables, table_formats)
    problems += write_tables(out / "tables", results.tables, [PARQUET, *table_formats])
    results = replace(results, problems=(*results.problems, *problems))
    written, failures = [], []
    for report in reports:
        file = out / f"report.{report.extension}"
        if failure := _write_report(file, report, results, attempts):
            failures.append(failure)
        else:
            written.append(file)
    return Written(written, results, (*results.problems, *failures))


def _write_report(file: Path, report: Report, results: Results, attempts: Attempts) -> str:
    """Write one report; return a line where its plugin failed, else "": the other formats are written all the same."""
    work = f"report {report.name}"
    if reason := attempts.given_up(work):
        return f"report '{report.name}': must render, got nothing: {reason}"
    try:
        with attempts.during(work, f"the report '{report.name}'"):
            text = _rendered(report, results)
    except PluginFailed as error:
        return f"{error}; the records are whole: 'harness report' tries again"
    files.write(file, text, durable=False, hint=HINT)
    return ""


def _check_elsewhere(out: Path, reports: Iterable[Report]) -> None:
    """Raise DataError for a folder that reports may not be written into: a run's, or one with other reports or tables."""
    files.check_out_folder(out, "report --out")
    ours = [*(out / f"report.{report.extension}" for report in reports), out / "tables"]
    existing = next((path for path in ours if os.path.lexists(path)), None)
    obstacle = f"'{out}', a run folder" if is_run_folder(out) else f"'{existing}', which is another's"
    if is_run_folder(out) or (existing and not (out / WRITTEN).is_file()):
        raise DataError(
            f"report --out: must be a folder without reports, or one that this command wrote, got {obstacle}; name another"
        )
    with disk.writing(out, HINT):
        out.mkdir(parents=True, exist_ok=True)
    text = b"'harness report' writes report.* and tables/ here, and replaces them\n"
    files.write(out / WRITTEN, text, durable=False, hint=HINT)


def headline_of(results: Results, registry: Registry) -> str:
    """Return the lines of the first report that has a headline; "" where none of the plugins offers one."""
    offers = [report for report in registry.all("report") if isinstance(report, Report) and report.headline is not None]
    return _rendered(offers[0], results, offers[0].headline).decode() if offers else ""


def doubts_in(headline: Iterable[str]) -> list[str]:
    """Return the doubts among the lines of a headline, the gravest first.

    >>> doubts_in(["Which is best?", "No arm leads.", "doubt: one search of each arm"])
    ['one search of each arm']
    """
    return [line.removeprefix(DOUBT) for line in headline if line.startswith(DOUBT)]


def figures_of(results: Results, registry: Registry) -> dict[str, Figure]:
    """Return the figures of the first report that has some, by name; none where none of the plugins offers any.

    Raises PluginFailed where they cannot be drawn.
    """
    offers = [report for report in registry.all("report") if isinstance(report, Report) and report.figures is not None]
    if not offers:
        return {}
    draw = offers[0].figures
    return _made_by(offers[0], lambda own: dict(draw(own) if draw else {}), results)


def results_of(folder: Path, registry: Registry) -> Results:
    """Return a run folder's records with the table of every analysis."""
    return _analysed(open_records(folder), registry)


def _analysed(records: Records, registry: Registry, attempts: Attempts | None = None) -> Results:
    records = with_references(records, registry)
    with quiet_libraries():
        analyses = [offer for offer in registry.all("analysis") if isinstance(offer, Analysis)]
        results = analyse(records, analyses, attempts)
    lacking = filter(None, [summary(records.lacking)])
    left_out = records.meta.listeners.values()
    problems = impersonal((*lacking, *records.changes, *left_out, *results.problems))
    return replace(results, problems=problems, blocked=tuple(sorted(registry.blocked)))


def with_references(records: Records, registry: Registry) -> Records:
    """Return records in which an optimizer or schedule without a reference has the one that its plugin gives by now."""

    def completed(kind: Kind, recorded: Mapping[str, str]) -> dict[str, str]:
        offers = registry.offers[kind]
        return {
            name: reference or (str(offers[name].offer.reference) if name in offers else "")
            for name, reference in recorded.items()
        }

    meta = records.meta
    return replace(
        records,
        meta=replace(
            meta,
            references=completed("optimizer", meta.references),
            scheduler_references=completed("scheduler", meta.scheduler_references),
        ),
    )


def _for_readers(records: Records) -> Records:
    """Return records as they may be given away: no home folder, user name or host name is in their texts."""
    tables: dict[str, Any] = {name: impersonal_table(getattr(records, name)) for name in RECORD_TABLES}
    return replace(records, meta=records.meta.mapped(impersonal), **tables)


def _rendered(report: Report, results: Results, render: Callable[[Results], str] | None = None) -> bytes:
    """Return the report's text, or what ``render`` makes, from results of its own; raises PluginFailed where there is none."""

    def encoded(own: Results) -> bytes:
        text = (render or report.render)(own)
        if not isinstance(text, str):
            raise TypeError(f"render() must return a text, got {type(text).__name__}")
        return encodable(text).encode()  # paths of weights and plugins are in it

    return _made_by(report, encoded, results)


def _made_by(report: Report, make: Callable[[Results], T], results: Results) -> T:
    """Return what a function of a report makes from results of its own; raises PluginFailed where it fails."""
    who = f"report '{report.name}'"
    with Boundary("report", report.name, "render", everything=True), kept(who), quiet_libraries():
        return make(own_results(results))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence the warnings of libraries that compute tables and draw: the reader of a report can do nothing about them.

    The tests call ``compute`` and ``render`` themselves, and there every warning is an error.
    """
    loggers = [logging.getLogger(name) for name in ("matplotlib", "PIL", "plotly")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@dataclass(frozen=True)
class TableFormat:
    """A format of tables: its name, the extension of its files, and the function that makes one."""

    name: str
    extension: str
    make: Callable[[DataFrame], bytes]


def write_tables(folder: Path, tables: Mapping[str, DataFrame], formats: Iterable[TableFormat]) -> list[str]:
    """Write tables in these formats; return a line for each table that a format cannot hold, with the reason."""
    problems = []
    with disk.writing(folder, HINT):
        folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        for format_ in formats:
            file = folder / f"{name}.{format_.extension}"
            try:
                with Boundary("table", name, f"fit into {format_.name}", everything=True):
                    content = format_.make(_plain(copied(table)))
            except PluginFailed as error:  # an analysis may put anything into its cells
                problems.append(f"table '{name}' must fit into {format_.name}, got {error.why}")
                with disk.writing(folder, HINT):
                    file.unlink(missing_ok=True)  # one of an earlier report would tell of other records
            else:
                files.write(file, content, durable=False, hint=HINT)
    return problems


def _as_parquet(table: DataFrame) -> bytes:
    content: bytes = table.to_parquet(index=False)
    return content


PARQUET = TableFormat("Parquet", "parquet", _as_parquet)


def text_formats(reports: Iterable[Report]) -> Iterator[TableFormat]:
    """Yield the formats of tables among reports."""
    for report in reports:
        if report.table is not None:
            yield TableFormat(report.name, report.extension, partial(_as_text, report.table))


def _as_text(make: Callable[[DataFrame], str], table: DataFrame) -> bytes:
    return make(table).encode()


def _plain(table: DataFrame) -> DataFrame:
    """Return the table with its dicts as JSON; it is a copy, so it is changed in place."""
    for column in table.columns.intersection(["params", "tuned_params"]):
        table[column] = [json.dumps(value, sort_keys=True) for value in table[column]]
    return table
