"""The numbers of single networks that arms are compared by: losses, accuracy and sharpness, by replicate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.errors import RunFolderError
from harness.records import Records
from harness.verdict.design import Network, Row
from harness.verdict.measures import PROBES, RHO, Measure
from harness.verdict.sizes import seed_asked

if TYPE_CHECKING:
    from harness.statistics.calibration import Calibration
    from harness.verdict.paired_numbers import Numbers

COLUMNS = {
    "objective": "train_objective",
    "train_loss": "train_loss",
    "accuracy": "test_accuracy",
    "test_loss": "test_loss",
}  # of records.comparison, by measure
CALIBRATED = "calibrated_loss"  # a measure that follows from predictions
IN_LOSS_UNITS = ("train_loss", "objective")  # for regression these are divided by the variance of the targets
OF_RHO = {name: f"value_{rho:g}" for name, rho in RHO.items()}  # the probe's numbers, by measure


@dataclass(frozen=True)
class RunNumbers:
    """The numbers of every run of a network's records, by measure."""

    records: Records

    def of_arm(self, network: Network, arm: str, measure: Measure) -> Numbers:
        """Return an arm's numbers by replicate, in the unit of the records.

        A replicate has none where the arm has lost it, or where a number is not finite.
        """
        numbers: dict[int, tuple[float, ...]] = {}
        last = (
            seed_asked(network.protocol, self.records.meta.roles, PROBES["geometry"])
            if measure.facet == "geometry"
            else None
        )
        for replicate, runs in network.whole_replicates(arm).items():
            if last is not None and any(row["init_seed"] > last for row in runs):
                continue  # measured for another protocol
            values = tuple(self._value(row, measure) for row in runs)
            if all(map(math.isfinite, values)):
                numbers[replicate] = values
        return numbers

    def why_none(self, measure: Measure) -> str:
        """Return why no run has a finite number of a measure of the loss."""
        if measure.name == CALIBRATED:
            return "no run has class probabilities of the tune split and of the test split"
        column = COLUMNS[measure.name]
        metric = column.partition("_")[2]
        is_metric = column in self.records.comparison or metric in self.records.meta.metrics
        return f"no run has a finite {column}" if is_metric else f"the task has no metric '{metric}'"

    def _value(self, row: Row, measure: Measure) -> float:
        """Return a run's number, NaN where it has none."""
        if measure.facet == "geometry":
            return self._sharpness(measure.name).get(str(row["run_id"]), math.nan)
        if measure.name == CALIBRATED:
            run_id = str(row["run_id"])
            result = calibration_of(self.records, run_id)
            return math.nan if result is None else result.loss
        value = float(row.get(COLUMNS[measure.name], math.nan))
        return value / (self._loss_unit if measure.name in IN_LOSS_UNITS else 1.0)

    @cached_property
    def _loss_unit(self) -> float:
        """What a difference in train loss is divided by: 1 for nats and for classes, else the variance of the test targets."""
        import numpy as np

        meta = self.records.meta
        if meta.data.get("classes") or meta.metrics.get("loss", {}).get("unit") == "nats":
            return 1.0
        try:
            variance = float(np.var(np.asarray(self.records.targets, dtype=float), axis=0).mean())
        except RunFolderError:
            return 1.0
        return variance if variance > 0 else 1.0

    def _sharpness(self, measure: str) -> Mapping[str, float]:
        """Return the sharpness of every run at the rho of a measure, by run_id."""
        return self.records.once(("sharpness", measure), lambda: self._read_sharpness(OF_RHO[measure]))

    def _read_sharpness(self, number: str) -> Mapping[str, float]:
        table = self.records.measured
        rows = table[(table["probe"] == PROBES["geometry"]) & (table["name"] == number) & (table["other"] == "")]
        return dict(zip(map(str, rows["one"]), map(float, rows["value"]), strict=True))


def calibration_of(records: Records, run_id: str) -> Calibration | None:
    """Return what a run's predictions of test are worth, with the temperature that fits those of the tune split best.

    None where they are no class probabilities, or are not there; where their file is damaged, ``records.lacking`` names it.
    """
    return records.once(("calibration", run_id), lambda: _calibrate(records, run_id))


def _calibrate(records: Records, run_id: str) -> Calibration | None:
    from harness.statistics.calibration import calibrate

    try:
        tune, test = records.predictions(run_id, "tune"), records.predictions(run_id)
        return calibrate(tune, records.tune_targets, test, records.targets)
    except (RunFolderError, ValueError, KeyError):
        return None
