"""From a benchmark to what must be run: arms, their search spaces, and the identity of every run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.benchmark.absent import names_in
from harness.benchmark.sections import Benchmark, DataSection, identity
from harness.benchmark.toml import Source
from harness.data.places import Root
from harness.errors import BenchmarkError, did_you_mean, shown
from harness.plugin.contracts import (
    Backbone,
    Data,
    DataRequest,
    Dataset,
    Executor,
    Kind,
    Metric,
    Optimizer,
    Probe,
    Report,
    Scheduler,
    Space,
    Split,
    Task,
    Weights,
)
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run, digest
from harness.plugin.validate import clash, fault, takes_fractions
from harness.training.device import Device, Precision
from harness.training.pretrained import Fit, find_weights

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SCHEDULE = "schedule."  # goes before a schedule's hyperparameters, in Optuna and in the tables
UNSCHEDULED = "constant"  # the schedule of an optimizer that needs none
SEARCH_SEED = 1_000_000  # search runs are seeded from here on, so never like a comparison run
NEXT_SEARCH, NEXT_SEED = 1_000_003, 1_009  # from one search of an arm to the next, and from one seed of a trial
OTHER_ORDER = 500_000_000  # comparison runs that must see the examples in another order are seeded from here on

Role = Literal["arm", "aa", "different", "untuned"]


@dataclass(frozen=True)
class Competitor:
    """An arm with its plugins and what of it is searched."""

    arm: Arm
    network: Backbone  # what is trained: the backbone, or the head on its features
    weights: Weights | None  # what the backbone starts from, or is frozen at
    optimizer: Optimizer
    scheduler: Scheduler
    space: Space  # searched: name -> distribution; the schedule's behind SCHEDULE, and "epochs"
    fixed: Mapping[str, Any]  # pinned by the benchmark, named alike
    plugins: Mapping[str, str]  # SHA-256 of each plugin's source
    benchmark: Benchmark  # as it holds for the arm's head
    role: Role = "arm"  # others are controls: they are run beside the arms, and never ranked with them
    of: str = ""  # the arm that a control belongs to
    extra: float = 0.0  # what its search's budget was extended by, in the benchmark's unit

    @property
    def name(self) -> str:
        """The name of its arm, under which everything that is recorded of it stands."""
        return self.arm.name

    @property
    def entered(self) -> str:
        """The name under which ``[search.space]`` speaks of its optimizer."""
        return self.arm.alias if self.role == "arm" and self.arm.alias else self.arm.optimizer


@dataclass(frozen=True)
class Plan:
    """A benchmark with every name in it found; nothing has been opened or spent yet."""

    benchmark: Benchmark
    dataset: Dataset
    task: Task
    executor: Executor
    probes: tuple[Probe, ...]  # of a run's end, with their options
    late_probes: tuple[Probe, ...]  # of the comparison's end
    competitors: tuple[Competitor, ...]
    controls: tuple[Competitor, ...]
    metric: str  # of the tune split; it decides the search
    backbones: Mapping[str, Backbone]
    weights: Mapping[str, Weights]  # by backbone; empty in the regime "scratch"
    probe_plugins: Mapping[
        str, str
    ]  # what the probes at a run's end are, source and options: a corrected one measures anew
    late_versions: Mapping[str, str]  # the same of the late ones, by name
    imported: tuple[Competitor, ...] = ()  # arms of a baseline, trained elsewhere, whose networks can be measured here

    @property
    def goal(self) -> Metric:
        """The deciding metric."""
        return self.task.metrics[self.metric]

    @property
    def sources(self) -> Mapping[str, str]:
        """SHA-256 of the source of every backbone's plugin."""
        return {c.arm.backbone: c.plugins["backbone"] for c in self.competitors}

    def competitor(self, arm: str) -> Competitor:
        """Return the competitor of an arm's name."""
        return next(c for c in (*self.competitors, *self.controls, *self.imported) if c.name == arm)

    def controls_of(self, role: Role) -> list[Competitor]:
        """Return the controls of a role."""
        return [c for c in self.controls if c.role == role]


