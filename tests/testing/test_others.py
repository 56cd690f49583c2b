"""Faults of schedules, networks, tasks, data, probes, executors and analyses, each caught by the check that names it."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from harness import (
    Analysis,
    Backbone,
    Data,
    Dataset,
    Done,
    Executor,
    Metric,
    Probe,
    Report,
    Scheduler,
    Split,
    Task,
    Weights,
    execute,
    read_weights,
)
from harness.testing import checks


def failures(offer):
    outcomes = {check.name: check.outcome() for check in checks(offer)}
    return {name: outcome.text for name, outcome in outcomes.items() if outcome.status == "FAILED"}


# --- schedules


def scaled(factor):
    return lambda optimizer, total_steps: LambdaLR(optimizer, lambda step: factor(step, total_steps))


class Forgetful:
    """Falls by itself, and its state is empty."""

    def __init__(self, optimizer, total_steps):
        self.optimizer, self.total, self.done = optimizer, total_steps, 0
        self.peaks = [group["lr"] for group in optimizer.param_groups]

    def step(self):
        self.done += 1
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * (1 - self.done / self.total)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class FirstGroup(Forgetful):
    def step(self):
        self.done += 1
        self.optimizer.param_groups[0]["lr"] = self.peaks[0] * (1 - self.done / self.total)

    def state_dict(self):
        return {"done": self.done}

    def load_state_dict(self, state):
        self.done = state["done"]


SCHEDULES = [
    (scaled(lambda step, total: 1 - step / total), set()),
    (scaled(lambda step, total: 1 - 1.5 * step / total), {"non_negative"}),
    (scaled(lambda step, total: 2.0), {"peaks_at_lr"}),
    (lambda optimizer, total_steps: CosineAnnealingLR(optimizer, T_max=100), {"right_horizon"}),
    (scaled(lambda step, total: 1 / (total - 1)), {"builds", "non_negative", "peaks_at_lr"}),
    (Forgetful, {"state_round_trip"}),
    (FirstGroup, {"several_groups"}),
]  # fmt: skip


@pytest.mark.parametrize(("build", "named"), SCHEDULES)
def test_schedules(build, named):
    assert set(failures(Scheduler("s", build))) == named


def test_what_else_a_schedule_moves_is_said():
    def build(optimizer, total_steps):
        rates = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps + 1)

    (check,) = [check for check in checks(Scheduler("s", build)) if check.name == "moves_lr_alone"]
    said = check()
    assert said.startswith("moves momentum (0.85")
    assert "betas[0]" in said
    assert said.endswith("too: an arm that searches or pins one of these is refused")


# --- networks


class Small(torch.nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, stride=4), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(16, outputs)
        )  # fmt: skip

    def forward(self, images):
        return self.layers(images)


class Unused(Small):
    def __init__(self, *given):
        super().__init__(*given)
        self.never = torch.nn.Parameter(torch.randn(2))


class Unseeded(Small):
    def __init__(self, *given):
        super().__init__(*given)
        torch.nn.init.constant_(self.layers[-1].bias, random.random())


class Unregistered(Small):
    def __init__(self, *given):
        super().__init__(*given)
        self.shift = torch.randn(1)

    def forward(self, images):
        return super().forward(images) + self.shift


class Drops(Small):
    def forward(self, images):
        return torch.nn.functional.dropout(super().forward(images), training=True)


class Scales(Small):
    def forward(self, images):
        return super().forward(images / images.std(dim=(1, 2, 3), keepdim=True))


class Mixes(Small):
    def forward(self, images):
        return super().forward(images - images.mean(dim=0, keepdim=True))


def from_file(shape, outputs, weights=None):
    """Return the small network with the tensors of a file, all but its last layer's; for no outputs its features."""
    network = Small(shape, outputs or 1)
    if weights:
        state = read_weights(weights.file, network.state_dict())
        body = {name: tensor for name, tensor in state.items() if not name.startswith("layers.3.")}
        network.load_state_dict(body, strict=False)
    if not outputs:
        network.layers[-1] = torch.nn.Identity()
    return network


def deaf(shape, outputs, weights=None):
    return from_file(shape, outputs)


def ordinary(file):
    return Weights(file, "", (0.5,), (0.25,))


NETWORKS = [
    (Backbone("b", Small), set()),
    (Backbone("b", from_file, weights=ordinary), set()),
    (Backbone("b", deaf, weights=ordinary), {"pretrained"}),
    (Backbone("b", Unused), {"learns_everywhere"}),
    (Backbone("b", Unseeded), {"seeded"}),
    (Backbone("b", Unregistered), {"state_round_trip"}),
    (Backbone("b", Drops), {"evaluates_one_by_one", "state_round_trip"}),
    (Backbone("b", Mixes), {"evaluates_one_by_one"}),
    (Backbone("b", lambda shape, outputs: Small(shape, 3)), {"builds", "other_size", "learns_everywhere"}),
    (Backbone("b", Scales), {"finite_outputs"}),
    (Backbone("b", Small, groups=lambda network: [list(network.parameters())]), set()),
    (Backbone("b", Small, groups=lambda network: [list(network.parameters())[:-1]]), {"groups"}),
    (Backbone("b", Small, groups=lambda network: [list(network.parameters())] * 2), {"groups"}),
]  # fmt: skip


