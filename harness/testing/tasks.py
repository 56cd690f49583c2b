"""What a task must do: a loss that is a mean and can be differentiated, predictions, and metrics that tell better."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.errors import DataError, one_line
from harness.plugin.contracts import Data, Split, Task
from harness.testing.driving import finite, torch_check
from harness.testing.outcomes import NotApplicable, require
from harness.testing.tape import Tape

COUNT = 24


@dataclass(frozen=True)
class _Example:
    """Targets that the task accepts, and outputs for them as an untrained network gives them."""

    name: str
    targets: torch.Tensor
    outputs: torch.Tensor  # [COUNT, K], random


@torch_check
def loss_is_a_mean(offer: Task) -> str:
    """The loss is one finite number, and the same when every example of the batch is there twice."""
    for example in _examples(offer):
        once = offer.loss(example.outputs, example.targets)
        require(once.ndim == 0 and finite([once]), f"loss must be one finite number on {example.name}, got {once}")
        twice = offer.loss(torch.cat([example.outputs] * 2), torch.cat([example.targets] * 2))
        require(
            math.isclose(float(once), float(twice), rel_tol=1e-4, abs_tol=1e-6),
            f"loss must be a mean over the batch, got {float(once):.4g}, and {float(twice):.4g} with every example twice, "
            f"on {example.name}; divide by the number of examples",
        )
    return _seen(offer)


@torch_check
def loss_is_differentiable(offer: Task) -> str:
    """Outputs get a finite gradient that is not zero, and following it lowers the loss."""
    for example in _examples(offer):
        outputs = example.outputs.clone().requires_grad_()
        loss = offer.loss(outputs, example.targets)
        (gradient,) = torch.autograd.grad(loss, outputs)
        require(finite([gradient]), f"loss must have finite gradients on {example.name}, got others")
        require(gradient.abs().sum() > 0, f"loss must depend on the outputs on {example.name}, got a gradient of zero")
        after = offer.loss(example.outputs - 1e-2 * gradient / gradient.norm(), example.targets)
        require(
            after < loss, f"loss must fall along its gradient on {example.name}, rose from {loss:.4g} to {after:.4g}"
        )
    return _seen(offer)


@torch_check
def predictions(offer: Task) -> str:
    """A prediction per example, finite and float32."""
    for example in _examples(offer):
        predicted = offer.predict(example.outputs)
        require(
            len(predicted) == COUNT and predicted.dtype == torch.float32 and finite([predicted]),
            f"predict must give {COUNT} finite float32 predictions on {example.name}, got {predicted.dtype} {list(predicted.shape)}",
        )
    return _seen(offer)


@torch_check
def metrics_tell_better(offer: Task) -> str:
    """Every metric finds outputs that were fitted to the targets better than random ones, as its goal says."""
    for example in _examples(offer):
        good = _fitted(offer, example)
        for name, metric in offer.metrics.items():
            random, fitted = (
                metric.compute(offer.predict(outputs).numpy(), example.targets.numpy())
                for outputs in (example.outputs, good)
            )
            require(
                math.isfinite(random) and math.isfinite(fitted), f"metric '{name}' must be finite on {example.name}"
            )
            better = fitted > random if metric.goal == "max" else fitted < random
            require(
                better,
                f"metric '{name}' (goal {metric.goal}) must find fitted outputs better than random ones on {example.name}, got "
                f"{fitted:.4g} and {random:.4g}; is the goal the right way round?",
            )
    return ", ".join(f"{name} ({metric.goal})" for name, metric in offer.metrics.items())


@torch_check
def each_averages_to_metric(offer: Task) -> str:
    """The scores per example of a metric, where it has them, are one for each, and their mean is the metric."""
    named = {name: metric for name, metric in offer.metrics.items() if metric.each}
    if not named:
        raise NotApplicable("no metric has scores per example")
    for example in _examples(offer):
        predicted, targets = offer.predict(example.outputs).numpy(), example.targets.numpy()
        for name, metric in named.items():
            assert metric.each is not None
            scores, score = np.asarray(metric.each(predicted, targets)), metric.compute(predicted, targets)
            require(scores.shape == (COUNT,), f"each of '{name}' must give [{COUNT}] scores, got {list(scores.shape)}")
            require(
                math.isclose(float(scores.mean()), score, rel_tol=1e-4, abs_tol=1e-6),
                f"each of '{name}' must have the metric as its mean, got {scores.mean():.4g} and {score:.4g}",
            )
    return ", ".join(named)


@torch_check
def on_device_is_the_metric(offer: Task) -> str:
    """A metric that has a form for a GPU gives the same number there, and reads none from its tensors on the way."""
    named = {name: metric for name, metric in offer.metrics.items() if metric.on_device}
    if not named:
        raise NotApplicable("no metric has a form for a GPU; there the predictions are fetched every epoch")
    for example in _examples(offer):
        predicted = offer.predict(example.outputs)
        for name, metric in named.items():
            assert metric.on_device is not None
            with Tape():
                result = metric.on_device(predicted.clone(), example.targets.clone())
            score = metric.compute(predicted.numpy(), example.targets.numpy())
            require(
                math.isclose(float(result), score, rel_tol=1e-5, abs_tol=1e-7),
                f"on_device of '{name}' must give the metric, got {float(result):.7g} and {score:.7g} on {example.name}",
            )
    return ", ".join(named)


@torch_check
def weighted_loss_weighs_classes(offer: Task) -> str:
    """The loss with weights is the mean of the examples' losses, each times the weight of its class."""
    if offer.weighted_loss is None:
        raise NotApplicable("its loss takes no weights of classes")
    examples = [example for example in _examples(offer) if not example.targets.is_floating_point()]
    if not examples:
        raise NotApplicable("it takes no classes")
    for example in examples:
        weights = 1.0 + torch.arange(int(example.targets.max()) + 1)
        singles = torch.stack(
            [offer.loss(example.outputs[i : i + 1], example.targets[i : i + 1]) for i in range(COUNT)]
        )
        expected = float((singles * weights[example.targets]).mean())
        weighted = float(offer.weighted_loss(example.outputs, example.targets, weights))
        require(
            math.isclose(weighted, expected, rel_tol=1e-4, abs_tol=1e-6),
            f"weighted_loss must be the mean of each loss times the weight of its class, {expected:.4g}, got {weighted:.4g} "
            f"on {example.name}; divide by the number of examples, not by the sum of the weights",
        )
    return "on " + ", ".join(example.name for example in examples)


