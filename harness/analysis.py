"""Analyses: pure functions of the records. One that fails is named, and the others go on."""

from __future__ import annotations

from collections.abc import Iterable

from harness.contracts import Analysis, Results
from harness.errors import one_line
from harness.process_settings import kept
from harness.records import Records


def analyse(records: Records, analyses: Iterable[Analysis]) -> Results:
    """Return the records with one table per analysis."""
    from pandas import DataFrame

    tables: dict[str, DataFrame] = {}
    problems: list[str] = []
    for analysis in analyses:
        try:
            with kept(f"analysis '{analysis.name}'", problems.append):
                table = analysis.compute(records)
        except Exception as error:  # a plugin may raise anything; the report says so
            problems.append(f"analysis '{analysis.name}' failed: {one_line(error)}")
            continue
        if isinstance(table, DataFrame):
            tables[analysis.name] = table
        else:
            got = type(table).__name__
            problems.append(f"analysis '{analysis.name}' must return a pandas DataFrame, got {got}")
    return Results(records, tables, tuple(problems))