@pytest.mark.parametrize(("offer", "named"), NETWORKS)
def test_networks(offer, named):
    assert set(failures(offer)) == named


# --- tasks

SQUARED = Metric(
    lambda p, t: float(((p.reshape(t.shape) - t) ** 2).mean()), "min", each=lambda p, t: (p.reshape(t.shape) - t) ** 2
)


def numbers(data):
    from harness import DataError

    if data.classes or data.train.targets.ndim > 1:
        raise DataError("one number only")
    return 1


def squares(outputs, targets):
    return (outputs[:, 0] - targets).square().mean()


SOUND = Task("t", numbers, squares, lambda outputs: outputs[:, 0], {"mse": SQUARED})
TASKS = [
    (SOUND, set()),
    (replace(SOUND, loss=lambda o, t: (o[:, 0] - t).square().sum()), {"loss_is_a_mean"}),
    (replace(SOUND, loss=lambda o, t: squares(o.round(), t) + 0 * o.sum()), {"loss_is_differentiable", "metrics_tell_better"}),
    (replace(SOUND, predict=lambda outputs: outputs[:, 0].double()), {"predictions"}),
    (replace(SOUND, metrics={"mse": replace(SQUARED, goal="max")}), {"metrics_tell_better"}),
    (replace(SOUND, metrics={"mse": replace(SQUARED, each=lambda p, t: abs(p - t))}), {"each_averages_to_metric"}),
    (replace(SOUND, metrics={"mse": replace(SQUARED, on_device=lambda p, t: (p - t).square().sum())}), {"on_device_is_the_metric"}),
    (
        replace(SOUND, metrics={"mse": replace(SQUARED, on_device=lambda p, t: torch.tensor((p - t).square().mean().item()))}),
        {"on_device_is_the_metric"},
    ),
    (replace(SOUND, metrics={"loss": replace(SQUARED, goal="max")}), {"metrics_tell_better", "verdict_has_its_metrics"}),
    (replace(SOUND, metrics={"accuracy": SQUARED}), {"verdict_has_its_metrics"}),  # its predictions are no probabilities
]  # fmt: skip


@pytest.mark.parametrize(("offer", "named"), TASKS)
def test_tasks(offer, named):
    assert set(failures(offer)) == named


def test_a_task_that_accepts_targets_it_cannot_take_is_told_what_to_do():
    task = replace(SOUND, loss=lambda outputs, targets: torch.nn.functional.cross_entropy(outputs, targets))
    found = failures(replace(task, outputs=lambda data: 3))
    said = "raise DataError in outputs() for data that the task is not for"
    assert all(said in found[name] for name in ("loss_is_a_mean", "loss_is_differentiable", "predictions"))


# --- data


def rows(seed, names=None):
    inputs = np.random.default_rng(seed).normal(size=(6, 2)).astype(np.float32)
    return Split(inputs, np.arange(6) % 2, tuple(names or (f"{seed}-{i}" for i in range(6))))


def data(*splits, fingerprint="f"):
    return Data("d", *splits, fingerprint=fingerprint, source="made up", classes=("a", "b"))


OPENINGS = count()
DATASETS = [
    (lambda request: data(rows(0), rows(1), rows(2)), set()),
    (lambda request: data(rows(0), rows(1), rows(1)), {"splits_are_apart"}),
    (lambda request: data(rows(0), rows(1, rows(0).names), rows(2)), {"splits_are_apart"}),
    (lambda request: data(rows(0), rows(1), rows(10 + next(OPENINGS))), {"opens_alike", "fingerprint_tells"}),
    (lambda request: data(rows(3 * request.seed), rows(1), rows(2)), {"fingerprint_tells"}),
    (lambda request: data(rows(0), rows(1), rows(2, ["only one"])), {"opens", "splits_are_apart"}),
]  # fmt: skip


@pytest.mark.parametrize(("open_", "named"), DATASETS)
def test_datasets(open_, named):
    assert set(failures(Dataset("d", open_))) == named


# --- probes and executors


def disturbing(parts):
    with torch.no_grad():
        parts.model[0].weight.zero_()
    return {"x": 1.0}


def careless(parts):
    parts.model.train()
    return {"x": float(parts.model(parts.ingredients.train.inputs).detach().sum() * 0)}