@torch_check
def verdict_has_its_metrics(offer: Task) -> str:
    """What the verdict takes for the loss falls, and where classes are compared, predictions are their probabilities."""
    if "loss" in offer.metrics:
        goal = offer.metrics["loss"].goal
        require(
            goal == "min",
            f"metric 'loss' must have the goal 'min', for the verdict takes it for the loss, got '{goal}'",
        )
    if "accuracy" in offer.metrics:
        for example in _examples(offer):
            predicted = offer.predict(example.outputs)
            require(
                _are_probabilities(predicted),
                "predict must give probabilities of classes, [N, K], or [N] for the second of two, where there is a metric "
                f"'accuracy', by which the verdict compares classes, got {list(predicted.shape)} from {predicted.min():.3g} "
                f"to {predicted.max():.3g} on {example.name}; call the metric by another name where there are no classes",
            )
    _seen(offer)
    loss = "metric 'loss'" if "loss" in offer.metrics else "no metric 'loss', so the task's own loss"
    if "accuracy" in offer.metrics:
        return f"{loss}; metric 'accuracy', so classes are compared"
    return f"{loss}; no metric 'accuracy', so predictions are compared as numbers"


def _are_probabilities(predicted: torch.Tensor) -> bool:
    within = bool(((predicted >= 0) & (predicted <= 1)).all())
    if predicted.ndim == 1:
        return within
    return within and predicted.ndim == 2 and bool((predicted.sum(1) - 1).abs().max() < 1e-4)


def _examples(offer: Task) -> Iterator[_Example]:
    """Yield examples of those kinds of targets that the task accepts; NotApplicable where it accepts none."""
    random = np.random.default_rng(0)
    kinds: dict[str, tuple[Any, tuple[str, ...]]] = {
        "three classes": (np.arange(COUNT) % 3, ("a", "b", "c")),
        "two classes": (np.arange(COUNT) % 2, ("a", "b")),
        "one number": (random.normal(size=COUNT).astype(np.float32), ()),
        "two numbers": (random.normal(size=(COUNT, 2)).astype(np.float32), ()),
    }
    accepted = 0
    for name, (targets, classes) in kinds.items():
        split = Split(np.zeros((COUNT, 4), np.float32), targets, tuple(map(str, range(COUNT))))
        try:
            count = offer.outputs(Data("reference", split, split, split, "", "made up", classes))
        except DataError:
            continue
        accepted += 1
        outputs = torch.from_numpy(random.normal(size=(COUNT, count)).astype(np.float32))
        example = _Example(name, torch.from_numpy(targets), outputs)
        _try(offer, example)
        yield example
    if not accepted:
        raise NotApplicable("it takes neither classes nor numbers as targets")


def _try(offer: Task, example: _Example) -> None:
    """Raise AssertionError where the task accepts targets in ``outputs`` that the rest of it cannot take."""
    try:
        offer.loss(example.outputs, example.targets)
        predicted = offer.predict(example.outputs).numpy()
        for metric in offer.metrics.values():
            metric.compute(predicted, example.targets.numpy())
    except Exception as error:  # a plugin may raise anything
        raise AssertionError(
            f"must take the targets that its outputs() accepts, got {one_line(error)} on {example.name}; raise DataError "
            "in outputs() for data that the task is not for"
        ) from error


def _seen(offer: Task) -> str:
    return "on " + ", ".join(example.name for example in _examples(offer))


def _fitted(offer: Task, example: _Example) -> torch.Tensor:
    """Return outputs from which the loss was brought down, as free numbers."""
    outputs = example.outputs.clone().requires_grad_()
    optimizer = torch.optim.Adam([outputs], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        offer.loss(outputs, example.targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return outputs.detach()


QUICK = [
    loss_is_a_mean,
    loss_is_differentiable,
    predictions,
    metrics_tell_better,
    each_averages_to_metric,
    on_device_is_the_metric,
    weighted_loss_weighs_classes,
    verdict_has_its_metrics,
]
FULL: list[Any] = []
