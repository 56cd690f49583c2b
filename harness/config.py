"""The benchmark file: what may stand in it, and one clear line for what may not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from harness.absent import without_absent
from harness.errors import BenchmarkError, did_you_mean
from harness.rules import is_penalty
from harness.toml import Source, read

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
DEEPEST = 32  # tables in tables


def _shown(name: str) -> str:
    """Return a name as it was given; of one that is too long, its beginning and its length."""
    return f"'{name}'" if len(name) <= 64 else f"'{name[:24]}...' of {len(name)}"


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no types turned into others on the quiet."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(Section):
    """``[data]``: what to learn from."""

    dataset: str = "dogscats"
    size: int = Field(32, ge=8, le=1024)  # pixels
    tune: float = Field(0.2, gt=0, lt=1)  # part of train set aside for the search, where the source has no tune split
    seed: Seed = 0
    on_bad_image: Literal["error", "skip"] = "error"
    exclude: str = ""  # CSV, relative to the benchmark file, of what leaves train and tune, and is scored apart in test
    options: dict[str, Any] = {}  # the dataset's own


class TrainSection(Section):
    """``[train]``: what every run has in common, and the arms: backbones x optimizers x schedulers."""

    task: str = "classification"
    regime: Literal["features", "finetune", "scratch"] = "scratch"
    pretrained: bool | str = True  # features and finetune: true finds the weights, a string is a file or a folder
    heads: list[str] = ["linear"]  # features only: what is trained on the frozen backbone's features
    backbones: list[str] = Field(["lesson_cnn"], min_length=1)
    optimizers: list[str] = Field(["sgd", "adam", "rmsprop"], min_length=1)
    schedulers: list[str] = Field(["cosine"], min_length=1)
    aliases: dict[str, str] = {}  # another name -> optimizer, so that one can be two arms with spaces of their own
    batch_size: Count = 64
    l2: float = Field(5e-4, ge=0, allow_inf_nan=False)  # part of the common objective, the same for every arm
    augment: list[Literal["flip", "crop", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix"]] = []
    head_epochs: int = Field(0, ge=0, le=1_000_000)  # finetune only: so many first epochs train the head alone
    layer_factor: float = Field(1.0, gt=0, le=1)  # finetune only: of the rate of the layer group after it
    batch_norm: Literal["train", "frozen"] = "train"  # finetune only: frozen keeps and uses the pretrained statistics
    device: str = "auto"  # auto | cpu | cuda | cuda:N
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = Field(0, ge=0, le=4096)  # 0: as many as this process may use
    executor: str = "inprocess"

    @field_validator("aliases")
    @classmethod
    def _plain_names(cls, aliases: dict[str, str]) -> dict[str, str]:
        for alias in aliases:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", alias):
                raise ValueError(
                    f"must be named with up to 64 letters, digits, '.', '_', '+' or '-', a letter or digit first, "
                    f"got {_shown(alias)}"
                )
        return aliases

    @field_validator("backbones", "heads", "optimizers", "schedulers", "augment")
    @classmethod
    def _no_name_twice(cls, names: list[str]) -> list[str]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"must name each only once, got '{name}' twice")
        return names


class SearchSection(Section):
    """``[search]``: how each arm is tuned."""

    trials: Count = 12  # of each arm, a total: resuming never adds to it
    unit: Literal["trials", "epochs", "seconds"] = "trials"  # of each arm's budget
    budget: float = Field(0.0, ge=0, allow_inf_nan=False)  # where the unit is epochs or seconds of training: a total
    seeds: int = Field(1, ge=1, le=1000)  # that a trial is trained under; its score is their mean
    objective: Literal["common", "free"] = (
        "common"  # free: weight decay too is an arm's own, and minima are not compared
    )
    objectives: list[Literal["score", "seconds"]] = [
        "score"
    ]  # with both, the report shows which trials are on the front
    replicates: int = Field(1, ge=1, le=100)  # whole searches of each arm, with other seeds: luck in tuning, measured
    sampler: str = "tpe"
    sampler_options: dict[str, Any] = {}
    pruner: str = "none"
    pruner_options: dict[str, Any] = {}
    epochs: list[Count] = Field([4, 12], min_length=1, max_length=2)  # [from, to], or [exactly]
    batch_size: list[Count] = []  # choices; where empty, the one of [train]
    layer_factor: list[Annotated[float, Field(gt=0, le=1)]] = []  # [low, high]; where empty, the one of [train]
    metric: str = ""  # of the tune split; the task's first metric where empty
    lr_range_test: bool = False  # before it, centre each arm's learning rates on what a range test suggests
    seed: Seed = 0
    space: dict[str, dict[str, Any]] = {}  # per optimizer or scheduler: a value, or {low, high, log}, or {choices}

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


class CompareSection(Section):
    """``[compare]``: how the tuned arms are retrained and compared."""

    seeds: Count = 8
    epochs: Count = 40  # common to all arms, enough to reach a minimum
    untuned: int = Field(3, ge=0, le=1_000_000)  # seeds of each optimizer with its own defaults
    twins: int = Field(0, ge=0, le=1_000_000)  # so many first seeds again: the same initial weights, another order
    aa: bool | str = False  # the A/A arm: an optimizer, or true for the first, once more under an alias
    label_noise: float = Field(0.0, ge=0, le=1)  # the known-different arm: this part of the labels shuffled; 0: none
    gate: bool = True  # is it a minimum? One run of each arm goes on for a fifth of its steps
    fit: float = Field(0.01, ge=0, le=1)  # the largest un-augmented train error of a network at a minimum
    probes: list[str] = ["gradient_norm"]
    probe_options: dict[str, dict[str, Any]] = {}  # by probe: its own
    # by late probe: at most so many measurements (networks, pairs or threes), in whole groups; all where none is named
    probe_sizes: dict[str, Count] = {}
    # a limit in seconds for each late probe, and for those that need another; none where it is left out, for what is
    # measured then depends on the machine
    probe_budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    probe_budgets: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    tta: bool = False  # score the mean of predictions for each test image and its mirror image too
    snapshots: bool = False  # keep and ensemble the weights at the ends of a schedule's cycles (sgdr)
    confirm: bool = True  # regime features: the whole network is run on test photos, to confirm what the features gave
    folds: int = Field(0, ge=0, le=100)  # 2 or more: predict the train split out of fold, to find suspects in it

    @field_validator("aa", mode="before")
    @classmethod
    def _whether_or_which(cls, aa: Any) -> Any:
        if not isinstance(aa, bool | str):
            raise ValueError(f"must be true, false or one of train.optimizers, got {aa!r}")
        return aa

    @field_validator("probes")
    @classmethod
    def _each_once(cls, probes: list[str]) -> list[str]:
        for name in probes:
            if probes.count(name) > 1:
                raise ValueError(f"must name each only once, got '{name}' twice")
        return probes

    @field_validator("folds")
    @classmethod
    def _two_or_none(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (none), or 2 or more, got 1")
        return folds


class MarginsSection(Section):
    """``[verdict.margins]``: how large a difference may be and still not matter. Design choices, none from a paper."""

    accuracy: float = Field(0.005, gt=0, lt=1)  # of test accuracy, absolute
    test_loss: float = Field(1.10, gt=1, allow_inf_nan=False)  # ratio
    train_loss: float = Field(0.02, gt=0, allow_inf_nan=False)  # nats; elsewhere parts of the targets' variance
    function: float = Field(1.10, gt=1, allow_inf_nan=False)  # ratio of distances, between arms to within arms
    representation: float = Field(1.10, gt=1, allow_inf_nan=False)  # the same
    barrier: float = Field(0.02, gt=0, lt=1)  # of train error, between arms less within arms
    sharpness: float = Field(1.25, gt=1, allow_inf_nan=False)  # ratio


class FloorsSection(Section):
    """``[verdict.floors]``: distances below which two networks count as the same, whatever the ratio."""

    disagreement: float = Field(0.002, ge=0, lt=1)  # part of the test examples
    root_jsd: float = Field(0.01, ge=0, lt=1)  # root of nats
    prediction: float = Field(0.01, ge=0, allow_inf_nan=False)  # of predicted numbers, in SDs of the test targets
    cka: float = Field(0.005, ge=0, lt=1)  # 1 - CKA
    procrustes: float = Field(0.005, ge=0, lt=1)  # 1 - similarity
    barrier: float = Field(0.005, ge=0, lt=1)  # of train error
    sharpness: float = Field(0.002, ge=0, allow_inf_nan=False)  # nats


class GateSection(Section):
    """``[verdict.gate]``: what a network at a minimum must stand; its train error is ``compare.fit``."""

    gain: float = Field(0.05, gt=0, lt=1)  # a restart lowers the train loss by less than this part of it
    nats: float = Field(0.005, ge=0, allow_inf_nan=False)  # or by less than this
    gradient: float = Field(1e-4, gt=0, lt=1)  # convex networks instead: the full gradient, as a part of its start


class VerdictSection(Section):
    """``[verdict]``: the rules of the verdict, registered before the comparison; see docs/protocol.md."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    margins: MarginsSection = MarginsSection()  # type: ignore[call-arg]
    floors: FloorsSection = FloorsSection()  # type: ignore[call-arg]
    gate: GateSection = GateSection()  # type: ignore[call-arg]


