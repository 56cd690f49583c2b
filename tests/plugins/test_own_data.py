"""Own data as it lies: one folder a class, labels in a CSV file, arrays and Parquet; always the same faults in the same words."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.errors import DataError
from harness.plugin.contracts import DataRequest, Dataset, Photo


@pytest.fixture
def open_(registry):
    def open_dataset(name, root, required=True, **more):
        return registry.get("dataset", name, Dataset).open(asked(registry, name, root, required, **more))

    return open_dataset


def asked(registry, name, root, required=True, labels=None, **more):
    dataset = registry.get("dataset", name, Dataset)
    given = {"size": 16, "tune": 0.25, "seed": 0, "on_bad_image": "error"}
    options = {**dataset.options, **more.pop("options", {})}
    labels = root / labels if labels else None
    return DataRequest(root=root, required=required, labels=labels, options=options, **{**given, **more})


def sizes(data):
    return len(data.train), len(data.tune), len(data.test)


def by_name(data):
    """Return the class and the pixels of every example by its name."""
    found = {}
    for split in (data.train, data.tune, data.test):
        for name, target, pixels in zip(split.names, split.targets, split.inputs, strict=True):
            found[name] = data.classes[target], np.asarray(pixels)
    return found


# --- one folder a class --------------------------------------------------------------------------------------------


@pytest.fixture
def flat(photos):
    """20 photos of each of two classes, in one folder a class."""
    return photos(train=20, splits=("train",)) / "train"


@pytest.mark.parametrize("name", ["folder", "dogscats"])
def test_one_folder_a_class_is_split_evenly_by_a_seed(open_, flat, name):
    data = open_(name, flat)
    assert sizes(data) == (24, 8, 8)
    for split in (data.train, data.tune, data.test):
        assert np.bincount(split.targets).tolist() == [len(split) // 2] * 2
    assert data.classes == ("cats", "dogs")
    assert len(by_name(data)) == 40
    for label, pixels in by_name(data).values():
        assert data.classes[pixels.mean(axis=(0, 1)).argmax()] == label  # cats are reddish, dogs greenish
    assert open_(name, flat).fingerprint == data.fingerprint != open_(name, flat, seed=1).fingerprint
    assert sizes(open_(name, flat, valid=0.5)) == (16, 4, 20)
    assert open_(name, flat, valid=0.5, tune=0.5).test.names == open_(name, flat, valid=0.5).test.names


@pytest.mark.parametrize("deeper", ["train", "PetImages"])
def test_one_folder_a_class_may_lie_in_train_or_in_the_only_folder(open_, flat, deeper, tmp_path):
    expected = open_("folder", flat)
    (tmp_path / "own").mkdir()
    flat.rename(tmp_path / "own" / deeper)
    data = open_("folder", tmp_path / "own")
    assert [name.removeprefix("train/") for name in data.test.names] == list(expected.test.names)
    np.testing.assert_array_equal(data.train.inputs, expected.train.inputs)


def test_dogscats_takes_classes_without_a_split_only_from_a_folder_that_was_named(open_, flat):
    few = {"train": 4, "tune": 2, "test": 2}
    assert "DRAWINGS" in open_("dogscats", flat, required=False, options=few).notice
    assert open_("folder", flat, required=False).classes == ("cats", "dogs")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            ("train/cats", "train/dogs", "cats", "dogs"),
            r"must have one layout, got 'cats', 'dogs' both in train and beside it; .* the folder train alone with --data .*/train$",
        ),
        (
            ("train/cats", "train/dogs", "valid/cats", "valid/dogs", "dogs"),
            r"must have one layout, got 'dogs' both in train and beside it;",
        ),
        (
            ("train/cats", "train/dogs", "valid/cats"),
            r"must have the same classes in train and valid, got 'dogs' in train alone; put photos of it into valid/dogs, or take",
        ),
        (
            ("train/cats", "valid/cats", "valid/dogs"),
            r"must have the same classes in train and valid, got 'dogs' in valid alone; put photos of it into train/dogs, or take",
        ),
        (
            (".",),
            r"got photos that lie in no folder of a class; give each of two or more classes a folder, or set data\.labels to",
        ),
    ],
)
def test_a_layout_that_is_not_clear_is_refused_with_what_to_do(open_, photos, tmp_path, made, expected):
    pictures = sorted(photos(train=6).rglob("*.jpg"))[:6]
    root = tmp_path / "data"
    for folder in made:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            shutil.copy(picture, root / folder)
    with pytest.raises(DataError, match=expected) as refused:
        open_("folder", root)
    assert "\n" not in str(refused.value)


def test_a_path_without_its_folder_is_answered_with_the_folder(open_, tmp_path):
    heap(tmp_path)
    write(tmp_path, "path,label", "00.png,crow", "01.png,heron")
    expected = r"labels\.csv:2: .*got '00\.png', which is not there .*; 'pictures/00\.png' is there, so name the folders on the way too$"
    with pytest.raises(DataError, match=expected):
        open_("folder", tmp_path, labels="labels.csv")


def test_broken_photos_and_classes_that_are_too_small_are_named_as_in_other_layouts(open_, flat):
    (flat / "cats" / "cats.3.jpg").write_bytes(b"\xff\xd8 cut short")
    (flat / "cats" / "notes.txt").write_text("notes")
    with pytest.raises(DataError, match=r'1 of 40 unreadable: cats/cats\.3\.jpg: .*set data\.on_bad_image = "skip"'):
        open_("folder", flat)
    skipped = []
    data = open_("folder", flat, on_bad_image="skip", skipped=lambda *one: skipped.append(one))
    assert [line.partition(":")[0] for line in data.left_out] == ["cats/cats.3.jpg"]
    assert skipped == [(flat / "cats" / "notes.txt", "not a photo (.txt)")]
    for file in sorted((flat / "dogs").iterdir())[2:]:
        file.unlink()
    with pytest.raises(
        DataError,
        match="must have photos of every class in every split, got 2 photos, of which train, test and tune need",
    ):
        open_("folder", flat)


# --- labels in a CSV file --------------------------------------------------------------------------------------


def heap(root, count=12):
    """Write photos without folders of classes, and return their names."""
    (root / "pictures").mkdir(parents=True)
    names = [f"pictures/{i:02}.png" for i in range(count)]
    for i, name in enumerate(names):
        Image.new("RGB", (9, 8), (200 * (i % 2), 5 * i, 0)).save(root / name)
    return names


def write(root, *lines, name="labels.csv", encoding="utf-8"):
    (root / name).write_text("\n".join(lines), encoding=encoding)
    return root


@pytest.mark.parametrize("name", ["folder", "dogscats"])
def test_labels_are_read_from_a_file(open_, tmp_path, name):
    names = heap(tmp_path)
    write(tmp_path, "path,label", *(f"{name},{'red fox' if i % 2 else 'crow'}" for i, name in enumerate(names)))
    data = open_(name, tmp_path, labels="labels.csv")
    assert data.classes == ("crow", "red fox")
    assert sizes(data) == (8, 2, 2)
    assert by_name(data).keys() == set(names)
    for label, pixels in by_name(data).values():
        assert (label == "red fox") == (pixels[..., 0].mean() > 100)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image;class", "{path};{label}"),
        ("number\tLabel\tFile", "7\t{label}\t{path}"),
        ('"path","label"', '"{path}","{label}"'),
        (" path , label ", " {path} , {label} "),
    ],
)
def test_columns_go_by_several_names_and_delimiters(open_, tmp_path, header, row):
    names = heap(tmp_path)
    plain = write(tmp_path, "path,label", *(f"{name},{i % 2}" for i, name in enumerate(names)), name="plain.csv")
    rows = [row.format(path=name.replace("/", "\\"), label=i % 2) for i, name in enumerate(names)]
    write(tmp_path, header, *rows, "", encoding="utf-8-sig")
    data = open_("folder", plain, labels="labels.csv")
    assert data.fingerprint == open_("folder", plain, labels="plain.csv").fingerprint
    assert data.classes == ("0", "1")


def test_a_split_column_decides_and_what_it_lacks_is_cut_out_of_train(open_, tmp_path):
    names = heap(tmp_path, 24)
    words = ["train", "Validation", "TEST", "training"]
    write(tmp_path, "path,label,split", *(f"{name},{i % 2},{words[i // 2 % 4]}" for i, name in enumerate(names)))
    data = open_("folder", tmp_path, labels="labels.csv")
    assert sizes(data) == (12, 6, 6)
    assert set(data.test.names) == {name for i, name in enumerate(names) if i // 2 % 4 == 2}
    write(
        tmp_path,
        "path,label,split",
        *(f"{name},{i % 2},{['train', 'val'][i // 2 % 2]}" for i, name in enumerate(names)),
    )
    data = open_("folder", tmp_path, labels="labels.csv")
    assert sizes(data) == (8, 4, 12)
    assert set(data.test.names) == {name for i, name in enumerate(names) if i // 2 % 2}


def test_thousands_of_classes_are_split_evenly(registry, tmp_path):
    lines = ["path,label"]
    for i in range(3 * 2000):
        (tmp_path / f"{i}.png").write_bytes(b"")
        lines.append(f"{i}.png,class {i // 3}")
    write(tmp_path, *lines)
    dataset = registry.get("dataset", "folder", Dataset)
    with dataset.photos(asked(registry, "folder", tmp_path, labels="labels.csv")) as (_, photos):
        counts = {
            split: {photo.label for photo in photos if photo.split == split} for split in ("train", "tune", "test")
        }
    assert [len(labels) for labels in counts.values()] == [2000, 2000, 2000]
    assert len(photos) == 6000


def test_photos_without_a_line_are_passed_over_and_a_text_for_a_photo_is_broken(open_, tmp_path):
    names = heap(tmp_path)
    (tmp_path / "more.png").write_bytes((tmp_path / names[0]).read_bytes())
    (tmp_path / "text.jpg").write_text("no photo")
    rows = [f"{name},{i % 2}" for i, name in enumerate([*names, "text.jpg"])]
    write(tmp_path, "path,label", *rows)
    skipped = []
    with pytest.raises(DataError, match=r"1 of 13 unreadable: text\.jpg: cannot identify image file"):
        open_("folder", tmp_path, labels="labels.csv", skipped=lambda *one: skipped.append(one))
    assert skipped == [(tmp_path / "more.png", "not in labels.csv")]


FAULTS = {
    "no label column": (
        "path,kind\n{0},a",
        "1: must have the columns path and label, got 'path,kind'; name the columns",
    ),
    "empty": ("", "1: must have the columns path and label, got 'an empty line'"),
    "only a header": ("path,label\n", " must name photos and their labels, got no line below the first"),
    "unknown split": (
        "path,label,split\n{0},a,train\n{1},a,holdout",
        "3: must be train, valid, test or tune in the column",
    ),
    "no split": ("path,label,split\n{0},a,", "2: must have a split, got nothing"),
    "no label": ("path,label\n{0},a\n{1},", "3: must have a label, got nothing"),
    "short line": ("path,label\n{0}", "2: must have a label, got nothing"),
    "not there": (
        "path,label\n{0},a\nnowhere.png,a",
        "3: must be the path of a photo in .*'nowhere.png', which is not there;",
    ),
    "several not there": (
        "path,label\na.png,a\nb.png,a\n{0},b",
        r"2: .*'a.png', which is not there \(2 of 3 lines are",
    ),
    "a folder": ("path,label\npictures,a", "2: .*'pictures', which is a folder"),
    "out of the folder": (
        "path,label\n{0},a\n../secret.png,a",
        "3: must be a path inside .*'../secret.png', which leads out",
    ),
    "another root": (
        "path,label\n/etc/hostname,a",
        "2: must be a path inside .*, got '/etc/hostname', which leads out",
    ),
    "out and in": ("path,label\npictures/../../x.png,a", "2: must be a path inside .*which leads out of it"),
    "twice": ("path,label\n{0},a\n{1},b\n./{0},b", "4: must name each photo once, got 'pictures/00.png', which line 2"),
    "one photo": (
        "path,label\n{0},a\n{1},a\n{2},a\n{3},heron",
        "5: must have photos of every class .* got 1 photo, of which train, test and tune need 1 each for 'heron'; add",
    ),
    "no photo in a split": (
        "path,label,split\n{0},a,train\n{1},a,valid\n{2},a,test\n{3},b,train\n{4},b,valid",
        "5: must have photos of every class in every split, got none in test for 'b'",
    ),
    "one class": ("path,label\n{0},a\n{1},a\n{2},a", "must have photos of two or more classes, got only 'a'"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_of_the_file_is_named_with_its_line(open_, tmp_path, case):
    text, expected = FAULTS[case]
    root = tmp_path / "data"
    names = heap(root)
    (tmp_path / "secret.png").write_bytes((root / names[0]).read_bytes())
    (root / "labels.csv").write_text(text.format(*names))
    with pytest.raises(DataError, match=expected) as refused:
        open_("folder", root, labels="labels.csv")
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(str(root) if case == "one class" else f"{root / 'labels.csv'}:")


def test_a_file_of_labels_that_is_not_there_or_no_text_is_refused(open_, tmp_path):
    heap(tmp_path)
    with pytest.raises(
        DataError, match=r"labels\.csv: must be the CSV file that data\.labels names, got nothing there; put"
    ):
        open_("folder", tmp_path, labels="labels.csv")
    (tmp_path / "labels.csv").write_bytes("path,label\n\xe9.png,a".encode("latin-1"))
    with pytest.raises(DataError, match=r"must be a CSV file in UTF-8, got .*save it as UTF-8"):
        open_("folder", tmp_path, labels="labels.csv")
    with pytest.raises(DataError, match=r"or set data\.labels = \"labels\.csv\" where that file has the labels"):
        open_("folder", tmp_path)


# --- arrays --------------------------------------------------------------------------------------------------------


def images(count=20, channels=3, seed=0):
    shape = (count, 8, 8, channels) if channels else (count, 8, 8)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_an_array_of_images_is_the_same_data_as_its_pictures(open_, tmp_path):
    pixels, labels = images(), np.array(["crow", "heron"])[np.arange(20) % 2]
    np.savez(tmp_path / "birds.npz", x=pixels, y=labels)
    data = open_("arrays", tmp_path, size=8)
    assert sizes(data) == (12, 4, 4)
    assert data.classes == ("crow", "heron")
    for name, (label, square) in by_name(data).items():
        row = int(name.removeprefix("x "))
        assert label == labels[row]
        np.testing.assert_array_equal(square, pixels[row])


LAYOUTS = {
    "keras": {"mnist.npz": ["x_train", "y_train", "x_test", "y_test"]},
    "medmnist": {"m.npz": ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"]},
    "a file a part": {"train.npz": ["images", "labels"], "test.npz": ["images", "labels"]},
    "npy": {"X_train.npy": None, "y_train.npy": None, "X_test.npy": None, "y_test.npy": None},
    "named": {"one.npz": ["pixels", "kind"]},
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_arrays_are_known_by_the_words_of_their_names(open_, tmp_path, case):
    values = {"inputs": images(20, channels=0), "targets": (np.arange(20) % 4)[:, None]}
    inputs = ("x", "images", "pixels")
    for file, names in LAYOUTS[case].items():
        arrays = {
            n: values["inputs" if any(w in n.lower() for w in inputs) else "targets"] for n in names or [file[:-4]]
        }
        shifted = {
            n: (array + 1).astype(array.dtype) if "test" in file + n and array.ndim == 3 else array
            for n, array in arrays.items()
        }
        if names:
            np.savez(tmp_path / file, **shifted)
        else:
            np.save(tmp_path / file, shifted[file[:-4]])
    options = {"inputs": "pixels", "targets": "kind"} if case == "named" else {}
    data = open_("arrays", tmp_path, options=options)
    assert data.classes == ("0", "1", "2", "3")
    cut = case == "named"
    assert sizes(data) == ((12, 4, 4) if cut else (20, 20, 20) if case == "medmnist" else (16, 4, 20))


def test_a_table_keeps_its_numbers_and_its_targets_say_what_they_are(open_, tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(tmp_path / "t.npz", x=rows, y=np.array([7, 3])[np.arange(20) % 2])
    data = open_("table", tmp_path)
    assert data.classes == ("3", "7")
    for name, (label, numbers) in by_name(data).items():
        row = int(name.removeprefix("row "))
        assert label == ("7", "3")[row % 2]
        np.testing.assert_allclose(numbers, rows[row], rtol=1e-6)
    np.savez(tmp_path / "t.npz", x=rows, y=rows[:, 0])
    data = open_("table", tmp_path)
    assert data.classes == ()
    np.testing.assert_allclose(data.train.targets[:, 0], data.train.inputs[:, 0], rtol=1e-6)


WRONG = {
    "no arrays": ({}, "must have arrays of inputs and targets, .* got no .npz and no .npy file"),
    "other names": (
        {"a": images(), "b": np.arange(20)},
        "got 'a', 'b'; rename them, or name them in data.options.inputs",
    ),
    "no targets": ({"x": images()}, "must have targets for train, got only 'x'; add the array"),
    "two inputs": (
        {"x": images(), "images": images(), "y": np.arange(20)},
        "must have one array of inputs for train, got",
    ),
    "lengths": ({"x": images(), "y": np.arange(19)}, r"must have as many rows, .* got \[20, 8, 8, 3\] and \[19\]"),
    "a single number": ({"x": images(), "y": np.array(3)}, r"must have as many rows, .* and \[\]"),
    "one-hot": ({"x": images(), "y": np.eye(20, dtype=int)}, r"must be classes \[N\], .* got int64 \[20, 20\]"),
    "values": ({"x": images(), "y": np.linspace(0, 1, 20)}, "must have classes for its images, .* got float64 targets"),
    "floats": (
        {"x": images() / 255, "y": np.arange(20) % 2},
        "must be images uint8 .* got float64 .*save values from 0 to 255",
    ),
    "a table": ({"x": np.ones((20, 3)), "y": np.arange(20) % 2}, 'or take data.dataset = "table" for a table'),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_do_not_fit_are_refused_in_one_line(open_, tmp_path, case):
    arrays, expected = WRONG[case]
    if arrays:
        np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=expected) as refused:
        open_("arrays", tmp_path)
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)  # the place is named


def test_python_objects_and_damaged_files_are_refused(open_, tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(
        DataError, match=r"x\.npy: must be a file of arrays without Python objects, got .*Python objects in dtype"
    ):
        open_("arrays", tmp_path)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"x\.npy: must be a file of arrays without Python objects, got "):
        open_("arrays", tmp_path)
    (tmp_path / "x.npy").unlink()
    np.savez(tmp_path / "t.npz", x=images(), y=np.arange(20) % 2)
    with pytest.raises(DataError, match=r'must be a table of numbers .* data.dataset = "arrays" takes images'):
        open_("table", tmp_path)


# --- Parquet -------------------------------------------------------------------------------------------------------


def as_png(pixels):
    Image.fromarray(pixels).save(content := io.BytesIO(), "png")
    return content.getvalue()


@pytest.mark.parametrize("kind", ["bytes", "struct"])
def test_parquet_has_the_same_pictures_and_names_its_classes(open_, tmp_path, kind):
    pixels = images()
    contents = [as_png(square) for square in pixels]
    column = (
        contents if kind == "bytes" else [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(contents)]
    )
    table = pa.table({"image": column, "label": [i % 2 for i in range(20)]})
    names = {"info": {"features": {"label": {"names": ["crow", "heron"], "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(names)})
    (tmp_path / "data").mkdir()
    for file in ("train-00000-of-00001", "test-00000-of-00001"):
        part = table if file.startswith("train") else table.slice(0, 6)
        pq.write_table(part, tmp_path / "data" / f"{file}.parquet", row_group_size=7)
    data = open_("parquet", tmp_path, size=8)
    assert sizes(data) == (16, 4, 6)
    assert data.classes == ("crow", "heron")
    for name, (label, square) in by_name(data).items():
        row = int(name.split()[1])
        assert label == ("crow", "heron")[row % 2]
        np.testing.assert_array_equal(square, pixels[row])


def test_a_row_without_a_picture_is_broken_and_wrong_columns_and_labels_are_refused(open_, tmp_path):
    contents = [as_png(square) for square in images()]
    file = tmp_path / "birds.parquet"
    pq.write_table(pa.table({"picture": [None, *contents[1:]], "kind": ["a", "b"] * 10}), file)
    with pytest.raises(
        DataError, match=r"must have a column of labels, got picture \(binary\), kind .*data.options.label"
    ):
        open_("parquet", tmp_path)
    with pytest.raises(DataError, match=r"1 of 20 unreadable: birds\.parquet 0: .*no bytes in its row"):
        open_("parquet", tmp_path, options={"label": "kind"})
    pq.write_table(pa.table({"one": contents, "other": contents, "label": ["a", "b"] * 10}), file)
    with pytest.raises(DataError, match=r"must have one column of image files, .*data.options.image"):
        open_("parquet", tmp_path)
    pq.write_table(pa.table({"one": contents, "label": ["a", None] * 10}), file)
    with pytest.raises(DataError, match=r"birds\.parquet row 1: must have a label, a text or a whole number, got None"):
        open_("parquet", tmp_path)
    file.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"birds\.parquet: must be a Parquet file, got "):
        open_("parquet", tmp_path)


# --- all layouts alike ----------------------------------------------------------------------------------------------


def test_equal_and_leaking_photos_are_found_in_every_layout(registry, tmp_path):
    """The same 20 pictures, of which two are equal, in four layouts: one inspection each, with the same findings."""
    from harness.cli.data_inspect import inspect
    from harness.console.progress import Reporter

    random = np.random.default_rng(0)
    pictures = []
    for _ in range(20):
        blotches = Image.fromarray(random.integers(0, 255, (6, 7, 3), dtype=np.uint8))
        pictures.append(np.asarray(blotches.resize((90, 70), Image.Resampling.BICUBIC)))
    pictures[8] = pictures[2]
    labels = ["crow", "heron"] * 10
    for name in ("flat/crow", "flat/heron", "csv", "npz", "parquet"):
        (tmp_path / name).mkdir(parents=True)
    for i, picture in enumerate(pictures):
        for file in (f"flat/{labels[i]}/{i:02}.png", f"csv/{i:02}.png"):
            (tmp_path / file).write_bytes(as_png(picture))
    write(tmp_path / "csv", "path,label", *(f"{i:02}.png,{label}" for i, label in enumerate(labels)))
    np.savez(tmp_path / "npz" / "a.npz", x=np.stack(pictures), y=labels)
    pq.write_table(
        pa.table({"image": list(map(as_png, pictures)), "label": labels}), tmp_path / "parquet" / "a.parquet"
    )
    counts = {"train": {"crow": 6, "heron": 6}, "tune": {"crow": 2, "heron": 2}, "test": {"crow": 2, "heron": 2}}
    leaks = []
    layouts = {"flat": "folder", "csv": "folder", "npz": "arrays", "parquet": "parquet"}
    for folder, dataset in layouts.items():
        settings = (f"data.dataset={dataset}", *(["data.labels=labels.csv"] if folder == "csv" else []))
        found = inspect(None, None, tmp_path / folder, (), settings, Reporter(quiet=True))
        assert found["counts"] == counts
        assert [len(group) for group in found["duplicates"]] == [2]
        assert (found["broken"], found["near_duplicates"], found["label_conflicts"]) == ([], [], [])
        leaks.append(len(found["leaks"]))
    assert len(set(leaks)) == 1


def test_a_library_that_cannot_read_a_photo_makes_it_broken_and_not_the_dataset():
    from harness import image_bytes, photo_dataset

    def fail():
        raise RuntimeError("the library gave up")

    def photos(request):
        for i in range(20):
            square = np.full((8, 8, 3), i, np.uint8)
            yield Photo(f"{i}", "ab"[i % 2], fail if i == 4 else lambda square=square: image_bytes(square))

    dataset = photo_dataset("odd", photos, takes_folder=False)
    request = DataRequest(None, False, 8, 0.2, 0, "skip", {})
    assert dataset.open(request).left_out == ("4: cannot be read: the library gave up",)


def test_labels_are_for_datasets_that_read_them(registry, tmp_path):
    from harness.benchmark.data_request import data_request
    from harness.benchmark.sections import DataSection
    from harness.data.places import Root

    section = DataSection(dataset="digits", labels="labels.csv")
    with pytest.raises(DataError, match=r"^data\.labels: must be left out for .* got 'labels\.csv' for 'digits'; the"):
        data_request(registry.get("dataset", "digits", Dataset), section, Root(tmp_path))
    with pytest.raises(
        DataError, match=r"^data\.labels: must be a file in the folder with the data, .*name one with --data"
    ):
        data_request(registry.get("dataset", "folder", Dataset), section, Root(None))


def test_no_two_datasets_are_described_in_the_same_words(registry):
    summaries = [offered.summary for offered in registry.offers["dataset"].values()]
    assert len(set(summaries)) == len(summaries)
