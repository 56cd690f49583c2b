"""Reports and tables written from records alone; nothing here needs torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import files
from harness.analysis import analyse
from harness.contracts import Analysis, Report, Results
from harness.errors import HarnessError, RunFolderError, one_line, printable
from harness.records import open_records
from harness.records.links import check_no_links
from harness.registry import Registry
from harness.rules import RECORD_TABLES, clash
from harness.showing import shown, shown_table

if TYPE_CHECKING:
    from pandas import DataFrame


def write_reports(
    folder: Path,
    formats: Iterable[str],
    registry: Registry,
    results: Results | None = None,
    out: Path | None = None,
) -> list[Path]:
    """Write ``tables/*.parquet``, and ``report.EXTENSION`` for every format; return the reports' paths.

    They are written into the run folder, or into ``out``. Where a format is one of tables too, ``tables/*.EXTENSION``
    lie beside the others. ``results`` are those of the folder, where they have been computed already.

    Raises UnknownName for a format nobody offers, HarnessError for two that write one file, and for reports that fail,
    when the others are written; RunFolderError where nothing can be written.
    """
    out = out or folder
    reports = [registry.get("report", name, Report, "report --format") for name in dict.fromkeys(formats)]
    if both := clash(reports):
        raise HarnessError(f"report --format: {both}")
    results = _for_readers(results or results_of(folder, registry))
    check_no_links(out)
    with _writing_into(out):
        problems = _write_tables(out / "tables", results, reports)
    results = replace(results, problems=(*results.problems, *problems))
    written, failed = [], []
    for report in reports:
        try:
            text = _rendered(report, results)
        except Exception as error:  # a plugin may raise anything; the other formats are written first
            failed.append(f"report '{report.name}': must render, got {one_line(error)}")
        else:
            written.append(out / f"report.{report.extension}")
            with _writing_into(out):
                files.write(written[-1], text, durable=False)
    if failed:
        raise HarnessError(f"{'; '.join(failed)}; the records are whole: 'harness report' tries again")
    return written


def text_of(results: Results, name: str, registry: Registry) -> str:
    """Return a report of results as text, and write nothing; raises UnknownName for a format nobody offers."""
    return _rendered(registry.get("report", name, Report, "harness"), _for_readers(results)).decode()


def results_of(folder: Path, registry: Registry) -> Results:
    """Return a run folder's records with the table of every analysis."""
    with quiet_libraries():
        return analyse(open_records(folder), [a for a in registry.all("analysis") if isinstance(a, Analysis)])


def _for_readers(results: Results) -> Results:
    """Return results as they may be given away: no home folder, user name or host name is in their texts."""
    records = results.records
    tables: dict[str, Any] = {name: shown_table(getattr(records, name)) for name in RECORD_TABLES}
    return Results(
        replace(records, meta=shown(records.meta), **tables),
        {name: shown_table(table) for name, table in results.tables.items()},
        shown(results.problems),
    )


@contextmanager
def _writing_into(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{out}: must be a folder that can be written to, got {error.strerror or error}; name another with 'harness report --out'"
        ) from error


def _rendered(report: Report, results: Results) -> bytes:
    with quiet_libraries():
        text = report.render(results)
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


def _write_tables(folder: Path, results: Results, reports: Iterable[Report]) -> list[str]:
    """Write the tables of the records and of the analyses; return those that a format cannot hold, with the reason."""
    records, problems = results.records, []
    tables = {name: getattr(records, name) for name in RECORD_TABLES}
    formats: list[tuple[str, str, Callable[[DataFrame], bytes]]] = [("Parquet", "parquet", _parquet)]
    formats += [(r.name, r.extension, partial(_encoded, r.table)) for r in reports if r.table is not None]
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in {**tables, **results.tables}.items():
        for title, extension, make in formats:
            file = folder / f"{name}.{extension}"
            try:
                content = make(_plain(table))
            except Exception as error:  # an analysis may put anything into its cells
                problems.append(f"table '{name}' must fit into {title}, got {one_line(error)}")
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
    """Return the table with its dicts as JSON."""
    plain = table.copy()
    for column in plain.columns.intersection(["params", "tuned_params"]):
        plain[column] = [json.dumps(value, sort_keys=True) for value in plain[column]]
    return plain
