"""Photos in folders, one folder a class, as fast.ai and torchvision lay them out.

    ROOT/train/CLASS/*.jpg    ROOT/valid/CLASS/*.jpg    and, if it is there, ROOT/test/CLASS/*.jpg

With a labelled ``test`` folder, ``valid`` is the tune split. Without it ``valid`` is the test split, and the tune split is
cut out of ``train``, the same part of every class, by a seed. A labelled ``test`` without ``valid`` is the test split in the
same way. Photos directly in ``test`` have no label and are left alone. ``_layout`` has the other names of these folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Data, DataError, DataRequest, Dataset, Photo, hookimpl, is_rubbish, photo_files
from harness_plugins.datasets._layout import folders_in, place_of, split_folders, what_is_there
from harness_plugins.datasets._photos import open_photos, set_aside

LAYOUT = "train/CLASS and valid/CLASS folders with photos"


def has_layout(root: Path) -> bool:
    """Return whether the folder has ``train``, and ``valid`` or ``test``, with folders in them."""
    splits = split_folders(root)
    with_classes = {split for split, folder in splits.items() if folders_in(folder)}
    return "train" in with_classes and len(with_classes) > 1


def find_photos(root: Path, request: DataRequest) -> list[Photo]:
    """Return every photo with its class and split; raises DataError where the layout is not there."""
    if not has_layout(root):
        raise DataError(f"{root}: must have {LAYOUT}, {what_is_there(root)}")
    folders = split_folders(root)
    second = "valid" if folders_in(folders.get("valid", root / "valid")) else "test"
    train, valid = (_classes(folders[split], request.skipped) for split in ("train", second))
    if second == "test" and "valid" in folders:
        _classes(folders["valid"], request.skipped)  # it has no folder of a class
    names = {split: folder.relative_to(root).as_posix() for split, folder in folders.items()}
    for split, classes in (("train", train), (second, valid)):
        empty = sorted(label for label, files in classes.items() if not files)
        if empty:
            raise DataError(f"{folders[split] / empty[0]}: must have photos in it, got none")
    if set(train) != set(valid):
        lonely = min(set(train) ^ set(valid))
        two_folders = f"{names['train']} and {names[second]}"
        raise DataError(f"{root}: must have the same classes in {two_folders}, got '{lonely}' in only one of them")
    if len(train) < 2:
        raise DataError(f"{folders['train']}: must have folders of two or more classes, got only '{min(train)}'")
    passed_over: list[tuple[Path, str]] = []  # files of test, which count only where it has labels
    test = _classes(folders["test"], lambda *other: passed_over.append(other)) if {second, "test"} <= {*folders} else {}
    labelled = {label for label, files in test.items() if files} if second == "valid" else set()
    if labelled and labelled != set(train):
        lonely = min(labelled ^ set(train))
        raise DataError(
            f"{folders['test']}: must have photos of the same classes as {names['train']}, got '{lonely}' in only one of them; "
            "name the folders alike, or move test elsewhere"
        )
    if labelled:
        for file, reason in passed_over:
            request.skipped(file, reason)
        return _photos(root, train, "train") + _photos(root, valid, "tune") + _photos(root, test, "test")
    training, tuning = set_aside(_photos(root, train, "train"), "tune", request.tune, request.seed)
    return training + tuning + _photos(root, valid, "test")


def _classes(folder: Path, skipped: Callable[[Path, str], None]) -> dict[str, list[Path]]:
    """Return the photos of every class, in the order of their names."""
    inner = [path for path in sorted(folder.iterdir()) if not is_rubbish(path.name)]
    for file in inner:
        if not file.is_dir():
            skipped(file, "in no folder of a class")
    return {path.name: photo_files(path, skipped) for path in inner if path.is_dir()}


def _photos(root: Path, classes: dict[str, list[Path]], split: str) -> list[Photo]:
    return [
        Photo(file.relative_to(root).as_posix(), label, file.read_bytes, split)
        for label, files in classes.items()
        for file in files
    ]


@contextmanager
def photos_of(request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
    """Give ``request.root`` and its photos."""
    if request.root is None:
        raise DataError("data.dataset: must be given photos for 'folder', got no folder; name one with --data DIR")
    root = place_of(request.root, has_layout) if request.required else request.root
    yield root, find_photos(root, request)


def open_folder(request: DataRequest) -> Data:
    """Return the photos of ``request.root``."""
    with photos_of(request) as (root, photos):
        return open_photos("folder", root, photos, request)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer folder."""
    return [Dataset(name="folder", open=open_folder, photos=photos_of)]
