"""``harness.load(run)``: a run folder as pandas frames, for a notebook or a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.numbers import measure
from harness.console.safe_text import impersonal
from harness.errors import arguments
from harness.plugin.contracts import Analysis, Results
from harness.plugin.discovery import discover
from harness.plugin.meta import Meta
from harness.plugin.registry import Registry
from harness.plugin.validate import RECORD_TABLES
from harness.records import Records, open_records
from harness.records.promised import summary
from harness.results.analysis import analyse, own_tables
from harness.results.reports import headline_of
from harness.results.tables import leaderboard

if TYPE_CHECKING:
    from pandas import DataFrame


class Tables(Mapping[str, "DataFrame"]):
    """The analyses' tables by name, each computed when it is first asked for; one that fails is not there."""

    def __init__(self, records: Records, registry: Registry) -> None:
        self.problems: list[str] = []  # analyses that failed so far, each named with its reason
        self._records = records
        offers = [offer for offer in registry.all("analysis") if isinstance(offer, Analysis)]
        self._analyses = {analysis.name: analysis for analysis in offers}
        self._computed: dict[str, DataFrame | None] = {}

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._computed:
            results = analyse(self._records, [self._analyses[name]])
            self.problems += results.problems
            self._computed[name] = results.tables.get(name)
        table = self._computed[name]
        if table is None:
            raise KeyError(name)
        return table

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._analyses if name in self)  # computes them all

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<tables {', '.join(self.names)}>"

    @property
    def names(self) -> list[str]:
        """Every analysis, also those that have not been computed yet."""
        return list(self._analyses)


class Loaded:
    """A run folder: its records as frames, and the tables of the analyses.

    ``arms``, ``trials``, ``runs``, ``epochs``, ``comparison``, ``measured``, ``range_tests``, ``paths`` and ``examples``
    are those of ``records`` (docs/records.md says what is in them). The analyses' tables are in ``tables``, and are
    attributes too where no other has the name: ``run.leaderboard``. A notebook shows the headline and the leaderboard.
    """

    def __init__(self, records: Records, registry: Registry) -> None:
        self.records = records
        self.tables = Tables(records, registry)
        self._registry = registry

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.records.name

    @property
    def meta(self) -> Meta:
        """What the run is about: benchmark, data, environment, command, metrics and more."""
        return self.records.meta

    @property
    def problems(self) -> tuple[str, ...]:
        """The files that the records promise and the folder lacks, and the analyses that failed so far, with the reason."""
        lacking = summary(self.records.lacking)
        return (*([lacking] if lacking else []), *self.tables.problems)

    @property
    def headline(self) -> tuple[str, ...]:
        """The question, the answer and what limits it, a line each, as every report says them."""
        return tuple(headline_of(Results(self.records, self.tables), self._registry).splitlines())

    def __getattr__(self, name: str) -> DataFrame:
        if name.startswith("_") or name in ("records", "tables"):  # a copy asks before they are there
            raise AttributeError(name)
        if name in RECORD_TABLES:
            table: DataFrame = getattr(self.records, name)
            return table
        if name in self.tables:
            return self.tables[name]
        if name in self.tables.names:
            problem = next((line for line in self.problems if line.startswith(f"analysis '{name}' ")), "none")
            raise AttributeError(f"run {self.name}: must have a table '{name}', got {problem}")
        known = ", ".join([*RECORD_TABLES, *self.tables.names])
        raise AttributeError(f"run {self.name}: must have a table '{name}', got none; there is {known}")

    def __dir__(self) -> list[str]:
        tables = [name for name in self.tables.names if name.isidentifier()]
        return sorted({*super().__dir__(), *RECORD_TABLES, *tables})

    def __repr__(self) -> str:
        arms, runs = len(self.records.arms), self.records.compared()
        done = int((runs["state"] == "done").sum())
        return (
            f"<run {self.name}: {arms} arms, {len(self.records.trials)} trials, {done} comparison runs; "
            f"{impersonal(str(self.records.folder))}>"
        )

    def _repr_html_(self) -> str:
        from markupsafe import Markup, escape

        question, answer, *limits = [*self.headline, "", ""]
        name = escape(self.name)
        parts = [Markup("<p><small>{}</small><br><strong>{}</strong></p>").format(name, answer or question)]
        if notice := self.meta.data["notice"]:
            parts.append(Markup("<p><em>{}</em></p>").format(impersonal(notice)))
        parts.append(self._render_leaderboard())
        parts += [Markup("<p><small>{}</small></p>").format(line) for line in limits if line]
        return str(Markup("").join(parts))

    def _render_leaderboard(self) -> Any:
        """Return the leaderboard of the deciding metric as an HTML table; nothing where there is none."""
        from markupsafe import Markup

        results = own_tables(Results(self.records, self.tables), [leaderboard.ANALYSIS], self._registry)
        table = results.tables.get(leaderboard.ANALYSIS.name)
        if table is None:
            return Markup("")
        metric = self.records.deciding.column
        titles = ("arm", f"mean {metric.replace('_', ' ')}", "95 % from", "to", "seeds")
        heads = Markup("").join(Markup("<th>{}</th>").format(title) for title in titles)
        cells = Markup("<td style='text-align:left'>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>")
        rows = []
        for row in table[table["metric"] == metric].to_dict("records"):
            numbers = [measure(row[column], row["unit"]) for column in ("mean", "low", "high")]
            line = cells.format(row["arm"], *numbers, f"{row['n']} of {row['planned']}")
            rows.append(Markup("<tr>{}</tr>").format(line))
        body = Markup("").join(rows)
        return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(heads, body)


def load(run: str | Path) -> Loaded:
    """Return a run folder as frames. Nothing is trained, and torch is not needed.

    Args:
        run: The run folder.

    Returns:
        Its tables as attributes: ``run.epochs``, ``run.runs``, ``run.leaderboard``; docs/records.md has them all.

    Raises:
        RunFolderError: It is no run folder, or a damaged one.

    >>> run = load(folder)  # of a finished run
    >>> best = run.epochs.query("phase == 'compare'").groupby("arm")["tune_accuracy"].max()
    >>> bool((best <= 1).all())
    True
    """
    return Loaded(open_records(arguments.path("run", run)), discover())
