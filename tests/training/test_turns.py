"""Runs that have their turns one after the other in one process draw the numbers that each of them would draw alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from numpy.random import mtrand

from harness.training.batches import seed_all
from harness.training.device import Device
from harness.training.pauses import GLANCE
from harness.training.turns import Turn

CPU = Device("cpu", "fp32", 1)


def drawn(seed: int, turns: int = 5):
    """Seed the generators and yield, turn by turn, an odd count of normal numbers of each: they are made two at a time."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    for _ in range(turns):
        yield [*torch.randn(3).tolist(), *np.random.standard_normal(3), *(random.gauss(0, 1) for _ in range(3))]


@pytest.fixture(params=[False, True], ids=["as on a CPU", "as on a GPU"])
def turn(request):
    """Return a function that makes a turn; on a GPU turns are short, and NumPy's generator is an object of its own."""

    def make():
        made = Turn(CPU)
        made._host.in_short_turns = request.param
        return made

    return make


@pytest.fixture(autouse=True)
def _own_generator_of_numpy():
    """Leave NumPy's functions with the generator that they had."""
    before = mtrand.get_bit_generator()
    yield
    mtrand.set_bit_generator(before)


def test_in_turn_with_others_the_numbers_are_those_of_a_run_alone(turn):
    expected = {seed: list(turn().of(drawn(seed))) for seed in (1, 2, 3)}
    runs = {seed: turn().of(drawn(seed)) for seed in expected}
    got = {seed: [] for seed in runs}
    for order in ([1, 2, 3], [1, 1, 3, 2], [2, 3, 2, 3, 2, 1], [3, 1]):  # five turns of each in all
        for seed in order:
            got[seed].append(next(runs[seed]))
    assert got == expected
    assert expected[1] != expected[2]


def test_all_numbers_of_a_run_differ(turn):
    numbers = [number for one in turn().of(drawn(7)) for number in one]
    assert len(set(numbers)) == len(numbers) == 45


def test_how_often_a_run_on_a_cpu_can_be_left_changes_no_number():
    def glancing(seed: int):
        for numbers in drawn(seed):
            yield numbers
            yield GLANCE

    numbers = [item for item in Turn(CPU).of(glancing(5)) if item is not GLANCE]
    assert numbers == list(Turn(CPU).of(drawn(5)))
    np.random.seed(5)
    assert [number for one in numbers for number in one[3:6]] == np.random.standard_normal(15).tolist()


def test_what_a_run_draws_after_its_training_does_not_depend_on_others_either(turn):
    def last_numbers(others: bool):
        one, other = turn(), turn()
        training, beside = one.of(drawn(6)), other.of(drawn(1, turns=9))
        for _ in training:
            if others:
                next(beside)
        if others:
            next(beside)
        one.take_generators()  # as for the last evaluation
        return [*torch.randn(2).tolist(), *np.random.random_sample(2), random.random()]

    assert last_numbers(others=True) == last_numbers(others=False)


def test_a_generator_of_numpys_that_a_run_puts_in_place_stays_its_own():
    def with_another(seed: int):
        mtrand.set_bit_generator(np.random.PCG64(seed))
        for _ in range(3):
            yield float(np.random.random_sample())

    def made():
        turn = Turn(CPU)
        turn._host.in_short_turns = True
        return turn

    expected = list(made().of(with_another(4)))
    one, other = made().of(with_another(4)), made().of(drawn(1))
    got = []
    for _ in range(3):
        got.append(next(one))
        next(other)
    assert got == expected
    assert len(set(got)) == 3


def test_all_is_seeded_also_where_a_plugin_has_put_another_generator_of_numpys_in_place():
    seed_all(8)
    expected = np.random.random_sample(3).tolist()
    mtrand.set_bit_generator(np.random.PCG64(1))
    seed_all(8)
    assert np.random.random_sample(3).tolist() == expected
