"""What a worker opens: the benchmark as plain values, so that no process needs the dataset's code or the user's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import (
    Backbone,
    Data,
    Kind,
    Optimizer,
    Probe,
    Scheduler,
    Split,
    Staffing,
    Task,
    Weights,
    Workbench,
)
from harness.plugin.discovery import load_only
from harness.plugin.registry import Offered, Registry
from harness.plugin.runs import Arm, State
from harness.running.materials import ArmPlugins, Materials
from harness.training import loop
from harness.training.device import Device, set_up_device

if TYPE_CHECKING:
    import torch

    from harness.benchmark.plan import Setting


@dataclass(frozen=True)
class BenchmarkOpening:
    """A benchmark as plain values. Its arrays may be replaced by places where they are stored (``with_arrays``)."""

    sys_path: tuple[str, ...]
    modules: Mapping[str, str]  # the plugins that take part, each with its origin
    files: Mapping[Path, bytes]  # loose plugin files that take part, and what was in them
    task: str
    metric_by_phase: Mapping[str, str]
    probes: Mapping[str, Mapping[str, Any]]  # with all their options
    probe_versions: Mapping[str, str]
    probe_options: Mapping[str, Mapping[str, Any]]  # those that the benchmark gives them, which are in the version
    weights: Mapping[str, Weights]  # by backbone
    device: Device
    data: Data
    features: Mapping[str, Data]
    mirrored: Mapping[str, Split]
    folds: int
    staffing: Staffing
    save_every: float  # seconds of work that a kill may cost

    def with_arrays(self, change: Callable[[Any], Any]) -> BenchmarkOpening:
        """Return the opening with every array of the data replaced."""
        return replace(
            self,
            data=_changed(self.data, change),
            features={name: _changed(data, change) for name, data in self.features.items()},
            mirrored={name: _changed_split(split, change) for name, split in self.mirrored.items()},
        )

    def open(
        self, state: Callable[[str], State | None], solution: Callable[[str], Mapping[str, torch.Tensor]]
    ) -> Workbench:
        """Open the benchmark in this process."""
        from harness.running.workbench import (
            Bench,
        )  # it needs torch; a process that only passes an opening on does without

        device = set_up_device(self.device.name, self.device.precision, self.device.threads)
        loop.SAVE_EVERY = self.save_every
        registry = load_only(self.modules, self.files)
        probes = {name: replace(registry.get("probe", name, Probe), options=self.probes[name]) for name in self.probes}
        materials = Materials(
            task=registry.get("task", self.task, Task),
            metric_by_phase=self.metric_by_phase,
            device=device,
            data=_read_only(self.data),
            features={name: _read_only(data) for name, data in self.features.items()},
            mirrored={name: split.read_only() for name, split in self.mirrored.items()},
            weights=self.weights,
            probes=probes,
            probe_versions={name: registry.probe_version(name, self.probe_options.get(name, {})) for name in probes},
            folds=self.folds,
            plugins_of=cache(lambda arm: _plugins_of(arm, self.task, registry)),
            staffing=self.staffing,
        )
        return Bench(materials, state, solution)


def opening_of(setting: Setting, registry: Registry, staffing: Staffing, sys_path: Iterable[str]) -> BenchmarkOpening:
    """Return a benchmark as plain values, with the arrays of its data as they are."""
    plan = setting.plan
    modules: dict[str, str] = {}
    files: dict[Path, bytes] = {}
    for offered in _taking_part(setting, registry):
        if offered.plugin in registry.files:
            file, content = registry.files[offered.plugin]
            files[file] = content
        else:
            modules[offered.plugin] = offered.origin
    return BenchmarkOpening(
        sys_path=tuple(sys_path),
        modules=modules,
        files=files,
        task=plan.task.name,
        metric_by_phase=plan.metric_by_phase,
        probes={probe.name: probe.options for probe in plan.probes},
        probe_versions=plan.probe_versions,
        probe_options=plan.benchmark.compare.probe_options,
        weights=plan.weights,
        device=setting.device,
        data=setting.data,
        features=setting.features,
        mirrored=setting.mirrored,
        folds=plan.benchmark.compare.folds,
        staffing=staffing,
        save_every=loop.SAVE_EVERY,
    )


def _taking_part(setting: Setting, registry: Registry) -> Iterator[Offered]:
    """Yield the plugins that a run or a measurement of the benchmark needs."""
    plan = setting.plan
    names: dict[tuple[Kind, str], None] = {("task", plan.task.name): None}
    for competitor in (*plan.competitors, *plan.controls, *plan.imported):
        arm = competitor.arm
        names[("backbone", arm.head or arm.backbone)] = None
        names[("backbone", arm.backbone)] = None
        names[("optimizer", arm.optimizer)] = None
        names[("scheduler", arm.scheduler)] = None
    names |= {("probe", probe.name): None for probe in plan.probes}
    for kind, name in names:
        yield from registry.parts_of(kind, name)


def _plugins_of(arm: Arm, task: str, registry: Registry) -> ArmPlugins:
    return ArmPlugins(
        registry.get("backbone", arm.head or arm.backbone, Backbone),
        registry.get("optimizer", arm.optimizer, Optimizer),
        registry.get("scheduler", arm.scheduler, Scheduler),
        registry.source_hashes(arm, task),
    )


def _changed(data: Data, change: Callable[[Any], Any]) -> Data:
    train, tune, test = (_changed_split(split, change) for split in (data.train, data.tune, data.test))
    return replace(data, train=train, tune=tune, test=test)


def _changed_split(split: Split, change: Callable[[Any], Any]) -> Split:
    return replace(split, inputs=change(split.inputs), targets=change(split.targets))


def _read_only(data: Data) -> Data:
    return replace(data, train=data.train.read_only(), tune=data.tune.read_only(), test=data.test.read_only())
