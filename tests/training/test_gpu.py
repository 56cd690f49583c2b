"""On a GPU: eager, graphed and interleaved runs have equal weights, and what cannot be recorded does no harm."""

from __future__ import annotations

import json
from itertools import zip_longest

import numpy as np
import pytest
import torch
from torch import nn

from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.runs import Arm, Run, State
from harness.testing.tape import NoRecorder
from harness.training import evaluating, stepping
from harness.training.batches import put_on_device
from harness.training.device import set_up_device
from harness.training.ingredients import Ingredients
from harness.training.loop import advance, train
from harness.training.parts import assemble
from harness.training.ways import Way

pytestmark = pytest.mark.gpu
ALL = ("crop", "flip", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix")


@pytest.fixture(autouse=True)
def _nothing_known():
    stepping._ways.clear()
    evaluating._agreeing.clear()


def network(shape, outputs):
    """Return a network with batch norm, and with dropout, which draws on the GPU."""
    return nn.Sequential(
        nn.Conv2d(shape[0], 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, outputs),
    )  # fmt: skip


def photos(count, seed):
    random = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    pixels = random.integers(0, 156, (count, 24, 24, 3)) + 100 * targets[:, None, None, None]
    return Split(pixels.astype(np.uint8), targets.astype(np.int64), tuple(map(str, range(count))))


@pytest.fixture
def parts_of(registry):
    device = set_up_device("cuda", "fp32", 1)
    train_split, tune = put_on_device(photos(400, 0), device), put_on_device(photos(100, 1), device)

    def make(optimizer="sgd", settings=None, scheduler="cosine", build=network, groups=None, recorder=None, **fields):
        offer = optimizer if isinstance(optimizer, Optimizer) else registry.get("optimizer", optimizer, Optimizer)
        schedule = scheduler if isinstance(scheduler, Scheduler) else registry.get("scheduler", scheduler, Scheduler)
        usual = {
            "phase": "search", "arm": Arm(build.__name__, offer.name, schedule.name), "optimizer": settings or {"lr": 0.01},
            "scheduler": {}, "epochs": 4, "batch_size": 32, "l2": 1e-3, "augment": ("flip", "crop"), "precision": "fp32",
            "task": "classification", "init_seed": 1, "order_seed": 2, "data": "", "plugins": {},
        }  # fmt: skip
        use = Ingredients(
            registry.get("task", "classification", Task), Backbone("net", build, groups=groups), offer, schedule, 2,
            train=train_split, tune=tune, test=None,
        )  # fmt: skip
        return assemble(Run(**{**usual, **fields}), use, device, recorder=recorder)

    return make


def outcome(parts, epoch):
    numbers = dict(epoch.metrics.items())
    return (
        numbers,
        {name: tensor.clone() for name, tensor in parts.model.state_dict().items()},
        (epoch.way, epoch.unrepeatable),
    )


def trained(parts, state=None):
    *_, last = train(parts.run, parts, state)
    return outcome(parts, last)


def differences(one, other):
    """Return what differs: metrics, and weights with their largest difference."""
    found = [f"{name}: {one[0][name]} {other[0][name]}" for name in one[0] if one[0][name] != other[0][name]]
    pairs = [(name, tensor, other[1][name]) for name, tensor in one[1].items()]
    return found + [
        f"{n}: {(a.double() - b.double()).abs().max().item():.2g}" for n, a, b in pairs if not torch.equal(a, b)
    ]


CASES = {
    "sgd": ({"settings": {"lr": 0.05}}, "captured"),
    "sgd, nesterov, dampening": ({"settings": {"lr": 0.05, "momentum": 0.8, "dampening": 0.0, "nesterov": True}}, "captured"),
    "dampening": ({"settings": {"lr": 0.05, "momentum": 0.8, "dampening": 0.5}}, "captured"),
    "adam": ({"optimizer": "adam"}, "captured"),
    "adamw": ({"optimizer": "adamw"}, "captured"),
    "nadam": ({"optimizer": "nadam"}, "captured"),
    "rmsprop": ({"optimizer": "rmsprop", "settings": {"lr": 0.001, "momentum": 0.5}}, "captured"),
    "torch:RAdam": ({"optimizer": "torch:RAdam"}, "captured"),
    "torch:Adamax": ({"optimizer": "torch:Adamax"}, "captured"),
    "torch:ASGD": ({"optimizer": "torch:ASGD"}, "captured"),
    "torch:Adadelta": ({"optimizer": "torch:Adadelta", "settings": {"lr": 1.0}}, "captured"),
    "torch:Rprop": ({"optimizer": "torch:Rprop", "settings": {"lr": 0.001}}, "captured"),
    "bf16": ({"optimizer": "adam", "precision": "bf16"}, "captured"),
    "all augmentation": ({"augment": ALL}, "captured"),
    "stages": ({"head_epochs": 2, "layer_factor": 0.5, "groups": lambda m: [list(m.parameters())[:8], list(m.parameters())[8:]]}, "captured"),
    "frozen batch norm": ({"batch_norm": "frozen"}, "captured"),
    "plateau": ({"scheduler": "plateau"}, "captured"),
    "adagrad": ({"optimizer": "adagrad"}, "halves"),
    "lion": ({"optimizer": "lion", "settings": {"lr": 0.001}}, "halves"),
    "ema": ({"optimizer": "ema", "settings": {"lr": 0.05}}, "halves"),
    "muon": ({"optimizer": "muon"}, "halves"),
    "schedulefree": ({"optimizer": "schedulefree", "scheduler": "constant"}, "halves"),
    "sam": ({"optimizer": "sam", "settings": {"lr": 0.05}}, "halves"),
    "lbfgs": ({"optimizer": "lbfgs", "settings": {"lr": 0.5}, "scheduler": "constant"}, "halves"),
    "adahessian": ({"optimizer": "timm:adahessian", "settings": {"lr": 0.05}}, "eager"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_graph_gives_the_numbers_of_eager_steps(parts_of, case):
    fields, way = CASES[case]
    eager = trained(parts_of(**fields, recorder=NoRecorder()))
    stepping._ways.clear()
    parts = parts_of(**fields)
    graphed = trained(parts)
    again = trained(parts_of(**fields))  # its way is known, and its graph is not compared any more
    assert (parts.way.name, differences(eager, graphed), differences(eager, again)) == (way, [], []), parts.way.line


@pytest.mark.parametrize("case", ["sgd", "adam", "sam", "adahessian"])
def test_runs_in_turns_give_the_numbers_of_runs_alone(parts_of, case):
    fields, _ = CASES[case]
    runs = [{**fields, "init_seed": seed, "order_seed": 7 + seed} for seed in range(4)]
    alone = [trained(parts_of(**run)) for run in runs]
    crew = [parts_of(**run) for run in runs]
    last = [None] * len(crew)
    for turn in zip_longest(*(advance(parts.run, parts) for parts in crew)):
        for number, epoch in enumerate(turn):
            if hasattr(epoch, "metrics"):
                last[number] = outcome(crew[number], epoch)
    assert [differences(one, other) for one, other in zip(alone, last, strict=True)] == [[]] * len(crew)


@pytest.mark.parametrize("case", ["sgd", "adam", "stages"])
def test_a_graphed_run_goes_on_from_its_state(parts_of, case):
    fields, _ = CASES[case]
    whole = trained(parts_of(**fields))
    first = parts_of(**fields)
    for epoch in train(first.run, first):
        if epoch.number == 2:
            state = epoch.state()
            break
    state = State({name: tensor.cpu() for name, tensor in state.tensors.items()}, json.loads(json.dumps(state.plain)))
    assert differences(whole, trained(parts_of(**fields), state)) == []


class Branching(nn.Module):
    """Chooses by a number of its batch, which a graph cannot."""

    def __init__(self, shape, outputs):
        super().__init__()
        self.inner = network(shape, outputs)

    def forward(self, inputs):
        return self.inner(inputs * 2 if inputs.mean().item() > 0 else inputs)


class Counting(Branching):
    """Counts its batches in Python."""

    batches = 0

    def forward(self, inputs):
        self.batches += self.training
        return self.inner(inputs * (1 + self.batches % 3))


class Hooked(Branching):
    """Has a hook."""

    def __init__(self, shape, outputs):
        super().__init__(shape, outputs)
        self.register_forward_hook(lambda module, inputs, output: output * 2)

    def forward(self, inputs):
        return self.inner(inputs)


@pytest.mark.parametrize(
    ("build", "reason"), [(Branching, "cannot be captured"), (Counting, "Python keeps"), (Hooked, "a hook")]
)
def test_what_cannot_be_recorded_is_eager_and_harms_no_other_run(parts_of, build, reason):
    before = trained(parts_of())
    parts = parts_of(build=build)
    crew = [parts_of(), parts]
    last = [None, None]
    for turn in zip_longest(*(advance(each.run, each) for each in crew)):
        for number, epoch in enumerate(turn):
            if hasattr(epoch, "metrics"):
                last[number] = outcome(crew[number], epoch)
    assert parts.way.name == "eager"
    assert reason in parts.way.line
    assert differences(before, last[0]) == []
    assert differences(trained(parts_of(build=build, recorder=NoRecorder())), last[1]) == []
    assert differences(before, trained(parts_of())) == []


def test_a_schedule_that_moves_the_momentum_has_the_optimizer_step_eagerly(parts_of):
    cycle = Scheduler(
        "cycle", lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps + 1)
    )
    fields = {"settings": {}, "scheduler": cycle}
    offer = {
        "optimizer": Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.05, "momentum": 0.9}, captured={"fused": True})
    }
    eager = trained(parts_of(**fields, **offer, recorder=NoRecorder()))
    stepping._ways.clear()
    parts = parts_of(**fields, **offer)
    assert differences(eager, trained(parts)) == []
    assert parts.way == Way("halves", "scheduler 'cycle' moves momentum")


def test_no_operation_of_a_plain_network_is_unrepeatable(parts_of):
    assert trained(parts_of())[2] == ("a whole step is one graph", ())


def test_metrics_on_the_device_are_those_of_numpy(parts_of, registry):
    parts = parts_of()
    for epoch in train(parts.run, parts):
        scored = dict(epoch.metrics)
    numpys = parts.evaluate(parts.ingredients.tune, "tune")
    assert {name: pytest.approx(value, rel=1e-6) for name, value in numpys.items()} == {
        name: scored[name] for name in numpys
    }


def test_memory_of_runs_that_have_ended_is_free(parts_of):
    def used():
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()

    trained(parts_of())
    before = used()
    for _ in range(3):
        trained(parts_of())
    assert used() <= before + 2**20
