"""Every registered plugin keeps its contract; a new one is tested by being there, without an edit here."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from harness.contracts import Backbone, Optimizer, Scheduler, Task
from harness.registry import discover
from harness.training.state import flatten, restore

FOUND = discover()


def every(kind):
    return pytest.mark.parametrize("offer", FOUND.all(kind), ids=lambda offer: offer.name)


def corners(space):
    """Return the defaults' gaps filled: every parameter at its low and at its high end."""

    def ends(distribution):
        choices = getattr(distribution, "choices", None)
        return (choices[0], choices[-1]) if choices else (distribution.low, distribution.high)

    return [{name: ends(d)[i] for name, d in space.items()} for i in (0, 1)]


@pytest.mark.parametrize("kind", list(FOUND.found))
def test_names_are_plain_words(kind):
    for name in FOUND.found[kind]:
        assert name
        assert name == name.strip().lower()
        assert not set(name) & set("/: ")


@every("optimizer")
def test_an_optimizer_steps_at_both_ends_of_its_space_and_at_its_defaults(offer: Optimizer):
    for settings in ({}, *corners(offer.space)):
        torch.manual_seed(0)
        weights = [
            torch.nn.Parameter(torch.randn(3, 2)),
            torch.nn.Parameter(torch.randn(2)),
            torch.nn.Parameter(torch.randn(2)),
        ]
        optimizer = offer.build(weights, **{**offer.defaults, **settings})
        before = [w.detach().clone() for w in weights]
        for _ in range(3):
            optimizer.zero_grad()
            (weights[0].square().sum() + weights[1].square().sum()).backward()  # the last has no gradient
            optimizer.step()
        assert all(torch.isfinite(w).all() for w in weights)
        assert not torch.equal(weights[0], before[0])
        assert torch.equal(weights[2], before[2])


@every("optimizer")
def test_an_optimizer_descends_a_quadratic_somewhere_in_its_space(offer: Optimizer):
    low, high = offer.space["lr"].low, offer.space["lr"].high
    best = math.inf
    for lr in np.geomspace(high, low, 9):
        weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
        optimizer = offer.build([weight], **{**offer.defaults, "lr": float(lr)})
        for step in range(1000):
            optimizer.param_groups[0]["lr"] = float(lr) * (1 - step / 1000)  # steps by the sign need a falling rate
            optimizer.zero_grad()
            loss = (torch.tensor([1.0, 10.0]) * weight.square()).sum()
            loss.backward()
            optimizer.step()
        best = min(best, float(loss.detach()))
        if best < 1e-2:
            break
    assert best < 1e-2  # from 49


@every("optimizer")
def test_an_optimizers_defaults_are_in_its_space(offer: Optimizer):
    for name, value in offer.defaults.items():
        if name in offer.space:
            assert offer.space[name]._contains(offer.space[name].to_internal_repr(value)), name


@every("scheduler")
def test_a_schedulers_defaults_are_in_its_space(offer: Scheduler):
    for name, distribution in offer.space.items():
        assert distribution._contains(distribution.to_internal_repr(offer.defaults[name])), name


@every("scheduler")
@pytest.mark.parametrize("total", [1, 7, 100])
def test_a_schedule_is_non_negative_peaks_at_the_rate_and_continues_from_its_state(offer: Scheduler, total: int):
    loss = (1.0,) if offer.per_epoch else ()  # never better than the first

    def start():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        return optimizer, offer.build(optimizer, total, **offer.defaults)

    def rates(optimizer, schedule, steps):
        seen = []
        for _ in range(steps):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step(*loss)
        return seen

    whole = rates(*start(), total)
    assert all(0 <= rate <= 0.5 + 1e-12 for rate in whole)
    assert max(whole) > 0.4 or total == 1
    optimizer, schedule = start()
    first = rates(optimizer, schedule, total // 2)
    tensors: dict[str, torch.Tensor] = {}
    saved = json.dumps(flatten(schedule.state_dict(), "schedule", tensors))
    state, inner = restore(json.loads(saved), tensors), optimizer.state_dict()
    optimizer, schedule = start()
    optimizer.load_state_dict(inner)
    schedule.load_state_dict(state)
    assert first + rates(optimizer, schedule, total - total // 2) == whole


def test_cosine_is_half_a_cosine_after_its_warm_up():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = FOUND.get("scheduler", "cosine", Scheduler).build(optimizer, 100, warmup=0.1)
    seen = []
    for _ in range(100):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert seen[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(90)])


@pytest.mark.parametrize("name", [*FOUND.found["backbone"], "test_resnet", "test_vit", "test_mambaout"])
@pytest.mark.parametrize("outputs", [2, 5])
def test_a_backbone_maps_images_to_outputs(name: str, outputs: int):
    backbone = FOUND.get("backbone", name, Backbone)
    size = 32 if name == "lesson_cnn" else 64
    model = backbone.build((3, size, size), outputs).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, size, size)).shape == (2, outputs)


def test_lesson_cnn_is_small():
    model = FOUND.get("backbone", "lesson_cnn", Backbone).build((3, 32, 32), 2)
    assert 18_000 <= sum(p.numel() for p in model.parameters()) <= 70_000


@every("task")
def test_a_tasks_metrics_say_which_way_is_better(offer: Task):
    assert offer.metrics
    assert {metric.goal for metric in offer.metrics.values()} <= {"min", "max"}


def test_classification_against_hand_made_numbers():
    task = FOUND.get("task", "classification", Task)
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    targets = torch.tensor([0, 1, 1])
    predictions = task.predict(logits)
    torch.testing.assert_close(predictions, logits.softmax(1))
    array, right = predictions.numpy(), targets.numpy()
    assert task.metrics["accuracy"].compute(array, right) == pytest.approx(2 / 3)
    assert task.metrics["error"].compute(array, right) == pytest.approx(1 / 3)
    assert task.metrics["loss"].compute(array, right) == pytest.approx(float(task.loss(logits, targets)), rel=1e-5)
    assert task.metrics["loss"].compute(np.array([[1.0, 0.0]], np.float32), np.array([1])) == pytest.approx(
        -math.log(1e-12)
    )
