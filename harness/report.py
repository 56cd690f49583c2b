"""Reports and tables written from records alone; nothing here needs torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import files
from harness.analysis import analyse, own_results
from harness.attempts import Attempts
from harness.boundary import Boundary, PluginFailed
from harness.contracts import Analysis, Report, Results
from harness.errors import HarnessError, RunFolderError, printable
from harness.records import Records, copied, open_records
from harness.registry import Registry
from harness.rules import RECORD_TABLES, clash

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Written:
    """What was written: the reports' files, what they are made from, and a line for each plugin that failed."""

    files: Sequence[Path]
    results: Results
    failures: Sequence[str]


def write_reports(
    folder: Path, formats: Iterable[str], registry: Registry, out: Path | None = None, attempts: Attempts | None = None
) -> Written:
    """Write ``tables/*.parquet``, and ``report.EXTENSION`` for every format, into the run folder or into ``out``.

    The tables of the records are written before any plugin has seen them. Where a format is one of tables too,
    ``tables/*.EXTENSION`` lie beside the others. An analysis or a report that fails is named, and the others are written.

    Raises UnknownName for a format nobody offers, HarnessError for two that write one file, and RunFolderError where
    nothing can be written.
    """
    out = out or folder
    reports = [registry.get("report", name, Report, "report --format") for name in dict.fromkeys(formats)]
    if both := clash(reports):
        raise HarnessError(f"report --format: {both}")
    records = open_records(folder)
    tables = {name: getattr(records, name) for name in RECORD_TABLES}
    parquet = _Format("Parquet", "parquet", _parquet)
    of_tables = [_Format(r.name, r.extension, partial(_encoded, r.table)) for r in reports if r.table is not None]
    with _writing_into(out):
        problems = _write_tables(out / "tables", tables, [parquet])
    attempts = attempts or Attempts()
    results = _analysed(records, registry, attempts)
    with _writing_into(out):
        problems += _write_tables(out / "tables", tables, of_tables)
        problems += _write_tables(out / "tables", results.tables, [parquet, *of_tables])
    results = replace(results, problems=(*results.problems, *problems))
    written, failed = [], []
    for report in reports:
        work = f"report {report.name}"
        if why := attempts.given_up(work):
            failed.append(f"report '{report.name}': must render, got nothing: {why}")
            continue
        try:
            with attempts.during(work, f"the report '{report.name}'"):
                text = _rendered(report, results)
        except PluginFailed as error:  # the other formats are written all the same
            failed.append(f"{error}; the records are whole: 'harness report' tries again")
        else:
            written.append(out / f"report.{report.extension}")
            with _writing_into(out):
                files.write(written[-1], text, durable=False)
    return Written(written, results, (*results.problems, *failed))


def text_of(results: Results, name: str, registry: Registry) -> str:
    """Return a report of results as text, and write nothing; raises UnknownName for a format nobody offers."""
    return _rendered(registry.get("report", name, Report, "harness"), results).decode()


def results_of(folder: Path, registry: Registry) -> Results:
    """Return a run folder's records with the table of every analysis."""
    return _analysed(open_records(folder), registry)


def _analysed(records: Records, registry: Registry, attempts: Attempts | None = None) -> Results:
    with quiet_libraries():
        return analyse(records, [a for a in registry.all("analysis") if isinstance(a, Analysis)], attempts)


@contextmanager
def _writing_into(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{out}: must be a folder that can be written to, got {error.strerror or error}; name another with 'harness report --out'"
        ) from error


def _rendered(report: Report, results: Results) -> bytes:
    """Return the report's text, made from results of its own; raises PluginFailed where there is none."""
    with Boundary("report", report.name, "render", everything=True), quiet_libraries():
        text = report.render(own_results(results))
        if not isinstance(text, str):
            raise TypeError(f"render() must return a text, got {type(text).__name__}")
        return printable(text).encode()  # paths of weights and plugins are in it


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence the warnings of libraries that compute tables and draw: whoever reads a report can do nothing about them.

    The tests call ``compute`` and ``render`` themselves, and there every warning is an error.
    """
    loggers = [logging.getLogger(name) for name in ("matplotlib", "PIL", "plotly")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@dataclass(frozen=True)
class _Format:
    """A format of tables: its name, the extension of its files, and the function that makes one."""

    name: str
    extension: str
    make: Callable[[DataFrame], bytes]


def _write_tables(folder: Path, tables: Mapping[str, DataFrame], formats: Iterable[_Format]) -> list[str]:
    """Write tables in these formats; return a line for each table that a format cannot hold, with the reason."""
    problems = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        for each in formats:
            file = folder / f"{name}.{each.extension}"
            try:
                with Boundary("table", name, f"fit into {each.name}", everything=True):
                    content = each.make(_plain(copied(table)))
            except PluginFailed as error:  # an analysis may put anything into its cells
                problems.append(f"table '{name}' must fit into {each.name}, got {error.why}")
                file.unlink(missing_ok=True)  # one of an earlier report would tell of other records
            else:
                files.write(file, content, durable=False)
    return problems


def _parquet(table: DataFrame) -> bytes:
    content: bytes = table.to_parquet(index=False)
    return content


def _encoded(make: Callable[[DataFrame], str], table: DataFrame) -> bytes:
    return make(table).encode()


def _plain(table: DataFrame) -> DataFrame:
    """Return the table, which is nobody else's, with its dicts as JSON."""
    for column in table.columns.intersection(["params", "tuned_params"]):
        table[column] = [json.dumps(value, sort_keys=True) for value in table[column]]
    return table
