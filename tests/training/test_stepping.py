"""Steps that are recorded: the numbers of the plain loop to the last bit, in every way, and a way that is said."""

from __future__ import annotations

import gc
import json
import warnings
import weakref
from dataclasses import replace
from itertools import zip_longest

import pytest
import torch

from harness.errors import Diverged
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.runs import Epoch, State
from harness.testing.tape import NoRecorder, TapeRecorder
from harness.training import evaluating, stepping
from harness.training.graphs import PlainRecorder
from harness.training.loop import advance, train
from harness.training.pauses import QUIET
from harness.training.ways import Way


@pytest.fixture(autouse=True)
def _nothing_known():
    stepping._ways.clear()
    evaluating._agreeing.clear()
    yield
    stepping._ways.clear()
    evaluating._agreeing.clear()


def trained(parts, state=None, stop=None):
    """Train to the end or to an epoch; return the records' numbers, all weights, and the state where it stopped."""
    records, saved = [], None
    for epoch in train(parts.run, parts, state):
        records.append((epoch.number, epoch.steps, epoch.lr, dict(epoch.metrics)))
        if epoch.number == stop:
            saved = epoch.state()
            break
    weights = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    return records, weights, saved


def with_recorder(parts_of, recorder, *args, **kwargs):
    return parts_of(*args, recorder=recorder, **kwargs)


def assert_equal(one, other):
    assert one[0] == other[0]
    for name, tensor in one[1].items():
        assert torch.equal(tensor, other[1][name]), name


def network(shape, outputs):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, outputs)
    )  # fmt: skip


