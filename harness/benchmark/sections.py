"""The benchmark file: what may stand in it, and one clear line for what may not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from harness.benchmark.absent import REGIMES, without_absent
from harness.benchmark.keys import Of, kinds_at, words
from harness.benchmark.toml import Source, read
from harness.errors import BenchmarkError, HarnessError, did_you_mean, shown
from harness.plugin.validate import is_penalty

DEEPEST = 32  # tables in tables
LONGEST = 4096  # characters of a string or a key, as of a path on Linux
MOST = 1000  # entries of a list or a table


def _each_once(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"must name each only once, got {shown(value)} twice")
    return values


# Every number has a least and a greatest value. Where the greatest one is a guard against slips and nothing else, it is a
# million: so many epochs, seeds or trials nobody has time for, and the seeds of searches begin there (plan.SEARCH_SEED).
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]  # 0: none
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]  # numpy and torch both take these
Seconds = Annotated[float, Field(gt=0, le=1e9)]  # thirty years
Penalty = Annotated[float, Field(ge=0, le=100)]  # beyond that all weights are zero
Factor = Annotated[float, Field(ge=1e-4, le=1)]  # of a learning rate; below that a layer stands still
Name = Annotated[str, Field(min_length=1, max_length=100)]  # of a plugin, which has at most so many characters
ArmName = Annotated[str, Field(min_length=1, max_length=400)]  # backbone/head/optimizer/schedule
Alias = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$",
        description="up to 64 letters, digits, '.', '_', '+' or '-', a letter or digit first",
    ),
]
PathName = Annotated[str, Field(min_length=1, max_length=LONGEST)]
PathOrNone = Annotated[str, Field(max_length=LONGEST)]  # empty: none
Names = Annotated[list[Name], Field(max_length=100), AfterValidator(_each_once)]
Options = Annotated[dict[Name, Any], Field(max_length=100)]  # by option: what its plugin says that it may be


ENDS = (-1e12, 1e12)  # of any hyperparameter: beyond them float32 has lost what comes after the number
Hyperparameter = Annotated[float, Field(ge=ENDS[0], le=ENDS[1])]


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no types turned into others on the quiet."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(Section):
    """``[data]``: what to learn from."""

    dataset: Annotated[Name, Of("dataset")] = "dogscats"
    size: int = Field(default=32, ge=8, le=1024)  # pixels; smaller ones show nothing, larger ones fill the memory
    # part of train set aside for the search, where the source has no tune split; something is left of both
    tune: float = Field(default=0.2, ge=0.001, le=0.9)
    seed: Seed = 0
    on_bad_image: Literal["error", "skip"] = "error"
    exclude: PathOrNone = (
        ""  # CSV, beside the benchmark file, of what leaves train and tune, and is scored apart in test
    )
    options: Options = {}  # the dataset's own


class TrainSection(Section):
    """``[train]``: what every run has in common, and the arms: backbones x optimizers x schedulers."""

    task: Annotated[Name, Of("task")] = "classification"
    regime: Literal["features", "finetune", "scratch"] = "scratch"
    pretrained: bool | PathName = True  # features and finetune: true finds the weights, a string is a file or a folder
    heads: Annotated[Names, Of("backbone")] = Field(
        default=["linear"], min_length=1
    )  # features only: what is trained on the frozen backbone's features
    backbones: Annotated[Names, Of("backbone")] = Field(default=["lesson_cnn"], min_length=1)
    optimizers: Annotated[Names, Of("optimizer")] = Field(default=["sgd", "adam", "rmsprop"], min_length=1)
    schedulers: Annotated[Names, Of("scheduler")] = Field(default=["cosine"], min_length=1)
    # another name -> optimizer, so that one can be two arms with spaces of their own
    aliases: dict[Alias, Annotated[Name, Of("optimizer")]] = Field(default={}, max_length=100)
    batch_size: Count = 64
    l2: Penalty = 5e-4  # part of the common objective, the same for every arm
    augment: Annotated[
        list[Literal["flip", "crop", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix"]],
        Field(max_length=8),
        AfterValidator(_each_once),
    ] = []
    head_epochs: CountOrNone = 0  # finetune only: so many first epochs train the head alone
    layer_factor: Factor = 1.0  # finetune only: of the rate of the layer group after it
    batch_norm: Literal["train", "frozen"] = "train"  # finetune only: frozen keeps and uses the pretrained statistics
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$", description="auto, cpu, cuda or cuda:N"
    )
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = Field(default=0, ge=0, le=4096)  # 0: as many as this process may use
    executor: Annotated[Name, Of("executor")] = "inprocess"


class SearchSection(Section):
    """``[search]``: how each arm is tuned."""

    trials: Count = 12  # of each arm, a total: resuming never adds to it
    unit: Literal["trials", "epochs", "seconds"] = "trials"  # of each arm's budget
    budget: float = Field(default=0.0, ge=0, le=1e9)  # where the unit is epochs or seconds of training: a total
    seeds: int = Field(
        default=1, ge=1, le=1000
    )  # that a trial is trained under (plan.NEXT_SEED); its score is their mean
    objective: Literal["common", "free"] = (
        "common"  # free: weight decay too is an arm's own, and minima are not compared
    )
    # with both, the report shows which trials are on the front
    objectives: list[Literal["score", "seconds"]] = Field(default=["score"], min_length=1, max_length=2)
    # whole searches of each arm, with other seeds: luck in tuning, measured; those of controls begin at 100
    replicates: int = Field(default=1, ge=1, le=100)
    sampler: Annotated[Name, Of("sampler")] = "tpe"
    sampler_options: Options = {}
    pruner: Annotated[Name, Of("pruner")] = "none"
    pruner_options: Options = {}
    epochs: list[Count] = Field(default=[4, 12], min_length=1, max_length=2)  # [from, to], or [exactly]
    # choices; where empty, the one of [train]
    batch_size: Annotated[list[Count], Field(max_length=100), AfterValidator(_each_once)] = []
    layer_factor: list[Factor] = Field(default=[], max_length=2)  # [low, high]; where empty, the one of [train]
    metric: Annotated[str, Of("metric")] = Field(
        default="", max_length=100
    )  # of the tune split; the task's first metric where empty
    lr_range_test: bool = False  # before it, centre each arm's learning rates on what a range test suggests
    seed: Seed = 0
    # per optimizer or scheduler: a value, or what ``Range`` or ``Choices`` says
    space: dict[Name, Options] = Field(default={}, max_length=200)

    @field_validator("epochs")
    @classmethod
    def _rising(cls, epochs: list[int]) -> list[int]:
        if epochs != sorted(epochs):
            raise ValueError(f"must be [from, to] with from <= to, got {epochs}")
        return epochs

    @field_validator("objectives")
    @classmethod
    def _score_first(cls, objectives: list[str]) -> list[str]:
        if objectives not in (["score"], ["score", "seconds"]):
            raise ValueError(f'must be ["score"] or ["score", "seconds"], got {objectives}')
        return objectives

    @field_validator("layer_factor")
    @classmethod
    def _a_range(cls, factors: list[float]) -> list[float]:
        if factors and (len(factors) != 2 or factors != sorted(factors)):
            raise ValueError(f"must be [low, high] with low <= high, got {factors}")
        return factors


class Range(Section):
    """A hyperparameter that is searched between two ends, in ``[search.space.NAME]``."""

    low: Hyperparameter
    high: Hyperparameter
    log: bool = False
    step: Annotated[float, Field(gt=0, le=1e12)] | None = None  # the values are low, low + step, ... high


class Choices(Section):
    """A hyperparameter that is searched among some values, in ``[search.space.NAME]``."""

    choices: Annotated[
        list[bool | Hyperparameter | PathOrNone], Field(min_length=1, max_length=100), AfterValidator(_each_once)
    ]


class CompareSection(Section):
    """``[compare]``: how the tuned arms are retrained and compared."""

    seeds: Count = 8
    epochs: Count = 40  # common to all arms, enough to reach a minimum
    untuned: CountOrNone = 3  # seeds of each optimizer with its own defaults
    twins: CountOrNone = 0  # so many first seeds again, at most all: the same initial weights, another order
    aa: bool | Annotated[Name, Of("optimizer")] = (
        False  # the A/A arm: an optimizer, or true for the first, once more under an alias
    )
    label_noise: float = Field(
        default=0.0, ge=0, le=1
    )  # the known-different arm: this part of the labels shuffled; 0: none
    gate: bool = True  # is it a minimum? One run of each arm goes on for a fifth of its steps
    fit: float = Field(
        default=0.01, ge=0, le=0.5
    )  # the largest un-augmented train error at a minimum; at .5 two classes are guessed
    probes: Annotated[Names, Of("probe")] = ["gradient_norm"]
    probe_options: dict[Name, Options] = Field(default={}, max_length=100)  # by probe: its own
    # by late probe: at most so many measurements (networks, pairs or threes), in whole groups; all where none is named
    probe_sizes: dict[Name, Count] = Field(default={}, max_length=100)
    # a limit in seconds for each late probe, and for those that need another; none where it is left out, for what is
    # measured then depends on the machine
    probe_budget: Seconds | None = None
    probe_budgets: dict[Name, Seconds] = Field(default={}, max_length=100)
    tta: bool = False  # score the mean of predictions for each test image and its mirror image too
    snapshots: bool = False  # keep and ensemble the weights at the ends of a schedule's cycles (sgdr)
    confirm: bool = True  # regime features: the whole network is run on test photos, to confirm what the features gave
    folds: int = Field(
        default=0, ge=0, le=100
    )  # 2 or more: predict the train split out of fold, to find suspects in it

    @field_validator("folds")
    @classmethod
    def _two_or_none(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (none), or 2 or more, got 1")
        return folds


# How much may not matter has an end: a margin beyond these would call anything similar. Ratios end at 10, parts of 1 at a
# half, which is all that two classes differ by from guessing, and nats at 1, for guessing among two classes loses 0.69.
Ratio = Annotated[float, Field(gt=1, le=10)]
Part = Annotated[float, Field(gt=0, le=0.5)]
PartOrNone = Annotated[float, Field(ge=0, le=0.5)]
Nats = Annotated[float, Field(gt=0, le=1)]
NatsOrNone = Annotated[float, Field(ge=0, le=1)]


class MarginsSection(Section):
    """``[verdict.margins]``: how large a difference may be and still not matter. Design choices, none from a paper."""

    accuracy: Part = 0.005  # of test accuracy, absolute
    test_loss: Ratio = 1.10
    train_loss: Nats = 0.02  # nats; elsewhere parts of the targets' variance
    function: Ratio = 1.10  # ratio of distances, between arms to within arms
    representation: Ratio = 1.10  # the same
    barrier: Part = 0.02  # of train error, between arms less within arms
    sharpness: Ratio = 1.25


class FloorsSection(Section):
    """``[verdict.floors]``: distances below which two networks count as the same, whatever the ratio."""

    disagreement: PartOrNone = 0.002  # part of the test examples
    root_jsd: PartOrNone = 0.01  # root of nats, at most 0.83
    prediction: NatsOrNone = 0.01  # of predicted numbers, in SDs of the test targets
    cka: PartOrNone = 0.005  # 1 - CKA
    procrustes: PartOrNone = 0.005  # 1 - similarity
    barrier: PartOrNone = 0.005  # of train error
    sharpness: NatsOrNone = 0.002  # nats


class GateSection(Section):
    """``[verdict.gate]``: what a network at a minimum must stand; its train error is ``compare.fit``."""

    gain: Part = 0.05  # a restart lowers the train loss by less than this part of it
    nats: NatsOrNone = 0.005  # or by less than this
    gradient: Annotated[float, Field(ge=1e-7, le=0.5)] = (
        1e-4  # convex networks: the full gradient, as a part of its start; float32 ends there
    )


class VerdictSection(Section):
    """``[verdict]``: the rules of the verdict, registered before the comparison; see docs/protocol.md."""

    alpha: float = Field(default=0.05, ge=1e-6, lt=0.5)  # below a millionth no design has any power
    margins: MarginsSection = MarginsSection()
    floors: FloorsSection = FloorsSection()
    gate: GateSection = GateSection()


class HeadTrain(Section):
    """``[heads.NAME.train]``."""

    batch_size: Count | None = None
    l2: Penalty | None = None


class HeadSearch(Section):
    """``[heads.NAME.search]``."""

    epochs: list[Count] | None = Field(default=None, min_length=1, max_length=2)
    space: Annotated[dict[Name, Options], Field(max_length=200)] | None = None


class HeadCompare(Section):
    """``[heads.NAME.compare]``."""

    epochs: Count | None = None


class HeadSection(Section):
    """``[heads.NAME]``: what is otherwise for one head; a convex one is trained to its minimum, another is not."""

    train: HeadTrain = HeadTrain()
    search: HeadSearch = HeadSearch()
    compare: HeadCompare = HeadCompare()


class BaselineSection(Section):
    """``[baseline]``: arms that were tuned and trained elsewhere, in a file of ``harness baseline export``."""

    file: PathOrNone = ""  # relative to the benchmark file
    # by their names or their optimizers'; all where empty
    arms: Annotated[list[ArmName], Field(max_length=MOST), AfterValidator(_each_once)] = []
    environment: Literal["same", "any"] = "same"  # any: another torch, device or precision is said in the report


class Target(Section):
    """``report.target``: a metric of the tune split, and the value that time is taken to; see docs/search.md."""

    metric: Annotated[Name, Of("metric")]
    value: float = Field(ge=-1e6, le=1e6)  # and within the metric's own bounds


class ReportSection(Section):
    """``[report]``: which formats are written at the end."""

    formats: Annotated[Names, Of("report")] = ["html"]
    paths: bool = True  # draw the tuned optimizers' paths over two parameters: about a second per arm
    target: Options = {}  # what ``Target`` says, or nothing


class Benchmark(Section):
    """A whole benchmark file, resolved."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="up to 64 letters, digits, '.', '_' or '-', a letter or digit first (it names the run folder)",
    )
    # loose plugin files, relative to the benchmark file
    plugins: Annotated[list[PathName], Field(max_length=100), AfterValidator(_each_once)] = []
    block: Annotated[
        list[ArmName], Field(max_length=100), AfterValidator(_each_once)
    ] = []  # plugins to leave out, by name
    data: DataSection = DataSection()
    train: TrainSection = TrainSection()
    search: SearchSection = SearchSection()
    compare: CompareSection = CompareSection()
    verdict: VerdictSection = VerdictSection()
    heads: dict[Name, HeadSection] = Field(default={}, max_length=100)  # by one of train.heads
    baseline: BaselineSection = BaselineSection()
    report: ReportSection = ReportSection()

    def of_head(self, head: str) -> Benchmark:
        """Return the benchmark as it holds for a head; unchanged where nothing is otherwise for it."""
        if head not in self.heads:
            return self
        other = self.heads[head]
        sections = {name: getattr(other, name).model_dump(exclude_none=True) for name in ("train", "search", "compare")}
        return self.model_copy(
            update={name: getattr(self, name).model_copy(update=said) for name, said in sections.items() if said}
        )


