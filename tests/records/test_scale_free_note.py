"""Which tensors of a network are scale-free: noted once by network, and put into words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.plugin.meta import penalty_line
from harness.plugin.runs import Arm, Epoch, Run
from harness.records import Store

RUN = Run(
    phase="search", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.01}, scheduler={}, epochs=3, batch_size=32, l2=0.1,
    augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1, data="0", plugins={},
)  # fmt: skip
OTHERS = (
    replace(RUN, init_seed=2),
    replace(RUN, arm=Arm("mlp", "sgd", "constant")),
    replace(RUN, arm=Arm("cnn", "sgd", "constant")),
)
NO_MINIMUM = (
    "mlp: its objective has no minimum, because the L2 is on tensors whose scales change no output (0.weight); see "
    "train.l2_on"
)
TESTED = {"tensors": {"0.weight": "filter"}, "groups": [], "problem": ""}


@pytest.fixture
def lines():
    return []


@pytest.fixture
def store(tmp_path, lines):
    with Store(tmp_path / "run", lines.append) as store:
        store.add_runs([RUN, *OTHERS], "here")
        yield store


def epoch(number=1, tested=None):
    return Epoch(number, number, float(number), 0.1, {"tune_accuracy": 0.5}, scale_free=tested)


def test_the_first_run_of_a_network_says_it_for_all(store, lines):
    store.append(RUN.id, epoch(1, TESTED))
    store.append(RUN.id, epoch(2))
    for run in OTHERS[:2]:
        store.append(run.id, epoch(1, TESTED))
    assert store.noted("scale_free") == {"mlp": {**TESTED, "l2": 0.1, "l2_on": "not_scale_free"}}
    assert lines == []


def test_each_network_has_its_own(store):
    store.append(RUN.id, epoch(1, TESTED))
    store.append(OTHERS[2].id, epoch(1, {**TESTED, "tensors": {}}))
    noted = store.noted("scale_free")
    assert (noted["mlp"]["tensors"], noted["cnn"]["tensors"]) == (TESTED["tensors"], {})


def test_a_run_that_has_it_otherwise_is_said(store, lines):
    store.append(RUN.id, epoch(1, TESTED))
    store.append(OTHERS[0].id, epoch(1, {**TESTED, "tensors": {}}))
    assert store.noted("scale_free")["mlp"]["tensors"] == TESTED["tensors"]
    assert lines == ["mlp: other tensors of it are scale-free in one run than in another; see train.l2_on"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "mlp: the L2 is not on tensors whose scales change no output (0.weight); see train.l2_on"),
        (
            {"l2_on": "all"},
            NO_MINIMUM,
        ),
        ({"l2": 0.0}, ""),
        ({"tensors": {}}, ""),
        (
            {"problem": "ValueError: no such batch", "tensors": {}},
            "mlp: the L2 is on all tensors, because their scales could not be tested (ValueError: no such batch)",
        ),
        (
            {"tensors": dict.fromkeys("abcdefghij", "filter")},
            "mlp: the L2 is not on tensors whose scales change no output (a, b, c, d, e, f, g, h and 2 more); see train.l2_on",
        ),
    ],
)
def test_what_the_penalty_has_to_do_with_them_is_one_line(changes, line):
    assert penalty_line("mlp", {**TESTED, "l2": 0.1, "l2_on": "not_scale_free", **changes}) == line
