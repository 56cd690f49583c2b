"""Data sets that need no network: digits against scikit-learn, moons against their geometry, drawings against dogscats."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from harness_plugins.datasets.dogscats import open_dogscats

from harness import DataError, DataRequest, Dataset
from harness.plugin.discovery import discover

FOUND = discover()


def opened(name, root=None, seed=0, valid=0.3, **options):
    dataset = FOUND.get("dataset", name, Dataset)
    options = {**dataset.options, **options}
    return dataset.open(DataRequest(root, False, 16, 0.2, seed, "error", options, valid=valid))


@pytest.mark.parametrize("name", ["digits", "moons", "drawings", "diabetes"])
def test_they_look_in_no_folder(name):
    assert not FOUND.get("dataset", name, Dataset).takes_folder
    assert FOUND.get("dataset", "dogscats", Dataset).takes_folder


# --- digits ---------------------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_each_in_one_split():
    from sklearn.datasets import load_digits

    greys, targets = load_digits(return_X_y=True)
    data = opened("digits")
    rows = {}
    for name in ("train", "tune", "test"):
        split = getattr(data, name)
        rows[name] = np.array([int(text.removeprefix("digit ")) for text in split.names])
        np.testing.assert_array_equal(split.targets, targets[rows[name]])
    assert sorted(np.concatenate([*rows.values()])) == list(range(1797))
    train = greys[rows["train"]]
    spread = train.std(axis=0)
    expected = (greys[rows["test"]] - train.mean(axis=0)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(data.test.inputs, expected, rtol=1e-5, atol=1e-6)
    assert np.isfinite(data.train.inputs).all()
    assert data.classes == tuple("0123456789")


def test_digits_are_split_evenly_by_a_seed():
    data, other = opened("digits"), opened("digits", seed=1)
    for split, part in ((data.test, 0.3), (data.tune, 0.7 * 0.2)):
        counts = np.bincount(split.targets, minlength=10)
        assert np.abs(counts - 1797 * part / 10).max() <= 2
    assert data.fingerprint != other.fingerprint
    assert opened("digits").fingerprint == data.fingerprint


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        DataError, match=r"must have scikit-learn for 'digits', got none installed; python -m pip install"
    ):
        opened("digits")


# --- moons ----------------------------------------------------------------------------------------------------


def test_moons_without_noise_lie_on_their_half_circles():
    data = opened("moons", noise=0.0)
    points, classes = data.train.inputs.astype(float), data.train.targets
    upper, lower = points[classes == 0], points[classes == 1]
    np.testing.assert_allclose(np.hypot(upper[:, 0], upper[:, 1]), 1, rtol=1e-6)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, rtol=1e-6)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6


def test_moons_have_as_many_of_each_class_and_the_noise_that_is_asked_for():
    data = opened("moons", test=20_000, noise=0.1)
    assert np.bincount(data.test.targets).tolist() == [10_000, 10_000]
    upper = data.test.inputs[data.test.targets == 0].astype(float)
    off = np.hypot(upper[:, 0], upper[:, 1]) - 1  # across the circle, away from its ends, the noise is one-dimensional
    assert off[upper[:, 1] > 0.3].std() == pytest.approx(0.1, rel=0.05)
    assert (len(data.train), len(data.tune)) == (256, 512)


def test_moons_are_drawn_by_a_seed_and_no_split_is_another():
    data, again, other = opened("moons"), opened("moons"), opened("moons", seed=1)
    np.testing.assert_array_equal(data.train.inputs, again.train.inputs)
    assert data.fingerprint == again.fingerprint != other.fingerprint
    assert not (data.train.inputs[:, None] == data.tune.inputs[None]).all(axis=-1).any()
    more = opened("moons", train=512)
    np.testing.assert_array_equal(more.test.inputs, data.test.inputs)


@pytest.mark.parametrize(
    "options", [{"train": 3}, {"tune": 0}, {"test": True}, {"noise": -1}, {"noise": "some"}, {"noise": True}]
)
def test_options_of_moons_that_are_none_are_refused(options):
    (name,) = options
    with pytest.raises(DataError, match=rf"^data.options.{name}: must be "):
        opened("moons", **options)


# --- drawings -------------------------------------------------------------------------------------------------


def test_drawings_are_those_of_dogscats_without_photos_also_where_there_are_some(photos):
    few = {"train": 8, "tune": 4, "test": 4}
    drawn = opened("drawings", root=photos(), **few)
    stand_in = open_dogscats(DataRequest(None, False, 16, 0.2, 0, "error", few))
    np.testing.assert_array_equal(drawn.train.inputs, stand_in.train.inputs)
    assert (drawn.name, drawn.fingerprint) == ("drawings", stand_in.fingerprint)
    assert "DRAWINGS" in stand_in.notice
    assert drawn.notice == ""
