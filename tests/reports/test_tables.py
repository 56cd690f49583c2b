"""The table of every trial, and its small curves."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness_reports._page import every_trial
from harness_reports._page._section import Page

from harness import Results


def shown(records: Any) -> dict[str, Any]:
    return every_trial.every_trial(Page.of(Results(records, {})))


def test_every_trial_is_in_the_data_and_the_first_are_in_the_page(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=1, trials=130)
    found = shown(records)
    data = json.loads(gzip.decompress(base64.b64decode(found["json"])))
    assert found["all"] == len(data["rows"]) == 260
    assert len(found["rows"]) == every_trial.MOST_ROWS == 200
    arms = [data["arms"][row[0]]["label"] for row in data["rows"]]
    assert arms == [path.split("/")[1] for path in records.trials["arm"]]
    for row, trial in zip(data["rows"], records.trials.to_dict("records"), strict=True):
        place = (1, trial["number"] + 1, trial["state"], trial["run_id"])  # the first replicate, and trials from 1
        assert (row[1], row[2], data["states"][row[3]], row[11]) == place
        assert row[4][0] == (None if np.isnan(trial["value"]) else pytest.approx(trial["value"], rel=1e-5))
        assert row[6][0] == pytest.approx(trial["params"]["lr"], rel=1e-5)
        assert row[9] == ["0.9", "true"]
    assert data["arms"][0]["params"] == ["momentum", "nesterov"]
    assert sum(row[13] for row in data["rows"]) == 2  # one chosen an arm


def test_small_curves_share_one_scale_that_one_wild_value_does_not_spoil(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=1, trials=2)
    first, second = records.trials["run_id"]
    values = {first: [0.2, 0.4, 0.6], second: [0.6, -1e9, np.nan]}
    rows = [
        {"run_id": run, "epoch": epoch, "tune_accuracy": value}
        for run, line in values.items()
        for epoch, value in enumerate(line, 1)
    ]
    found = every_trial.small_curves(replace(records, epochs=type(records.epochs)(rows)), {first, second})
    assert found[second] == [every_trial.HEIGHTS, 0]
    assert found[first] == sorted(found[first])
    assert found[first][2] == found[second][0]
    assert found[first][1] - found[first][0] > 5


def test_without_epochs_there_is_a_dash(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=1)
    bare = replace(records, epochs=records.epochs.iloc[:0])
    assert every_trial.small_curves(bare, set(records.trials["run_id"])) == {}
    assert every_trial.small_curve([], "#000000") == "\N{EN DASH}"
    assert str(every_trial.small_curve([50], "#000000")).count(",") == 2  # one point is drawn as a short line
