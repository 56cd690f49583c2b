"""How checks train: with the harness's own loop, on the problems, on the CPU and with one thread."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import torch

from harness.plugin.contracts import Backbone, Optimizer, Schedule, Scheduler
from harness.plugin.runs import Arm, Run, State
from harness.records.files import temporary_folder, write
from harness.testing.problems import Problem
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.graphs import Recorder
from harness.training.ingredients import Ingredients
from harness.training.keeping import tensors_in
from harness.training.loop import train
from harness.training.parts import Parts, assemble

P = ParamSpec("P")
T = TypeVar("T")
CPU = Device("cpu", "fp32", 1)
SGD = Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.1})  # what others are compared with
Weights = list[torch.Tensor]
SOME = 10  # steps, enough for those that make none at first: ADOPT the first one, RAdam five


def _falling(optimizer: torch.optim.Optimizer, total_steps: int) -> Schedule:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / total_steps)


def _steady(optimizer: torch.optim.Optimizer, total_steps: int) -> Schedule:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def _times(optimizer: torch.optim.Optimizer, total_steps: int, factor: float) -> Schedule:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor)


def _until(optimizer: torch.optim.Optimizer, total_steps: int, last: int) -> Schedule:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(step < last))


FALLING = Scheduler("falling", _falling)  # in a straight line to zero
STEADY = Scheduler("steady", _steady)


def times(factor: float) -> Scheduler:
    """Return the schedule that multiplies the rate by a factor, from the first step on."""
    return Scheduler("times", functools.partial(_times, factor=factor))


def until(step: int) -> Scheduler:
    """Return the schedule that keeps the rate for so many steps, and is zero after them."""
    return Scheduler("until", functools.partial(_until, last=step))


@contextmanager
def alone() -> Iterator[None]:
    """Run with one thread, and leave torch's generator and threads as they were."""
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(generator)


def torch_check(test: Callable[P, T]) -> Callable[P, T]:
    """Return the test, run ``alone``."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with alone():
            return test(*args, **kwargs)

    return run


def run_of(offer: Optimizer, problem: Problem, scheduler: Scheduler, epochs: int, **fields: Any) -> Run:
    """Return a run of an optimizer on a problem, with other ``fields`` than usual."""
    usual = {
        "phase": "search", "arm": Arm(problem.name, offer.name, scheduler.name), "optimizer": {}, "scheduler": {},
        "epochs": epochs, "batch_size": problem.batch_size, "l2": 0.0, "augment": (), "precision": "fp32",
        "task": problem.task.name, "init_seed": 1, "order_seed": 2, "data": "", "plugins": {},
    }  # fmt: skip
    return Run(**{**usual, **fields})


def ingredients(offer: Optimizer, problem: Problem, scheduler: Scheduler, device: Device = CPU) -> Ingredients:
    """Return what the run is made of."""
    rows = put_on_device(problem.rows, device)
    backbone = Backbone(problem.name, lambda shape, outputs: problem.build())
    return Ingredients(problem.task, backbone, offer, scheduler, problem.outputs, train=rows, tune=rows, test=None)


def start(
    offer: Optimizer,
    problem: Problem,
    settings: Mapping[str, Any] | None = None,
    scheduler: Scheduler = STEADY,
    epochs: int = 1,
    precision: Any = "fp32",
    given: Callable[[list[torch.nn.Parameter]], Any] | None = None,
) -> Parts:
    """Return the parts of a run of the loop, set for training; ``given`` says what of the parameters ``build`` gets."""
    if given:
        build = offer.build
        offer = replace(offer, build=lambda parameters, **settings: build(given(parameters), **settings))
    run = run_of(offer, problem, scheduler, epochs, optimizer=dict(settings or {}), precision=precision)
    parts = assemble(run, ingredients(offer, problem, scheduler), CPU)
    next(parts.resume(None, epochs))
    return parts


def trained_on(device: Device, offer: Optimizer, problem: Problem, epochs: int, recorder: Recorder | None) -> Parts:
    """Return the parts of a run that was trained on a device by the whole loop; without a recorder, by what the device has."""
    scheduler = FALLING if offer.scheduled else STEADY
    run = run_of(offer, problem, scheduler, epochs)
    parts = assemble(run, ingredients(offer, problem, scheduler, device), device, recorder=recorder)
    for _ in train(run, parts):
        pass
    return parts


def step(parts: Parts, count: int = 1, scale: float = 1.0) -> None:
    """Take so many steps of the loop, each on the first batch, its inputs times ``scale``."""
    rows = parts.ingredients.train
    inputs, targets = rows.inputs[: parts.run.batch_size] * scale, rows.targets[: parts.run.batch_size]
    for _ in range(count):
        parts.step(inputs, targets)


def value(parts: Parts) -> float:
    """Return the loss on all rows, with the weights that are evaluated; infinite where it is not a number."""
    loss = parts.evaluate(parts.ingredients.train, "")["_loss"]
    return loss if math.isfinite(loss) else math.inf


def weights(parts: Parts) -> Weights:
    """Return copies of the weights."""
    return [parameter.detach().clone() for parameter in parts.parameters]


def state_tensors(parts: Parts) -> Weights:
    """Return all tensors of the optimizer's state."""
    return list(tensors_in(parts.optimizer.state_dict()))


def distance(one: Weights, other: Weights) -> float:
    """Return the Euclidean distance between weights, in float64."""
    return math.sqrt(sum(float((a.double() - b.double()).square().sum()) for a, b in zip(one, other, strict=True)))


def same(one: Weights, other: Weights) -> bool:
    """Return whether they are equal to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def finite(tensors: Weights) -> bool:
    """Return whether all are finite numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def as_from_disk(state: State) -> State:
    """Return the state as it comes back from a run folder, through a file."""
    from safetensors import safe_open
    from safetensors.torch import save

    with temporary_folder() as folder:
        file = folder / "state.safetensors"
        write(file, save({name: tensor.contiguous() for name, tensor in state.tensors.items()}), durable=False)
        with safe_open(file, framework="pt") as saved:
            tensors = {name: saved.get_tensor(name) for name in state.tensors}
    return State(tensors, json.loads(json.dumps(state.plain)))
