"""The workbench: it puts a run's parts together from the plan, the open data and the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from harness.plan import Setting
from harness.runs import Run, State
from harness.training.batches import Resident, resident
from harness.training.parts import Ingredients, Parts, assemble


class Bench:
    """A ``Workbench`` in this process. The splits are on the device once, for all runs."""

    def __init__(self, setting: Setting, state: Callable[[str], State | None]) -> None:
        self.setting = setting
        self.state = state

    def parts(self, run: Run) -> Parts:
        """Return the parts of a run; only a comparison run is given the test split."""
        plan = self.setting.plan
        competitor = plan.competitor(run.arm.name)
        compared = run.phase == "compare"
        ingredients = Ingredients(
            task=plan.task,
            backbone=plan.backbones[run.arm.backbone],
            optimizer=competitor.optimizer,
            scheduler=competitor.scheduler,
            outputs=plan.task.outputs(self.setting.data),
            train=self._train,
            tune=self._tune,
            test=self._test if compared else None,
            probes=plan.probes if compared else (),
        )
        return assemble(run, ingredients, self.setting.device)

    @cached_property
    def _train(self) -> Resident:
        return resident(self.setting.data.train, self.setting.device)

    @cached_property
    def _tune(self) -> Resident:
        return resident(self.setting.data.tune, self.setting.device)

    @cached_property
    def _test(self) -> Resident:
        return resident(self.setting.data.test, self.setting.device)
