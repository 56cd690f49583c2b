"""Steps that are recorded: the numbers of the plain loop to the last bit, in every way, and a way that is said."""

from __future__ import annotations

import pytest
import torch

from harness.plugin.contracts import Optimizer
from harness.testing.tape import NoRecorder, TapeRecorder
from harness.training import stepping
from harness.training.graphs import PlainRecorder
from harness.training.loop import train


@pytest.fixture(autouse=True)
def _nothing_known():
    stepping._ways.clear()
    yield
    stepping._ways.clear()


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


ALL = ("crop", "flip", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix")
EXACT = {"lr": 0.0625, "momentum": 0.5}  # rates that float32 has, as a graph reads them
FLAT = {"warmup": 0.0}
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
    assert parts.way == stepping.Way("captured")


def fused(offer):
    return lambda parameters, **settings: offer.build(parameters, **settings, **offer.captured)
