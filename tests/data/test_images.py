"""The uint8 store: right pixels, decoded once, broken photos named."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data import images
from harness.data.images import decode_photos, draw_images, stream_photos
from harness.data.places import cache_folder
from harness.data.splits import stratified
from harness.data.squares import CENTRE, CORNERS, Cut
from harness.errors import DataError, DiskError


@dataclass(frozen=True)
class File:
    """An image source, as plugins write them."""

    path: Path

    @property
    def name(self):
        return self.path.name

    def read(self):
        return self.path.read_bytes()


def quiet(what, done, total):
    """Take progress and say nothing."""


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def save(path, colour, size=(40, 30), **options):
    Image.new("RGB", size, colour).save(path, **options)
    return File(path)


def noise(path, size):
    """A photo of grey noise, far enough from black and white that no resizing overshoots them."""
    pixels = np.random.default_rng(0).integers(96, 160, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return File(path)


def test_photos_become_squares_with_the_centre_kept(tmp_path):
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))
    wide.save(tmp_path / "wide.png")
    store = decode_photos([File(tmp_path / "wide.png")], 16, quiet)
    assert store.pixels.shape == (1, 16, 16, 3)
    assert store.pixels.dtype == np.uint8
    assert store.pixels[0, 8, 8].tolist() == [0, 255, 0]
    assert (store.pixels[0, :, 2:14, 1] > 250).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    file = tmp_path / f"a.{'jpg' if mode in ('L', 'CMYK') else 'png'}"
    Image.new("RGB", (20, 20), (200, 200, 200)).convert(mode).save(file)
    store = decode_photos([File(file)], 16, quiet)
    assert not store.broken
    assert abs(int(store.pixels[0, 8, 8, 0]) - 200) < 12


def test_a_rotated_photo_is_put_upright(tmp_path):
    photo = Image.new("RGB", (40, 40), (0, 0, 255))
    photo.paste((255, 255, 255), (0, 0, 40, 20))  # white above
    exif = photo.getexif()
    exif[0x0112] = 3  # taken upside down
    photo.save(tmp_path / "a.jpg", exif=exif, quality=95)
    store = decode_photos([File(tmp_path / "a.jpg")], 16, quiet)
    assert store.pixels[0, 2, 8, 0] < 40
    assert store.pixels[0, 13, 8, 0] > 200


def test_a_store_is_made_once_and_again_when_a_photo_changes(tmp_path, monkeypatch):
    files = [save(tmp_path / f"{i}.png", (i, i, i)) for i in range(3)]
    decode_photos(files, 16, quiet)
    calls = []
    decode_photos(files, 16, lambda *a: calls.append(a))
    assert calls == []
    save(files[1].path, (9, 9, 9))
    assert decode_photos(files, 16, lambda *a: calls.append(a)).pixels[1, 0, 0].tolist() == [9, 9, 9]
    assert calls


def test_broken_photos_are_named_by_position_and_the_rest_is_there(tmp_path):
    good = save(tmp_path / "a.jpg", (10, 20, 30))
    cut = tmp_path / "b.jpg"
    cut.write_bytes(good.read()[:200])
    text = tmp_path / "c.jpg"
    text.write_text("not a photo")
    for _ in range(2):  # the second time from the store
        store = decode_photos([good, File(cut), File(text)], 16, quiet)
        assert sorted(store.broken) == [1, 2]
        assert store.broken[2] == "cannot identify image file"  # the same on every machine: no path, no address
    assert store.pixels[0, 8, 8, 2] > 20


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop", [1.0, 0.95, 0.875, 0.5])
@pytest.mark.parametrize("size", [(61, 40), (40, 77), (33, 33), (20, 23)])
def test_the_square_is_the_one_timm_evaluates_on(tmp_path, interpolation, crop, size):
    photo = noise(tmp_path / "a.png", size)
    short, scaled = min(size), int(24 / crop)
    with Image.open(photo.path) as opened:  # timm.data.transforms_factory: Resize(floor(size / crop)), CenterCrop(size)
        whole = [int(scaled * side / short) for side in size]
        left, top = (round((side - 24) / 2) for side in whole)
        resized = opened.resize(whole, Image.Resampling[interpolation.upper()])
        expected = np.asarray(resized.crop((left, top, left + 24, top + 24))).astype(int)
    store = decode_photos([photo], 24, quiet, interpolation=interpolation, crop=crop)
    assert np.abs(store.pixels[0].astype(int) - expected).max() <= 2  # each of two passes rounds, in another order


def test_interpolation_and_crop_make_a_store_of_their_own(tmp_path):
    photo = noise(tmp_path / "a.png", (64, 64))
    ways = [("lanczos", 1.0), ("bicubic", 1.0), ("bilinear", 1.0), ("lanczos", 0.5)]
    stores = [decode_photos([photo], 16, quiet, interpolation=way, crop=crop) for way, crop in ways]
    assert len({store.sha256 for store in stores}) == 4
    calls = []
    for (way, crop), store in zip(ways, stores, strict=True):
        again = decode_photos([photo], 16, lambda *a: calls.append(a), interpolation=way, crop=crop)
        assert again.sha256 == store.sha256
    assert calls == []


@pytest.mark.parametrize("interpolation", ["nearest", "LANCZOS", ""])
def test_an_unknown_interpolation_is_refused(interpolation):
    with pytest.raises(DataError, match=r"interpolation: must be one of bicubic, bilinear, lanczos, got"):
        decode_photos([], 16, quiet, interpolation=interpolation)


@pytest.mark.parametrize("crop", [0, -1, 1.01, 1e-9, float("nan")])
def test_a_crop_that_is_no_part_is_refused(crop):
    with pytest.raises(DataError, match=r"crop: must be a number above 0 and at most 1, got"):
        decode_photos([], 16, quiet, crop=crop)


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (1, 1)])
def test_a_photo_of_any_shape_has_a_centre(tmp_path, size):
    store = decode_photos([save(tmp_path / "a.png", (9, 99, 199), size)], 16, quiet)
    assert not store.broken
    assert (store.pixels[0] == (9, 99, 199)).all()


def png_header(width, height):
    """A PNG of a few bytes that claims any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_500, 60_000])  # where Pillow warns, and where it refuses
