"""The runs of several workloads in Python: what ``harness.run`` and ``harness.load`` return where a file has workloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console.safe_text import impersonal
from harness.errors import HarnessError, NotThere
from harness.errors.names import Named, missing
from harness.plugin.contracts import Workloads
from harness.plugin.registry import Registry
from harness.plugin.validate import RECORD_TABLES
from harness.records import open_records
from harness.records.workloads import read_workbook, run_folders
from harness.results.notebook import Loaded
from harness.results.reports import page_of
from harness.results.workloads import open_workloads
from harness.results.workloads.summary import common_lines

if TYPE_CHECKING:
    from pandas import DataFrame

OF_ONE = ("against", "figures", "top_losses", "leaderboard", "records", "meta")  # what only the run of one workload has


class WorkloadRuns(Mapping[str, Loaded]):
    """The runs of a benchmark with workloads, by workload: ``runs["points"]`` is a run as ``harness.load`` returns one.

    ``tables`` has what the workloads say together, and ``trials``, ``arms``, ``runs`` and the other tables of records are
    those of all workloads, with a column ``workload`` first. A notebook shows the verdict of all, and a row for each.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self._registry = registry
        self._workbook = read_workbook(folder)
        self._members = {member.name: member for member in self._workbook.members}
        self._runs: dict[str, Loaded] = {}
        self._why: dict[str, str] = {name: member.problem for name, member in self._members.items() if member.problem}
        for name, run in run_folders(folder).items():
            try:
                self._runs[name] = Loaded(open_records(run), registry)
            except HarnessError as error:
                self._why[name] = str(error)

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return impersonal(self._workbook.name)

    @property
    def report(self) -> Path:
        """The common report in HTML. It is there where the run has written it (``report.formats``)."""
        return page_of(self.folder)

    @property
    def headline(self) -> tuple[str, ...]:
        """What the workloads say together, and a line for each, as ``harness show`` says it."""
        return tuple(common_lines(self._together, self.folder))

    @property
    def tables(self) -> Mapping[str, DataFrame]:
        """What the workloads say together: ``workloads``, ``words``, ``pooled``, ``effects``, and those of analyses."""
        return Named(self._together.tables, "runs.tables", "a table of all workloads")

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for whatever could not be read or computed."""
        return tuple(self._together.problems)

    @cached_property
    def _together(self) -> Workloads:
        return open_workloads(self.folder, self._registry)

    def __getitem__(self, workload: str) -> Loaded:
        if workload in self._runs:
            return self._runs[workload]
        if workload in self._members:
            reason = self._why.get(workload, "it has not begun; the same call of harness.run goes on")
            raise NotThere(f"workload {workload}: must have a run, got none: {reason}")
        raise missing("runs", "a workload", workload, self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __getattr__(self, name: str) -> DataFrame:
        if name.startswith("_"):  # a copy asks before they are there
            raise AttributeError(name)
        if name in RECORD_TABLES:
            return self._of_all(name)
        workload = next(iter(self._runs), "NAME")
        if name in OF_ONE or (self._runs and hasattr(self._runs[workload], name)):
            raise AttributeError(
                f"runs: must be those of one workload for '{name}', got several; use runs[{workload!r}].{name}"
            )
        raise AttributeError(str(missing("runs", "asked for a table of records", name, RECORD_TABLES)))

    def _of_all(self, name: str) -> DataFrame:
        """Return a table of the records of every workload, behind one another."""
        import pandas as pd

        tables = []
        for workload, run in self._runs.items():
            table: DataFrame = getattr(run, name).copy()
            table.insert(0, "workload", workload)
            tables.append(table)
        filled = [table for table in tables if len(table)] or tables[:1]
        return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["workload"])

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *RECORD_TABLES})

    def __repr__(self) -> str:
        return f"<runs of {len(self)} workloads: {', '.join(self)}; {impersonal(str(self.folder))}>"

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        first, *rest = self.headline
        lines = Markup("").join(Markup("<p><small>{}</small></p>").format(line) for line in rest)
        table = self.tables["workloads"].dropna(axis="columns", how="all")
        return str(Markup("<p><strong>{}</strong></p>").format(first) + lines) + str(table.to_html(index=False))
