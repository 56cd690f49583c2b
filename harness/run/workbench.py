"""The workbench: it puts a run's parts together from the plan, the open data and the device."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.benchmark.arms import Competitor, ends
from harness.benchmark.plan import Setting
from harness.benchmark.toml import refusal
from harness.errors import HarnessError, did_you_mean
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Opening, Schedule, Split, Staffing
from harness.plugin.runs import Measured, Measurement, Run, State
from harness.records import schema
from harness.run.after.measuring import Solutions, measure_networks, room_for_networks
from harness.run.materials import Materials, materials_of
from harness.training.batches import Resident, put_on_device
from harness.training.ingredients import Ingredients
from harness.training.parts import Parts, assemble
from harness.training.stages import build_optimizer, build_schedule

if TYPE_CHECKING:
    import torch


REHEARSED = 10  # steps of a schedule


def check_overrides(setting: Setting, where: Callable[..., str]) -> None:
    """Build what ``[search.space]`` overrides, at both ends and with every choice, and take some steps.

    Raises BenchmarkError where it does not build, or leaves the finite numbers.

    What a plugin does with its own space is the plugin's affair; what the user wrote is checked before anything runs.
    """
    import torch

    for competitor in setting.plan.competitors:
        for part, plugin in (
            (competitor.entered, competitor.optimizer),
            (competitor.arm.scheduler, competitor.scheduler),
        ):
            overrides = competitor.benchmark.search.space.get(part, {})
            for params in _tried(competitor) if overrides else ():
                run = setting.search_run(competitor, params)
                weights = [torch.nn.Parameter(torch.zeros(2, 2))]
                settings = competitor.optimizer.settings(run.optimizer)
                timing = competitor.scheduler.settings(run.scheduler)
                try:
                    with Boundary("optimizer", competitor.optimizer.name, "build", everything=True):
                        optimizer = build_optimizer(competitor.optimizer, settings, [weights], layer_factor=1)
                        schedule = competitor.scheduler.build(optimizer, REHEARSED, **timing)
                        _rehearse(competitor, optimizer, schedule, weights[0])
                except PluginFailed as error:
                    names = [*plugin.space, *plugin.defaults, *plugin.limits]
                    strange = [name for name in overrides if name not in names]
                    place = where("search", "space", part, *(strange[:1] or (overrides if len(overrides) == 1 else ())))
                    hint = did_you_mean(strange[0], names) if strange else ""
                    raise refusal(place, f"be what '{part}' takes", error.why, hint) from error


def _tried(competitor: Competitor) -> Iterator[dict[str, Any]]:
    """Yield the low ends of what is searched, the high ones, and every choice beside the low ends."""
    low = ends(competitor, 0)
    yield from (low, ends(competitor, 1))
    for name, space in competitor.space.items():
        yield from ({**low, name: choice} for choice in getattr(space, "choices", ())[1:-1])


def _rehearse(competitor: Competitor, optimizer: Any, schedule: Schedule, weight: torch.nn.Parameter) -> None:
    """Take some steps on a bowl; raises ValueError where weights or rates leave what they can be.

    An optimizer that cannot take these steps is left to its first run, whose network may be what it needs.
    """
    import torch

    def closure() -> Any:
        optimizer.zero_grad()
        objective: Any = (weight - 1).square().sum()
        objective.backward(create_graph=competitor.optimizer.second_order)
        return objective

    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            if competitor.optimizer.switches:
                optimizer.train()
            for _ in range(5):
                closure()
                optimizer.step(closure if competitor.optimizer.closure else None)
        if not torch.isfinite(weight).all():
            raise ValueError("weights that are not finite after five steps")
        for number in range(1, REHEARSED + 1):
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
                raise ValueError(f"a learning rate of {rates[0]:g} for step {number} of {REHEARSED}")
            schedule.step(*([1.0] if competitor.scheduler.per_epoch else []))


def check_layer_factor(setting: Setting, where: Callable[..., str]) -> None:
    """Build every arm's optimizer and schedule on two layer groups, where the benchmark trains by them.

    Raises BenchmarkError for an arm that cannot: LBFGS has one step length for all.
    """
    import torch

    benchmark = setting.plan.benchmark
    searched = benchmark.search.layer_factor
    factor = searched[0] if searched else benchmark.train.layer_factor
    for competitor in setting.plan.competitors if factor != 1 else ():
        run = setting.search_run(competitor, ends(competitor, 0))
        groups = [[torch.nn.Parameter(torch.zeros(2, 2))] for _ in range(2)]
        settings = competitor.optimizer.settings(run.optimizer)
        timing = competitor.scheduler.settings(run.scheduler)
        try:
            with Boundary("optimizer", competitor.optimizer.name, "build", everything=True):
                optimizer = build_optimizer(competitor.optimizer, settings, groups, factor)
                build_schedule(competitor.scheduler, timing, optimizer, 10, groups, factor)
        except PluginFailed as error:
            place = where("search" if searched else "train", "layer_factor")
            raise refusal(place, f"be left out for the arm {competitor.name}", error.why) from error


class Bench:
    """A ``Workbench`` in this process. The splits are on the device once, for all runs.

    ``folder`` is the run folder, and ``open_elsewhere`` makes what another process opens the same benchmark from.
    """

    def __init__(
        self,
        setting: Setting | Materials,
        state: Callable[[str], State | None],
        solution: Callable[[str], Mapping[str, torch.Tensor]] | None = None,
        folder: Path | None = None,
        open_elsewhere: Callable[[], Opening] | None = None,
    ) -> None:
        self.materials = setting if isinstance(setting, Materials) else materials_of(setting)
        self.state = state
        self._solution = solution  # a run's final weights
        self._folder = folder
        self._open_elsewhere = open_elsewhere
        self._resident: dict[object, Resident] = {}
        self._fold: tuple[str, dict[object, Resident]] = ("", {})  # one fold's data in memory at a time

    @property
    def staffing(self) -> Staffing:
        """What the benchmark says on workers."""
        return self.materials.staffing

    def opening(self) -> Opening:
        """Return plain values from which another process opens the same benchmark."""
        if self._open_elsewhere is None:
            raise HarnessError("this benchmark was opened to be looked at: it cannot be carried out by workers")
        return self._open_elsewhere()

    def solution(self, run_id: str) -> Mapping[str, torch.Tensor]:
        """Return the weights that a run ended with."""
        if self._solution is None:
            raise HarnessError(f"run {run_id}: its weights are not at hand where nothing was trained yet")
        return self._solution(run_id)

    def solution_file(self, run_id: str) -> str:
        """Return the path of the file with the weights that a run ended with."""
        assert self._folder is not None
        return str(schema.solution(self._folder, run_id).resolve())

    @cached_property
    def _networks(self) -> Solutions:
        """The trained networks that probes look at, ready to be measured again."""
        return Solutions(self.solved, room_for_networks(self.materials.device))

    def measure(self, measurement: Measurement) -> Measured:
        """Return what a probe measures on trained networks; raises PluginFailed where it fails."""
        probe = self.materials.probes[measurement.probe]
        return measure_networks(probe, measurement.runs, self._networks)

    def solved(self, run: Run) -> Parts:
        """Return the parts of a run that is over, its network with the final weights and in evaluation mode."""
        parts = self.parts(run, self.solution(run.id))
        parts.enter_last_stage()
        parts.model.eval()
        return parts

    def parts(self, run: Run, weights: Mapping[str, torch.Tensor] | None = None) -> Parts:
        """Return the parts of a run; only a comparison run is given the test split.

        The network has these weights, or those of the run that it follows, or its initial ones.
        """
        if weights is None and run.follows:
            weights = self.solution(run.follows)
        use = self.materials
        plugins = use.plugins_of(run.arm)
        with Boundary("task", use.task.name, "say how many outputs it needs"):
            outputs = use.task.outputs(use.data)
        compared = run.phase == "compare"
        ingredients = Ingredients(
            task=use.task,
            backbone=plugins.network,
            weights=None if run.arm.head else use.weights.get(run.arm.backbone),
            optimizer=plugins.optimizer,
            scheduler=plugins.scheduler,
            outputs=outputs,
            train=self._split(run, "train"),
            tune=self._split(run, "tune"),
            test=self._split(run, "test") if compared else None,
            mirrored=self._mirrored(run) if run.tta else None,
            metric=use.metric,
        )
        return assemble(run, ingredients, use.device, weights)

    def _mirrored(self, run: Run) -> Resident:
        """Return the test split with its images mirrored: the stored ones seen so, or what was extracted from those."""
        if not run.arm.head:
            return replace(self._split(run, "test"), mirrored=True)
        return put_on_device(self.materials.mirrored[run.arm.backbone], self.materials.device)

    def _split(self, run: Run, which: Literal["train", "tune", "test"]) -> Resident:
        """Return a split of a run's data on the device, put there once for all runs that share it."""
        weights = self.materials.weights.get(run.arm.backbone)
        key = (run.data, which, weights)
        resident = self._splits_of(run)
        if key not in resident:
            split: Split = getattr(self.materials.data_of(run), which)
            looks = (weights.mean, weights.std) if weights else ()
            resident[key] = put_on_device(split, self.materials.device, *looks)
        return resident[key]

    def _splits_of(self, run: Run) -> dict[object, Resident]:
        """Return the splits that are on the device already, as far as a run can share them."""
        data = self.materials.features[run.arm.backbone] if run.arm.head else self.materials.data
        if run.data == data.fingerprint:
            return self._resident
        if self._fold[0] != run.data:
            self._fold = (run.data, {})
        return self._fold[1]
