"""The drawn sample: the same bytes everywhere, all different, and no easier than it should be."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from statistics import fmean

import numpy as np
import PIL
import pytest
from harness_plugins.datasets import _drawings
from harness_plugins.datasets._drawings.sampling import portrait
from harness_plugins.datasets.dogscats import open_dogscats
from PIL import Image
from sklearn.linear_model import LogisticRegression

from harness import DataRequest


def digest(seeds: range, sizes: tuple[int, ...] = (32,)) -> str:
    sha256 = hashlib.sha256()
    for size in sizes:
        for seed in seeds:
            for kind in _drawings.CLASSES:
                sha256.update(_drawings.draw(kind, seed, size).tobytes())
    return sha256.hexdigest()


def labelled(seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels [N, 3072] in [0, 1] and labels [N], a cat and a dog of every seed."""
    drawings = [_drawings.draw(kind, seed, 32) for seed in seeds for kind in _drawings.CLASSES]
    pixels = np.stack([np.asarray(drawing, dtype=np.float32).ravel() / 255 for drawing in drawings])
    return pixels, np.tile([0, 1], len(seeds))


def in_a_process(code: str, hash_seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("kind", _drawings.CLASSES)
@pytest.mark.parametrize("size", [1, 16, 33, 128])
def test_a_drawing_is_square_and_rgb(kind, size):
    drawing = _drawings.draw(kind, 7, size)
    assert isinstance(drawing, Image.Image)
    assert (drawing.mode, drawing.size) == ("RGB", (size, size))


@pytest.mark.parametrize("kind", ["cow", "Cat", "cats", ""])
def test_another_kind_is_refused(kind):
    with pytest.raises(ValueError, match=f"kind must be one of cat, dog, got '{kind}'"):
        _drawings.draw(kind, 0, 32)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed must be .*, got {seed}"):
        _drawings.draw("cat", seed, 32)


def test_the_largest_seed_is_drawn():
    assert _drawings.draw("dog", 2**64 - 1, 16).size == (16, 16)


def test_two_processes_draw_the_same_bytes():
    code = (
        "import hashlib\n"
        "from harness_plugins.datasets._drawings import CLASSES, draw\n"
        "pixels = b''.join(draw(kind, seed, 32).tobytes() for seed in range(20) for kind in CLASSES)\n"
        "print(hashlib.sha256(pixels).hexdigest())"
    )
    assert {in_a_process(code, hash_seed).strip() for hash_seed in (0, 1)} == {digest(range(20))}


def test_importing_it_imports_neither_numpy_nor_pillow():
    code = "import sys, harness_plugins.datasets._drawings\nprint({'numpy', 'PIL'} & set(sys.modules))"
    assert in_a_process(code, 0).strip() == "set()"


def test_the_pixels_are_those_of_this_version():
    """If this changes, raise VERSION: results on drawings of another version are not comparable."""
    pinned = {1: "19aad34451fdb70bce4203c29e23b05c62b56df504e0b1843aa422de42bcd126"}
    assert digest(range(10), (32, 96)) == pinned[_drawings.VERSION], (
        f"other pixels under the same VERSION, with Pillow {PIL.__version__} (11.0 and 11.1 are known to draw differently)"
    )


def test_no_two_drawings_are_alike():
    drawings = {_drawings.draw(kind, seed, 32).tobytes() for kind in _drawings.CLASSES for seed in range(200)}
    assert len(drawings) == 400


@pytest.mark.parametrize("kind", _drawings.CLASSES)
def test_a_seed_shows_the_same_animal_at_every_size(kind):
    def thumbnails(size: int) -> np.ndarray:  # [seeds, 8 * 8 * 3]
        reduced = [_drawings.draw(kind, seed, size).resize((8, 8), Image.Resampling.BOX) for seed in range(20)]
        return np.stack([np.asarray(thumbnail, dtype=np.float32).ravel() for thumbnail in reduced])

    small, large = thumbnails(32), thumbnails(96)
    distance = np.abs(small[:, None] - large[None, :]).mean(axis=2)  # grey levels, [seeds at 32, seeds at 96]
    assert distance.argmin(axis=1).tolist() == list(range(20))
    assert distance.diagonal().max() < 8


def test_cats_are_about_as_large_as_dogs():
    """Size in the picture must not tell the classes apart."""

    def area(kind: str, seed: int) -> float:
        who = portrait(kind, seed)
        return who.pose.scale**2 * who.skull.width * who.skull.height

    cat, dog = (fmean(area(kind, seed) for seed in range(1000)) for kind in _drawings.CLASSES)
    assert cat == pytest.approx(dog, rel=0.15)


def test_every_split_has_as_many_cats_as_dogs():
    options = {"train": 12, "tune": 8, "test": 10}
    data = open_dogscats(DataRequest(None, False, 16, 0.2, 0, "error", options))
    for split, count in options.items():
        assert np.bincount(getattr(data, split).targets).tolist() == [count // 2, count // 2]


def test_raw_pixels_do_not_give_the_classes_away():
    """A linear classifier stays near chance, so that what a network scores comes from shapes it has found.

    The 512 drawings that it learns from span 512 of 3,072 dimensions, and its weights lie in them.
    """
    (train, labels), (test, truth) = labelled(range(256)), labelled(range(1_000_000, 1_000_384))
    axes = np.linalg.svd(train, full_matrices=False)[2]
    fits = [LogisticRegression(C=c, max_iter=500).fit(train @ axes.T, labels) for c in (0.001, 0.01, 0.1)]
    scores = [fit.score(test @ axes.T, truth) for fit in fits]
    assert max(scores) < 0.75
