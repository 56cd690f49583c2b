"""Snapshots: what is kept is what the network was, keeping it changes nothing, and no stop loses or doubles one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from harness.errors import PluginError
from harness.plugin.contracts import Scheduler
from harness.plugin.runs import State
from harness.training.loop import train
from harness.training.snapshots import cycle_ends, cycle_epochs

SGDR = {"scheduler": "sgdr", "epochs": 7, "snapshots": True}


@pytest.fixture
def sgdr(parts_of):
    """Return the parts of a run with cycles of 1, 2 and 4 epochs; other settings by name."""

    def make(optimizer="sgd", **more):
        return parts_of(optimizer, {"lr": 0.02}, **{**SGDR, **more})

    return make


def carry_out(parts, state=None):
    """Return what each epoch kept, copied as the store copies it, and the end."""
    kept = {}
    for epoch in train(parts.run, parts, state):
        if epoch.snapshot:
            kept[epoch.number] = {name: each.clone() for name, each in epoch.snapshot().items()}
    return kept, parts.done()


def test_the_weights_are_kept_at_every_cycles_end_and_the_ensemble_is_the_mean_of_what_they_predict(sgdr):
    parts = sgdr()
    kept, done = carry_out(parts)
    assert list(kept) == [1, 3]
    other = sgdr()
    predicted = []
    for weights in [*kept.values(), done.weights]:
        other.model.load_state_dict(weights)
        predicted.append(other.predict(other.ingredients.test, exact=True).numpy())
    np.testing.assert_array_equal(done.snapshots, predicted[:2])
    np.testing.assert_array_equal(done.predictions, predicted[2])
    assert not np.allclose(predicted[0], predicted[2])
    targets = other.ingredients.test.targets.numpy()
    for name, metric in other.ingredients.task.metrics.items():
        assert done.metrics[f"snapshot1_test_{name}"] == metric.compute(predicted[0], targets)
        assert done.metrics[f"snapshot2_test_{name}"] == metric.compute(predicted[1], targets)
        whole = metric.compute(np.mean(predicted, axis=0), targets)
        assert done.metrics[f"snapshots_test_{name}"] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "ema(sgd)"])
def test_keeping_snapshots_changes_nothing_else(sgdr, optimizer):
    with_them, without = sgdr(optimizer), sgdr(optimizer, snapshots=False)
    one, other = carry_out(with_them)[1], carry_out(without)[1]
    assert {n: v for n, v in one.metrics.items() if not n.startswith("snapshot")} == other.metrics
    np.testing.assert_array_equal(one.predictions, other.predictions)
    assert other.snapshots is None
    assert all(torch.equal(one.weights[name], each) for name, each in other.weights.items())


def test_what_is_kept_of_an_optimizer_that_switches_is_what_it_evaluates(sgdr):
    kept, done = carry_out(sgdr("ema(sgd)"))
    other = sgdr()
    for number, weights in enumerate(kept.values()):
        other.model.load_state_dict(weights)
        np.testing.assert_array_equal(done.snapshots[number], other.predict(other.ingredients.test, exact=True).numpy())


@pytest.mark.parametrize("stop", range(1, 7))
def test_a_run_that_was_stopped_anywhere_ends_with_the_same_snapshots(sgdr, stop):
    whole, end = carry_out(sgdr())
    first = sgdr()
    kept = {}
    for epoch in train(first.run, first):
        if epoch.snapshot:
            kept[epoch.number] = {name: each.clone() for name, each in epoch.snapshot().items()}
        if epoch.number == stop:
            state = epoch.state()
            break
    state = State(state.tensors, json.loads(json.dumps(state.plain)))  # as it comes back from disk
    rest, done = carry_out(sgdr(), state)
    assert sorted([*kept, *rest]) == [1, 3]
    for number, weights in {**kept, **rest}.items():
        assert all(torch.equal(whole[number][name], each) for name, each in weights.items())
    np.testing.assert_array_equal(done.snapshots, end.snapshots)
    assert done.metrics == end.metrics


def test_with_a_head_stage_the_cycles_are_those_of_the_stage_after_it(parts_of):
    groups = {"groups": lambda model: [list(model[:2].parameters()), list(model[2:].parameters())]}
    parts = parts_of("sgd", {"lr": 0.02}, **{**SGDR, "epochs": 9}, head_epochs=2, batch_norm="frozen", **groups)
    kept, done = carry_out(parts)
    assert list(kept) == [3, 5]
    assert done.snapshots.shape == (2, 24, 2)


def test_a_search_run_and_a_schedule_without_cycles_keep_none(sgdr):
    for parts in (sgdr(test=False), sgdr(scheduler="cosine")):
        kept, done = carry_out(parts)
        assert kept == {}
        assert done.snapshots is None
        assert not [name for name in done.metrics if name.startswith("snapshot")]


def scheduler(ends):
    return Scheduler("mine", lambda *_: None, cycle_ends=lambda total_steps, **_: ends)


@pytest.mark.parametrize(
    ("ends", "epochs"),
    [
        ([5, 15, 35], (1, 3, 7)),
        ([4, 9, 35], (1, 7)),  # the first one ends before any epoch does
        ([14, 16, 19, 35], (2, 3, 7)),  # two end within one epoch
        ([34, 35], (6, 7)),
        ([35], (7,)),
    ],
)
def test_a_cycle_that_ends_within_an_epoch_is_kept_from_the_one_before(sgdr, ends, epochs):
    assert cycle_epochs(sgdr().run, scheduler(ends), 5) == epochs


@pytest.mark.parametrize("ends", [[], [0, 35], [5, 5, 35], [20, 10, 35], [5, 36], [5, 30], [17.5, 35], None])
def test_cycle_ends_that_are_none_are_refused(sgdr, ends):
    with pytest.raises(PluginError, match=r"scheduler 'mine': cycle_ends must return .*, got "):
        cycle_ends(sgdr().run, scheduler(ends), 5)
