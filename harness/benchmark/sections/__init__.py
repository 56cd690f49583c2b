"""The model of the benchmark file: every section, with every key's type, range, default and meaning at the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from harness.benchmark.meaning import BESIDE, OUTSIDE, Effect, Meaning, select_values
from harness.benchmark.sections.base import (
    ArmName,
    Name,
    PathName,
    Seconds,
    Section,
    TimeText,
    Unrepeated,
    seconds_of,
)
from harness.benchmark.sections.compare import CompareSection
from harness.benchmark.sections.heads import HeadSection
from harness.benchmark.sections.report import BaselineSection, ReportSection, Target
from harness.benchmark.sections.search import Choices, Range, SearchSection
from harness.benchmark.sections.training import DataSection, TrainSection
from harness.benchmark.sections.verdict import VerdictSection

__all__ = [
    "TABLES",
    "BaselineSection",
    "Benchmark",
    "Choices",
    "CompareSection",
    "DataSection",
    "HeadSection",
    "Range",
    "ReportSection",
    "SearchSection",
    "Section",
    "Target",
    "TrainSection",
    "VerdictSection",
    "as_plain",
    "identity",
]


class Benchmark(Section):
    """A whole benchmark file, resolved."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            description="up to 64 letters, digits, '.', '_' or '-', a letter or digit first (it names the run folder)",
        ),
        Meaning(
            "The name of the benchmark. The run folder is called `NAME-HASH`. Where `--data DIR` names a folder, that folder's "
            "name is put behind it, `NAME-DIR-HASH`, unless `--set name=NAME` says the whole name.",
            "my-benchmark",
            Effect("in", "free", "none", compared=False),
        ),
    ]
    plugins: Annotated[
        list[PathName],
        Field(max_length=100),
        Unrepeated,
        Meaning("Plugin files to load, relative to the benchmark file.", ["my_optimizer.py"], OUTSIDE),
    ] = []
    block: Annotated[
        list[ArmName],
        Field(max_length=100),
        Unrepeated,
        Meaning("Installed plugins to leave out, by their names.", ["some-plugin"], OUTSIDE),
    ] = []
    budget: Annotated[
        Seconds | TimeText | None,
        Meaning(
            "The time that the run may take in all, from its beginning to its reports: seconds, or a text such as `90s`, `5min` "
            "or `1h30m`; `none` for no limit. "
            "Search, comparison and probes share it. No replicate, trial or pair of networks begins that does not fit, and "
            "all arms are treated alike. It is a total over all calls: the same command with more time goes on. "
            "`--time-limit` is the same.",
            "1h30m",
            BESIDE,
        ),
    ] = None
    data: DataSection = DataSection()
    train: TrainSection = TrainSection()
    search: SearchSection = SearchSection()
    compare: CompareSection = CompareSection()
    verdict: VerdictSection = VerdictSection()
    heads: Annotated[
        dict[Name, HeadSection],
        Field(max_length=100),
        Meaning(
            "Settings that differ for one of `train.heads`, in `[heads.NAME.train]`, `[heads.NAME.search]` and "
            "`[heads.NAME.compare]`.",
            {"linear": {"train": {"l2": 0.1}}},
            Effect("in", "equal", "none", compared=True),
            regimes=("features",),
        ),
    ] = {}
    baseline: BaselineSection = BaselineSection()
    report: ReportSection = ReportSection()

    @field_validator("budget")
    @classmethod
    def _some_time(cls, budget: float | str | None) -> float | str | None:
        if budget is not None and not seconds_of(budget) > 0:
            raise ValueError(
                f'must be a number of seconds above 0 or a time such as "90s", "5min" or "1h30m", got {budget!r}'
            )
        return budget

    def of_head(self, head: str) -> Benchmark:
        """Return the benchmark as it holds for a head: with that head's own settings, where it has some."""
        if head not in self.heads:
            return self
        settings = self.heads[head]
        changed = {}
        for name in ("train", "search", "compare"):
            update = getattr(settings, name).model_dump(exclude_none=True)
            if update:
                changed[name] = getattr(self, name).model_copy(update=update)
        return self.model_copy(update=changed)


# What may stand in a table that the model leaves open. The target may also be empty, and a hyperparameter a plain value.
TABLES: Mapping[tuple[str, ...], tuple[type[Section], ...]] = {
    ("report", "target"): (Target,),
    ("search", "space", "*", "*"): (Range, Choices),
}


def as_plain(benchmark: Benchmark) -> dict[str, Any]:
    """Return the resolved benchmark as plain values, ready for TOML or JSON."""
    plain = benchmark.model_dump(mode="json", exclude_none=True)
    assert isinstance(plain, dict)
    return plain


def identity(benchmark: Benchmark) -> dict[str, Any]:
    """Return the part of the benchmark that its run folder is named after: the values whose meaning says so.

    Totals and what is only shown are no part of it. So a request for more trials or seeds goes on in the same folder,
    and another learning rule starts a new one.
    """
    return select_values(Benchmark, as_plain(benchmark), lambda meaning: meaning.effect.identity == "in")