class HeadTrain(Section):
    """``[heads.NAME.train]``."""

    batch_size: Count | None = None
    l2: float | None = Field(None, ge=0, allow_inf_nan=False)


class HeadSearch(Section):
    """``[heads.NAME.search]``."""

    epochs: list[Count] | None = Field(None, min_length=1, max_length=2)
    space: dict[str, dict[str, Any]] | None = None


class HeadCompare(Section):
    """``[heads.NAME.compare]``."""

    epochs: Count | None = None


class HeadSection(Section):
    """``[heads.NAME]``: what is otherwise for one head; a convex one is trained to its minimum, another is not."""

    train: HeadTrain = HeadTrain()  # type: ignore[call-arg]
    search: HeadSearch = HeadSearch()  # type: ignore[call-arg]
    compare: HeadCompare = HeadCompare()


class BaselineSection(Section):
    """``[baseline]``: arms that were tuned and trained elsewhere, in a file of ``harness baseline export``."""

    file: str = ""  # relative to the benchmark file
    arms: list[str] = []  # by their names or their optimizers'; all where empty
    environment: Literal["same", "any"] = "same"  # any: another torch, device or precision is said in the report


class ReportSection(Section):
    """``[report]``: which formats are written at the end."""

    formats: list[str] = ["html"]
    paths: bool = True  # draw the tuned optimizers' paths over two parameters: about a second per arm
    target: dict[str, Any] = {}  # {metric, value} of the tune split that time is taken to; see docs/search.md

    @field_validator("target")
    @classmethod
    def _metric_with_value(cls, target: dict[str, Any]) -> dict[str, Any]:
        metric, value = target.get("metric"), target.get("value")
        right = isinstance(metric, str) and isinstance(value, int | float) and not isinstance(value, bool)
        if target and not (right and len(target) == 2):
            raise ValueError(f'must be {{metric = "NAME", value = NUMBER}}, got {target}')
        return target


