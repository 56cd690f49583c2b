"""The uint8 store: right pixels, decoded once, broken photos named."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from harness.errors import DataError
from harness.images import cache_folder, decode_photos, draw_images, stratified


def quiet(what, done, total):
    """Take progress and say nothing."""


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def save(path, colour, size=(40, 30), **options):
    Image.new("RGB", size, colour).save(path, **options)
    return path


def test_photos_become_squares_with_the_centre_kept(tmp_path):
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))
    wide.save(tmp_path / "wide.png")
    store = decode_photos([tmp_path / "wide.png"], 16, quiet)
    assert store.pixels.shape == (1, 16, 16, 3)
    assert store.pixels.dtype == np.uint8
    assert store.pixels[0, 8, 8].tolist() == [0, 255, 0]
    assert (store.pixels[0, :, 2:14, 1] > 250).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    file = tmp_path / f"a.{'jpg' if mode in ('L', 'CMYK') else 'png'}"
    Image.new("RGB", (20, 20), (200, 200, 200)).convert(mode).save(file)
    store = decode_photos([file], 16, quiet)
    assert not store.broken
    assert abs(int(store.pixels[0, 8, 8, 0]) - 200) < 12


def test_a_rotated_photo_is_put_upright(tmp_path):
    photo = Image.new("RGB", (40, 40), (0, 0, 255))
    photo.paste((255, 255, 255), (0, 0, 40, 20))  # white above
    exif = photo.getexif()
    exif[0x0112] = 3  # taken upside down
    photo.save(tmp_path / "a.jpg", exif=exif, quality=95)
    store = decode_photos([tmp_path / "a.jpg"], 16, quiet)
    assert store.pixels[0, 2, 8, 0] < 40
    assert store.pixels[0, 13, 8, 0] > 200


def test_a_store_is_made_once_and_again_when_a_photo_changes(tmp_path, monkeypatch):
    files = [save(tmp_path / f"{i}.png", (i, i, i)) for i in range(3)]
    decode_photos(files, 16, quiet)
    calls = []
    decode_photos(files, 16, lambda *a: calls.append(a))
    assert calls == []
    save(files[1], (9, 9, 9))
    assert decode_photos(files, 16, lambda *a: calls.append(a)).pixels[1, 0, 0].tolist() == [9, 9, 9]
    assert calls


def test_broken_photos_are_named_by_position_and_the_rest_is_there(tmp_path):
    good = save(tmp_path / "a.jpg", (10, 20, 30))
    cut = tmp_path / "b.jpg"
    cut.write_bytes(good.read_bytes()[:200])
    text = tmp_path / "c.jpg"
    text.write_text("not a photo")
    for _ in range(2):  # the second time from the store
        store = decode_photos([good, cut, text], 16, quiet)
        assert sorted(store.broken) == [1, 2]
        assert "cannot identify" in store.broken[2]
    assert store.pixels[0, 8, 8, 2] > 20


def test_a_half_written_store_is_never_taken_for_one(tmp_path):
    def interrupted(i):
        if i == 1:
            raise KeyboardInterrupt
        return Image.new("RGB", (8, 8))

    with pytest.raises(KeyboardInterrupt):
        draw_images(interrupted, ["a", "b"], 8, quiet)
    assert not list((cache_folder() / "images").glob("*.npy"))
    assert draw_images(lambda i: Image.new("RGB", (8, 8), (i, i, i)), ["a", "b"], 8, quiet).pixels[1].max() == 1


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"must be writable .* set HARNESS_CACHE"):
        draw_images(lambda i: Image.new("RGB", (8, 8)), ["a"], 8, quiet)


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.99])
def test_a_stratified_cut_takes_the_same_part_of_every_class_and_leaves_some(part):
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 2
    kept, aside = stratified(labels, part, seed=0)
    assert sorted(kept + aside) == list(range(152))
    for label, count in (("a", 100), ("b", 50), ("c", 2)):
        taken = sum(labels[i] == label for i in aside)
        assert taken == min(max(1, round(part * count)), count - 1)
    assert stratified(labels, part, seed=0) == (kept, aside)
    assert part == 0.99 or stratified(labels, part, seed=1) != (kept, aside)


def test_a_class_of_one_cannot_be_cut():
    with pytest.raises(DataError, match="two or more examples of every class, got 1 of 'b'"):
        stratified(["a", "a", "b"], 0.5, 0)
