"""Augmentation: only what was asked for, another draw per image, and the same again for the same seed."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest
import torch
from scipy import stats

from harness.plugin.contracts import Split
from harness.training.augmentation import ALPHA, LIGHT, Mixed, _draw_beta, blend_loss, draw, mix_batch, transform
from harness.training.batches import Batches, put_on_device
from harness.training.device import Device

CPU = Device("cpu", "fp32", 1)
KINDS = ["crop", "flip", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix"]
BLACK = torch.tensor([-2.0])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(count, side, kinds, seed=0):
    return draw(count, (side, side), frozenset(kinds), generator(seed))


@pytest.fixture
def photos():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    return put_on_device(Split(pixels, np.arange(24) % 2, tuple(map(str, range(24)))), CPU)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_images_the_same_way_for_the_same_seed(photos, kind):
    plain, once, again, other = (
        list(Batches(photos, 12, kinds, seed).of(2))
        for kinds, seed in (((), 1), ((kind,), 1), ((kind,), 1), ((kind,), 2))
    )
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(once, again, strict=True))
    assert not torch.equal(once[0][0], plain[0][0])
    assert not torch.equal(once[0][0], other[0][0])
    assert once[0][0].shape == plain[0][0].shape == (12, 3, 16, 16)
    assert all(torch.isfinite(images).all() for images, _ in once)


def ramp(count=64, side=32):
    """Images whose value is the place: the first channel from left to right, the second from top to bottom."""
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    x, y = line.expand(side, side), line[:, None].expand(side, side)
    return torch.stack([x, y, torch.ones(side, side)]).expand(count, 3, side, side)


def test_a_resized_crop_is_a_part_of_the_image_as_large_and_as_square_as_promised():
    found = transform(ramp(), drawn(64, 32, {"resized_crop"}), BLACK)
    width = (found[:, 0, 16, -2] - found[:, 0, 16, 1]) * 32 / 29 / 2  # of the whole, from the slope of the ramp
    height = (found[:, 1, -2, 16] - found[:, 1, 1, 16]) * 32 / 29 / 2
    area, ratio = width * height, width / height
    assert 0.3 < float(area.min()) < 0.5 < 0.8 < float(area.max()) <= 1.01
    assert 0.74 < float(ratio.min()) < 0.95 < 1.05 < float(ratio.max()) < 1.35
    assert float(found[:, :2].abs().max()) <= 1.0  # nothing from outside the image


def test_a_rotation_turns_about_the_middle_and_by_no_more_than_ten_degrees():
    found = transform(ramp(), drawn(64, 32, {"rotate"}), BLACK)
    across = found[:, :2, 16, 20] - found[:, :2, 16, 12]
    angles = torch.rad2deg(torch.atan2(across[:, 1], across[:, 0]))
    assert float(angles.min()) < -5 < 5 < float(angles.max())
    assert float(angles.abs().max()) <= 10.01
    middle = found[:, :2, 15:17, 15:17].mean(dim=(2, 3))
    torch.testing.assert_close(middle, torch.zeros_like(middle), atol=1e-5, rtol=0)


def test_brightness_leaves_black_black_and_contrast_the_mean():
    images = ramp() + 0.5
    bright = transform(images, drawn(64, 32, {"brightness"}), BLACK)
    factors = ((bright + 2) / (images + 2)).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert 1 - LIGHT <= float(factors.min()) < 0.9 < 1.1 < float(factors.max()) <= 1 + LIGHT
    contrasted = transform(images, drawn(64, 32, {"contrast"}), BLACK)
    torch.testing.assert_close(contrasted.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))
    assert not torch.allclose(contrasted, images)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_blended_batch_is_made_of_two_and_says_how_much_of_each(kind):
    """Image k has the value k everywhere, so its mean says what it is made of."""
    images, targets = torch.arange(8.0)[:, None, None, None].expand(8, 3, 20, 20), torch.arange(8)
    for seed in range(20):
        found, mixed = mix_batch(images, targets, drawn(8, 20, {kind}, seed))
        assert sorted(mixed.second.tolist()) == list(range(8))
        assert torch.equal(mixed.first, targets)
        part, rest = mixed.parts
        expected = part * mixed.first + rest * mixed.second
        torch.testing.assert_close(found.mean(dim=(1, 2, 3)), expected, atol=1e-4, rtol=0)  # sums of 1,200 in float32
        whole = {float(v) for v in found.unique()} <= set(range(8))
        assert whole == (kind == "cutmix") or float(part) in (0.0, 1.0)
    assert torch.equal(images[:, 0, 0, 0], torch.arange(8.0))  # what was given is left alone


def test_both_are_chosen_by_a_coin():
    images = torch.rand(8, 3, 20, 20, generator=generator())
    kinds = {
        bool(torch.isin(mix_batch(images, torch.arange(8), drawn(8, 20, ALPHA, s))[0], images).all()) for s in range(20)
    }
    assert kinds == {True, False}


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_parts_are_beta_distributed(alpha):
    random = generator()
    assert stats.kstest([_draw_beta(alpha, random) for _ in range(2000)], stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_the_blended_loss_is_that_of_blended_targets():
    """For cross-entropy, which is linear in its targets, the two are the same number."""
    outputs = torch.randn(6, 3, generator=generator())
    first, second = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([1, 1, 0, 2, 2, 1])
    one_hot = torch.nn.functional.one_hot
    soft = 0.3 * one_hot(first, 3) + 0.7 * one_hot(second, 3)
    loss = torch.nn.functional.cross_entropy
    torch.testing.assert_close(
        blend_loss(loss, outputs, Mixed(first, second, torch.tensor([0.3, 0.7]))), loss(outputs, soft)
    )
    torch.testing.assert_close(blend_loss(loss, outputs, first), loss(outputs, first))


def test_a_blended_run_trains_and_goes_on_bit_equal(parts_of):
    from harness.training.loop import train

    def weights(parts, state=None):
        for epoch in train(parts.run, parts, state):
            if state is None and epoch.number == 1:
                saved = epoch.state()
        return parts.model.state_dict(), (saved if state is None else None)

    kinds = {"augment": tuple(KINDS)}
    undisturbed, saved = weights(parts_of(**kinds))
    resumed, _ = weights(parts_of(**kinds), saved)
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_mirrored_images_are_averaged_over_in_test_time_augmentation(parts_of):
    from dataclasses import replace

    parts = parts_of(l2=0.0)
    parts.ingredients = replace(parts.ingredients, mirrored=replace(parts.ingredients.test, mirrored=True))
    done = parts.done()
    mirrored = replace(parts.ingredients.test, stored_inputs=parts.ingredients.test.inputs.flip(2))
    both = (parts.predict(parts.ingredients.test, exact=True) + parts.predict(mirrored, exact=True)) / 2
    expected = fmean((both.argmax(1) == parts.ingredients.test.targets).float().tolist())
    assert done.metrics["tta_test_accuracy"] == pytest.approx(expected)
