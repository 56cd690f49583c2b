"""Photos in folders, one folder a class, as fast.ai and torchvision lay them out.

    ROOT/train/CLASS/*.jpg    ROOT/valid/CLASS/*.jpg    and, if it is there, ROOT/test/CLASS/*.jpg

With a labelled ``test`` folder, ``valid`` is the tune split. Without it ``valid`` is the test split, and the tune split is
cut out of ``train``, the same part of every class, by a seed. Photos directly in ``test`` have no label and are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Data, DataError, DataRequest, Dataset, Photo, hookimpl, is_rubbish, photo_files
from harness_plugins.datasets._photos import open_photos, set_aside

LAYOUT = "train/CLASS and valid/CLASS folders with photos"


def has_layout(root: Path) -> bool:
    """Return whether the folder has ``train`` and ``valid`` with folders in them."""
    return all(
        (root / name).is_dir() and any(p.is_dir() for p in (root / name).iterdir()) for name in ("train", "valid")
    )


def find_photos(root: Path, request: DataRequest) -> list[Photo]:
    """Return every photo with its class and split; raises DataError where the layout is not there."""
    if not has_layout(root):
        raise DataError(f"{root}: must have {LAYOUT}, got none; see --data")
    train, valid = (_classes(root / name, request.skipped) for name in ("train", "valid"))
    for split, found in (("train", train), ("valid", valid)):
        empty = sorted(label for label, files in found.items() if not files)
        if empty:
            raise DataError(f"{root / split / empty[0]}: must have photos in it, got none")
    if set(train) != set(valid):
        lonely = min(set(train) ^ set(valid))
        raise DataError(f"{root}: must have the same classes in train and valid, got '{lonely}' in only one of them")
    if len(train) < 2:
        raise DataError(f"{root / 'train'}: must have folders of two or more classes, got only '{min(train)}'")
    others: list[tuple[Path, str]] = []  # files of test that are passed over, which counts only where it has labels
    test = _classes(root / "test", lambda *other: others.append(other)) if (root / "test").is_dir() else {}
    labelled = {label for label, files in test.items() if files}
    if labelled and labelled != set(train):
        lonely = min(labelled ^ set(train))
        raise DataError(
            f"{root / 'test'}: must have photos of the same classes as train, got '{lonely}' in only one of them; "
            "name the folders alike, or move test elsewhere"
        )
    if labelled:
        for file, reason in others:
            request.skipped(file, reason)
        return _photos(root, train, "train") + _photos(root, valid, "tune") + _photos(root, test, "test")
    kept, tuning = set_aside(_photos(root, train, "train"), "tune", request.tune, request.seed)
    return kept + tuning + _photos(root, valid, "test")


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
    yield request.root, find_photos(request.root, request)


def open_folder(request: DataRequest) -> Data:
    """Return the photos of ``request.root``."""
    with photos_of(request) as (where, photos):
        return open_photos("folder", where, photos, request)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer folder."""
    return [Dataset(name="folder", open=open_folder, photos=photos_of)]
