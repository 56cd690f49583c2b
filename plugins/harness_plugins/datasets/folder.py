"""Photos in folders, one folder a class, as fast.ai and torchvision lay them out.

    ROOT/train/CLASS/*.jpg    ROOT/valid/CLASS/*.jpg    and, if it is there, ROOT/test/CLASS/*.jpg

With a labelled ``test`` folder, ``valid`` is the tune split. Without it ``valid`` is the test split, and the tune split is
cut out of ``train``, the same part of every class, by a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness import Data, DataError, DataRequest, Dataset, Split, decode_photos, digest, hookimpl, stratified

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


class Photo(NamedTuple):
    """A photo found: its file, its class, and the split it is in."""

    file: Path
    label: str
    split: str  # train, tune or test


def has_layout(root: Path) -> bool:
    """Return whether the folder has ``train`` and ``valid`` with folders in them."""
    return all(
        (root / name).is_dir() and any(p.is_dir() for p in (root / name).iterdir()) for name in ("train", "valid")
    )


def find_photos(root: Path, tune: float, seed: int) -> list[Photo]:
    """Return every photo with its class and split; raises DataError where the layout is not there."""
    if not has_layout(root):
        raise DataError(f"{root}: must have train/CLASS and valid/CLASS folders with photos, got none; see --data")
    train, valid = _classes(root / "train"), _classes(root / "valid")
    for split, found in (("train", train), ("valid", valid)):
        empty = sorted(label for label, files in found.items() if not files)
        if empty:
            raise DataError(f"{root / split / empty[0]}: must have photos in it, got none")
    if set(train) != set(valid):
        lonely = min(set(train) ^ set(valid))
        raise DataError(f"{root}: must have the same classes in train and valid, got '{lonely}' in only one of them")
    if len(train) < 2:
        raise DataError(f"{root / 'train'}: must have folders of two or more classes, got only '{min(train)}'")
    test = _classes(root / "test") if (root / "test").is_dir() else {}
    if set(test) == set(train) and all(test.values()):
        return _photos(train, "train") + _photos(valid, "tune") + _photos(test, "test")
    labelled = _photos(train, "train")
    kept, aside = stratified([photo.label for photo in labelled], tune, seed)
    tuning = [labelled[i]._replace(split="tune") for i in aside]
    return [labelled[i] for i in kept] + tuning + _photos(valid, "test")


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Return the photos of every class, in the order of their names."""
    return {
        inner.name: sorted(file for file in inner.rglob("*") if file.suffix.lower() in SUFFIXES)
        for inner in sorted(folder.iterdir())
        if inner.is_dir() and not inner.name.startswith(".")
    }


def _photos(classes: dict[str, list[Path]], split: str) -> list[Photo]:
    return [Photo(file, label, split) for label, files in classes.items() for file in files]


def open_photos(name: str, root: Path, photos: Sequence[Photo], request: DataRequest) -> Data:
    """Return the photos decoded and split; raises DataError for an unreadable one unless they are to be skipped."""
    import numpy as np

    store = decode_photos([photo.file for photo in photos], request.size, request.progress)
    broken = {i: f"{photos[i].file.relative_to(root)}: {why}" for i, why in store.broken.items()}
    if broken and request.on_bad_image == "error":
        shown = "; ".join(list(broken.values())[:3])
        raise DataError(
            f"{root}: must have readable photos, got {len(broken)} of {len(photos)} unreadable: {shown}"
            f'{" ..." if len(broken) > 3 else ""}; remove them, or set data.on_bad_image = "skip"'
        )
    labels = sorted({photo.label for photo in photos})
    number = {label: i for i, label in enumerate(labels)}

    def split(which: str) -> Split:
        rows = [i for i, photo in enumerate(photos) if photo.split == which and i not in broken]
        for label in labels:
            if not any(photos[i].label == label for i in rows):
                raise DataError(
                    f"{root}: must have readable photos of every class in every split, got none of '{label}' in {which}"
                )
        first, last = rows[0], rows[-1] + 1
        whole = len(rows) == last - first  # then a view of the memory-mapped store serves
        inputs = store.pixels[first:last] if whole else store.pixels[rows]
        targets = np.array([number[photos[i].label] for i in rows], dtype=np.int64)
        return Split(inputs, targets, tuple(photos[i].file.relative_to(root).as_posix() for i in rows))

    described = [[photo.label, photo.split, key] for photo, key in zip(photos, store.keys, strict=True)]
    return Data(
        name=name,
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest([name, request.size, store.sha256, sorted(broken), described]),
        source=f"photos in {root.resolve()}",
        classes=tuple(labels),
        left_out=tuple(broken.values()),
    )


def open_folder(request: DataRequest) -> Data:
    """Return the photos of ``request.root``."""
    if request.root is None:
        raise DataError("data.dataset: must be given photos for 'folder', got no folder; name one with --data DIR")
    photos = find_photos(request.root, request.tune, request.seed)
    return open_photos("folder", request.root, photos, request)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer folder."""
    return [Dataset(name="folder", open=open_folder)]