def switching(parts):
    parts.model.train()
    return {"x": 1.0}


def watching(parts):
    parts.model[0].register_forward_hook(lambda *given: None)
    return {"x": 1.0}


def length(parts):
    return float(parts.model[0].weight.detach().norm())


def remembering(parts):
    """Keeps what it has counted, and goes on from there."""
    parts.probe_cache["count"] = parts.probe_cache.get("count", 0) + 1
    return {"x": parts.probe_cache["count"]}


PROBES = [
    (lambda parts: {"x": length(parts)}, set()),
    (lambda parts: {"x": length(parts), "many": np.arange(3)}, set()),
    (lambda parts: {"x": float(len(parts.ingredients.test)), "y": 1.0 - parts.model.training}, set()),
    (lambda parts: {"x": random.random()}, {"measures"}),
    (lambda parts: {"many": np.array([random.random()])}, {"measures"}),
    (lambda parts: {"x": float("nan")}, {"measures"}),
    (lambda parts: {"many": np.array(["a"])}, {"measures"}),
    (remembering, {"measures"}),
    (disturbing, {"leaves_the_network"}),
    (careless, {"leaves_the_network"}),
    (switching, {"leaves_the_network"}),
    (watching, {"leaves_the_network"}),
]  # fmt: skip


@pytest.mark.parametrize(("measure", "named"), PROBES)
def test_probes(measure, named):
    assert set(failures(Probe("p", measure))) == named


def apart(one, other):
    return float((one.model[0].weight - other.model[0].weight).detach().norm())


def spoiling_the_second(one, other):
    disturbing(other)
    return {"x": 1.0}


PAIRS = [
    (lambda one, other: {"x": apart(one, other), "way": np.array([length(one), length(other)])}, set()),
    (lambda one, other: {"x": length(one) - length(other)}, {"either_order"}),
    (lambda one, other: {f"x{int(length(one) > length(other))}": 1.0}, {"either_order"}),
    (spoiling_the_second, {"leaves_the_network"}),
    (lambda one: {"x": 1.0}, {"measures", "either_order", "leaves_the_network"}),
]  # fmt: skip


@pytest.mark.parametrize(("measure", "named"), PAIRS)
def test_probes_of_pairs(measure, named):
    assert set(failures(Probe("p", measure, networks=2))) == named


def test_the_networks_of_a_pair_began_apart():
    measures, *_ = checks(Probe("p", lambda one, other: {"x": apart(one, other)}, networks=2))
    assert float(measures().removeprefix("x ")) > 0.1


def test_probes_of_three_networks_and_of_options():
    def around(one, other, third, scale=2.0):
        return {"x": scale * (apart(one, other) + apart(other, third) + apart(third, one))}

    sound = Probe("p", around, networks=3, options={"scale": 3.0})
    assert failures(sound) == {}
    assert set(failures(replace(sound, options={"skale": 3.0}))) == {"measures", "leaves_the_network"}


class Plain:
    room = 2

    def __init__(self, workbench):
        self.workbench, self.runs, self.stopped = workbench, [], set()

    def submit(self, runs):
        self.runs.extend(runs)

    def events(self):
        while self.runs:
            run = self.runs.pop()
            for event in self.of(run):
                yield run.id, event
                if run.id in self.stopped and not event.ends_run:
                    yield run.id, Done(event.metrics, stopped=True)
                    break

    def of(self, run):
        return execute(run, self.workbench)

    def stop(self, run_id):
        self.stopped.add(run_id)


class Deaf(Plain):
    def stop(self, run_id):
        pass


class Swallows(Plain):
    def of(self, run):
        return (event for event in execute(run, self.workbench) if not hasattr(event, "reason"))


class Silent(Plain):
    def of(self, run):
        return (event for event in execute(run, self.workbench) if event.ends_run)


@pytest.mark.parametrize(
    ("build", "named"),
    [(Plain, set()), (Deaf, {"stops"}), (Swallows, {"measures", "names_failures"}), (Silent, {"carries_out", "stops"})],
)
def test_executors(build, named):
    assert set(failures(Executor("e", build))) == named


# --- analyses and reports


def spoiling(records):
    records.runs["seconds"] = 0.0
    return records.runs[["arm", "seconds"]]


def test_analyses_and_reports():
    sound = Analysis("a", lambda records: records.runs.groupby("arm", as_index=False)["seconds"].sum())
    assert set(failures(sound)) == {"without_torch"}  # this very file imports it
    for offer, status in (
        (Analysis("a", spoiling), "FAILED"),
        (Report("r", "txt", lambda results: str(random.random())), "FAILED"),
        (Report("r", "txt", lambda results: results.records.name), "ok"),
    ):
        (pure,) = [check for check in checks(offer) if check.name == "pure"]  # the other check is about this file again
        assert pure.outcome().status == status
