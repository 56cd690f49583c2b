"""A run folder as pandas frames, for a notebook or a script: what ``harness.load`` and ``harness.run`` return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.in_python import for_python
from harness.console.safe_text import impersonal
from harness.errors import NotThere, RunFolderError, arguments
from harness.errors.names import missing
from harness.plugin.contracts import Analysis, Results
from harness.plugin.contracts.tables import COMMON, TABLES, meaning_of, metric_meaning
from harness.plugin.meta import Meta
from harness.plugin.registry import Registry
from harness.plugin.runs import full_arm_name
from harness.plugin.validate import RECORD_TABLES
from harness.records import Records
from harness.records.promised import summary
from harness.results.analysis import analyse, own_tables
from harness.results.compared_with import compared_with
from harness.results.figures import Figures
from harness.results.frames import readable
from harness.results.reports import headline_of, page_of
from harness.results.summary import render_summary, verdict_line, verdicts_of
from harness.results.tables import leaderboard
from harness.results.top_losses import TopLosses, top_losses

if TYPE_CHECKING:
    from pandas import DataFrame


FUNCTIONS = {  # what one may look for in a run, and where it is
    "predict": "harness.predict(run, photos) predicts photos",
    "export": "harness.export(run) writes its model into a folder",
    "save": "harness.export(run) writes its model into a folder, run.figures.save() its figures",
    "lr_find": "harness.lr_find(file) tests learning rates",
    "plan": "harness.plan(file) estimates what it costs",
    "resume": "harness.run(file) with the same arguments goes on",
    "thumbnail": "run.records.thumbnail(split, row) has a small photo as JPEG",
    "plot": "run.figures has the figures of the report",
}


class Tables(Mapping[str, "DataFrame"]):
    """The analyses' tables by name, each computed when it is first asked for; one that fails is not there.

    A notebook shows which tables there are, and what each of their columns means; ``columns(name)`` returns that as a frame.
    """

    def __init__(self, records: Records, registry: Registry) -> None:
        self.problems: list[str] = []  # analyses that failed so far, each named with its reason
        self._records = records
        offers = [offer for offer in registry.all("analysis") if isinstance(offer, Analysis)]
        self._analyses = {analysis.name: analysis for analysis in offers}
        self._computed: dict[str, DataFrame | None] = {}

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._analyses:
            raise missing("run.tables", "the table of an analysis", name, self._analyses)
        if name not in self._computed:
            results = analyse(self._records, [self._analyses[name]])
            self.problems += results.problems
            self._computed[name] = results.tables.get(name)
        table = self._computed[name]
        if table is None:
            raise NotThere(f"run.tables: must have a table '{name}', got {self.problem_of(name)}")
        return table

    def problem_of(self, name: str) -> str:
        """Return why an analysis has no table."""
        return next((line for line in self.problems if line.startswith(f"analysis '{name}' ")), "none")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._analyses if name in self)  # computes them all

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _ipython_key_completions_(self) -> list[str]:
        return self.names

    def __repr__(self) -> str:
        return f"<tables {', '.join(self.names)}>"

    @property
    def names(self) -> list[str]:
        """Every analysis, also those that have not been computed yet."""
        return list(self._analyses)

    def columns(self, name: str) -> DataFrame:
        """Return the columns of a table, of the records or of an analysis: ``column``, ``kind`` and ``meaning``.

        A meaning is "" where the analysis does not say it. Raises NotThere for a table that is not there.
        """
        import pandas as pd

        if name not in (*TABLES, *self._analyses):
            raise missing("run.tables.columns", "a table", name, [*TABLES, *self._analyses])
        table = readable(name, self._records) if name in TABLES else self[name]
        rows = [(column, str(kind), self._meaning(name, str(column))) for column, kind in table.dtypes.items()]
        return pd.DataFrame(rows, columns=["column", "kind", "meaning"])

    def _meaning(self, name: str, column: str) -> str:
        if name in TABLES:
            return meaning_of(name, column)
        meaning = self._analyses[name].columns.get(column, "")
        return meaning or (COMMON[column].meaning if column in COMMON else metric_meaning(column))

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        parts = []
        for name in (*TABLES, *self.names):
            meanings = {**{key: self._meaning(name, key) for key in TABLES.get(name, ())}}
            meanings |= dict(self._analyses[name].columns) if name in self._analyses else {}
            parts.append(Markup("<details><summary>{}</summary>{}</details>").format(name, _listed(meanings)))
        return str(Markup("").join(parts))


def _listed(meanings: Mapping[str, str]) -> Any:
    """Return columns with their meanings as a table of HTML."""
    from markupsafe import Markup

    cell = Markup("<tr><td style='text-align:left'><code>{}</code></td><td style='text-align:left'>{}</td></tr>")
    rows = Markup("").join(cell.format(column, meaning) for column, meaning in meanings.items())
    return Markup("<table>{}</table>").format(rows)


class Loaded:
    """A run folder: its records as frames, the tables of the analyses, and the figures of the report.

    ``arms``, ``trials``, ``runs``, ``epochs``, ``comparison``, ``measured``, ``range_tests``, ``paths``, ``examples`` and
    ``repeated`` are those of ``records``, with a column ``params_NAME`` for each hyperparameter and with times as times;
    ``tables.columns(NAME)`` says what each column means. The analyses' tables are in ``tables``, and are attributes too
    where no other has the name: ``run.leaderboard``. A notebook shows the verdict, a picture, the doubts and the leaderboard.
    """

    def __init__(self, records: Records, registry: Registry) -> None:
        self.records = records
        self.tables = Tables(records, registry)
        self._registry = registry
        self._frames: dict[str, DataFrame] = {}

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.records.name

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.records.folder

    @property
    def report(self) -> Path:
        """The report in HTML. It is there where the run has written it (``report.formats``)."""
        return page_of(self.folder)

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
        """The question, the answer, the verdict, the gravest doubts and what limits it, a line each, as ``harness show`` has them."""
        question, *rest = self.answer or ("",)
        verdict = verdict_line(verdicts_of(self.records, self.tables, self._registry))
        return tuple(line for line in (question, *rest[:1], verdict, *rest[1:]) if line)

    @property
    def answer(self) -> list[str]:
        """The question, the answer, the gravest doubts and what limits it, as every report has them."""
        return headline_of(Results(self.records, self.tables), self._registry).splitlines()

    @cached_property
    def figures(self) -> Figures:
        """The static figures of the report by name, as matplotlib has them; they are drawn when one is first asked for."""
        return Figures(Results(self.records, self.tables), self._registry)

    def top_losses(self, n: int = 12, arm: str | None = None) -> TopLosses:
        """Return the test photos that an arm is most wrong about; a notebook shows them.

        Args:
            n: How many, at the most.
            arm: The arm; the best one of the leaderboard where it is None.

        Raises:
            RunFolderError: The arm has no class probabilities, or there is no such arm.
        """
        n = arguments.whole("n", n, 1)
        return top_losses(self.records, self._best_arm() if arm is None else self._known_arm(arm), n)

    def against(self, reference: str | None = None) -> DataFrame:
        """Return how every other arm compares with one arm, a row for each arm and measure, with p-values adjusted by Holm.

        The rows of the deciding metric have a sentence. ``run.tables.columns("differences")`` says what most columns mean;
        ``p_holm`` is adjusted for the number of ``arms`` that are compared, and ``word`` is better, worse, not told apart,
        inconclusive (tuning), inconclusive (lost runs) or not tested.

        Args:
            reference: The arm, which may have its short name, such as "adam"; where it is None, that of ``report.against``, else
                the best one of the leaderboard.

        Raises:
            BenchmarkError: There is no such arm.
        """
        if reference is not None:
            reference = arguments.text("reference", reference)
        with for_python({"--against": "reference"}):
            return compared_with(Results(self.records, self.tables), self._registry, reference)

    def _best_arm(self) -> str:
        """Return the first arm of the leaderboard."""
        results = own_tables(Results(self.records, self.tables), [leaderboard.ANALYSIS], self._registry)
        board = results.tables.get(leaderboard.ANALYSIS.name)
        if board is None or board.empty:
            raise RunFolderError(f"{self.folder}: must have a leaderboard to name the best arm, got none; name an arm")
        return str(board["arm"].iloc[0])

    def _known_arm(self, arm: str) -> str:
        return arguments.one_of("arm", full_arm_name(arm, self.meta.arms), self.meta.arms)

    def __getattr__(self, name: str) -> DataFrame:
        if name.startswith("_") or name in ("records", "tables"):  # a copy asks before they are there
            raise AttributeError(name)
        if name in RECORD_TABLES:
            if name not in self._frames:
                self._frames[name] = readable(name, self.records)
            return self._frames[name]
        if name in self.tables:
            return self.tables[name]
        if name in self.tables.names:
            raise AttributeError(f"run {self.name}: must have a table '{name}', got {self.tables.problem_of(name)}")
        if name in FUNCTIONS:
            raise AttributeError(f"run {self.name}: must be given to a function, got '{name}' of it; {FUNCTIONS[name]}")
        tables = [*RECORD_TABLES, *self.tables.names]
        listed = [*RECORD_TABLES, "those of run.tables"]
        raise AttributeError(str(missing(f"run {self.name}", "asked for a table", name, tables, listed)))

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
        return render_summary(self.records, self.tables, self._registry, self.answer)