@pytest.mark.parametrize("limit", [None, Image.MAX_IMAGE_PIXELS])
def test_a_decompression_bomb_is_a_broken_photo_and_no_warning(tmp_path, monkeypatch, side, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # some programs switch Pillow's guard off
    (tmp_path / "a.png").write_bytes(png_header(side, side))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        store = decode_photos([File(tmp_path / "a.png")], 16, quiet)
    assert "pixels" in store.broken[0]
    assert not said


def test_a_program_in_a_photos_clothes_is_not_run(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    assert decode_photos([File(tmp_path / "a.jpg")], 16, quiet).broken == {0: "cannot identify image file"}


def test_a_source_that_cannot_be_read_is_broken_until_it_can(tmp_path):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    sources = [save(tmp_path / "a.png", (1, 2, 3)), File(tmp_path / "gone.jpg"), File(tmp_path / "loop.jpg")]
    for _ in range(2):  # the second time from the store
        store = decode_photos(sources, 16, quiet)
        assert sorted(store.broken) == [1, 2]
        assert store.broken[1] == "cannot be read: No such file or directory"
        assert str(tmp_path) not in str(store.broken)
    save(tmp_path / "gone.jpg", (9, 9, 9))
    assert sorted(decode_photos(sources, 16, quiet).broken) == [2]


def test_a_source_that_goes_away_in_between_leaves_no_store(tmp_path):
    class Once(File):
        def read(self):
            content = super().read()
            self.path.unlink()
            return content

    with pytest.raises(DataError, match=r"a\.png: must stay readable while it is decoded, got .*; start again"):
        decode_photos([Once(save(tmp_path / "a.png", (1, 2, 3)).path)], 16, quiet)
    assert not list((cache_folder() / "images").iterdir())


def test_rows_are_in_the_order_of_the_photos_and_progress_counts_up(tmp_path):
    files = [save(tmp_path / f"{i}.png", (i, 0, 0), (4, 4)) for i in range(101)]
    calls = []
    store = decode_photos(files, 4, lambda *a: calls.append(a))
    assert store.pixels[:, 0, 0, 0].tolist() == list(range(101))
    counts = [done for what, done, total in calls if what == "decoding photos"]
    assert counts == sorted(counts)
    assert counts[-1] == 101
    assert {total for _, _, total in calls} == {101}


def test_the_store_is_a_numpy_file_and_its_hash_is_the_files(tmp_path):
    store = decode_photos([noise(tmp_path / "a.png", (20, 20))], 16, quiet)
    (file,) = (cache_folder() / "images").glob("*.npy")
    assert np.array_equal(np.load(file), store.pixels)
    assert images.hashlib.sha256(file.read_bytes()).hexdigest() == store.sha256
    assert sorted(path.suffix for path in file.parent.iterdir()) == [".json", ".npy"]


def test_work_in_order_is_never_far_ahead_of_who_takes_it():
    started = []
    results = images.read_in_order(lambda rows: started.append(rows) or list(rows), 100 * images.RUN)
    assert next(results) == list(range(images.RUN))
    assert len(started) <= 2 * min(32, images.usable_cores()) + 1
    assert sum(results, []) == list(range(images.RUN, 100 * images.RUN))  # noqa: RUF017


@pytest.mark.parametrize("batch", [1, 5, 16, 64])
@pytest.mark.parametrize(("interpolation", "crop"), [("lanczos", 1.0), ("bicubic", 0.875)])
def test_a_stream_has_the_pixels_of_the_store(tmp_path, batch, interpolation, crop):
    files = [noise(tmp_path / f"{i}.png", (40 + i, 70 - i)) for i in range(37)]
    files[7].path.write_text("no photo")
    files[8].path.unlink()
    store = decode_photos(files, 16, quiet, interpolation=interpolation, crop=crop)
    batches = list(stream_photos(files, Cut(16, interpolation, crop), batch=batch))
    assert all(len(pixels) == batch for pixels, _ in batches[:-1])
    assert np.array_equal(np.concatenate([pixels for pixels, _ in batches])[:, 0], store.pixels)
    broken = {i: why for _, these in batches for i, why in these.items()}
    assert broken == {7: store.broken[7], 8: "No such file or directory"}


def test_corners_are_those_of_the_central_square(tmp_path):
    photo = noise(tmp_path / "a.png", (46, 32))  # short side 32: nothing is scaled
    (pixels, _), *_ = stream_photos([photo], Cut(24, "bicubic", 0.75), (CENTRE, *CORNERS))
    whole = np.asarray(Image.open(photo.path))[:, 7:39]
    expected = [whole[y : y + 24, x : x + 24] for x, y in ((4, 4), (0, 0), (8, 0), (0, 8), (8, 8))]
    assert np.array_equal(pixels[0], np.stack(expected))


def test_a_stream_is_never_far_ahead_of_who_takes_it(tmp_path):
    read = []

    class Counted(File):
        def read(self):
            read.append(self.name)
            return super().read()

    photo = Counted(noise(tmp_path / "a.png", (20, 20)).path)
    batches = stream_photos([photo] * 1000, Cut(16), batch=16, ahead=1)
    next(batches)
    assert len(read) <= 16 * 4  # this one, the one ahead, and what the threads begin meanwhile
    batches.close()


def test_a_half_written_store_is_never_taken_for_one(tmp_path):
    def interrupted(i):
        if i == 1:
            raise KeyboardInterrupt
        return Image.new("RGB", (8, 8))

    with pytest.raises(KeyboardInterrupt):
        draw_images(interrupted, ["a", "b"], 8, quiet)
    assert not list((cache_folder() / "images").iterdir())
    assert draw_images(lambda i: Image.new("RGB", (8, 8), (i, i, i)), ["a", "b"], 8, quiet).pixels[1].max() == 1


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_images(lambda i: Image.new("RGB", (8, 8)), ["a"], 8, quiet)
    assert not list((cache_folder() / "images").iterdir())


@pytest.mark.parametrize("suffix", ["npy", "json"])
@pytest.mark.parametrize("left", [0, 1, 60, 0.9])  # bytes, or a part of them
def test_a_store_cut_short_is_made_again(tmp_path, suffix, left):
    photos = [noise(tmp_path / "a.png", (20, 20)), File(tmp_path / "gone.jpg")]
    whole = decode_photos(photos, 16, quiet)
    expected = whole.pixels.copy()
    (file,) = (cache_folder() / "images").glob(f"*.{suffix}")
    content = file.read_bytes()
    del whole
    file.write_bytes(content[: left if isinstance(left, int) else int(left * len(content))])
    again = decode_photos(photos, 16, quiet)
    assert np.array_equal(again.pixels, expected)
    assert list(again.broken) == [1]
    assert file.read_bytes() == content


def test_a_store_with_a_flipped_bit_is_made_again(tmp_path):
    photos = [noise(tmp_path / "a.png", (20, 20))]
    expected = decode_photos(photos, 16, quiet).pixels.copy()
    (file,) = (cache_folder() / "images").glob("*.npy")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert np.array_equal(decode_photos(photos, 16, quiet).pixels, expected)
    assert file.read_bytes() == content


@pytest.mark.parametrize("text", ["[]", "{}", '{"broken": 3}', "\ufeff"])
def test_a_store_with_damaged_notes_is_made_again(tmp_path, text):
    photo = noise(tmp_path / "a.png", (20, 20))
    expected = decode_photos([photo], 16, quiet).sha256
    (file,) = (cache_folder() / "images").glob("*.json")
    file.write_text(text, encoding="utf-8")
    assert decode_photos([photo], 16, quiet).sha256 == expected


@pytest.mark.parametrize("seed", [0, 1])  # of one that fails, and of one that is drawn in another size
def test_a_drawing_that_fails_is_an_error_every_time(seed):
    def draw(i):
        return Image.new("RGB", (9, 9)) if seed else 1 // 0

    for _ in range(2):
        with pytest.raises(
            DataError, match=r"data: must be drawn whole, got 2 of 2 failed: a: .*; change \[data\], or"
        ):
            draw_images(draw, ["a", "b"], 8, quiet)


@pytest.fixture
def extract(monkeypatch):
    """Return a function that extracts four features of three drawings, and a list with an entry for each time."""
    from harness.plugin.contracts import Backbone, Data, Split, Weights
    from harness.training import features
    from harness.training.device import Device

    split = Split(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1, np.int64), ("a",))
    data = Data("drawn", split, split, split, fingerprint="f", source="nowhere", classes=("a",))
    made = []

    def compute(*_):
        made.append(1)
        return np.arange(12, dtype=np.float32).reshape(3, 4)

    monkeypatch.setattr(features, "_compute_features", compute)
    network = Backbone("net", lambda *_: None)
    weights = Weights(Path("w"), "0" * 64, (0.5,) * 3, (0.5,) * 3)
    return lambda: features.extract(network, weights, data, Device("cpu", "fp32", 1), quiet), made


@pytest.mark.parametrize("left", [0, 1, 60, 130])  # bytes
def test_features_cut_short_are_extracted_again(extract, left):
    run, made = extract
    assert run().test.inputs.tolist() == run().test.inputs.tolist() == [[8, 9, 10, 11]]
    assert len(made) == 1
    (file,) = (cache_folder() / "features").glob("*.npy")
    content = file.read_bytes()
    file.write_bytes(content[:left])
    assert run().test.inputs.tolist() == [[8, 9, 10, 11]]
    assert len(made) == 2
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert run().test.inputs.tolist() == [[8, 9, 10, 11]]
    assert len(made) == 3


NOT_KEPT = "warning: {} are not kept for the next command: {}"


def test_features_that_cannot_be_kept_are_computed_each_time(extract, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    run, made = extract
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        assert run().test.inputs.tolist() == [[8, 9, 10, 11]]
    assert not list((cache_folder() / "features").iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    assert run().test.inputs.tolist() == [[8, 9, 10, 11]]
    assert len(made) == 2
    for line, got in zip(
        capsys.readouterr().err.splitlines(), ("'No space left on device', ", "'Not a directory'; "), strict=True
    ):
        assert line.startswith(NOT_KEPT.format("features", tmp_path))
        assert f"must be written, got {got}" in line
        assert line.endswith("set HARNESS_CACHE to another folder")


def test_images_that_cannot_be_kept_are_held_in_memory_if_they_are_few(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.png").write_text("no photo")
    photos = [save(tmp_path / f"{name}.png", name) for name in ("red", "blue")] + [File(tmp_path / "broken.png")]
    kept = decode_photos(photos, 8, quiet)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    held = decode_photos(photos, 8, quiet)
    assert held.pixels.tolist() == kept.pixels.tolist()
    assert held.pixels.flags.writeable
    assert (held.keys, held.broken, held.sha256) == (kept.keys, kept.broken, kept.sha256)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(NOT_KEPT.format("decoded images", tmp_path))
    monkeypatch.setattr(images, "HELD", 100)
    line = r"must be written, got 'Not a directory'; set HARNESS_CACHE to another folder$"
    with pytest.raises(DiskError, match=line):
        decode_photos(photos, 8, quiet)


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
