"""Reports and tables written from records alone; nothing here needs torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from harness.analysis import analyse
from harness.contracts import Analysis, Report
from harness.errors import HarnessError, one_line
from harness.records import open_records
from harness.registry import Registry


def write_reports(folder: Path, formats: Iterable[str], registry: Registry) -> list[Path]:
    """Write ``report.EXTENSION`` for every format, and ``tables/*.parquet``; return the reports' paths.

    Raises UnknownName for a format nobody offers, and HarnessError for a report that fails.
    """
    reports = [registry.get("report", name, Report, "report --format") for name in formats]
    results = analyse(open_records(folder), [a for a in registry.all("analysis") if isinstance(a, Analysis)])
    written = []
    for report in reports:
        try:
            text = report.render(results)
        except Exception as error:
            raise HarnessError(
                f"report '{report.name}': must render, got {one_line(error)}; the records are whole: 'harness report' tries again"
            ) from error
        written.append(_replace(folder / f"report.{report.extension}", text.encode()))
    records = results.records
    tables = {"arms": records.arms, "trials": records.trials, "runs": records.runs, "epochs": records.epochs}
    (folder / "tables").mkdir(exist_ok=True)
    for name, table in {**tables, **results.tables}.items():
        plain = table.copy()
        for column in plain.columns.intersection(["params", "tuned_params"]):
            plain[column] = [json.dumps(value, sort_keys=True) for value in plain[column]]
        plain.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    return written


def _replace(file: Path, content: bytes) -> Path:
    beside = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    beside.write_bytes(content)
    beside.replace(file)
    return file