ALL = ("crop", "flip", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix")
FLAT = {"warmup": 0.0}
EXACT = {"optimizer": "ema", "settings": {"lr": 0.05}}  # its rates stay numbers of Python
CASES = {
    "sgd": {"optimizer": "sgd", "settings": {"lr": 0.05}},
    "adam": {"optimizer": "adam", "settings": {"lr": 0.01}},
    "plain batches": {"augment": ()},
    "all augmentation": {"augment": ALL},
    "mixup": {"augment": ("mixup",)},
    "cutmix": {"augment": ("cutmix",)},
    "no penalty": {"l2": 0.0},
    "stages": {"head_epochs": 1, "layer_factor": 0.5, "groups": lambda m: [list(m.parameters())[:4], list(m.parameters())[4:]]},
    "frozen batch norm": {"batch_norm": "frozen"},
    "plateau": {"scheduler": "plateau"},
    "bf16": {"precision": "bf16"},
    "sam": {"optimizer": "sam", "settings": {"lr": 0.05}},
    "lbfgs": {"optimizer": "lbfgs", "settings": {"lr": 0.5}, "scheduler": "constant"},
    "ema": {"optimizer": "ema", "settings": {"lr": 0.05}},
    "muon": {"optimizer": "muon", "settings": {"lr": 0.01}},
    "schedulefree": {"optimizer": "schedulefree", "scheduler": "constant"},
    "second order": {"optimizer": "timm:adahessian", "settings": {"lr": 0.05}},
    "dampening": {"settings": {"lr": 0.05, "momentum": 0.8, "dampening": 0.5}},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_steps_that_are_called_again_give_the_numbers_of_the_plain_loop(parts_of, case):
    plain = trained(parts_of(**CASES[case]))
    parts = with_recorder(parts_of, PlainRecorder(), **CASES[case])
    assert_equal(trained(parts), plain)


@pytest.mark.parametrize("case", CASES)
def test_steps_on_a_tape_give_the_numbers_of_eager_steps(parts_of, case):
    eager = with_recorder(parts_of, NoRecorder(), **CASES[case])
    expected = trained(eager)
    assert eager.way.name == "eager"
    stepping._ways.clear()
    recorder = TapeRecorder()
    parts = with_recorder(parts_of, recorder, **CASES[case])
    assert_equal(trained(parts), expected)
    assert parts.way.name == ("eager" if case == "second order" else WAYS.get(case, "captured"))


WAYS = dict.fromkeys(("sam", "lbfgs", "ema", "muon", "schedulefree"), "halves")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_whole_step_on_a_tape_gives_the_numbers_of_the_plain_loop_at_rates_that_float32_has(parts_of, optimizer):
    """With the optimizer's keywords for a graph, which the plain loop is given as hyperparameters."""
    from harness_plugins.optimizers import adam, sgd

    (offer,) = (sgd if optimizer == "sgd" else adam).harness_optimizers()
    case = {"settings": {"lr": 0.0625}, "run_scheduler": FLAT, "scheduler": "constant", "augment": ALL}
    plain = trained(parts_of(Optimizer(**{**vars(offer), "build": fused(offer), "captured": None}), **case))
    parts = with_recorder(parts_of, TapeRecorder(), offer, **case)
    assert_equal(trained(parts), plain)
    assert parts.way == Way("captured")


def fused(offer):
    return lambda parameters, **settings: offer.build(parameters, **settings, **offer.captured)


# --- going on, turns, and what cannot be recorded ------------------------------------------------------------


@pytest.mark.parametrize("case", ["sgd", "adam", "stages", "sam", "ema", "plateau"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_recorded_run_goes_on_from_its_state_bit_equal(parts_of, case, stop):
    whole = trained(parts_of(recorder=TapeRecorder(), **CASES[case]))
    _, _, saved = trained(parts_of(recorder=TapeRecorder(), **CASES[case]), stop=stop)
    state = State(saved.tensors, json.loads(json.dumps(saved.plain)))
    rest = trained(parts_of(recorder=TapeRecorder(), **CASES[case]), state)
    assert_equal(rest, (whole[0][stop:], whole[1]))


@pytest.mark.parametrize("recorder", [PlainRecorder, TapeRecorder])
def test_runs_in_turns_draw_and_give_what_runs_alone_do(parts_of, recorder):
    """The network has dropout, so a run that draws from another one's numbers shows."""
    seeds = [{"init_seed": seed, "order_seed": 10 * seed} for seed in (1, 2, 3)]
    alone = [trained(parts_of(recorder=recorder(), **seed)) for seed in seeds]
    crew = [parts_of(recorder=recorder(), **seed) for seed in seeds]
    records = [[] for _ in crew]
    for turn in zip_longest(*(advance(parts.run, parts) for parts in crew)):
        for number, epoch in enumerate(turn):
            if isinstance(epoch, Epoch):
                records[number].append((epoch.number, epoch.steps, epoch.lr, dict(epoch.metrics)))
    for one, record, parts in zip(alone, records, crew, strict=True):
        assert_equal(one, (record, parts.model.state_dict()))


def test_a_run_yields_where_others_can_work(parts_of, monkeypatch):
    monkeypatch.setattr(stepping, "ISSUED", 2)
    parts = parts_of(recorder=TapeRecorder(), epochs=2)
    kinds = "".join(
        "E" if isinstance(item, Epoch) else "q" if item is QUIET else "." for item in advance(parts.run, parts)
    )
    assert len(parts.batches) == 5
    assert kinds == "qq..Eqq..E"  # after two steps, after four, after the last one, and before plugins score


class Choosing(torch.nn.Sequential):
    """Chooses by a number of its batch."""

    def forward(self, inputs):
        return super().forward(inputs * 2 if inputs.mean().item() > 0 else inputs)


class Counting(torch.nn.Sequential):
    """Counts its batches in Python."""

    batches = 0

    def forward(self, inputs):
        self.batches += self.training
        return super().forward(inputs * (1 + self.batches % 3))


class Hooked(torch.nn.Sequential):
    """Has a hook."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.register_forward_hook(lambda module, inputs, output: output * 2)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            Choosing,
            "it cannot be captured (backbone 'net': must map inputs to outputs, got RuntimeError: operation not",
        ),
        (Counting, "it depends on numbers that Python keeps"),
        (Hooked, "the network has a hook, which a graph would not call"),
    ],
)
def test_a_network_that_cannot_be_recorded_is_trained_eagerly_and_says_why(parts_of, kind, line):
    def build(shape, outputs):
        return kind(*network(shape, outputs))

    plain = trained(parts_of(backbone=build, **EXACT))
    parts = parts_of(backbone=build, recorder=TapeRecorder(), **EXACT)
    assert_equal(trained(parts), plain)
    assert parts.way.name == "eager"
    assert line in parts.way.line


class Forgetting(torch.optim.SGD):
    """Counts its steps in Python, and says that a graph can have them."""

    def __init__(self, parameters, **settings):
        super().__init__(parameters, **settings)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        if self.steps % 2:
            super().step()


class Secret(Forgetting):
    """Counts them where nobody looks."""

    def __init__(self, parameters, **settings):
        super().__init__(parameters, **settings)
        self.count = [0]

    def step(self, closure=None):
        self.count[0] += 1
        if self.count[0] % 2:
            torch.optim.SGD.step(self)


@pytest.mark.parametrize(
    ("class_", "reason"),
    [
        (Forgetting, "it depends on numbers that Python keeps"),
        (Secret, "a graph of the whole step gives other numbers"),
    ],
)
def test_an_optimizer_that_claims_too_much_steps_eagerly(parts_of, class_, reason):
    fields = {"run_scheduler": FLAT, "scheduler": "constant"}
    offer = Optimizer("claims", class_, {}, {"lr": 0.0625, "foreach": False}, captured={})
    parts = parts_of(offer, recorder=TapeRecorder(), **fields)
    trained(parts)
    assert parts.way == Way("halves", reason)


def test_a_schedule_that_moves_the_momentum_has_the_optimizer_step_eagerly(parts_of):
    cycle = Scheduler("cycle", lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, steps + 1))
    offer = Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.05, "momentum": 0.9}, captured={"foreach": False})
    plain = trained(parts_of(replace(offer, defaults={**offer.defaults, "foreach": False}), scheduler=cycle))
    parts = parts_of(offer, scheduler=cycle, recorder=TapeRecorder())
    assert_equal(trained(parts), plain)
    assert parts.way == Way("halves", "scheduler 'cycle' moves momentum")


class Late:
    """Moves the momentum from the second epoch on."""

    def __init__(self, optimizer):
        self.optimizer, self.steps = optimizer, 0

    def step(self):
        self.steps += 1
        if self.steps > 7:
            self.optimizer.param_groups[0]["momentum"] *= 0.9

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


def test_a_schedule_that_moves_the_momentum_late_is_put_back_and_moved_step_by_step(parts_of):
    late = Scheduler("late", lambda optimizer, steps: Late(optimizer))
    offer = Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.0625, "momentum": 0.9}, captured={"fused": True})
    fused_offer = replace(offer, defaults={**offer.defaults, "fused": True}, captured=None)
    plain = trained(parts_of(fused_offer, scheduler=late))
    parts = parts_of(offer, scheduler=late, recorder=TapeRecorder())
    assert_equal(trained(parts), plain)
    assert parts.way == Way("halves", "scheduler 'late' moves momentum")


def test_the_second_run_of_an_arm_is_recorded_without_being_compared(parts_of):
    first, second = TapeRecorder(), TapeRecorder()
    one, other = trained(parts_of(recorder=first)), trained(parts_of(recorder=second))
    assert_equal(one, other)
    assert (first.recorded, second.recorded) == (2, 2)  # the steps and the evaluation


def test_a_diverged_run_says_the_same_as_in_the_plain_loop(parts_of):
    said = []
    for recorder in (None, TapeRecorder()):
        with pytest.raises(Diverged) as caught:
            trained(parts_of(settings={"lr": 1e30}, recorder=recorder))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_what_has_no_deterministic_form_is_named(parts_of):
    text = "grid_sampler_2d_backward_cuda does not have a deterministic implementation, but you set ..."

    class Warning_(torch.nn.Sequential):
        def forward(self, inputs):
            warnings.warn(text, UserWarning, stacklevel=1)
            return super().forward(inputs)

    parts = parts_of(backbone=lambda *shape: Warning_(*network(*shape)), recorder=TapeRecorder(), epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deterministic implementation")
        (epoch,) = train(parts.run, parts)
    assert epoch.unrepeatable == ("grid_sampler_2d_backward_cuda",)


def test_a_run_that_has_ended_leaves_nothing_behind(parts_of):
    """A graph has memory of the GPU, which must not wait for garbage to be collected."""
    gc.collect()
    gc.disable()
    try:
        parts = parts_of(recorder=TapeRecorder())
        trained(parts)
        model, whole = weakref.ref(parts.model), weakref.ref(parts)
        del parts
        assert whole() is None
        assert model() is None
    finally:
        gc.enable()
