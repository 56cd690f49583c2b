"""Where runs were trained: on the driver's machine or on others, with the same versions or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.plugin.runs import Arm, Epoch, Run, State
from harness.records import Store

RUN = Run(
    phase="search", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.01}, scheduler={}, epochs=3, batch_size=32, l2=0.0,
    augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1, data="0", plugins={},
)  # fmt: skip
HERE = {"hash": "here", "versions": {"torch": "2.13.0", "numpy": "2.4"}, "hardware": {"device": "a Xeon"}}
OTHER_MACHINE = {**HERE, "hash": "machine", "hardware": {"device": "an EPYC"}}
OTHER_TORCH = {**OTHER_MACHINE, "hash": "torch", "versions": {"torch": "2.12.0", "numpy": "2.4"}}


def epoch_in(environment, number=1):
    event = Epoch(number, number, float(number), 0.1, {"tune_accuracy": 0.5}, lambda: State({}, {}))
    return replace(event, environment=environment)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def store(tmp_path, lines):
    with Store(tmp_path / "run", lines.append) as store:
        store.add_runs([RUN], HERE["hash"])
        store.work_begins(HERE, [])
        yield store


def test_a_run_has_the_environment_of_the_worker_that_trained_it(store, lines):
    store.append(RUN.id, epoch_in(OTHER_MACHINE))
    assert store.run(RUN.id)["environment"] == "machine"
    assert store.noted("environments") == {"here": HERE, "machine": OTHER_MACHINE}
    assert store.noted("environment") == HERE  # the driver's
    assert lines == []


def test_an_event_without_an_environment_is_the_drivers(store):
    store.append(RUN.id, epoch_in(None))
    assert store.run(RUN.id)["environment"] == "here"


def test_a_run_that_went_on_elsewhere_is_of_both(store):
    for number, environment in enumerate((OTHER_MACHINE, OTHER_TORCH, OTHER_TORCH, None), 1):
        store.append(RUN.id, epoch_in(environment, number))
    assert store.run(RUN.id)["environment"] == "machine+torch+here"


def test_other_versions_are_said_once(store, lines):
    for number in (1, 2):
        store.append(RUN.id, epoch_in(OTHER_TORCH, number))
    assert lines == [
        "runs are trained on an EPYC with torch 2.12.0 (2.13.0 here); the report says that the environments differ"
    ]
