"""From a benchmark to what must be run: its plan, and with open data and a device the identity of every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.benchmark.arms import Competitor, Networks, Role, resolve_arms, resolve_controls
from harness.benchmark.checks.names import (
    check_aliases,
    check_class_weights,
    check_formats,
    check_layer_groups,
    check_listeners,
    check_metrics,
    check_options,
    check_probes,
    check_snapshots,
)
from harness.benchmark.facets import FACET_PROBES
from harness.benchmark.sections import Benchmark, identity
from harness.benchmark.spaces import SCHEDULE, space_overrides
from harness.benchmark.toml import Source
from harness.plugin.contracts import (
    Backbone,
    Data,
    Dataset,
    Executor,
    Kind,
    Listener,
    Metric,
    Optimizer,
    Probe,
    Scheduler,
    Split,
    Task,
    Weights,
)
from harness.plugin.meta import Deciding
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run, digest
from harness.training.class_weights import resolve_class_weights
from harness.training.device import Device, Precision
from harness.training.pretrained import Fit, find_weights

SEARCH_SEED = 1_000_000  # search runs are seeded from here on, so never like a comparison run
OTHER_ORDER = 500_000_000  # comparison runs that must see the examples in another order are seeded from here on


@dataclass(frozen=True)
class Plan:
    """A benchmark in which every name stands for a plugin that is there. Nothing has been opened or spent yet."""

    benchmark: Benchmark
    dataset: Dataset
    task: Task
    executor: Executor
    probes: tuple[Probe, ...]  # with their options
    competitors: tuple[Competitor, ...]
    controls: tuple[Competitor, ...]
    metric: str  # the one that ranks arms, on the test split
    backbones: Mapping[str, Backbone]
    weights: Mapping[str, Weights]  # by backbone; empty in the regime "scratch"
    probe_versions: Mapping[str, str]  # by probe: hash of its source and options; a corrected one measures again
    listeners: tuple[Listener, ...] = ()  # with their options
    imported: tuple[Competitor, ...] = ()  # arms of a baseline, trained elsewhere, whose networks can be measured here
    baseline_arms: tuple[str, ...] = ()  # the names of all arms that a baseline brings

    @property
    def goal(self) -> Metric:
        """The metric that ranks arms."""
        return self.task.metrics[self.metric]

    @property
    def searched(self) -> Deciding:
        """The metric that scores the trials of every search, on the tune split."""
        name = self.benchmark.search.metric
        metric = self.task.metrics.get(name)
        return Deciding(name, metric.goal, metric.unit) if metric else Deciding(name, "min", "")

    @property
    def metric_by_phase(self) -> Mapping[str, str]:
        """The metric that says how a run did, by the run's phase; it must be finite."""
        return {"search": self.searched.name, "compare": self.metric}

    @property
    def sources(self) -> Mapping[str, str]:
        """SHA-256 of the source of every backbone's plugin."""
        return {c.arm.backbone: c.plugins["backbone"] for c in self.competitors}

    @property
    def roles(self) -> Mapping[str, Mapping[str, str]]:
        """The role of every control, and the arm ``of`` it, by the control's name; as the records have them."""
        return {c.name: {"role": c.role, "of": c.of} for c in self.controls}

    def competitor(self, arm: str) -> Competitor:
        """Return the competitor of an arm's name."""
        return next(c for c in (*self.competitors, *self.controls, *self.imported) if c.name == arm)

    def controls_of(self, role: Role) -> list[Competitor]:
        """Return the controls of a role."""
        return [c for c in self.controls if c.role == role]


