"""The folder dataset and dogscats on top of it: three splits always, and every fault named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError
from harness.plugin.contracts import DataRequest, Dataset


@pytest.fixture
def open_(registry):
    def open_dataset(name, root, required=True, **more):
        dataset = registry.get("dataset", name, Dataset)
        options = {**dataset.options, **more.pop("options", {})}
        given = {"size": 16, "tune": 0.25, "seed": 0, "on_bad_image": "error", "options": options}
        return dataset.open(DataRequest(root=root, required=required, **{**given, **more}))

    return open_dataset


def test_tune_is_cut_out_of_train_and_valid_is_test(open_, photos):
    data = open_("folder", photos())
    assert (len(data.train), len(data.tune), len(data.test)) == (12, 4, 8)
    assert data.classes == ("cats", "dogs")
    for split in (data.train, data.tune, data.test):
        assert np.bincount(split.targets).tolist() == [len(split) // 2] * 2
        assert split.inputs.shape[1:] == (16, 16, 3)
    names = [*data.train.names, *data.tune.names, *data.test.names]
    assert len(set(names)) == len(names)
    assert all(name.startswith("valid/") for name in data.test.names)


def test_pixels_targets_and_names_belong_together(open_, photos):
    data = open_("folder", photos())
    for split in (data.train, data.tune, data.test):
        for pixels, target, name in zip(split.inputs, split.targets, split.names, strict=True):
            assert pixels.mean(axis=(0, 1)).argmax() == target  # cats are reddish, dogs greenish
            assert data.classes[target] in name


def test_a_labelled_test_folder_makes_valid_the_tune_split(open_, photos):
    data = open_("folder", photos(splits=("train", "valid", "test")))
    assert (len(data.train), len(data.tune), len(data.test)) == (16, 8, 8)


@pytest.mark.parametrize("change", ["rename", "empty", "more"])
def test_a_test_folder_with_other_classes_is_refused(open_, photos, change):
    root = photos(splits=("train", "valid", "test"))
    dogs = root / "test" / "dogs"
    if change == "rename":
        dogs.rename(root / "test" / "dgos")
    elif change == "empty":
        for photo in dogs.iterdir():
            photo.unlink()
    else:
        (root / "test" / "dgos").mkdir()
        (root / "test" / "dgos" / "a.jpg").write_bytes((dogs / "dogs.0.jpg").read_bytes())
    lonely = "dogs" if change == "empty" else "dgos"
    with pytest.raises(
        DataError, match=f"test: must have photos of the same classes as train, got '{lonely}' in .* alone; name"
    ):
        open_("folder", root)


def test_a_test_folder_without_labels_is_left_alone(open_, photos):
    root = photos()
    photo = (root / "valid" / "cats" / "cats.0.jpg").read_bytes()
    (root / "test" / "empty").mkdir(parents=True)
    (root / "test1" / "dgos").mkdir(parents=True)
    (root / "test" / "1.jpg").write_bytes(photo)
    (root / "test1" / "dgos" / "1.jpg").write_bytes(photo)
    assert all(name.startswith("valid/") for name in open_("folder", root).test.names)


def test_only_regular_files_are_photos(open_, photos):
    root = photos()
    base = open_("folder", root).fingerprint
    cats = root / "train" / "cats"
    (cats / "folder.jpg").mkdir()
    os.mkfifo(cats / "pipe.jpg")
    assert open_("folder", root).fingerprint == base
    (cats / "cats.0.jpg").rename(root / "elsewhere.jpg")
    (cats / "cats.0.jpg").symlink_to(root / "elsewhere.jpg")
    assert open_("folder", root).fingerprint == base
    (cats / "folder.jpg" / "in.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(
        DataError, match=r"1 of 25 unreadable: train/cats/folder\.jpg/in\.jpg: cannot be read: No such file"
    ):
        open_("folder", root)
    assert len(open_("folder", root, on_bad_image="skip").left_out) == 1


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", "", ".dat"])
def test_a_photo_is_one_whatever_it_is_called(open_, photos, suffix):
    root = photos()
    base = open_("folder", root)
    for file in (root / "train" / "cats").iterdir():
        file.rename(file.with_suffix(suffix))
    data = open_("folder", root)
    assert data.fingerprint == base.fingerprint
    assert np.array_equal(data.train.inputs, base.train.inputs)


def test_photos_behind_a_linked_folder_are_read(open_, photos):
    root = photos()
    names = {*open_("folder", root).train.names, *open_("folder", root).tune.names}
    (root / "train" / "cats").rename(root / "elsewhere")
    (root / "train" / "cats").mkdir()
    (root / "train" / "cats" / "more").symlink_to(root / "elsewhere")
    (root / "elsewhere" / "loop").symlink_to(root / "train")
    data = open_("folder", root)
    moved = {name.replace("cats/", "cats/more/", 1) for name in names}
    assert {*data.train.names, *data.tune.names} == moved


def test_what_systems_leave_behind_is_no_class_and_no_photo(open_, photos):
    root = photos()
    base = open_("folder", root).fingerprint
    for name in ("__MACOSX/cats/._cats.0.jpg", "cats/@eaDir/a.jpg", "cats/.ipynb_checkpoints/a.jpg", "dogs/Thumbs.db"):
        file = root / "train" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"?")
    skipped = []
    assert open_("folder", root, skipped=lambda *one: skipped.append(one)).fingerprint == base
    assert skipped == []


@pytest.mark.parametrize("labelled", [False, True])
def test_every_other_file_is_passed_over_with_a_reason(open_, photos, labelled):
    root = photos(splits=("train", "valid", "test")) if labelled else photos()
    names = ["train/readme.md", "valid/dogs/empty", "test/1.txt"]
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    skipped = []
    open_("folder", root, skipped=lambda *one: skipped.append(one))
    expected = [(root / "train" / "readme.md", "in no folder of a class"), (root / "valid" / "dogs" / "empty", "empty")]
    if labelled:  # otherwise test is left alone
        expected.append((root / "test" / "1.txt", "in no folder of a class"))
    assert skipped == expected


def test_any_number_of_classes(open_, photos):
    assert open_("folder", photos(("a", "b", "c"))).classes == ("a", "b", "c")


def test_the_fingerprint_covers_contents_splits_and_size(open_, photos):
    root = photos()
    base = open_("folder", root).fingerprint
    assert open_("folder", root).fingerprint == base
    assert open_("folder", root, seed=1).fingerprint != base
    assert open_("folder", root, size=24).fingerprint != base
    victim = root / "train" / "cats" / "cats.0.jpg"
    victim.write_bytes((root / "train" / "cats" / "cats.1.jpg").read_bytes())
    assert open_("folder", root).fingerprint != base


def test_an_unreadable_photo_is_named_and_counted_or_skipped(open_, photos):
    root = photos()
    (root / "train" / "dogs" / "dogs.3.jpg").write_bytes(b"\xff\xd8 cut short")
    with pytest.raises(
        DataError, match=r'1 of 24 unreadable: train/dogs/dogs\.3\.jpg: .*set data\.on_bad_image = "skip"'
    ):
        open_("dogscats", root)
    data = open_("dogscats", root, on_bad_image="skip")
    assert len(data.train) + len(data.tune) == 15
    assert len(data.left_out) == 1
    assert data.left_out[0].startswith("train/dogs/dogs.3.jpg: ")
    assert not any("dogs.3.jpg" in name and "train" in name for name in (*data.train.names, *data.tune.names))
    for pixels, target in zip(data.train.inputs, data.train.targets, strict=True):
        assert pixels.mean(axis=(0, 1)).argmax() == target


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda photos: photos(("cats",)), r"train: must have folders of two or more classes, got only 'cats'"),
        (
            lambda photos: photos(("cats",), splits=("train",)),
            r"or one folder of photos a class, or train\.zip or train/ with cat\.N\.jpg .*got 'train' with only 'cats'",
        ),
        (lambda photos: photos(train=0), r"must have photos in it, got none|must have train/CLASS"),
    ],
)
def test_a_folder_without_the_layout_is_refused(open_, photos, build, message):
    with pytest.raises(DataError, match=message):
        open_("dogscats", build(photos))


def test_folder_does_not_take_kaggles_layout(open_, photos):
    root = photos(splits=("train",))
    for number, file in enumerate(sorted((root / "train").rglob("*.jpg"))):
        file.rename(root / "train" / f"{file.parent.name[:-1]}.{number}.jpg")
    for folder in ("cats", "dogs"):
        (root / "train" / folder).rmdir()
    with pytest.raises(
        DataError, match="got 'train' without folders of classes; move its photos into train/CLASS, or set"
    ):
        open_("folder", root)
    assert open_("dogscats", root).classes == ("cats", "dogs")


def moved(root, **places):
    """Return the root after its folders were moved; ``__`` in a keyword stands for ``/``."""
    for old, new in places.items():
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old.replace("__", "/")).rename(root / new)
    return root


NEARLY = {
    "val": {"valid": "val"},
    "validation": {"valid": "validation"},
    "capitals": {"train": "Train", "valid": "Valid"},
    "Training and Validation": {"train": "Training", "valid": "Validation"},
    "test instead of valid": {"valid": "test"},
    "training_set and test_set": {"train": "training_set", "valid": "test_set"},
    "train in train": {"train": "0", "0": "train/train"},
    "both one deeper": {"train": "0", "0": "train/train", "valid": "1", "1": "val/valid"},
    "all in one folder": {"train": "dogscats/train", "valid": "dogscats/valid"},
    "all in one folder, other names": {"train": "PetImages/Train", "valid": "PetImages/val"},
}


@pytest.mark.parametrize("name", ["folder", "dogscats"])
@pytest.mark.parametrize("case", NEARLY)
def test_layouts_that_mean_the_same_are_the_same_data(open_, photos, name, case):
    root = photos()
    expected = open_(name, root)
    data = open_(name, moved(root, **NEARLY[case]))
    assert data.fingerprint == expected.fingerprint
    for split in ("train", "tune", "test"):
        assert np.array_equal(getattr(data, split).inputs, getattr(expected, split).inputs)


def test_a_labelled_test_beside_val_is_the_test_split(open_, photos):
    root = moved(photos(splits=("train", "valid", "test")), valid="val", test="Test")
    data = open_("folder", root)
    assert (len(data.train), len(data.tune), len(data.test)) == (16, 8, 8)
    assert all(name.startswith("Test/") for name in data.test.names)


def test_without_valid_an_unlabelled_test_is_left_alone_and_test_is_cut_out_of_train(open_, photos):
    root = photos()
    (root / "valid").rename(root / "elsewhere")
    (root / "test").mkdir()
    (root / "test" / "1.jpg").write_bytes((root / "train" / "cats" / "cats.0.jpg").read_bytes())
    data = open_("folder", root)
    assert (len(data.train), len(data.tune), len(data.test)) == (8, 4, 4)
    assert all(name.startswith("train/") for name in data.test.names)


UNCLEAR = {
    "no train": ({"train": "pictures"}, "got 'valid' and no train; name the folder that is trained on train"),
    "valid without classes": (
        {"valid__cats": "train/cats/v", "valid__dogs": "train/dogs/v"},
        "got 'valid' without folders of classes; move its photos into valid/CLASS",
    ),
    "train without classes": (
        {"train__cats": "valid/cats/t", "train__dogs": "valid/dogs/t"},
        "got 'train' without folders of classes; move its photos into train/CLASS",
    ),
    "other folders": (
        {"train": "a/b/c", "valid": "d/e"},
        "got 'a', 'd'; name the folder that has them with --data DIR",
    ),
}


@pytest.mark.parametrize("name", ["folder", "dogscats"])
def test_one_folder_of_photos_is_told_that_one_class_is_too_few(open_, photos, tmp_path, name):
    root = tmp_path / "birds"
    root.mkdir()
    (photos() / "train" / "cats").rename(root / "crow")
    with pytest.raises(
        DataError, match="got photos in one folder, 'crow'; give each of two or more classes a folder, or set data"
    ):
        open_(name, root)
    (root / "labels.csv").write_text("path,label\ncrow/cats.0.jpg,crow\ncrow/cats.1.jpg,crow\n")
    with pytest.raises(
        DataError, match=r'a folder, or set data\.labels = "labels\.csv" where that file has the labels$'
    ):
        open_(name, root)
    with pytest.raises(
        DataError, match=r"labels\.csv:2: must have photos of two or more classes, got only 'crow'; add"
    ):
        open_(name, root, labels=root / "labels.csv")


@pytest.mark.parametrize("name", ["folder", "dogscats"])
@pytest.mark.parametrize("case", UNCLEAR)
def test_a_layout_that_is_not_clear_is_told_what_was_there(open_, photos, name, case):
    places, line = UNCLEAR[case]
    root = moved(photos(), **places)
    with pytest.raises(DataError) as refused:
        open_(name, root)
    assert line in str(refused.value)
    assert str(refused.value).startswith(f"{root}: must have train/CLASS and valid/CLASS folders with photos, or one ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["val/cats"], "must have one folder for valid, got 'val' and 'valid'; move all but one elsewhere"),
        (["Training/cats"], "must have one folder for train, got 'Training' and 'train'; move all but one elsewhere"),
    ],
)
def test_two_folders_for_one_split_are_refused(open_, photos, others, said):
    root = photos()
    for other in others:
        (root / other).mkdir(parents=True)
    with pytest.raises(DataError, match=said):
        open_("dogscats", root)


def test_an_empty_folder_of_the_same_meaning_does_no_harm(open_, photos):
    root = photos()
    base = open_("folder", root).fingerprint
    (root / "val").mkdir()
    assert open_("folder", root).fingerprint == base


def test_interpolation_and_crop_reach_the_pixels_and_the_fingerprint(open_, photos):
    root = photos()
    ways = [{}, {"interpolation": "bilinear"}, {"crop": 0.5}]
    opened = [open_("folder", root, **way) for way in ways]
    assert len({data.fingerprint for data in opened}) == 3
    assert len({np.asarray(data.train.inputs).tobytes() for data in opened}) == 3


def test_an_empty_class_is_refused(open_, photos):
    root = photos()
    (root / "train" / "rats").mkdir()
    with pytest.raises(DataError, match="rats: must have photos in it, got none"):
        open_("folder", root)


def test_a_class_in_only_one_split_is_refused(open_, photos):
    root = photos()
    (root / "valid" / "rats").mkdir()
    (root / "valid" / "rats" / "a.jpg").write_bytes((root / "valid" / "cats" / "cats.0.jpg").read_bytes())
    with pytest.raises(DataError, match="must have the same classes in train and valid, got 'rats'"):
        open_("folder", root)


def test_folder_without_a_folder_says_how_to_name_one(open_):
    with pytest.raises(DataError, match="name one with --data DIR"):
        open_("folder", None, required=False)


def test_dogscats_draws_where_there_are_no_photos_and_says_so(open_):
    options = {"train": 16, "tune": 8, "test": 12}
    data = open_("dogscats", None, required=False, options=options)
    assert "DRAWINGS" in data.notice
    assert "drawings" in data.source
    assert (len(data.train), len(data.tune), len(data.test)) == (16, 8, 12)
    assert np.bincount(data.train.targets).tolist() == [8, 8]
    pixels = np.concatenate([data.train.inputs, data.tune.inputs, data.test.inputs]).reshape(36, -1)
    assert len(np.unique(pixels, axis=0)) == 36  # no drawing is in two splits, or twice in one
    assert open_("dogscats", None, required=False, options=options).fingerprint == data.fingerprint
    assert open_("dogscats", None, required=False, options=options, seed=1).fingerprint != data.fingerprint


def test_dogscats_takes_photos_it_finds_by_itself(open_, photos, tmp_path):
    assert open_("dogscats", photos(), required=False).notice == ""
    (tmp_path / "empty").mkdir()
    options = {"train": 4, "tune": 2, "test": 2}
    assert "DRAWINGS" in open_("dogscats", tmp_path / "empty", required=False, options=options).notice


def test_drawings_that_fail_are_refused_and_not_trained_on(open_):
    for _ in range(2):  # the second time from the store
        with pytest.raises(
            DataError, match=r"must be drawn whole, got 8 of 8 failed: drawing .*seed must be .*; change"
        ):
            open_("dogscats", None, required=False, seed=10**19, options={"train": 4, "tune": 2, "test": 2})


@pytest.mark.parametrize("count", [0, 3, "many", 10**12])
def test_a_wrong_number_of_drawings_is_refused(open_, count):
    with pytest.raises(DataError, match=r"data\.options\.train: must be an even number of drawings >= 2"):
        open_("dogscats", None, required=False, options={"train": count})


REAL = Path(__file__).parents[3] / "shared" / "data" / "dogscats"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real photos are not part of the repository")
def test_the_real_photos(open_):
    data = open_("dogscats", REAL, size=32, tune=0.2)
    assert (len(data.train), len(data.tune), len(data.test)) == (1040, 260, 650)
    assert data.notice == ""
    assert data.left_out == ()
