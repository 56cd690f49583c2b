"""The contracts of what is learned from trained networks and from a run's records: probes, analyses and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.plugin.contracts.records import Records
from harness.plugin.contracts.spaces import Space

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame


@dataclass(frozen=True)
class Probe:
    """A measurement on trained networks: ``measure(parts, **options)`` returns named numbers and arrays.

    It measures when the comparison is over, on the weights that the runs kept. A probe of two or three ``networks`` is given
    as many: ``measure(one, other, **options)``. A corrected probe measures again, and nothing is trained for it. A network is
    in evaluation mode with its final weights, and is to be left as it was.

    A probe of one network measures every solution of the arms. ``records.runs`` and ``records.comparison`` have its numbers
    as columns ``PROBE.name``. A ``costly`` probe measures as many networks, or pairs, as ``compare.probe_sizes`` asks for, or
    as fit into the time of ``budget`` where that is set. The report names what was left out. What a probe
    computes of one network and needs again for the next pair, it may keep in ``parts.probe_cache``.

    All numbers stand in ``records.measured``. Arrays, of numbers and small, are what ``records.probed(PROBE, *run_ids)``
    returns.

    >>> def measure(parts):
    ...     return {"length": float(sum(p.detach().square().sum() for p in parts.model.parameters()) ** 0.5)}
    >>> Probe("weights", measure).costly, Probe("distance", measure, networks=2).costly
    (False, True)
    """

    name: str  # by which a benchmark asks for it
    measure: Callable[..., Mapping[str, float | NDArray[Any]]]
    networks: int = 1  # how many it measures together: 1, 2 or 3
    costly: bool = False  # it takes long; every probe of several networks is
    options: Mapping[str, Any] = field(default_factory=dict)  # its keywords, with their defaults
    limits: Space = field(default_factory=dict)  # what ``[compare.probe_options.PROBE]`` may set an option to
    reference: str = ""  # a paper or an address, for the report

    def __post_init__(self) -> None:
        """Make a probe of several networks costly, because there are many pairs."""
        object.__setattr__(self, "costly", self.costly or self.networks > 1)


@dataclass(frozen=True)
class Analysis:
    """A pure function: ``compute(records)`` returns a table, the same one for the same records. It may not import torch.

    ``across(records_by_workload)`` returns the table of several workloads, for their common page. ``columns`` says what each
    column means, for a reader of the table: ``run.tables`` shows it.

    >>> def count_runs(records):
    ...     return records.compared().groupby("arm", as_index=False).size()
    >>> Analysis("counts", count_runs).thumbnails
    False
    """

    name: str  # of the analysis and of its table
    compute: Callable[[Records], DataFrame]
    thumbnails: bool = False  # its table names photos by ``split`` and ``row``, and the run keeps small copies of them
    across: Callable[[Mapping[str, Records]], DataFrame] | None = None  # None: it is of single runs alone
    columns: Mapping[str, str] = field(default_factory=dict)  # by column of the table: what it means, in a line
    reference: str = ""  # a paper or an address, for the report


@dataclass(frozen=True)
class Results:
    """What a report is made from: the records, one table per analysis, and what went wrong.

    >>> import pandas as pd
    >>> board = pd.DataFrame({"arm": ["adam"], "accuracy": [0.9]})
    >>> Results(records=None, tables={"board": board}).tables["board"].shape
    (1, 2)
    """

    records: Records
    tables: Mapping[str, DataFrame]  # by the analysis's name
    problems: tuple[str, ...] = ()  # analyses that failed, each with its reason
    blocked: tuple[str, ...] = ()  # plugins that the user left out, by name

    @property
    def left_out(self) -> tuple[str, ...]:
        """A line for each blocked plugin, so that nobody looks for what it makes."""
        return tuple(f"The plugin '{name}' is blocked: what it makes is missing here." for name in self.blocked)


@dataclass(frozen=True)
class Several:
    """Several runs side by side. Every later one is compared with the first.

    ``differs``  group, what, and a column a run, by its label: what is not the same in all of them, as text
    ``scores``   arm, run, n, planned, mean, low, high, sd, state, lost, tuned: the deciding test metric with its 95 % interval
    ``changes``  arm, run, how, seeds, shared, before, after, change, low, high, p, adjusted, margin, state: the later run
                 less the first. ``how`` is "paired by seed", "Welch", "the same trainings" or why no difference is
                 computed; ``shared`` seeds come from one training, which one run took over; ``state`` is regression,
                 improvement, within the margin, not shown, identical, the same trainings, or not comparable
    ``verdicts`` run, network, regime, facet ("statement" first), label: what each run says; empty where none does

    >>> import pandas as pd
    >>> changes = pd.DataFrame({"arm": ["adam", "sgd"], "state": ["regression", "identical"]})
    >>> empty = pd.DataFrame()
    >>> several = Several(("a", "b"), (), "accuracy", "max", "%", differs=empty, scores=empty, changes=changes, verdicts=empty)
    >>> several.regressions["arm"].tolist()
    ['adam']
    """

    ONE_TRAINING: ClassVar[str] = "the same trainings"  # ``how`` and ``state`` where nothing was measured twice

    labels: tuple[str, ...]  # of the runs, unique
    records: tuple[Records, ...]
    metric: str  # of the test split
    goal: Literal["min", "max"]
    unit: str
    differs: DataFrame
    scores: DataFrame
    changes: DataFrame
    verdicts: DataFrame

    @property
    def regressions(self) -> DataFrame:
        """The changes that are for the worse."""
        return self.changes[self.changes["state"] == "regression"]


@dataclass(frozen=True)
class Workloads:
    """The workloads of one benchmark, each with a run of its own, and what they say together.

    ``tables`` has:

    - ``workloads``  workload, folder, dataset, networks, regime, arms, replicates, statement, a column a facet, doubt,
      problem: a row a workload; ``doubt`` is its gravest one, and ``problem`` why it has no run
    - ``words``      facet ("statement" first), word, rests_on: "prediction interval" or "agreement"
    - ``pooled``     facet, measure, arm, other, word, rests_on, workloads, mean, se, low, high, tau, predicted_low,
      predicted_high, p_within, p_beyond, level: a row a pair and measure. Effects are in margins: 1 is on the margin
    - ``effects``    workload, facet, measure, arm, other, effect, se, label, below_floor, barred, pooled: what is pooled
    - the tables of the analyses that have a function ``across``

    >>> import pandas as pd
    >>> words = pd.DataFrame({"facet": ["statement", "loss"], "word": ["mixed", "similar"]})
    >>> Workloads("suite", {}, {}, {"words": words}).word("loss")
    'similar'
    """

    name: str  # of the benchmark
    records: Mapping[str, Records]  # by workload, of those that have a run
    folders: Mapping[str, str]  # by workload: the name of its run folder
    tables: Mapping[str, DataFrame]
    problems: tuple[str, ...] = ()  # runs that cannot be read, and analyses that failed, each with its reason

    def word(self, facet: str) -> str:
        """Return the word of a facet over all workloads, or their "statement"; "not measured" where there is none."""
        words = dict(zip(self.tables["words"]["facet"], self.tables["words"]["word"], strict=True))
        return str(words.get(facet, "not measured"))


@dataclass(frozen=True)
class Report:
    """A report format: ``render(results)`` returns the text of ``report.EXTENSION``.

    Optional functions make more of it:

    - ``table(table)`` returns the text of one table: it is written to ``tables/NAME.EXTENSION``, beside ``NAME.parquet``.
    - ``compare(several)`` returns what ``harness compare`` writes into a file of that extension.
    - ``workloads(workloads)`` returns the common report of several workloads.
    - ``headline(results)`` returns a few lines for a terminal. ``harness show`` and a notebook begin with those of the first
      report that has it. A line that begins with ``doubt: `` is a doubt, the gravest first.
    - ``figures(results)`` returns its figures as matplotlib figures, by name; the label of each is its title. A notebook has
      those of the first report that has it, as ``run.figures``.

    >>> Report("text", "txt", render=lambda results: f"{len(results.tables)} tables").extension
    'txt'
    """

    name: str  # by which a benchmark asks for it
    extension: str  # of its files, without the dot
    render: Callable[[Results], str]
    table: Callable[[DataFrame], str] | None = None  # None: it is no format of tables
    compare: Callable[[Several], str] | None = None  # None: it cannot lay several runs side by side
    workloads: Callable[[Workloads], str] | None = None  # None: it has no common report of several workloads
    headline: Callable[[Results], str] | None = None  # None: it has no lines for a terminal
    figures: Callable[[Results], Mapping[str, Figure]] | None = None  # for a notebook or a paper; None without any
    reference: str = ""  # a paper or an address, for the report
