"""Batches: every example once an epoch, the same for equal seeds, and crops and flips that are only that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.plugin.contracts import Split
from harness.training.batches import MEAN, STD, Batches, mix_seeds, put_on_device
from harness.training.device import Device

CPU = Device("cpu", "fp32", 1)


@pytest.fixture
def numbered():
    """Images whose every pixel is the image's own number."""
    pixels = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 8, 8, 3)).copy()
    return put_on_device(Split(pixels, np.arange(50), tuple(map(str, range(50)))), CPU)


def test_an_epoch_takes_no_example_twice_and_leaves_only_the_remainder_out(numbered):
    batches = Batches(numbered, 16, (), seed=0)
    seen = torch.cat([targets for _, targets in batches.of(1)])
    assert len(batches) == 3
    assert len(seen) == 48
    assert len(set(seen.tolist())) == 48


def test_inputs_and_targets_stay_together(numbered):
    for inputs, targets in Batches(numbered, 16, ("flip", "crop"), seed=0).of(3):
        pixels = inputs * STD[0] * 255 + MEAN[0] * 255
        torch.testing.assert_close(pixels.mean(dim=(1, 2, 3)), targets.float(), atol=1e-3, rtol=0)


def test_equal_seed_and_epoch_give_equal_batches_and_others_do_not(numbered):
    def order(seed, epoch):
        return torch.cat([t for _, t in Batches(numbered, 10, (), seed).of(epoch)]).tolist()

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_a_batch_larger_than_the_split_is_the_split(numbered):
    assert len(Batches(numbered, 1000, (), 0)) == 1


def test_normalisation_is_pixels_in_01_minus_mean_over_std():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    split = put_on_device(Split(pixels, np.zeros(4), ()), CPU, mean, std)
    expected = (torch.from_numpy(pixels) / 255 - torch.tensor(mean)) / torch.tensor(std)
    found = split.as_input(split.inputs)
    torch.testing.assert_close(found, expected.permute(0, 3, 1, 2))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_rows_that_are_no_images_pass_unchanged():
    split = put_on_device(Split(np.ones((4, 7), np.float32), np.zeros(4), ()), CPU)
    rows = split.inputs
    assert split.as_input(rows) is rows


def test_a_flip_mirrors_about_half_of_the_images_and_changes_nothing_else():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    split = put_on_device(Split(pixels, np.arange(400), ()), CPU)
    plain = split.as_input(split.inputs)
    flipped = 0
    for inputs, targets in Batches(split, 100, ("flip",), 0).of(1):
        for image, i in zip(inputs, targets, strict=True):
            mirrored = torch.equal(image, plain[i].flip(-1))
            assert mirrored or torch.equal(image, plain[i])
            flipped += mirrored
    assert 160 < flipped < 240


def test_a_crop_is_a_shift_by_at_most_an_eighth_mirrored_at_the_border():
    row = np.arange(16, dtype=np.uint8)
    pixels = np.broadcast_to(row[None, None, :, None], (200, 16, 16, 3)).copy()
    split = put_on_device(Split(pixels, np.zeros(200, dtype=np.int64), ()), CPU)
    seen = set()
    for inputs, _ in Batches(split, 100, ("crop",), 0).of(1):
        columns = (inputs[:, 0, 0] * STD[0] * 255 + MEAN[0] * 255).round().int()
        for line in columns.tolist():
            shift = line[8] - 8
            assert line == [min(abs(i + shift), 30 - (i + shift)) for i in range(16)]
            seen.add(shift)
    assert seen == {-2, -1, 0, 1, 2}


def test_mixed_seeds_are_63_bits_and_all_different():
    seeds = {mix_seeds(a, b) for a in range(60) for b in range(60)}
    assert len(seeds) == 3600
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix_seeds(1, 2) != mix_seeds(2, 1)
