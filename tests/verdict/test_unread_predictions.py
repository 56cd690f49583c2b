"""Predictions that cannot be read: a disk that refuses ends the verdict, and what is not there leaves its run out."""

from __future__ import annotations

import math

import pytest
from harness_plugins.analyses.scores import temperatures

from harness.errors import DiskError, RunFolderError
from harness.results.tables.class_probabilities import arm_probabilities
from harness.testing.comparisons import InMemory
from harness.verdict.design import networks_of
from harness.verdict.distances import NetworkDistances
from harness.verdict.loss_numbers import calibration_of
from harness.verdict.protocol import registered_protocols
from harness.verdict.tables import twins


def distances(records):
    network = networks_of(records, registered_protocols(records.meta)[0].protocol)[0]
    return NetworkDistances(records, network).by("disagreement")


def first_run(records):
    return str(records.comparison["run_id"].iloc[0])


READERS = {
    "distances": distances,
    "twins": lambda records: twins._distances(records, [first_run(records)]),
    "calibrated loss": lambda records: calibration_of(records, first_run(records)),
    "temperatures": temperatures.compute,
    "class probabilities": arm_probabilities,
}


@pytest.mark.parametrize("name", READERS)
def test_a_disk_that_refuses_is_never_a_network_without_predictions(world, monkeypatch, name):
    records = world(replicates=3).records()

    def refuse(self, run_id, split="test"):
        raise DiskError(f"{run_id}: must be readable, got 'Input/output error'; look after the disk")

    monkeypatch.setattr(InMemory, "predictions", refuse)
    with pytest.raises(DiskError, match="look after the disk"):
        READERS[name](records)


def test_a_run_whose_predictions_are_not_there_or_damaged_is_left_out(world, monkeypatch):
    records = world(replicates=3).records()
    damaged, read = first_run(records), InMemory.predictions

    def read_all_but_one(self, run_id, split="test"):
        if run_id == damaged:
            raise RunFolderError(f"{run_id}: must be as it was written, got other contents")
        return read(self, run_id, split)

    monkeypatch.setattr(InMemory, "predictions", read_all_but_one)
    found = distances(records)
    network = networks_of(records, registered_protocols(records.meta)[0].protocol)[0]
    place = NetworkDistances(records, network).run_places[damaged]
    others = [row for row in range(len(found.matrix)) if row != place]
    assert all(math.isnan(value) for value in found.matrix[place])
    assert not any(math.isnan(found.matrix[row, column]) for row in others for column in others)
    assert calibration_of(records, damaged) is None
    assert damaged not in set(temperatures.compute(records)["run_id"])
    assert twins._distances(records, [damaged]) == {}
