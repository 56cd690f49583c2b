"""The workbench: it puts a run's parts together from the plan, the open data and the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import HarnessError
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Opening, Split, Staffing
from harness.plugin.runs import Measured, Measurement, Run, State
from harness.records import schema
from harness.running.after.measuring import Solutions, measure_networks, room_for_networks
from harness.running.materials import Materials, materials_of
from harness.training.batches import Resident, put_on_device
from harness.training.class_weights import weigh_classes
from harness.training.ingredients import Ingredients
from harness.training.parts import Parts, assemble

if TYPE_CHECKING:
    import torch

    from harness.benchmark.plan import Setting


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
            raise HarnessError(
                "train.executor: must train in this process where a benchmark is opened without its registry of plugins, got "
                'one with workers; use executor = "inprocess"'
            )
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
        use = self.materials
        plugins = use.plugins_of(run.arm)
        with Boundary("task", use.task.name, "say how many outputs it needs"):
            outputs = use.task.outputs(use.data)
        compared = run.phase == "compare"
        ingredients = Ingredients(
            task=weigh_classes(use.task, run.class_weights, use.device),
            backbone=plugins.network,
            weights=None if run.arm.head else use.weights.get(run.arm.backbone),
            optimizer=plugins.optimizer,
            scheduler=plugins.scheduler,
            outputs=outputs,
            train=self._split(run, "train"),
            tune=self._split(run, "tune"),
            test=self._split(run, "test") if compared else None,
            mirrored=self._mirrored(run) if run.tta else None,
            metric=use.metric_by_phase[run.phase],
            origin=partial(self.solution, run.follows) if run.follows else None,
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
