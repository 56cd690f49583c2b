"""What runs are made of: the plugins, the data and the device, the same in the driver and in every worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import PluginError
from harness.plugin.contracts import Backbone, Data, Optimizer, Probe, Scheduler, Split, Staffing, Task, Weights
from harness.plugin.runs import Arm, Run
from harness.running import fold_data
from harness.training.device import Device

if TYPE_CHECKING:
    from harness.benchmark.plan import Setting


class ArmPlugins(NamedTuple):
    """The plugins of an arm, and the hashes of the sources of all that take part in it."""

    network: Backbone
    optimizer: Optimizer
    scheduler: Scheduler
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Materials:
    """The plugins, the data and the device of a benchmark."""

    task: Task
    metric_by_phase: Mapping[str, str]  # that says how a run did
    device: Device
    data: Data
    features: Mapping[str, Data]  # by backbone, where heads are trained
    mirrored: Mapping[str, Split]  # the same of mirrored test images
    weights: Mapping[str, Weights]  # by backbone, where networks are pretrained
    probes: Mapping[str, Probe]  # with their options
    probe_versions: Mapping[str, str]
    folds: int  # of the train split; 0 for none
    plugins_of: Callable[[Arm], ArmPlugins]
    staffing: Staffing = field(default_factory=Staffing)

    def data_of(self, run: Run) -> Data:
        """Return the data that a run names: this benchmark's, a refit's or a fold's; raises PluginError for any other."""
        data = self.features[run.arm.backbone] if run.arm.head else self.data
        if run.data == data.fingerprint:
            return data
        if run.data == fold_data.joined_fingerprint(data):
            return fold_data.joined(data)
        count = self.fold_count
        for rows in self._fold_rows:
            if run.data == fold_data.fold_fingerprint(data, rows, count):
                return fold_data.cut(data, rows, count)
        raise PluginError(f"run {run.id}: its data must be this benchmark's or a fold of it, got {run.data[:16]}")

    @property
    def fold_count(self) -> int:
        """How many folds there are: no more than examples."""
        return min(self.folds, len(self.data.train))

    @cached_property
    def _fold_rows(self) -> list[Any]:
        return fold_data.assign(self.data, self.fold_count) if self.folds else []


def materials_of(setting: Setting) -> Materials:
    """Return what the runs of a benchmark are made of, from its plan."""
    from harness.running.staffing import staffing_of  # which needs the benchmark's sections, as no worker does

    plan = setting.plan

    def plugins_of(arm: Arm) -> ArmPlugins:
        competitor = plan.competitor(arm.name)
        return ArmPlugins(competitor.network, competitor.optimizer, competitor.scheduler, competitor.plugins)

    return Materials(
        task=plan.task,
        metric_by_phase=plan.metric_by_phase,
        device=setting.device,
        data=setting.data,
        features=setting.features,
        mirrored=setting.mirrored,
        weights=plan.weights,
        probes={probe.name: probe for probe in plan.probes},
        probe_versions=plan.probe_versions,
        folds=plan.benchmark.compare.folds,
        plugins_of=plugins_of,
        staffing=staffing_of(setting),
    )
