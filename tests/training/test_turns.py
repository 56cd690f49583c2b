"""Runs that have their turns one after the other in one process draw the numbers that each of them would draw alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from harness.training.device import Device
from harness.training.turns import Turn

CPU = Device("cpu", "fp32", 1)


def drawn(seed: int, turns: int = 5):
    """Seed the generators and yield, turn by turn, an odd count of normal numbers of each: they are made two at a time."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    for _ in range(turns):
        yield [*torch.randn(3).tolist(), *np.random.standard_normal(3), *(random.gauss(0, 1) for _ in range(3))]


def alone(seed: int) -> list[list[float]]:
    return list(Turn(CPU).of(drawn(seed)))


@pytest.fixture(autouse=True)
def _own_generator_of_numpy():
    """Leave NumPy's functions with the generator that they had."""
    before = np.random.get_bit_generator()
    yield
    np.random.set_bit_generator(before)


def test_in_turn_with_others_the_numbers_are_those_of_a_run_alone():
    expected = {seed: alone(seed) for seed in (1, 2, 3)}
    runs = {seed: Turn(CPU).of(drawn(seed)) for seed in expected}
    got = {seed: [] for seed in runs}
    for order in ([1, 2, 3], [1, 1, 3, 2], [2, 3, 2, 3, 2, 1], [3, 1]):  # five turns of each in all
        for seed in order:
            got[seed].append(next(runs[seed]))
    assert got == expected
    assert expected[1] != expected[2]


def test_all_numbers_of_a_run_differ():
    numbers = [number for turn in alone(7) for number in turn]
    assert len(set(numbers)) == len(numbers) == 45


def test_a_generator_of_numpys_that_a_run_puts_in_place_stays_its_own():
    def with_another(seed: int):
        np.random.set_bit_generator(np.random.PCG64(seed))
        for _ in range(3):
            yield float(np.random.random_sample())

    expected = list(Turn(CPU).of(with_another(4)))
    one, other = Turn(CPU).of(with_another(4)), Turn(CPU).of(drawn(1))
    got = []
    for _ in range(3):
        got.append(next(one))
        next(other)
    assert got == expected
    assert len(set(got)) == 3