class Benchmark(Section):
    """A whole benchmark file, resolved."""

    name: str
    plugins: list[str] = []  # loose plugin files, relative to the benchmark file
    block: list[str] = []  # plugins to leave out, by name
    data: DataSection = DataSection()  # type: ignore[call-arg]
    train: TrainSection = TrainSection()  # type: ignore[call-arg]
    search: SearchSection = SearchSection()  # type: ignore[call-arg]
    compare: CompareSection = CompareSection()  # type: ignore[call-arg]
    verdict: VerdictSection = VerdictSection()  # type: ignore[call-arg]
    heads: dict[str, HeadSection] = {}  # by one of train.heads
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

    @field_validator("name")
    @classmethod
    def _a_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError(
                f"must be up to 64 letters, digits, '.', '_' or '-', a letter or digit first (it names the run folder), "
                f"got {_shown(name)}"
            )
        return name


def load(file: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> tuple[Benchmark, Source]:
    """Return the checked benchmark and where each of its values was said; raises BenchmarkError."""
    source = without_absent(read(file, profile, overrides), as_plain(Benchmark(name="defaults")))
    _check_values(source.values, source)
    try:
        benchmark = Benchmark.model_validate(source.values)
    except ValidationError as error:
        raise BenchmarkError(_line(error.errors()[0], source)) from error
    _check_budget(benchmark, source)
    _check_spaces(benchmark, source)
    for head in benchmark.heads:
        where = source.where("heads", head)
        if benchmark.train.regime != "features":
            raise BenchmarkError(f"{where}: must go with the regime 'features', got '{benchmark.train.regime}'")
        if head not in benchmark.train.heads:
            raise BenchmarkError(
                f"{where}: must be one of train.heads, got '{head}'{did_you_mean(head, benchmark.train.heads)}"
            )
        epochs = benchmark.of_head(head).search.epochs
        if epochs != sorted(epochs):
            where = source.where("heads", head, "search", "epochs")
            raise BenchmarkError(f"{where}: must be [from, to] with from <= to, got {epochs}")
        _check_spaces(benchmark.of_head(head), source, "heads", head)
    _check_fine_tuning(benchmark, source)
    return benchmark, source


def _check_values(value: Any, source: Source, *key: str) -> None:
    """Raise BenchmarkError for what no key may hold: numbers that are not finite or beyond TOML's, endless nesting."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BenchmarkError(f"{source.where(*key)}: must be a finite number, got {value!r}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BenchmarkError(f"{source.where(*key)}: must be a whole number of at most 64 bits, got a larger one")
    if len(key) > DEEPEST:
        raise BenchmarkError(f"{source.where(*key[:3])}: must be nested at most {DEEPEST} tables deep, got more")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_values(inner, source, *key, name)
    if isinstance(value, list):
        for inner in value:
            _check_values(inner, source, *key)


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
                f"{where}: must be for an arm's optimizer or scheduler, got '{part}'{did_you_mean(part, parts)}"
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
                    f"{where}: must be 0 where the arms have one objective, got {said!r}; the penalty they have in common is "
                    'train.l2, and with search.objective = "free" each has its own'
                )
            choices = said.get("choices", []) if isinstance(said, dict) else []
            if not (isinstance(choices, list) and all(isinstance(choice, str | int | float) for choice in choices)):
                raise BenchmarkError(
                    f"{where}: must have a list of numbers, strings or booleans as its choices, got {choices!r}"
                )


def _check_fine_tuning(benchmark: Benchmark, source: Source) -> None:
    """Raise BenchmarkError for settings of fine-tuning in another regime, and for a head stage that never ends."""
    train, search = benchmark.train, benchmark.search
    said = {
        ("train", "head_epochs"): (train.head_epochs, 0),
        ("train", "layer_factor"): (train.layer_factor, 1.0),
        ("train", "batch_norm"): (train.batch_norm, "train"),
        ("search", "layer_factor"): (search.layer_factor, []),
    }
    for key, (value, none) in said.items():
        if train.regime != "finetune" and value != none:
            raise BenchmarkError(
                f"{source.where(*key)}: must be {none!r} in the regime '{train.regime}', got {value!r}; "
                'it needs regime = "finetune"'
            )
    shortest = {"search.epochs": min(search.epochs), "compare.epochs": benchmark.compare.epochs}
    for name, epochs in shortest.items():
        if train.head_epochs >= epochs:
            raise BenchmarkError(
                f"{source.where('train', 'head_epochs')}: must be less than {name}, which is {epochs} at the least, "
                f"got {train.head_epochs}; train longer or the head for less"
            )


_WORDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}  # pydantic's error types in the words of TOML


def _line(error: ErrorDetails, source: Source) -> str:
    """Return pydantic's first complaint as ``where: what must be, got what``."""
    key = tuple(str(part) for part in error["loc"])
    kind, got, context = error["type"], error["input"], error.get("ctx", {})
    where = source.where(*(part for part in error["loc"] if isinstance(part, str)))  # a number is a place in a list
    if kind == "missing":
        return f"{source.where(*key[:-1])}: must have '{key[-1]}', got none; add {key[-1]} = ..."
    if kind == "extra_forbidden":
        return f"{where}: must be a known key, got '{key[-1]}'{did_you_mean(key[-1], _keys(key[:-1]))}"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind in _WORDS:
        return f"{where}: must be {_WORDS[kind]}{_limits(key)}, got {got!r}"
    if kind == "literal_error":
        return f"{where}: must be {context['expected']}, got {got!r}{_nearest(got, context['expected'])}"
    what = error["msg"].replace("Input should be", "must be").replace("List should have", "must have")
    return f"{where}: {what}, got {got!r}"


def _nearest(got: object, expected: str) -> str:
    known = re.findall(r"'([^']+)'", expected)
    hint = did_you_mean(str(got), known)
    return hint if "did you mean" in hint else ""


def _section(key: Sequence[str]) -> type[BaseModel] | None:
    model: type[BaseModel] = Benchmark
    for part in key:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        model = field.annotation
    return model


def _keys(key: Sequence[str]) -> list[str]:
    section = _section(key)
    return list(section.model_fields) if section else []


def _limits(key: Sequence[str]) -> str:
    """Return `` >= 1`` and the like, from the field's own constraints; a mere guard against slips is left out."""
    section = _section(key[:-1])
    field = section.model_fields.get(key[-1]) if section else None
    signs = {"ge": ">=", "gt": ">", "lt": "<"}
    found = [
        f" {sign} {getattr(m, name)}"
        for m in (field.metadata if field else ())
        for name, sign in signs.items()
        if hasattr(m, name)
    ]
    return " and".join(found)


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
