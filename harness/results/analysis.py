"""Analyses: tables that are functions of the records. One that fails is named, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Analysis, Results
from harness.plugin.copies import copied
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.records import Records
from harness.records.attempts import Attempts

if TYPE_CHECKING:
    from pandas import DataFrame


def analyse(records: Records, analyses: Iterable[Analysis], attempts: Attempts | None = None) -> Results:
    """Return the records with one table per analysis; none can change the records, or the table of another."""
    tables: dict[str, DataFrame] = {}
    problems: list[str] = []
    attempts = attempts or Attempts()
    for analysis in analyses:
        work = f"analysis {analysis.name}"
        if reason := attempts.given_up(work):
            problems.append(f"analysis '{analysis.name}' failed: {reason}")
            continue
        try:
            with attempts.during(work, f"the analysis '{analysis.name}'"):
                tables[analysis.name] = computed(analysis, records, problems.append)
        except PluginFailed as error:
            problems.append(f"analysis '{analysis.name}' failed: {error.why}")
    return Results(records, tables, tuple(problems))


def own_tables(results: Results, analyses: Iterable[Analysis], registry: Registry) -> Results:
    """Return results with the tables of analyses that the core owns, whatever plugin is blocked.

    A table that is there because a plugin offers the very analysis is taken as it is; the others are computed.
    """
    offers = registry.all("analysis")
    owned = list(analyses)
    offered = [analysis for analysis in owned if any(offer is analysis for offer in offers)]
    missing = [analysis for analysis in owned if analysis not in offered]
    tables = {analysis.name: results.tables[analysis.name] for analysis in offered if analysis.name in results.tables}
    computed_now = analyse(results.records, missing)
    problems = (*results.problems, *computed_now.problems)
    return replace(results, tables={**tables, **computed_now.tables}, problems=problems)


def computed(analysis: Analysis, records: Records, note: Callable[[str], object] = lambda line: None) -> DataFrame:
    """Return the table of an analysis, from records of its own; raises PluginFailed where there is none.

    ``note`` takes a line for each setting of the process that it has changed.
    """
    from pandas import DataFrame

    with Boundary("analysis", analysis.name, "compute", everything=True), kept(f"analysis '{analysis.name}'", note):
        table = analysis.compute(records.own())
        if not isinstance(table, DataFrame):
            raise TypeError(f"compute() must return a pandas DataFrame, got {type(table).__name__}")
        copy: DataFrame = copied(table)  # the analysis may have kept it
    return copy


def own_results(results: Results) -> Results:
    """Return a copy for one report, which may write to it: nobody else sees that."""
    return replace(results, records=results.records.own(), tables=_Copies(results.tables))


class _Copies(Mapping[str, "DataFrame"]):
    """Tables that are copied when they are first looked at."""

    def __init__(self, tables: Mapping[str, DataFrame]) -> None:
        self._names = tables.__iter__
        self._copy = cache(lambda name: copied(tables[name]))

    def __getitem__(self, name: str) -> DataFrame:
        table: DataFrame = self._copy(name)
        return table

    def __iter__(self) -> Iterator[str]:
        return self._names()

    def __len__(self) -> int:
        return sum(1 for _ in self)
