"""The panels of the learning rates: one blown-up trial squeezes none of them, and is not hidden either."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_reports import html
from harness_reports._draw import rates
from harness_reports._draw.arm_styles import arm_looks as looks
from harness_reports._draw.svg import MANY

from harness import numbers

SGD = "lesson_cnn/sgd/cosine"
REGRESSION = {"mse": {"goal": "min", "unit": ""}}


def table(values: list[float], chosen: int = 0) -> pd.DataFrame:
    count = len(values)
    return pd.DataFrame(
        {
            "arm": "a",
            "number": range(count),
            "lr": np.logspace(-4, 0, count),
            "value": values,
            "state": "done",
            "chosen": [i == chosen for i in range(count)],
            "params": "{}",
        }
    )


@pytest.mark.parametrize("far", [50.0, 1e6, 1e300])
def test_a_blown_up_trial_leaves_the_axis_as_it_is_without_it(far: float) -> None:
    good = [0.5, 0.52, 0.55, 0.6, 0.7]
    alone, beside = (
        rates.shared_scale(table(good), "min", "", "mse"),
        rates.shared_scale(table([*good, far]), "min", "", "mse"),
    )
    assert (beside.y, beside.log_y) == (alone.y, alone.log_y)
    assert list(rates.off_scale(table([*good, far]), beside)["number"]) == [5]
    assert rates.off_scale(table(good), alone).empty


def test_of_scores_that_are_to_be_high_the_low_ones_are_off() -> None:
    trials = table([0.97, 0.96, 0.95, 0.94, -400.0])
    scale = rates.shared_scale(trials, "max", "", "r2")
    assert list(rates.off_scale(trials, scale)["value"]) == [-400.0]
    assert scale.y[0] > 0.9


@pytest.mark.parametrize("values", [[0.5, 0.9], [0.97, 0.95, 0.8, 0.5], [0.9, 0.9, 0.9, 0.1], [], [math.nan] * 4])
def test_ordinary_trials_are_all_on_the_axis(values: list[float]) -> None:
    trials = table(values)
    scale = rates.shared_scale(trials, "max", "%", "accuracy")
    assert rates.off_scale(trials, scale).empty
    assert all(scale.y[0] <= value <= scale.y[1] for value in values if value == value)


def test_a_chosen_trial_is_never_off_the_scale() -> None:
    trials = table([0.5, 0.52, 0.55, 0.6, 80.0], chosen=4)
    assert rates.off_scale(trials, rates.shared_scale(trials, "min", "", "mse")).empty


def test_a_range_of_powers_is_measured_in_powers() -> None:
    trials = table([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
    scale = rates.shared_scale(trials, "min", "", "mse")
    assert scale.log_y
    assert rates.off_scale(trials, scale).empty


def test_what_is_off_the_scale_is_drawn_at_the_border_and_counted(make_records: Any, analysed: Any) -> None:
    records = make_records(metrics=REGRESSION)
    mine = records.trials.index[(records.trials["arm"] == SGD) & (records.trials["state"] == "done")]
    tuned = records.arms.loc[records.arms["arm"] == SGD, "tuned_trial"].iloc[0]
    bad = next(i for i in mine if records.trials.at[i, "number"] != tuned)
    records.trials.at[bad, "value"] = 1e9
    results = analysed(records)
    assert "1 off the scale" in html.render(results)
    sensitivity = results.tables["sensitivity"]
    scale = rates.shared_scale(sensitivity, "min", "", "mse")
    drawn = rates.rate_panel(sensitivity[sensitivity["arm"] == SGD], looks({SGD: "sgd"})[SGD], scale, "lr")
    packed = re.sub(r">\s+<", "><", drawn)
    far, good = (re.findall(f'<g id="lr-{group}">(.*?)</g></g>', packed, re.DOTALL)[0] for group in ("far", "trials"))
    assert far.count("<use ") == 1
    assert f"trial {records.trials.at[bad, 'number'] + 1}: {numbers.number(1e9)}" in far
    assert numbers.number(1e9) not in good


@pytest.mark.parametrize(("count", "shapes"), [(MANY, MANY), (MANY + 1, 0)])
def test_many_trials_are_one_picture(count: int, shapes: int) -> None:
    trials = table(np.linspace(0.5, 0.9, count).tolist())
    drawn = rates.rate_panel(trials, looks({"a": "a"})["a"], rates.shared_scale(trials, "max", "%", "accuracy"), "lr")
    assert drawn.count("trial ") == shapes
    assert ("data:image/png;base64," in drawn) == (shapes == 0)
    assert drawn == rates.rate_panel(
        trials, looks({"a": "a"})["a"], rates.shared_scale(trials, "max", "%", "accuracy"), "lr"
    )