@dataclass(frozen=True)
class Setting:
    """What a plan needs besides to name its runs: data that is open and a device that is there."""

    plan: Plan
    data: Data
    device: Device
    features: Mapping[str, Data] = field(default_factory=dict)  # by backbone, in the regime "features"
    mirrored: Mapping[str, Split] = field(default_factory=dict)  # the same of mirrored test images, for TTA
    fits: Mapping[str, Fit] = field(default_factory=dict)  # by backbone: how much of it came from its weights

    def data_of(self, arm: Arm) -> Data:
        """Return what an arm is trained on: the data, or the features of its backbone."""
        return self.features[arm.backbone] if arm.head else self.data

    def precision_of(self, arm: Arm) -> Precision:
        """Return the precision an arm is trained in.

        A head is so small that casting costs more than it saves, and a convex problem deserves full precision.
        """
        return "fp32" if arm.head else self.device.precision

    @property
    def folder_name(self) -> str:
        """``NAME-HASH8``: equal for benchmarks whose finished runs can serve each other."""
        plugins = {c.name: dict(c.plugins) for c in self.plan.competitors}
        data = [self.data_of(c.arm).fingerprint for c in self.plan.competitors]
        weights = {name: weights.sha256 for name, weights in self.plan.weights.items()}
        key = [identity(self.plan.benchmark), plugins, data, weights, self.device.precision]
        return f"{self.plan.benchmark.name}-{digest(key)[:8]}"

    def search_run(self, competitor: Competitor, params: Mapping[str, Any], replicate: int = 0, seed: int = 0) -> Run:
        """Return the run of a trial under one of its seeds, in the arm's first search or another one."""
        other = replicate + (100 if competitor.role == "aa" else 0)  # there are at most 100 replicates
        seed = SEARCH_SEED + self.plan.benchmark.search.seed + NEXT_SEARCH * other + NEXT_SEED * seed
        return self._run("search", competitor, params, int(params["epochs"]), seed)

    def compare_run(self, competitor: Competitor, params: Mapping[str, Any], seed: int, probed: bool = True) -> Run:
        """Return the retraining of an arm's tuned parameters under one comparison seed."""
        return self._run("compare", competitor, params, competitor.benchmark.compare.epochs, seed, probed)

    def _run(
        self, phase: Any, competitor: Competitor, params: Mapping[str, Any], epochs: int, seed: int,
        probed: bool = False,
    ) -> Run:  # fmt: skip
        train = competitor.benchmark.train
        chosen = {**competitor.fixed, **params}
        chosen.pop("epochs", None)
        batch_size = int(chosen.pop("batch_size", train.batch_size))
        layer_factor = float(chosen.pop("layer_factor", train.layer_factor))
        kept = probed and self.plan.benchmark.compare.snapshots
        return Run(
            phase=phase,
            arm=competitor.arm,
            optimizer={k: v for k, v in chosen.items() if not k.startswith(SCHEDULE)},
            scheduler={k.removeprefix(SCHEDULE): v for k, v in chosen.items() if k.startswith(SCHEDULE)},
            epochs=epochs,
            batch_size=batch_size,
            l2=train.l2,
            augment=tuple(train.augment),
            precision=self.precision_of(competitor.arm),
            task=self.plan.task.name,
            init_seed=seed,
            order_seed=seed + (OTHER_ORDER if competitor.role == "aa" else 0),
            data=self.data_of(competitor.arm).fingerprint,
            plugins={**competitor.plugins, **(self.plan.probe_plugins if probed else {})},
            weights=competitor.weights.sha256 if competitor.weights else "",
            head_epochs=train.head_epochs,
            layer_factor=layer_factor,
            batch_norm=train.batch_norm,
            tta=phase == "compare" and self.plan.benchmark.compare.tta,
            snapshots=kept and competitor.scheduler.cycle_ends is not None,
            label_noise=self.plan.benchmark.compare.label_noise if competitor.role == "different" else 0.0,
        )


def data_request(dataset: Dataset, section: DataSection, root: Root, **more: Any) -> DataRequest:
    """Return what a ``[data]`` section asks of a dataset that lies in ``root``; ``more`` are fields of the request."""
    return DataRequest(
        root=root.path,
        required=root.required,
        size=section.size,
        tune=section.tune,
        seed=section.seed,
        on_bad_image=section.on_bad_image,
        options={**dataset.options, **section.options},
        **more,
    )