# What stands in a table that the model leaves open: at report.target nothing too, in a space a plain value too.
TABLES: Mapping[tuple[str, ...], tuple[type[Section], ...]] = {
    ("report", "target"): (Target,),
    ("search", "space", "*", "*"): (Range, Choices),
}


def load(file: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> tuple[Benchmark, Source]:
    """Return the checked benchmark and where each of its values was said; raises BenchmarkError.

    The file must be right as it stands and with each of its profiles, whichever is chosen.
    """
    source = read(file, profile, overrides)
    benchmark, source = _checked(source)
    for other in (None, *source.profiles):
        if other != profile or overrides:
            with in_profile(other):
                _checked(read(file, other))
    return benchmark, source


def others(file: Path, profile: str | None) -> Iterator[tuple[str | None, Benchmark, Source]]:
    """Yield the file as it stands and with each profile, except as it is run; with the name of the profile."""
    for other in (None, *read(file).profiles):
        if other != profile:
            yield other, *_checked(read(file, other))


@contextmanager
def in_profile(name: str | None) -> Iterator[None]:
    """Say in an error which profile it is in, for a line of the file may be wrong in one and right in another."""
    try:
        yield
    except HarnessError as error:
        if name is None:
            raise
        raise BenchmarkError(f"{error} (in the profile {shown(name)})") from error


def _checked(source: Source) -> tuple[Benchmark, Source]:
    """Return the benchmark of a source, and the source without what takes no part; raises BenchmarkError."""
    _check_values(source.values, source)
    source = without_absent(source, as_plain(Benchmark(name="defaults")))
    try:
        benchmark = Benchmark.model_validate(source.values)
    except ValidationError as error:
        raise BenchmarkError(_line(error.errors()[0], Benchmark, source)) from error
    _check_budget(benchmark, source)
    _check_spaces(benchmark, source)
    for head in benchmark.heads:
        where = source.where("heads", head)
        if benchmark.train.regime != "features":
            raise BenchmarkError(f"{where}: must go with the regime 'features', got '{benchmark.train.regime}'")
        if head not in benchmark.train.heads:
            raise BenchmarkError(
                f"{where}: must be one of train.heads, got {shown(head)}{did_you_mean(head, benchmark.train.heads)}"
            )
        epochs = benchmark.of_head(head).search.epochs
        if epochs != sorted(epochs):
            where = source.where("heads", head, "search", "epochs")
            raise BenchmarkError(f"{where}: must be [from, to] with from <= to, got {epochs}")
        _check_spaces(benchmark.of_head(head), source, "heads", head)
    _check_regime(benchmark, source)
    _check_together(benchmark, source)
    return benchmark, source


# control characters, ends of lines and of paragraphs, directions of writing, and what cannot be encoded
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _check_values(value: Any, source: Source, *key: str) -> None:
    """Raise BenchmarkError for what no key may hold.

    That is: dates, numbers that are not finite or beyond TOML's, texts of several lines, endless lists and tables.
    """
    if len(key) > DEEPEST:
        raise BenchmarkError(f"{source.where(*key[:3])}: must be nested at most {DEEPEST} tables deep, got more")
    if not isinstance(value, bool | int | float | str | list | Mapping):
        what = "a string, a number, true or false, a list or a table"
        raise BenchmarkError(
            f"{source.where(*key)}: must be {what}, got {type(value).__name__} {shown(str(value))}; put it in quotes"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise BenchmarkError(f"{source.where(*key)}: must be a finite number, got {value!r}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BenchmarkError(f"{source.where(*key)}: must be a whole number of at most 64 bits, got a larger one")
    if isinstance(value, str):
        _check_text(value, "a string", source.where(*key))
    if isinstance(value, list | Mapping) and len(value) > MOST:
        what = "a list" if isinstance(value, list) else "a table"
        raise BenchmarkError(f"{source.where(*key)}: must be {what} of at most {MOST} entries, got {len(value)}")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_text(name, "a key", source.where(*key))
            if not name:
                raise BenchmarkError(f"{source.where(*key)}: must have keys with a name, got an empty one")
            _check_values(inner, source, *key, name)
    if isinstance(value, list):
        for inner in value:
            _check_values(inner, source, *key)


def _check_text(text: str, what: str, where: str) -> None:
    if len(text) > LONGEST:
        raise BenchmarkError(
            f"{where}: must be {what} of at most {LONGEST} characters, got {shown(text)} of {len(text)}"
        )
    if found := _UNPRINTABLE.search(text):
        raise BenchmarkError(
            f"{where}: must be {what} on one line without control characters, got U+{ord(found[0]):04X} in {shown(text)}"
        )


def _check_budget(benchmark: Benchmark, source: Source) -> None:
    """Raise BenchmarkError for a budget that is said twice, or not at all."""
    search = benchmark.search
    where = source.where("search", "budget")
    if search.unit == "trials" and search.budget:
        raise BenchmarkError(
            f'{where}: must go with unit = "epochs" or "seconds", got {search.budget:g}; a budget in trials is search.trials'
        )
    if search.unit != "trials" and not search.budget:
        raise BenchmarkError(f"{where}: must say how many {search.unit} each arm gets, got none; add budget = ...")


def _check_spaces(benchmark: Benchmark, source: Source, *above: str) -> None:
    """Raise BenchmarkError for a line of ``[search.space]`` that nothing would search."""
    parts = {*benchmark.train.optimizers, *benchmark.train.schedulers}
    for part, space in benchmark.search.space.items():
        if part not in parts:
            where = source.where(*above, "search", "space", part)
            raise BenchmarkError(
                f"{where}: must be for an arm's optimizer or scheduler, got {shown(part)}{did_you_mean(part, parts)}"
            )
        for name, said in space.items():
            where = source.where(*above, "search", "space", part, name)
            if name in ("epochs", "batch_size", "layer_factor"):
                raise BenchmarkError(
                    f"{where}: must be searched alike for every arm, got it for '{part}'; use search.{name}"
                )
            penalty = is_penalty(name) if isinstance(said, dict) else is_penalty(name, said)
            if penalty and benchmark.search.objective == "common":
                raise BenchmarkError(
                    f"{where}: must be 0 where the arms have one objective, got {shown(said)}; the penalty they have in common is "
                    'train.l2, and with search.objective = "free" each has its own'
                )
            _check_hyperparameter(said, source, *above, "search", "space", part, name)


def _check_hyperparameter(said: Any, source: Source, *key: str) -> None:
    """Raise BenchmarkError for a line of ``[search.space.NAME]`` that is neither a value nor a range nor choices."""
    where = source.where(*key)
    if isinstance(said, str | int | float | bool):
        least, most = ENDS
        if isinstance(said, int | float) and not least <= said <= most:
            raise BenchmarkError(f"{where}: must be a number >= {least:g} and <= {most:g}, got {shown(said)}")
        return
    if not isinstance(said, dict):
        raise BenchmarkError(f"{where}: must be a value, {{low, high, log, step}} or {{choices}}, got {shown(said)}")
    model = Choices if "choices" in said else Range
    try:
        model.model_validate(said)
    except ValidationError as error:
        raise BenchmarkError(_line(error.errors()[0], model, source, *key)) from error
    if model is Choices:
        return
    low, high, step = said["low"], said["high"], said.get("step")
    if not low < high:
        raise BenchmarkError(
            f"{where}: must be a range with low < high, got {shown(said)}; one value stands without {{}}"
        )
    if said.get("log") and not low > 0:
        raise BenchmarkError(f"{where}: must have a low above 0 where log = true, got {low}")
    if step is not None:
        steps = (high - low) / step
        if said.get("log"):
            raise BenchmarkError(f"{where}: must have log = true or a step, got both; leave one out")
        if not steps >= 1 or abs(steps - round(steps)) > 1e-9 * steps:
            raise BenchmarkError(
                f"{where}: must have a step that divides the range from low to high into whole steps, got {shown(said)}"
            )


def _check_regime(benchmark: Benchmark, source: Source) -> None:
    """Raise BenchmarkError for settings of another regime, and for a head stage that never ends."""
    plain, defaults, regime = as_plain(benchmark), as_plain(Benchmark(name="defaults")), benchmark.train.regime
    for (section, key), regimes in REGIMES.items():
        value, default = plain[section][key], defaults[section][key]
        if regime not in regimes and value != default:
            needs = " or ".join(f'"{name}"' for name in regimes)
            raise BenchmarkError(
                f"{source.where(section, key)}: must be {shown(default)} in the regime '{regime}', got {shown(value)}; "
                f"it needs regime = {needs}"
            )
    train = benchmark.train
    shortest = {"search.epochs": min(benchmark.search.epochs), "compare.epochs": benchmark.compare.epochs}
    for name, epochs in shortest.items():
        if train.head_epochs >= epochs:
            raise BenchmarkError(
                f"{source.where('train', 'head_epochs')}: must be less than {name}, which is {epochs} at the least, "
                f"got {train.head_epochs}; train longer or the head for less"
            )


def _check_together(benchmark: Benchmark, source: Source) -> None:
    """Raise BenchmarkError for settings that are of no use without another one."""
    compare, baseline = benchmark.compare, benchmark.baseline
    if compare.twins > compare.seeds:
        raise BenchmarkError(
            f"{source.where('compare', 'twins')}: must be at most compare.seeds, which is {compare.seeds}, for each is the "
            f"twin of a seed, got {compare.twins}"
        )
    if not baseline.file and baseline != BaselineSection():
        key = "arms" if baseline.arms else "environment"
        raise BenchmarkError(
            f"{source.where('baseline', key)}: must go with baseline.file, got none; add file = ..., or leave {key} out"
        )
    if target := benchmark.report.target:
        try:
            Target.model_validate(target)
        except ValidationError as error:
            raise BenchmarkError(_line(error.errors()[0], Target, source, "report", "target")) from error


def _line(error: ErrorDetails, model: type[BaseModel], source: Source, *above: str) -> str:
    """Return pydantic's first complaint about a model that stands at a key as ``where: what must be, got what``."""
    place, got = error["loc"], error["input"]
    kinds, depth = kinds_at(model, place)
    key = tuple(part for part in place if isinstance(part, str))  # a number is a place in a list
    if error["type"] == "missing":
        return f"{source.where(*above, *key[:-1])}: must have '{key[-1]}', got none; add {key[-1]} = ..."
    if error["type"] == "extra_forbidden":
        known = _keys(model, place[:-1])
        return f"{source.where(*above, *key)}: must be a known key, got {shown(key[-1])}{did_you_mean(key[-1], known)}"
    if place[-1] == "[key]":
        table, _ = kinds_at(model, place[:-2])
        return f"{source.where(*above, *key[:-2])}: must be named with {words(table[0].names)}, got {shown(key[-2])}"
    if error["type"] == "value_error":
        return f"{source.where(*above, *key)}: {error['ctx']['error']}"
    key = tuple(part for part in place[:depth] if isinstance(part, str))
    choices = [choice for kind in kinds for choice in kind.choices]
    hint = did_you_mean(got, choices) if isinstance(got, str) and choices else ""
    hint = hint if "did you mean" in hint else ""
    return f"{source.where(*above, *key)}: must be {words(kinds)}, got {shown(got)}{hint}"


def _keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    (kind, *_), _depth = kinds_at(model, place)
    return list(kind.section.model_fields) if kind.section else []


def as_plain(benchmark: Benchmark) -> dict[str, Any]:
    """Return the resolved benchmark as plain values, ready for TOML or JSON."""
    plain = benchmark.model_dump(mode="json", exclude_none=True)
    assert isinstance(plain, dict)
    return plain


def identity(benchmark: Benchmark) -> Mapping[str, Any]:
    """Return what a run folder is named after: everything but totals that may grow and what is only shown.

    So asking for more trials or seeds goes on in the same folder, and a different learning rule starts a new one.
    """
    plain = as_plain(benchmark)
    del plain["search"]["trials"], plain["compare"]["seeds"], plain["report"], plain["plugins"], plain["block"]
    del plain["compare"]["folds"], plain["data"]["exclude"]  # what is excluded is part of the data's fingerprint
    for key in (
        "snapshots",
        "confirm",
        "probes",
        "probe_options",
        "probe_sizes",
        "probe_budget",
        "probe_budgets",
    ):  # runs have them in their recipes
        plain["compare"].pop(key, None)  # probe_budget is not there where it is not set
    for key in ("untuned", "twins", "aa", "label_noise", "gate"):  # controls come beside what is there
        del plain["compare"][key]
    for key in ("replicates", "unit", "budget"):
        del plain["search"][key]
    del plain["baseline"]  # other people's arms come beside what is there
    del plain["verdict"], plain["compare"]["fit"]  # other margins are another verdict on the same runs
    for key in ("executor", "threads"):
        del plain["train"][key]
    return plain
