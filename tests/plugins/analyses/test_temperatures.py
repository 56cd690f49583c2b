"""The temperatures of networks: the formulas' own numbers, run by run; nothing where predictions are no class probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import temperatures

from harness.records.checked import save_arrays
from harness.statistics.calibration import calibrate

LABELS = np.arange(90) % 2


def probabilities(seed: int, sure: float) -> Any:
    random = np.random.default_rng(seed)
    margin = sure * ((2 * LABELS - 1) + random.normal(0, 1.2, 90))
    right = 1 / (1 + np.exp(-margin))
    return np.stack([1 - right, right], axis=1).astype(np.float32)


@pytest.fixture
def predicted(make_records: Any, tmp_path: Path) -> Any:
    """Return a function from arrays of predictions by (arm, seed) to records of such a comparison."""

    def build(arrays: dict[tuple[str, int], dict[str, Any]], **targets: Any) -> Any:
        (tmp_path / "predictions").mkdir()
        rows = []
        for (arm, seed), kept in arrays.items():
            run_id = f"{arm}{seed}"
            save_arrays(tmp_path / "predictions" / f"{run_id}.safetensors", kept)
            rows.append(
                {
                    "run_id": run_id,
                    "arm": arm,
                    "role": "fresh",
                    "replicate": seed // 2,
                    "init_seed": seed,
                    "state": "done",
                }
            )
        save_arrays(tmp_path / "predictions" / "targets.safetensors", targets or {"targets": LABELS, "tune": LABELS})
        comparison = pd.DataFrame([*rows, {**rows[0], "run_id": "gone", "state": "diverged"}])
        return replace(make_records(["sgd"], seeds=1), folder=tmp_path, comparison=comparison)

    return build


def test_each_network_has_the_numbers_of_its_own_predictions(predicted: Any) -> None:
    arrays = {
        (arm, seed): {"tune": probabilities(seed, sure), "predictions": probabilities(seed + 10, sure)}
        for arm, sure in (("a", 1.0), ("b", 3.0))
        for seed in (0, 3)
    }
    table = temperatures.compute(predicted(arrays))
    assert list(table.columns) == list(temperatures.COLUMNS)
    assert table[["arm", "replicate", "seed"]].to_numpy().tolist() == [
        ["a", 0, 0],
        ["a", 1, 3],
        ["b", 0, 0],
        ["b", 1, 3],
    ]
    for row, kept in zip(table.itertuples(), arrays.values(), strict=True):
        found = calibrate(kept["tune"], LABELS, kept["predictions"], LABELS)
        assert (row.temperature, row.raw_loss, row.calibrated_loss, row.brier) == (
            found.temperature.value, found.raw_loss, found.loss, found.brier
        )  # fmt: skip
        assert row.reason == ""
    by_arm = table.set_index(["arm", "seed"])
    for seed in (0, 3):  # the same network, three times as sure
        one, surer = by_arm.loc[("a", seed)], by_arm.loc[("b", seed)]
        assert surer["temperature"] == pytest.approx(3 * one["temperature"], rel=1e-4)
        assert surer["calibrated_loss"] == pytest.approx(one["calibrated_loss"], rel=1e-4)
        assert surer["raw_loss"] > one["raw_loss"]


@pytest.mark.parametrize(
    "kept",
    [
        {"predictions": probabilities(0, 1.0)},
        {"tune": probabilities(0, 1.0)[:, 1], "predictions": probabilities(1, 1.0)[:, 1]},
        {"tune": 2 * probabilities(0, 1.0), "predictions": 2 * probabilities(1, 1.0)},
    ],
    ids=["no tune predictions", "one number an example", "no probabilities"],
)
def test_predictions_that_are_no_class_probabilities_have_no_row(predicted: Any, kept: dict[str, Any]) -> None:
    assert temperatures.compute(predicted({("a", 0): kept})).empty


def test_without_the_targets_of_tune_there_is_no_row(predicted: Any) -> None:
    kept = {"tune": probabilities(0, 1.0), "predictions": probabilities(1, 1.0)}
    assert temperatures.compute(predicted({("a", 0): kept}, targets=LABELS)).empty


def test_a_run_without_a_comparison_has_an_empty_table(make_records: Any) -> None:
    table = temperatures.compute(make_records(["sgd"], compared=False))
    assert list(table.columns) == list(temperatures.COLUMNS)
    assert table.empty