@dataclass(frozen=True)
class Setting:
    """A plan with its data open and its device there: all that is needed to name its runs."""

    plan: Plan
    data: Data
    device: Device
    features: Mapping[str, Data] = field(default_factory=dict)  # by backbone, in the regime "features"
    mirrored: Mapping[str, Split] = field(default_factory=dict)  # the same of mirrored test images, for TTA
    fits: Mapping[str, Fit] = field(default_factory=dict)  # by backbone: how much of it came from its weights

    def data_of(self, arm: Arm) -> Data:
        """Return the data that an arm is trained on: the images themselves, or the features of its backbone."""
        return self.features[arm.backbone] if arm.head else self.data

    def precision_of(self, arm: Arm) -> Precision:
        """Return the precision that an arm is trained in.

        A head is trained in full precision: it is so small that casting costs more than it saves, and a convex problem
        is solved to many digits.
        """
        return "fp32" if arm.head else self.device.precision

    @cached_property
    def class_weights(self) -> tuple[float, ...]:
        """The weight of each class in the loss; () where all examples count alike."""
        class_weights = self.plan.benchmark.train.class_weights
        return resolve_class_weights(class_weights, self.data.train.targets, len(self.data.classes))

    @property
    def folder_name(self) -> str:
        """``NAME-HASH8``, the same for benchmarks that can use each other's finished runs."""
        plugins = {c.name: dict(c.plugins) for c in self.plan.competitors}
        data = [self.data_of(c.arm).fingerprint for c in self.plan.competitors]
        weights = {name: weights.sha256 for name, weights in self.plan.weights.items()}
        key = [identity(self.plan.benchmark), plugins, data, weights, self.device.precision]
        return f"{self.plan.benchmark.name}-{digest(key)[:8]}"

    def search_run(self, competitor: Competitor, params: Mapping[str, Any], replicate: int = 0, seed: int = 0) -> Run:
        """Return the run of a trial under one of its seeds, in an arm's search of one replicate."""
        drawn = self._search_seed(competitor, replicate, seed)
        return self._run("search", competitor, params, int(params["epochs"]), drawn)

    def _search_seed(self, competitor: Competitor, replicate: int, place: int | str) -> int:
        """Return an even seed that comes from the arm, the replicate and the place in its search.

        So no two searches share one, and the seeds of the comparison, which are small, are not among them.
        """
        key = [self.plan.benchmark.search.seed, competitor.name, replicate, place]
        return SEARCH_SEED + 2 * (int(digest(key)[:12], 16) % ((OTHER_ORDER - SEARCH_SEED) // 2))

    @staticmethod
    def confirms(recipe: Mapping[str, Any]) -> bool:
        """Return whether a run of a search, by its recipe, is a confirmation and no trial."""
        return bool(recipe["phase"] == "search" and recipe["init_seed"] % 2)

    def confirmation_run(self, competitor: Competitor, params: Mapping[str, Any], replicate: int = 0) -> Run:
        """Return the run that trains a trial once more, as long as the comparison, in one of the arm's searches.

        Its seed is the search's and odd, and those of trials are even: so none of them has it, and no comparison run.
        """
        seed = self._search_seed(competitor, replicate, "confirmation") + 1
        return self._run("search", competitor, params, competitor.benchmark.compare.epochs, seed)

    def seeds_of(self, replicate: int) -> range:
        """Return the comparison seeds of a replicate, which all arms share."""
        seeds = self.plan.benchmark.compare.seeds
        return range(seeds * replicate, seeds * (replicate + 1))

    def replicate_of(self, seed: int) -> int:
        """Return the replicate that a comparison seed belongs to."""
        return seed // self.plan.benchmark.compare.seeds

    def compare_run(self, competitor: Competitor, params: Mapping[str, Any], seed: int, snapshots: bool = True) -> Run:
        """Return the run that retrains an arm with its tuned parameters under one comparison seed."""
        return self._run("compare", competitor, params, competitor.benchmark.compare.epochs, seed, snapshots)

    def _run(
        self, phase: Any, competitor: Competitor, params: Mapping[str, Any], epochs: int, seed: int,
        snapshots: bool = False,
    ) -> Run:  # fmt: skip
        train = competitor.benchmark.train
        chosen = competitor.rules.in_force({**competitor.fixed, **params})
        chosen.pop("epochs", None)
        batch_size = int(chosen.pop("batch_size", train.batch_size))
        layer_factor = float(chosen.pop("layer_factor", train.layer_factor))
        snapshots = snapshots and self.plan.benchmark.compare.snapshots
        return Run(
            phase=phase,
            arm=competitor.arm,
            optimizer={k: v for k, v in chosen.items() if not k.startswith(SCHEDULE)},
            scheduler={k.removeprefix(SCHEDULE): v for k, v in chosen.items() if k.startswith(SCHEDULE)},
            epochs=epochs,
            batch_size=batch_size,
            l2=train.l2,
            l2_on=train.l2_on,
            augment=tuple(train.augment),
            precision=self.precision_of(competitor.arm),
            task=self.plan.task.name,
            init_seed=seed,
            order_seed=seed + (OTHER_ORDER if competitor.role == "aa" else 0),
            data=self.data_of(competitor.arm).fingerprint,
            plugins=competitor.plugins,
            weights=competitor.weights.sha256 if competitor.weights else "",
            head_epochs=train.head_epochs,
            layer_factor=layer_factor,
            batch_norm=train.batch_norm,
            tta=phase == "compare" and self.plan.benchmark.compare.tta,
            snapshots=snapshots and competitor.scheduler.cycle_ends is not None,
            class_weights=self.class_weights,
            label_noise=self.plan.benchmark.compare.label_noise if competitor.role == "different" else 0.0,
        )


def resolve(benchmark: Benchmark, source: Source, registry: Registry) -> Plan:
    """Return the plan of a benchmark; raises UnknownName or BenchmarkError, naming the line."""
    dataset, task = _resolve_data(benchmark, source, registry)
    check_formats(benchmark, source, registry)
    networks = _resolve_networks(benchmark, source, registry)
    check_aliases(benchmark, source, registry)
    competitors = resolve_arms(networks, benchmark.train.optimizers, benchmark, source, registry)
    check_snapshots(benchmark, source, registry)
    probes = _resolve_probes(benchmark, source, registry)
    return Plan(
        benchmark=benchmark,
        dataset=dataset,
        task=task,
        executor=_resolve_executor(benchmark, source, registry),
        probes=probes,
        competitors=competitors,
        controls=resolve_controls(competitors, benchmark, source),
        metric=benchmark.compare.metric or next(iter(task.metrics)),
        backbones=networks.backbones,
        weights=networks.weights,
        probe_versions=_probe_versions(benchmark, registry),
        listeners=check_listeners(benchmark, source, registry),
    )


def check_profile(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Make the checks of ``resolve`` for a profile that is not chosen; raises UnknownName or BenchmarkError.

    Names that only a library knows, and weights, are left for the run that chooses the profile: looking them up takes
    seconds.
    """
    _resolve_data(benchmark, source, registry)
    check_formats(benchmark, source, registry)
    check_aliases(benchmark, source, registry)
    train = benchmark.train
    parts: list[tuple[Kind, str, list[str]]] = [
        ("optimizer", "optimizers", train.optimizers),
        ("scheduler", "schedulers", train.schedulers),
        ("backbone", "backbones", train.backbones),
        ("backbone", "heads", train.heads),
    ]
    for kind, key, names in parts:
        for name in names:
            _check_part(kind, key, name, benchmark, source, registry)
    check_snapshots(benchmark, source, registry)
    check_listeners(benchmark, source, registry)
    _resolve_executor(benchmark, source, registry)
    _resolve_probes(benchmark, source, registry)


def _check_part(kind: Kind, key: str, name: str, benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Refuse a name in ``[train]`` that no plugin has, and a search space that its plugin refuses."""
    plugin_name = benchmark.train.aliases.get(name, name) if kind == "optimizer" else name
    if registry.in_library(kind, plugin_name):
        return
    plugin = registry.find(kind, plugin_name, source.where("train", key)).offer
    if isinstance(plugin, Optimizer | Scheduler):
        for head in ("", *benchmark.heads):
            space_overrides(benchmark.of_head(head), head, name, plugin, source)


def _resolve_data(benchmark: Benchmark, source: Source, registry: Registry) -> tuple[Dataset, Task]:
    """Return the dataset and the task, after their options and metrics were checked."""
    dataset = registry.get("dataset", benchmark.data.dataset, Dataset, source.where("data", "dataset"))
    check_options(dataset, benchmark.data.options, source, "data", "options")
    task = registry.get("task", benchmark.train.task, Task, source.where("train", "task"))
    check_metrics(benchmark, task, source)
    check_class_weights(benchmark, task, source)
    return dataset, task


def _resolve_networks(benchmark: Benchmark, source: Source, registry: Registry) -> Networks:
    """Return the backbones with their weights, and the heads in the regime "features"."""
    train = benchmark.train
    place = source.where("train", "backbones")
    backbones = {name: registry.get("backbone", name, Backbone, place) for name in train.backbones}
    check_layer_groups(backbones, benchmark, source)
    weights: dict[str, Weights] = {}
    if train.regime != "scratch":
        folder, place = Path(source.file).parent, source.where("train", "pretrained")
        weights = {
            name: find_weights(backbone, train.pretrained, folder, place) for name, backbone in backbones.items()
        }
    names = train.heads if train.regime == "features" else []
    heads = {name: registry.get("backbone", name, Backbone, source.where("train", "heads")) for name in names}
    return Networks(backbones, heads, weights)


def _resolve_executor(benchmark: Benchmark, source: Source, registry: Registry) -> Executor:
    """Return the executor with the options that the file gives it."""
    train = benchmark.train
    executor = registry.get("executor", train.executor, Executor, source.where("train", "executor"))
    check_options(executor, train.executor_options, source, "train", "executor_options")
    return replace(executor, options={**executor.options, **train.executor_options})


def _resolve_probes(benchmark: Benchmark, source: Source, registry: Registry) -> tuple[Probe, ...]:
    """Return the probes with the options that the file gives them."""
    compare, place = benchmark.compare, source.where("compare", "probes")
    probes = tuple(registry.get("probe", name, Probe, place) for name in compare.probes)
    check_probes(benchmark, probes, source, registry)
    return tuple(
        replace(probe, options={**probe.options, **compare.probe_options.get(probe.name, {})}) for probe in probes
    )


def _probe_versions(benchmark: Benchmark, registry: Registry) -> dict[str, str]:
    """Return by probe the hash of its source, and of the options that the file gives it."""
    options = benchmark.compare.probe_options
    promised = [name for name in FACET_PROBES.values() if name in registry.offers["probe"]]  # the protocol has them all
    names = dict.fromkeys([*benchmark.compare.probes, *promised])
    return {name: registry.probe_version(name, options.get(name, {})) for name in names}
