"""Work is counted: gradient evaluations while a run trains, and the operations of one from shapes alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness import Backbone, Optimizer
from harness.testing import driving, problems
from harness.testing.driving import STEADY, ingredients, run_of, start, step
from harness.training import work
from harness.training.work import count_work, work_of_arm

FEATURES, OUTPUTS, HIDDEN = 6, 3, 5
SGD = Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.1, "momentum": 0.0})


def offer(registry, name):
    return registry.get("optimizer", name, Optimizer)


def counted(optimizer, network, **settings):
    """Return the work of an optimizer on a network of rows of six numbers."""
    problem = problems.NETWORK
    use = ingredients(optimizer, problem, STEADY)
    use = replace(use, backbone=Backbone("linear", lambda shape, outputs: network(shape[0], outputs)))
    return count_work(run_of(optimizer, problem, STEADY, 1, optimizer=settings), use), use


def linear(inputs, outputs):
    return torch.nn.Linear(inputs, outputs)


def two_layers(inputs, outputs):
    return torch.nn.Sequential(torch.nn.Linear(inputs, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, outputs))


def test_a_linear_layer_multiplies_twice_and_two_layers_five_times():
    """Forward, and the gradients of the weights; and that of what is between the layers."""
    one, use = counted(SGD, linear)
    inputs, outputs = use.train.input_shape[0], use.outputs
    assert one.network == 2 * 2 * inputs * outputs
    assert one.weights == inputs * outputs + outputs
    two, _ = counted(SGD, two_layers)
    assert two.network == 2 * (2 * inputs * HIDDEN + 3 * HIDDEN * outputs)


@pytest.mark.parametrize(
    ("optimizer", "settings", "each"),
    [
        (SGD, {}, 1),  # weights -= rate * gradient
        (SGD, {"momentum": 0.9}, 3),  # the momentum decays and takes the gradient, and the weights take it
    ],
)
def test_the_operations_of_sgd_are_those_of_its_formula(optimizer, settings, each):
    found, _ = counted(optimizer, two_layers, **settings)
    assert found.own == pytest.approx(each * found.weights)
    assert found.problem == ""


def test_an_optimizer_that_multiplies_matrices_is_counted_by_their_shapes(registry):
    found, _ = counted(offer(registry, "muon"), two_layers)
    wide, _ = counted(offer(registry, "muon"), lambda inputs, outputs: torch.nn.Sequential(
        torch.nn.Linear(inputs, 8 * HIDDEN), torch.nn.ReLU(), torch.nn.Linear(8 * HIDDEN, outputs)
    ))  # fmt: skip
    assert found.problem == wide.problem == ""
    assert found.own / found.weights > 20  # Adam has seven
    assert wide.own / wide.weights != pytest.approx(found.own / found.weights, rel=0.05)


def test_what_cannot_be_counted_is_named_and_the_rest_is_counted():
    class NumbersOnly(torch.nn.Linear):
        def forward(self, rows):
            return super().forward(rows) * float(rows.sum() > 0)  # there are no numbers to look at

    found, _ = counted(SGD, NumbersOnly)
    assert found.network is None
    assert found.problem.startswith("the network: ")
    assert found.own == pytest.approx(found.weights)

    def build(parameters, lr):
        raise ValueError("not today")

    found, _ = counted(Optimizer("none", build, {}, {"lr": 0.1}), linear)
    assert found.own is None
    assert found.network is not None
    assert found.problem == "the optimizer: ValueError: not today"


@pytest.mark.parametrize(("name", "evaluations"), [("adam", 1), ("sam(sgd)", 2)])
def test_every_evaluation_of_a_step_is_counted(registry, name, evaluations):
    parts = start(offer(registry, name), problems.NETWORK)
    step(parts, 5)
    assert parts.gradients == 5 * evaluations


def test_a_line_search_is_counted_as_often_as_it_asks_and_on_after_a_resume(registry):
    parts = start(offer(registry, "lbfgs"), problems.NETWORK)
    asked = 0
    differentiate = parts.objective.differentiate

    def watched(*batch):
        nonlocal asked
        asked += 1
        return differentiate(*batch)

    parts.objective.differentiate = watched
    step(parts, 3)
    assert parts.gradients == asked > 6
    again = start(offer(registry, "lbfgs"), problems.NETWORK)
    next(again.resume(driving.as_from_disk(parts.state(1)), 2))
    assert again.gradients == asked


def test_only_the_first_comparison_run_of_an_arm_counts_its_work(monkeypatch):
    counts = []
    monkeypatch.setattr(work, "count_work", lambda run, use: counts.append(run.init_seed) or work.Work(1.0, 2.0, 3))
    monkeypatch.setattr(work, "_counted", {})
    use = ingredients(SGD, problems.NETWORK, STEADY)
    first = run_of(SGD, problems.NETWORK, STEADY, 1, phase="compare", init_seed=0)
    assert work_of_arm(first, use) == {"network": 1.0, "own": 2.0, "weights": 3, "problem": ""}
    assert work_of_arm(replace(first, order_seed=7), use) is not None  # its twin, which is known already
    assert work_of_arm(replace(first, init_seed=1), use) is None
    assert work_of_arm(replace(first, phase="search"), use) is None
    assert counts == [0]
