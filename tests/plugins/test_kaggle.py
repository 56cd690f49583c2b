"""Dogs vs. Cats as Kaggle gives it: an archive read in place, never believed, and split as fast.ai did."""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from harness_plugins.datasets import _kaggle, dogscats
from harness_plugins.datasets.dogscats import open_dogscats
from PIL import Image

from harness import photo_dataset
from harness.data.archive import open_archive
from harness.errors import DataError
from harness.plugin.contracts import DataRequest, Photo

COLOURS = {"cat": (200, 40, 40), "dog": (40, 200, 40)}


def jpeg(kind, number):
    """One noisy photo: cats are reddish, dogs greenish, no two alike."""
    random = np.random.default_rng([number, *kind.encode()])
    pixels = (random.integers(0, 50, (20, 26, 3)) + COLOURS[kind]).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=90)
    return content.getvalue()


def files(cats=25, dogs=25):
    """Names as Kaggle's, not in the order of their numbers, with their bytes."""
    named = {f"train/cat.{i}.jpg": jpeg("cat", i) for i in range(cats)}
    return dict(sorted({**named, **{f"train/dog.{i}.jpg": jpeg("dog", i) for i in range(dogs)}}.items()))


def pack(root, members, forge=None, method=zipfile.ZIP_DEFLATED):
    """Write ``train.zip``; ``forge(archive)`` may change what the directory at its end will say."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "train.zip", "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if forge:
            forge(archive)
    return root


def unpack(root, members):
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def asked(root, required=True, **more):
    given = {
        "size": 16,
        "tune": 0.25,
        "seed": 0,
        "on_bad_image": "error",
        "options": {"train": 4, "tune": 2, "test": 2},
    }
    return DataRequest(root=root, required=required, **{**given, **more})


def open_(root, required=True, **more):
    return open_dogscats(asked(root, required, **more))


def number(name):
    return int(name.split(".")[1])


@pytest.fixture(params=["stored", "deflated", "unpacked"])
def root(request, tmp_path):
    if request.param == "unpacked":
        return unpack(tmp_path / "data", files())
    methods = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    return pack(tmp_path / "data", files(), method=methods[request.param])


# --- splits, names, pixels -----------------------------------------------------------------------------------


def test_splits_are_stratified_and_in_the_order_of_the_numbers(root):
    data = open_(root)
    splits = (data.train, data.tune, data.test)
    assert [np.bincount(split.targets).tolist() for split in splits] == [[17, 17], [6, 6], [2, 2]]
    assert data.classes == ("cats", "dogs")
    assert data.notice == ""
    for split in splits:
        for label in (0, 1):
            numbers = [number(n) for n, t in zip(split.names, split.targets, strict=True) if t == label]
            assert numbers == sorted(numbers)
    assert sorted(name for split in splits for name in split.names) == sorted(files())


def test_pixels_targets_and_names_belong_together(root):
    data = open_(root)
    for split in (data.train, data.tune, data.test):
        for pixels, target, name in zip(split.inputs, split.targets, split.names, strict=True):
            assert pixels.mean(axis=(0, 1)).argmax() == target
            assert data.classes[target][:3] in name


def test_splits_of_one_layout_are_views_of_the_store(root):
    assert not open_(root).train.inputs.flags.owndata


def test_every_layout_gives_the_same_pixels_and_both_of_kaggles_the_same_data(tmp_path):
    zipped, heap = open_(pack(tmp_path / "zip", files())), open_(unpack(tmp_path / "heap", files()))
    assert zipped.fingerprint == heap.fingerprint
    assert zipped.train.names == heap.train.names
    assert np.array_equal(zipped.train.inputs, heap.train.inputs)
    fastai = open_(
        unpack(
            tmp_path / "fastai",
            {
                f"{split}/{kind}s/{kind}.{i}.jpg": jpeg(kind, i)
                for kind in ("cat", "dog")
                for i in range(25)
                for split in ["valid" if i % 5 == 0 else "train"]
            },
        )
    )

    def by_photo(data):
        splits = (data.train, data.tune, data.test)
        return {
            name.split("/")[-1]: pixels
            for split in splits
            for name, pixels in zip(split.names, split.inputs, strict=True)
        }

    one, other = by_photo(zipped), by_photo(fastai)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_seed_decides_the_splits(root):
    base, again, other = open_(root), open_(root), open_(root, seed=1)
    assert base.test.names == again.test.names
    assert base.fingerprint == again.fingerprint
    assert base.test.names != other.test.names
    assert base.fingerprint != other.fingerprint


@pytest.mark.parametrize(("each", "test", "tune"), [(12_500, 2000, 4600), (12_000, 1920, 4416), (100, 16, 36)])
def test_all_of_kaggle_splits_as_fastai_did(each, test, tune):
    photos = [Photo(f"train/{kind}.{i}.jpg", f"{kind}s", bytes) for kind in ("cat", "dog") for i in range(each)]
    request = asked(None, tune=0.2)
    with photo_dataset("heap", lambda request: _kaggle._test_marked(photos, request.seed)).photos(request) as (
        _,
        split,
    ):
        pass
    counts = {(p.split, p.label): 0 for p in split}
    for photo in split:
        counts[photo.split, photo.label] += 1
    assert counts["test", "cats"] == counts["test", "dogs"] == test // 2
    assert counts["tune", "cats"] == counts["tune", "dogs"] == tune // 2
    assert len(split) == len({p.name for p in split}) == 2 * each
    assert [p.split for p in split] == sorted((p.split for p in split), key=["train", "tune", "test"].index)


# --- which layout --------------------------------------------------------------------------------------------


def test_fastais_layout_comes_first_then_the_archive(tmp_path, photos):
    root = pack(photos(), files())
    assert all(name.startswith("valid/") for name in open_(root).test.names)
    both = unpack(pack(tmp_path / "both", files()), files(cats=5, dogs=5))
    assert len(open_(both).train) == 34


def test_a_layout_found_by_itself_is_taken(root, tmp_path):
    assert open_(root, required=False).notice == ""
    (tmp_path / "other" / "train" / "cats").mkdir(parents=True)
    assert "DRAWINGS" in open_(tmp_path / "other", required=False).notice


def test_a_named_folder_with_neither_layout_is_told_of_both(tmp_path):
    (tmp_path / "test1.zip").write_bytes(b"not looked at")
    with pytest.raises(DataError) as refused:
        open_(tmp_path)
    for layout in (
        "train/CLASS and valid/CLASS",
        "train.zip or train/ with cat.N.jpg and dog.N.jpg",
        "got 'test1.zip'; unpack it there",
    ):
        assert layout in str(refused.value)


def test_what_is_no_labelled_photo_is_left_alone(tmp_path):
    more = {
        "train/": b"",
        "__MACOSX/train/._cat.0.jpg": b"?",
        "train/.DS_Store": b"?",
        "train/._dog.1.jpg": b"?",
        "train/readme.txt": b"?",
        "test1/1.jpg": b"?",
    }
    root = pack(tmp_path, {**more, **files()})
    (root / "test1").mkdir()
    (root / "test1.zip").write_bytes(b"broken")
    data = open_(root)
    assert len(data.train) + len(data.tune) + len(data.test) == 50


LAID_OUT = {
    "train.zip without train": lambda root: pack(root, bare()),
    "train in train in train.zip": lambda root: pack(root, bare("train/train/")),
    "Train.zip": lambda root: (pack(root, files()) / "train.zip").rename(root / "Train.zip").parent,
    "train in train": lambda root: unpack(root, bare("train/train/")),
    "Train": lambda root: unpack(root, bare("Train/")),
    "all in one folder": lambda root: unpack(root, bare("dogs-vs-cats/train/")),
    "an archive in one folder": lambda root: pack(root / "dogs-vs-cats", files()).parent,
    "another suffix": lambda root: unpack(root, {name.replace(".jpg", ".jfif"): b for name, b in files().items()}),
    "no suffix": lambda root: pack(root, {name.removesuffix(".jpg"): b for name, b in files().items()}),
}


def bare(within=""):
    return {name.replace("train/", within): content for name, content in files().items()}


@pytest.mark.parametrize("case", LAID_OUT)
@pytest.mark.parametrize("required", [True, False])
def test_layouts_that_mean_the_same_are_the_same_data(case, required, tmp_path):
    expected = open_(pack(tmp_path / "expected", files()))
    data = open_(LAID_OUT[case](tmp_path / "data"), required=required)
    if not required and "in one folder" in case:  # nobody has said that these are the photos
        assert "DRAWINGS" in data.notice
        return
    assert data.fingerprint == expected.fingerprint
    assert np.array_equal(data.train.inputs, expected.train.inputs)


def test_the_archive_around_the_archive_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "dogs-vs-cats.zip", "w") as outer:
        for name in ("train.zip", "test1.zip", "sampleSubmission.csv"):
            outer.writestr(name, b"?")
    with pytest.raises(DataError, match=r"got 'dogs-vs-cats\.zip'; unpack it there$"):
        open_(tmp_path)


def test_what_is_no_photo_in_the_heap_is_passed_over_with_a_reason(root):
    if (root / "train.zip").is_file():
        with zipfile.ZipFile(root / "train.zip", "a") as archive:
            archive.writestr("train/readme.txt", b"text")
            archive.writestr("test1/readme.txt", b"text")
        where = root / "train.zip" / "train" / "readme.txt"
    else:
        where = root / "train" / "readme.txt"
        where.write_text("text")
    skipped = []
    data = open_(root, skipped=lambda *one: skipped.append(one))
    assert skipped == [(where, "not a photo (.txt)")]
    assert len(data.train) + len(data.tune) + len(data.test) == 50


# --- refusals ------------------------------------------------------------------------------------------------


def named(name):
    return lambda root: pack(root, {**files(2, 2), name: b"?"})


def forged(**changes):
    def forge(archive):
        for key, value in changes.items():
            setattr(archive.getinfo("train/dog.1.jpg"), key, value)

    return lambda root: pack(root, files(5, 5), forge)


def symlink(root):
    link = zipfile.ZipInfo("train/cat.9.jpg")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return pack(root, {**files(2, 2), link: "/etc/passwd"})


def enormous(root):
    def forge(archive):
        for info in archive.infolist():
            info.file_size, info.compress_size = 60 << 20, 1 << 20

    return pack(root, {f"train/{kind}.{i}.jpg": b"?" for kind in ("cat", "dog") for i in range(600)}, forge)


def cut(root):
    file = pack(root, files(2, 2)) / "train.zip"
    file.write_bytes(file.read_bytes()[:-40])
    return root


def damaged(root):
    file = pack(root, files(5, 5), method=zipfile.ZIP_STORED) / "train.zip"
    content = bytearray(file.read_bytes())
    content[content.index(jpeg("cat", 1)) + 100] ^= 0xFF
    file.write_bytes(content)
    return root


def twice(root):
    with pytest.warns(UserWarning, match="Duplicate"):
        return pack(root, files(2, 2), lambda archive: archive.writestr("train/cat.1.jpg", b"?"))


BOMB = {**files(2, 2), "train/dog.7.jpg": bytes(3 << 20)}
REFUSED = {
    "a name that climbs": (named("../cat.9.jpg"), "members that stay inside the folder, got '../cat.9.jpg'"),
    "a name that climbs later": (named("train/../../x"), "members that stay inside the folder"),
    "an absolute name": (named("/etc/cat.9.jpg"), "members with relative names, got '/etc/cat.9.jpg'"),
    "a drive": (named("C:/cat.9.jpg"), "members with relative names, got 'C:/cat.9.jpg'"),
    "a backslash": (named("train\\cat.9.jpg"), "members with relative names"),
    "an encrypted member": (forged(flag_bits=1), "must not be encrypted, got 'train/dog.1.jpg' encrypted"),
    "a link": (symlink, "got a symbolic link, 'train/cat.9.jpg'"),
    "a method without bounds": (lambda r: pack(r, files(2, 2), method=zipfile.ZIP_LZMA), "must be stored or deflated"),
    "a large member": (forged(file_size=65 << 20), "at most 64 MiB, got 'train/dog.1.jpg' of 65 MiB"),
    "a member of a great ratio": (lambda r: pack(r, BOMB), "at most 200 times its size, got more for 'train/dog.7.jpg'"),
    "too much in all": (enormous, "at most 64 GiB, got 70.3 GiB"),
    "a member larger than it says": (forged(file_size=100), "undamaged zip archive, got Bad CRC"),
    "a member smaller than it says": (forged(file_size=1 << 19), r"undamaged zip archive, got (Bad CRC|\d+ of)"),
    "a changed byte": (damaged, "undamaged zip archive, got Bad CRC-32 for file 'train/cat.1.jpg'"),
    "the end missing": (cut, "must be a whole zip archive"),
    "no zip at all": (lambda r: unpack(r, {"train.zip": b"<html>log in</html>"}), "must be a whole zip archive"),
    "an empty file": (lambda r: unpack(r, {"train.zip": b""}), "must be a whole zip archive"),
    "one name twice": (twice, "members of different names, got two 'train/cat.1.jpg'"),
    "no photos": (lambda r: pack(r, {"readme.txt": b"?"}), r"must have photos train/cat.N.jpg and train/dog.N.jpg, got none"),
    "no members": (lambda r: pack(r, {}), "got none"),
    "only cats": (lambda r: pack(r, files(3, 0)), "got only cats"),
    "an unlabelled photo": (named("train/horse.1.jpg"), "got 1 of another name, 'train/horse.1.jpg'"),
    "one dog": (lambda r: pack(r, files(9, 1)), "two or more examples of every class"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("required", [True, False])
def test_refused_in_one_line(case, required, tmp_path):
    build, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as refused:
        open_(build(tmp_path / "data"), required=required)
    assert "\n" not in str(refused.value)
    if case != "one dog":
        assert str(refused.value).startswith(str(tmp_path / "data" / "train.zip"))
        assert re.search(r": must .*, got .*; ", str(refused.value))


def test_nothing_is_unpacked(tmp_path):
    root = pack(tmp_path / "data", files())
    open_(root)
    assert [path.name for path in root.iterdir()] == ["train.zip"]


def test_a_broken_photo_in_the_archive_is_named_or_skipped(tmp_path):
    root = pack(tmp_path, {**files(), "train/dog.3.jpg": b"\xff\xd8 cut short"})
    with pytest.raises(DataError, match=r"train\.zip: must have readable photos, got 1 of 50 .*: train/dog\.3\.jpg: "):
        open_(root)
    data = open_(root, on_bad_image="skip")
    assert len(data.train) + len(data.tune) + len(data.test) == 49
    assert data.left_out[0].startswith("train/dog.3.jpg: ")
    for pixels, target in zip(data.train.inputs, data.train.targets, strict=True):
        assert pixels.mean(axis=(0, 1)).argmax() == target


def test_only_regular_files_are_photos(tmp_path):
    root = unpack(tmp_path / "data", files())
    (root / "train" / "cat.30.jpg").mkdir()
    os.mkfifo(root / "train" / "cat.31.jpg")
    data = open_(root)
    assert len(data.train) + len(data.tune) + len(data.test) == 50
    (root / "train" / "cat.32.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(
        DataError, match=r"train: .*1 of 51 unreadable: train/cat\.32\.jpg: cannot be read: No such file"
    ):
        open_(root)


def test_members_are_read_from_many_threads_at_once(tmp_path):
    members = {f"train/cat.{i}.jpg": np.random.default_rng(i).bytes(5000 + i) for i in range(40)}
    wrong = []
    with open_archive(pack(tmp_path, members) / "train.zip") as archive:

        def read(seed):
            for i in np.random.default_rng(seed).permutation(40).tolist() * 5:
                name = f"train/cat.{i}.jpg"
                if archive.read(archive.members[name]) != members[name]:
                    wrong.append(name)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


REAL = Path(__file__).parents[3] / "shared" / "data" / "dogscats-kaggle-96px"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real photos are not part of the repository")
def test_the_real_archive():
    with dogscats._DATASET.photos(asked(REAL, tune=0.2)) as (where, photos):
        assert where == REAL / "train.zip"
        counts = [sum(photo.split == split for photo in photos) for split in ("train", "tune", "test")]
        assert counts == [17_664, 4416, 1920]
        for photo in photos[::1000]:
            with Image.open(io.BytesIO(photo.read())) as opened:
                assert opened.size == (96, 96)