def ends(competitor: Competitor, which: int) -> dict[str, Any]:
    """Return the low end of everything that is searched, or, for 1, the high end; the first or last of choices."""
    return {name: _end(space, which) for name, space in competitor.space.items()}


def _end(space: Any, which: int) -> Any:
    choices = getattr(space, "choices", None)
    return choices[-which] if choices else (space.low, space.high)[which]


def describe_space(competitor: Competitor) -> dict[str, dict[str, Any]]:
    """Return what is searched, as it would stand in the benchmark file: {low, high, log}, {choices} or {fixed}."""
    from optuna.distributions import CategoricalDistribution

    described: dict[str, dict[str, Any]] = {}
    for name, space in competitor.space.items():
        if isinstance(space, CategoricalDistribution):
            described[name] = {"choices": list(space.choices)}
        else:
            described[name] = {key: getattr(space, key) for key in ("low", "high", "log")}
    return described | {name: {"fixed": value} for name, value in competitor.fixed.items()}


def resolve(benchmark: Benchmark, source: Source, registry: Registry) -> Plan:
    """Return the plan of a benchmark; raises UnknownName or BenchmarkError, naming the line."""
    train = benchmark.train

    def find(kind: Any, name: str, type_: Any, *key: str) -> Any:
        return registry.get(kind, name, type_, source.where(*key))

    dataset, task, metric = _asked(benchmark, source, registry)
    backbones = {name: find("backbone", name, Backbone, "train", "backbones") for name in train.backbones}
    _check_groups(backbones, benchmark, source)
    weights = {}
    if train.regime != "scratch":
        beside, where = Path(source.file).parent, source.where("train", "pretrained")
        weights = {n: find_weights(b, train.pretrained, beside, where) for n, b in backbones.items()}
    heads = train.heads if train.regime == "features" else [""]
    networks = {name: find("backbone", name, Backbone, "train", "heads") for name in heads if name}
    for name in train.schedulers:
        find("scheduler", name, Scheduler, "train", "schedulers")
    pairs = []
    for name in _entered(benchmark, source, registry):
        optimizer = find("optimizer", train.aliases.get(name, name), Optimizer, "train", "optimizers")
        pairs += [(name, scheduler) for scheduler in (train.schedulers if optimizer.scheduled else [UNSCHEDULED])]
    competitors = tuple(
        _competitor(
            Arm(backbone, train.aliases.get(name, name), scheduler, head, name if name in train.aliases else ""),
            networks[head] if head else backbones[backbone],
            weights.get(backbone),
            benchmark.of_head(head),
            source,
            registry,
        )
        for backbone in train.backbones
        for head in heads
        for name, scheduler in pairs
    )
    _check_snapshots(benchmark, source, registry)
    probes = tuple(find("probe", name, Probe, "compare", "probes") for name in benchmark.compare.probes)
    versions = _probe_versions(probes, benchmark, source, registry)
    said = benchmark.compare.probe_options
    probes = tuple(replace(probe, options={**probe.options, **said.get(probe.name, {})}) for probe in probes)
    late = {probe.name for probe in probes if _late(probe)}
    return Plan(
        benchmark=benchmark,
        dataset=dataset,
        task=task,
        executor=find("executor", train.executor, Executor, "train", "executor"),
        probes=tuple(probe for probe in probes if probe.name not in late),
        late_probes=tuple(probe for probe in probes if probe.name in late),
        competitors=competitors,
        controls=_controls(competitors, benchmark, source),
        metric=metric,
        backbones=backbones,
        weights=weights,
        probe_plugins={f"probe {name}": version for name, version in versions.items() if name not in late},
        late_versions={name: version for name, version in versions.items() if name in late},
    )


