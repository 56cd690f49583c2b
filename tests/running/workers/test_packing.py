"""Messages as bytes: whatever travels comes back as it was."""

import math

import numpy as np
import pytest
import torch

from harness import Arm, Done, Epoch, Failed, Interrupted, Measured, Measurement, Run, State
from harness.running.workers import messages
from harness.running.workers.packing import TYPES, pack, unpack

RUN = Run(
    phase="compare", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.1, "betas": (0.9, 0.99)}, scheduler={}, epochs=2,
    batch_size=32, l2=0.0, augment=("flip",), precision="fp32", task="t", init_seed=1, order_seed=2, data="0",
    plugins={"task": "a"},
)  # fmt: skip


def back(message):
    return unpack(pack(message))


def test_a_job_comes_back_as_it_was():
    assignment = messages.Assignment(RUN, None, {"a": "/runs/a.safetensors"})
    assert back(assignment) == assignment
    tested = {"tensors": {"0.weight": "filter"}, "groups": [["1.weight", "1.bias"]], "problem": ""}
    assert back(messages.Assignment(RUN, scale_free=tested)).scale_free == tested
    assert back(RUN).id == RUN.id
    measurement = Measurement("p", "0", (RUN, RUN))
    assert back(measurement) == measurement


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_tensors_keep_their_numbers_and_their_type(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    state = back(State({"a": tensor, "tied": tensor, "t": tensor.T, "none": tensor[:0]}, {"epoch": 3}))
    assert state.plain == {"epoch": 3}
    assert torch.equal(state.tensors["a"], tensor)
    assert torch.equal(state.tensors["t"], tensor.T)
    assert state.tensors["none"].shape == (0, 3)
    assert state.tensors["a"].dtype == dtype


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype=np.float32), np.zeros((0, 2)), np.ones((2, 2, 2), bool), np.array(3)]
)
def test_arrays_keep_their_numbers_and_their_type(array):
    measured = back(Measured({"x": math.inf}, {"first": np.ones(3, np.uint8), "a": array}, 0.5))
    assert measured.numbers == {"x": math.inf}
    assert np.array_equal(measured.arrays["a"], array)
    assert measured.arrays["a"].dtype == array.dtype
    assert measured.arrays["a"].shape == array.shape


def test_an_epoch_brings_what_its_functions_return():
    state = State({"w": torch.ones(2)}, {"epoch": 1})
    epoch = Epoch(
        1, 10, 0.5, 0.1, {"loss": math.nan, "a": np.float32(0.5)}, lambda: state, lambda: {"w": torch.zeros(1)}
    )
    got = back(messages.Happened("a", epoch)).event
    assert torch.equal(got.state().tensors["w"], torch.ones(2))
    assert torch.equal(got.snapshot()["w"], torch.zeros(1))
    assert math.isnan(got.metrics["loss"])
    assert got.metrics["a"] == 0.5
    assert back(Epoch(1, 10, 0.5, 0.1, {})) == Epoch(1, 10, 0.5, 0.1, {})


def test_every_number_comes_back_to_the_last_bit():
    numbers = {str(i): x for i, x in enumerate(np.random.default_rng(0).standard_normal(200) * 1e-300)}
    assert back(Done(numbers)).metrics == numbers


@pytest.mark.parametrize(
    "event", [Failed("error", "why\ud800", "trace", ("a",)), Interrupted("signal 9"), Done(stopped=True)]
)
def test_events_without_numbers(event):
    assert back(event) == event


def test_what_cannot_travel_is_refused():
    with pytest.raises(TypeError, match="must be a plain value, a tensor or an array to travel, got object"):
        pack(State({}, {"a": object()}))


def test_whatever_a_worker_says_or_is_told_can_travel():
    said = [
        value for value in vars(messages).values() if isinstance(value, type) and value.__module__ == messages.__name__
    ]
    assert {kind.__name__ for kind in said} <= set(TYPES)
