"""Photos in folders, one folder a class, or photos whose classes stand in a CSV file.

    ROOT/train/CLASS/*.jpg    ROOT/valid/CLASS/*.jpg    and, if it is there, ROOT/test/CLASS/*.jpg
    ROOT/CLASS/*.jpg          or ROOT/train/CLASS/*.jpg alone
    ROOT/anywhere/*.jpg       with data.labels = "labels.csv"

With a labelled ``test`` folder, ``valid`` is the tune split. Without it ``valid`` is the test split, and the tune split is
cut out of ``train``, the same part of every class, by a seed. A labelled ``test`` without ``valid`` is the test split in the
same way. Where there is one folder a class and nothing else, the test split is cut out too. Photos directly in ``test`` have
no label and are left alone. ``_layout`` has the other names of these folders, ``_labels`` the columns of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import DataError, DataRequest, Dataset, Photo, hookimpl, is_rubbish, photo_dataset, photo_files
from harness_plugins.datasets._labels import labelled_photos
from harness_plugins.datasets._layout import flat_folder, folders_in, place_of, split_folders, what_is_there

LAYOUT = "train/CLASS and valid/CLASS folders with photos, or one folder of photos a class"

Classes = dict[str, list[Path]]  # the photos of every class, in the order of their names


def has_splits(root: Path) -> bool:
    """Return whether the folder has ``train``, and ``valid`` or ``test``, with folders in them."""
    splits = split_folders(root)
    with_classes = {split for split, folder in splits.items() if folders_in(folder)}
    return "train" in with_classes and len(with_classes) > 1


def has_layout(root: Path) -> bool:
    """Return whether the folder has splits of classes, or classes alone."""
    return has_splits(root) or flat_folder(root) is not None


def find_photos(root: Path, request: DataRequest) -> list[Photo]:
    """Return every photo with its class, and the part of the data that it is of; raises DataError where no layout is there."""
    if has_splits(root):
        return _split_photos(root, request)
    flat = flat_folder(root)
    if flat is None:
        raise DataError(f"{root}: must have {LAYOUT}, {what_is_there(root)}")
    classes = _classes(flat, request.skipped)
    _check_filled(flat, classes)
    if flat != root:
        _check_one_layout(root, flat.relative_to(root).as_posix(), classes)
    return _photos(root, classes, "train")


def _split_photos(root: Path, request: DataRequest) -> list[Photo]:
    """Return the photos of the folders train, valid and test."""
    folders = split_folders(root)
    second = "valid" if folders_in(folders.get("valid", root / "valid")) else "test"
    train, valid = (_classes(folders[split], request.skipped) for split in ("train", second))
    if second == "test" and "valid" in folders:
        _classes(folders["valid"], request.skipped)  # it has no folder of a class
    names = {split: folder.relative_to(root).as_posix() for split, folder in folders.items()}
    _check_filled(folders["train"], train)
    _check_filled(folders[second], valid)
    _check_one_layout(root, names["train"], train)
    if set(train) != set(valid):
        lonely = min(set(train) ^ set(valid))
        pair = (names["train"], names[second])
        has, lacks = pair if lonely in train else pair[::-1]
        raise DataError(
            f"{root}: must have the same classes in {names['train']} and {names[second]}, got '{lonely}' in {has} alone; "
            f"put photos of it into {lacks}/{lonely}, or take its folder out"
        )
    if len(train) < 2:
        raise DataError(f"{folders['train']}: must have folders of two or more classes, got only '{min(train)}'")
    photos = _photos(root, train, "train") + _photos(root, valid, second)
    has_third = {second, "test"} <= {*folders} and second == "valid"
    return photos + (_labelled_test(root, folders["test"], train, names["train"], request) if has_third else [])


def _labelled_test(root: Path, folder: Path, train: Classes, train_name: str, request: DataRequest) -> list[Photo]:
    """Return the photos of ``test`` where its folders are those of the classes; none where it has no labels."""
    passed_over: list[tuple[Path, str]] = []  # files of test, which count only where it has labels
    test = _classes(folder, lambda *other: passed_over.append(other))
    labelled = {label for label, files in test.items() if files}
    if not labelled:
        return []
    if labelled != set(train):
        lonely = min(labelled ^ set(train))
        raise DataError(
            f"{folder}: must have photos of the same classes as {train_name}, got '{lonely}' in "
            f"{train_name if lonely in train else folder.name} alone; "
            "name the folders alike, or move test elsewhere"
        )
    for file, reason in passed_over:
        request.skipped(file, reason)
    return _photos(root, test, "test")


def _check_one_layout(root: Path, train: str, classes: Classes) -> None:
    """Raise DataError where folders of the same classes lie beside the folder that is trained on: nobody knows which count."""
    if classes_beside := [path.name for path in folders_in(root) if path.name in classes]:
        names = ", ".join(f"'{name}'" for name in classes_beside[:4]) + (" ..." if len(classes_beside) > 4 else "")
        raise DataError(
            f"{root}: must have one layout, got {names} both in {train} and beside it; move those beside it elsewhere, or "
            f"name the folder {train} alone with --data {root / train}"
        )


def _check_filled(folder: Path, classes: Classes) -> None:
    """Raise DataError for a folder of a class without photos."""
    empty = sorted(label for label, files in classes.items() if not files)
    if empty:
        raise DataError(f"{folder / empty[0]}: must have photos in it, got none; take the folder out, or fill it")


def _classes(folder: Path, skipped: Callable[[Path, str], None]) -> Classes:
    """Return the photos of every class, in the order of their names."""
    inner = [path for path in sorted(folder.iterdir()) if not is_rubbish(path.name)]
    for file in inner:
        if not file.is_dir():
            skipped(file, "in no folder of a class")
    return {path.name: photo_files(path, skipped) for path in inner if path.is_dir()}


def _photos(root: Path, classes: Classes, part: str) -> list[Photo]:
    return [
        Photo(file.relative_to(root).as_posix(), label, file.read_bytes, part)
        for label, files in classes.items()
        for file in files
    ]


@contextmanager
def photos_of(request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
    """Give ``request.root`` and its photos."""
    if request.root is None:
        raise DataError("data.dataset: must be given photos for 'folder', got no folder; name one with --data DIR")
    if request.labels is not None:
        yield request.root, labelled_photos(request.root, request)
        return
    root = place_of(request.root, has_layout) if request.required else request.root
    yield root, find_photos(root, request)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer folder."""
    return [photo_dataset("folder", photos_of, labels=True)]
