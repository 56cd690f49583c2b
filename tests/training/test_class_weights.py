"""Weights of classes: a part of the objective, for training and for the gate alike, and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import Backbone, Split, Task
from harness.benchmark.checks.names import check_class_weights
from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source
from harness.console.progress import Reporter
from harness.errors import BenchmarkError
from harness.plugin.runs import Arm, Run
from harness.running.prepare import Request, prepare
from harness.testing.driving import CPU, SGD, STEADY
from harness.training.batches import put_on_device
from harness.training.class_weights import resolve_class_weights, weigh_classes
from harness.training.ingredients import Ingredients
from harness.training.loop import train
from harness.training.parts import assemble
from harness.training.work import count_work

COUNTS = (20, 9, 3)
TARGETS = np.repeat(np.arange(3), COUNTS)
WEIGHTS = (0.5, 1.0, 4.0)
L2 = 0.1


def test_balanced_weights_give_every_class_the_same_part_and_the_mean_weight_1():
    weights = np.array(resolve_class_weights("balanced", TARGETS, 3))
    parts = weights * COUNTS
    np.testing.assert_allclose(parts, parts[0])
    assert parts.sum() / len(TARGETS) == pytest.approx(1)
    assert resolve_class_weights("balanced", TARGETS, 4)[3] == 1.0  # no example has it
    assert resolve_class_weights([1, 2.0, 3], TARGETS, 3) == (1.0, 2.0, 3.0)
    assert resolve_class_weights("none", TARGETS, 3) == ()


@pytest.fixture
def task(registry):
    return registry.get("task", "classification", Task)


@pytest.fixture
def parts(task):
    """The parts of a run of three epochs with weights, trained."""
    rows = np.random.default_rng(0).normal(size=(len(TARGETS), 4)).astype(np.float32)
    split = put_on_device(Split(rows, TARGETS, tuple(map(str, range(len(rows))))), CPU)
    run = Run(
        phase="compare", arm=Arm("linear", "sgd", "steady"), optimizer={}, scheduler={}, epochs=3, batch_size=8, l2=L2,
        l2_on="all", augment=(), precision="fp32", task=task.name, init_seed=3, order_seed=4, data="", plugins={},
        class_weights=WEIGHTS,
    )  # fmt: skip
    linear = Backbone("linear", lambda shape, outputs: torch.nn.Linear(shape[0], outputs))
    weighted = weigh_classes(task, run.class_weights, CPU)
    made = assemble(run, Ingredients(weighted, linear, SGD, STEADY, 3, split, split, split), CPU)
    for _ in train(run, made):
        pass
    return made


def objective(network, split):
    """The weighted objective by its definition."""
    outputs = network(split.inputs)
    likely = outputs.log_softmax(dim=1)[torch.arange(len(split)), split.targets]
    loss = (-likely * torch.tensor(WEIGHTS)[split.targets]).mean()
    return loss + L2 / 2 * sum(p.square().sum() for p in network.parameters())


def test_the_objective_and_its_gradient_at_the_end_are_the_weighted_ones(parts):
    network, split = parts.model, parts.ingredients.train
    value = objective(network, split)
    done = parts.done()
    assert done.metrics["train_objective"] == pytest.approx(float(value.detach()), rel=1e-5)
    gradients = torch.autograd.grad(value, list(network.parameters()))
    measured = parts.objective_gradient(network)
    for (name, _), expected in zip(network.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(measured[name], expected, rtol=1e-4, atol=1e-6)
    beginning = parts.beginning()
    assert done.metrics["start_objective"] == pytest.approx(float(objective(beginning, split).detach()), rel=1e-5)


def test_metrics_know_no_weights(parts, task):
    split = parts.ingredients.train
    predictions = parts.predict(split).numpy()
    done = parts.done()
    for name in ("loss", "accuracy", "f1"):
        assert done.metrics[f"train_{name}"] == pytest.approx(
            task.metrics[name].compute(predictions, TARGETS), rel=1e-5
        )


def test_a_step_descends_the_weighted_loss(parts):
    """One step of plain SGD from known weights moves them by the rate times the gradient of the definition."""
    split = parts.ingredients.train
    before = [p.detach().clone() for p in parts.model.parameters()]
    expected = torch.autograd.grad(objective(parts.model, split), list(parts.model.parameters()))
    rate = parts.optimizer.param_groups[0]["lr"]
    parts.model.train()
    parts.step(split.inputs, split.targets)
    for was, now, gradient in zip(before, parts.model.parameters(), expected, strict=True):
        torch.testing.assert_close(now.detach(), was - rate * gradient, rtol=1e-4, atol=1e-6)


def test_without_weights_the_task_is_itself(task):
    assert weigh_classes(task, (), CPU) is task
    weighted = weigh_classes(task, (1.0, 1.0, 1.0), CPU)
    outputs, targets = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), torch.arange(7) % 3
    torch.testing.assert_close(weighted.loss(outputs, targets), task.loss(outputs, targets))
    assert replace(weighted, loss=task.loss) == task


def prepared(file):
    return prepare(Request(file), Reporter(quiet=True))


def test_the_weights_are_a_part_of_what_a_run_and_its_folder_are(benchmark_file):
    plain = prepared(benchmark_file())
    weighted = prepared(benchmark_file(("batch_size = 16", 'batch_size = 16\nclass_weights = "balanced"')))
    competitor = weighted.plan.competitors[0]
    runs = [setting.compare_run(competitor, {"lr": 0.1}, 0) for setting in (plain, weighted)]
    counts = np.bincount(weighted.data.train.targets)
    assert runs[0].class_weights == ()
    assert runs[1].class_weights == pytest.approx(counts.sum() / (2 * counts))
    assert runs[0].id != runs[1].id
    assert plain.folder_name != weighted.folder_name


def test_weights_that_fit_neither_classes_nor_task_are_refused_in_one_line(benchmark_file, registry):
    file = benchmark_file(("batch_size = 16", "batch_size = 16\nclass_weights = [1.0, 2.0, 3.0]"))
    with pytest.raises(
        BenchmarkError, match=r"train\.class_weights: must be 2 weights, one for each of \w+, \w+, got 3"
    ):
        prepared(file)
    asked = Benchmark.model_validate({"name": "x", "train": {"task": "regression", "class_weights": "balanced"}})
    regression = registry.get("task", "regression", Task)
    with pytest.raises(BenchmarkError, match=r"train\.class_weights: must be 'none' for task 'regression'"):
        check_class_weights(asked, regression, Source("x.toml", {}, {}))


def test_weights_are_in_nobodys_way_where_work_is_counted(parts):
    found = count_work(parts.run, parts.ingredients)
    assert found.problem == ""
    assert found.network == 2 * 2 * 4 * 3