def check_profile(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Raise UnknownName or BenchmarkError for what a profile that is not chosen names or sets, as ``resolve`` would.

    What only a library knows is looked up where the profile is chosen, and so are weights, for that takes seconds.
    """
    train = benchmark.train
    _asked(benchmark, source, registry)
    names = _entered(benchmark, source, registry)
    named: list[tuple[Kind, str, Sequence[str]]] = [
        ("optimizer", "optimizers", names),
        ("scheduler", "schedulers", train.schedulers),
        ("backbone", "backbones", train.backbones),
        ("backbone", "heads", train.heads),
        ("executor", "executor", [train.executor]),
    ]
    for kind, key, part in ((kind, key, part) for kind, key, parts in named for part in parts):
        name = train.aliases.get(part, part) if kind == "optimizer" else part
        if registry.in_library(kind, name):
            continue
        plugin = registry.find(kind, name, source.where("train", key)).offer
        for head in ("", *benchmark.heads):
            if isinstance(plugin, Optimizer | Scheduler):
                _overrides(benchmark.of_head(head), head, part, plugin, source)
    _check_snapshots(benchmark, source, registry)
    probes = tuple(
        registry.get("probe", name, Probe, source.where("compare", "probes")) for name in benchmark.compare.probes
    )
    _probe_versions(probes, benchmark, source, registry)


def _asked(benchmark: Benchmark, source: Source, registry: Registry) -> tuple[Dataset, Task, str]:
    """Return dataset, task and deciding metric; raises UnknownName or BenchmarkError, for the report's formats too."""

    def find(kind: Any, name: str, type_: Any, *key: str) -> Any:
        return registry.get(kind, name, type_, source.where(*key))

    dataset = find("dataset", benchmark.data.dataset, Dataset, "data", "dataset")
    _check_options(dataset, benchmark.data.options, source, "data", "options")
    task = find("task", benchmark.train.task, Task, "train", "task")
    metric = benchmark.search.metric or next(iter(task.metrics))
    if metric not in task.metrics:
        raise BenchmarkError(
            f"{source.where('search', 'metric')}: must be a metric of task '{task.name}', got {shown(metric)}{did_you_mean(metric, task.metrics)}"
        )
    target = str(benchmark.report.target.get("metric", metric))
    if target not in task.metrics:
        raise BenchmarkError(
            f"{source.where('report', 'target', 'metric')}: must be a metric of task '{task.name}', got {shown(target)}{did_you_mean(target, task.metrics)}"
        )
    if benchmark.report.target:
        _check_target(target, task.metrics[target], benchmark.report.target["value"], source)
    formats = [find("report", name, Report, "report", "formats") for name in benchmark.report.formats]
    if both := clash(formats):
        raise BenchmarkError(f"{source.where('report', 'formats')}: {both}")
    return dataset, task, metric


def _entered(benchmark: Benchmark, source: Source, registry: Registry) -> list[str]:
    """Return the arms' optimizers as entered; raises BenchmarkError for an alias that is of no use."""
    train = benchmark.train
    for alias, name in train.aliases.items():
        where = source.where("train", "aliases", alias)
        if alias not in train.optimizers:
            raise BenchmarkError(
                f"{where}: must be one of train.optimizers, got {shown(alias)}{did_you_mean(alias, train.optimizers)}"
            )
        registry.get("optimizer", name, Optimizer, where)
        if alias in registry.found["optimizer"]:
            raise BenchmarkError(f"{where}: must be a new name, got that of an optimizer; choose another")
    return train.optimizers


def _controls(competitors: tuple[Competitor, ...], benchmark: Benchmark, source: Source) -> tuple[Competitor, ...]:
    """Return the arms that are run beside the others, so that a reader knows what the comparison can tell."""
    compare, found = benchmark.compare, []
    named = compare.aa if isinstance(compare.aa, str) and compare.aa else benchmark.train.optimizers[0]
    if compare.aa and named not in {c.entered for c in competitors}:
        raise BenchmarkError(
            f"{source.where('compare', 'aa')}: must be one of train.optimizers, true or false, got {shown(compare.aa)}"
            f"{did_you_mean(named, benchmark.train.optimizers)}"
        )
    first: set[str] = set()  # networks that have their known-different arm
    untuned: set[Arm] = set()
    for competitor in competitors:
        if compare.aa and competitor.entered == named:
            found.append(_control(competitor, "aa", "again"))
        if compare.label_noise and competitor.arm.network not in first and competitor.entered == named:
            found.append(_control(competitor, "different", "noise"))
            first.add(competitor.arm.network)
        plain = replace(competitor.arm, alias="")
        if compare.untuned and plain not in untuned:  # an alias has its optimizer's defaults
            found.append(_control(competitor, "untuned", "untuned"))
            untuned.add(plain)
    return tuple(found)


def _control(competitor: Competitor, role: Role, mark: str) -> Competitor:
    arm = competitor.arm
    return replace(
        competitor, arm=replace(arm, alias=f"{arm.alias or arm.optimizer}~{mark}"), role=role, of=competitor.name
    )


def _late(probe: Probe) -> bool:
    """Return whether a probe measures after the comparison, and not at the end of every run."""
    return probe.late or probe.networks > 1


def _probe_versions(
    probes: tuple[Probe, ...], benchmark: Benchmark, source: Source, registry: Registry
) -> dict[str, str]:
    """Return what each probe is, by name: its source and its options; raises BenchmarkError for options it has not."""
    said = benchmark.compare.probe_options
    every = names_in(source, {}, "compare", "probes") | {probe.name for probe in probes}
    for key in ("probe_options", "probe_sizes", "probe_budgets"):
        for name in getattr(benchmark.compare, key):
            where = source.where("compare", key, name)
            probe = registry.get("probe", name, Probe, where)
            if key != "probe_options" and not _late(probe):
                raise BenchmarkError(
                    f"{where}: must be for a probe that measures after the comparison, got {shown(name)}"
                )
            # a profile or a --set may leave a probe out that the file has settings for
            known = benchmark.compare.probes if where.startswith("--set") else sorted(every)
            if name not in known:
                raise BenchmarkError(
                    f"{where}: must be one of compare.probes, got {shown(name)}; add it there, or leave this out"
                )
            if key == "probe_options":
                _check_options(probe, said[name], source, "compare", key, name)
    versions = {}
    for probe in probes:
        sha256 = registry.find("probe", probe.name, source.where("compare", "probes")).sha256
        options = said.get(probe.name, {})
        versions[probe.name] = digest([sha256, options]) if options else sha256
    return versions


def _check_options(offer: Dataset | Probe, options: Mapping[str, Any], source: Source, *above: str) -> None:
    """Raise BenchmarkError for options that a dataset or a probe does not have, or not with that value."""
    kind = type(offer).__name__.lower()
    for name, value in options.items():
        where = source.where(*above, name)
        if name not in offer.options:
            raise BenchmarkError(
                f"{where}: must be an option of {kind} '{offer.name}', got {shown(name)}{did_you_mean(name, offer.options)}"
            )
        wrong = fault(offer, name, value)
        if not wrong and isinstance(offer, Probe) and not isinstance(value, str | bool) and not value > 0:
            wrong = f" must be above 0, got {value!r}"
        if wrong:
            raise BenchmarkError(f"{where}:{wrong}")


def _check_target(name: str, metric: Metric, value: float, source: Source) -> None:
    """Raise BenchmarkError for a target that the metric can never have."""
    low, high = (0.0, 1.0) if metric.unit == "%" else metric.bounds
    if not low <= value <= high:
        ends = [f">= {low:g}"] * math.isfinite(low) + [f"<= {high:g}"] * math.isfinite(high)
        raise BenchmarkError(
            f"{source.where('report', 'target', 'value')}: must be a number {' and '.join(ends)} for the metric '{name}', "
            f"got {value!r}"
        )


def _check_snapshots(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Raise BenchmarkError where the ends of cycles are asked for, and no schedule has cycles."""
    names = benchmark.train.schedulers
    where = source.where("compare", "snapshots")
    cycles = [registry.get("scheduler", name, Scheduler, where).cycle_ends for name in names]
    if benchmark.compare.snapshots and not any(cycles):
        raise BenchmarkError(
            f"{where}: must be false where no schedule has cycles, got true with {', '.join(names)}; add one that has, such "
            "as sgdr, to train.schedulers"
        )


def _check_groups(backbones: Mapping[str, Backbone], benchmark: Benchmark, source: Source) -> None:
    """Raise BenchmarkError for a backbone without layer groups where the benchmark trains by them."""
    train = benchmark.train
    asked = {
        ("train", "head_epochs"): train.head_epochs > 0,
        ("train", "layer_factor"): train.layer_factor != 1,
        ("search", "layer_factor"): bool(benchmark.search.layer_factor),
    }
    for key in (key for key, is_asked in asked.items() if is_asked):
        for backbone in backbones.values():
            if backbone.groups is None:
                raise BenchmarkError(
                    f"{source.where(*key)}: must be left out for a backbone without layer groups, got it for "
                    f"'{backbone.name}'; its plugin can offer Backbone(groups=...)"
                )


def _competitor(
    arm: Arm,
    network: Backbone,
    weights: Weights | None,
    benchmark: Benchmark,
    source: Source,
    registry: Registry,
) -> Competitor:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    optimizer = registry.get("optimizer", arm.optimizer, Optimizer)
    scheduler = registry.get("scheduler", arm.scheduler, Scheduler)
    space: dict[str, BaseDistribution] = dict(optimizer.space)
    space |= {f"{SCHEDULE}{name}": distribution for name, distribution in scheduler.space.items()}
    fixed: dict[str, Any] = {}
    for part, prefix, plugin in (
        (arm.alias or arm.optimizer, "", optimizer),
        (arm.scheduler, SCHEDULE, scheduler),
    ):
        for name, value in _overrides(benchmark, arm.head, part, plugin, source).items():
            space.pop(f"{prefix}{name}", None)
            (fixed if isinstance(value, str | int | float | bool) else space)[f"{prefix}{name}"] = value
    first, last = benchmark.search.epochs[0], benchmark.search.epochs[-1]
    if benchmark.search.pruner != "none":
        first = last  # a pruner compares trials at equal epochs, so all must share one schedule horizon
    space["epochs"] = IntDistribution(first, last)
    if benchmark.search.batch_size:
        space["batch_size"] = CategoricalDistribution(benchmark.search.batch_size)
    if benchmark.search.layer_factor:
        low, high = benchmark.search.layer_factor
        space["layer_factor"] = FloatDistribution(low, high, log=True)
    kinds: dict[Any, str] = {
        "backbone": arm.backbone,
        "optimizer": arm.optimizer,
        "scheduler": arm.scheduler,
        "task": benchmark.train.task,
    }
    plugins = {kind: registry.find(kind, name, kind).sha256 for kind, name in kinds.items()}
    if arm.head:
        plugins["head"] = registry.find("backbone", arm.head, "train.heads").sha256
    return Competitor(arm, network, weights, optimizer, scheduler, space, fixed, plugins, benchmark)


def _overrides(
    benchmark: Benchmark, head: str, part: str, plugin: Optimizer | Scheduler, source: Source
) -> dict[str, Any]:
    """Return what ``[search.space.PART]`` says by hyperparameter: a fixed value, or a distribution."""
    above = ("heads", head) if head in benchmark.heads else ()
    return {
        name: _distribution(said, plugin, name, source.where(*above, "search", "space", part, name))
        for name, said in benchmark.search.space.get(part, {}).items()
    }


def _distribution(said: Any, plugin: Optimizer | Scheduler, name: str, where: str) -> Any:
    """Return what a line of ``[search.space.NAME]`` says: a fixed value, or a distribution.

    Raises BenchmarkError for a value, an end or a choice that the plugin's limits refuse.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = said.get("choices", [said.get("low"), said.get("high")]) if isinstance(said, dict) else [said]
    for value in values:
        if wrong := fault(plugin, name, value):
            raise BenchmarkError(f"{where}:{wrong}")
    if not isinstance(said, dict):
        return said
    if "choices" in said:
        return CategoricalDistribution(said["choices"])
    whole = isinstance(said["low"], int) and isinstance(said["high"], int) and not takes_fractions(plugin, name)
    if whole and said.get("step") is not None and said["step"] != int(said["step"]):
        raise BenchmarkError(f"{where}.step: must be a whole number between whole numbers, got {said['step']!r}")
    return (IntDistribution if whole else FloatDistribution)(**said)
