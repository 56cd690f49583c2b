"""Kaggle's layout of Dogs vs. Cats: one heap of labelled photos, as an archive or unpacked.

    ROOT/train.zip with train/cat.0.jpg, train/dog.0.jpg, ...    or    ROOT/train/cat.0.jpg, ROOT/train/dog.0.jpg, ...

The archive comes first where both are there: it cannot be half unpacked. Kaggle's ``test1`` has no labels and is left
alone. So the test split is 8 % of every class, by a seed: of all 25,000 photos that is fast.ai's 23,000 and 2,000. The
tune split is then cut out of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from harness import DataError, Photo, open_archive
from harness_plugins.datasets._photos import set_aside

TEST = 0.08  # the part of every class that becomes the test split
NAME = re.compile(r"train/(cat|dog)\.([0-9]{1,9})\.jpe?g", re.IGNORECASE)
STRAY = re.compile(r"train/[^/]+\.(jpe?g|png|bmp|gif|tiff?|webp)", re.IGNORECASE)  # a photo without a label

LAYOUT = "train.zip or train/ with cat.N.jpg and dog.N.jpg"


def has_layout(root: Path) -> bool:
    """Return whether the folder has ``train.zip``, or photos named as in it directly in ``train``."""
    return (root / "train.zip").is_file() or any(NAME.fullmatch(name) for name in _unpacked(root))


@contextmanager
def find_photos(root: Path, tune: float, seed: int) -> Iterator[tuple[Path, list[Photo]]]:
    """Give where the photos are and all of them, split by split, readable until it is left.

    Raises DataError for an archive that is broken or not to be trusted, and where a class is missing.
    """
    file = root / "train.zip"
    if not file.is_file():
        read = {name: (root / name).read_bytes for name in _unpacked(root)}
        yield root / "train", _split(_labelled(root / "train", read), tune, seed)
        return
    with open_archive(file) as archive:
        members = {name: partial(archive.read, member) for name, member in archive.members.items()}
        yield file, _split(_labelled(file, members), tune, seed)


def _unpacked(root: Path) -> Iterable[str]:
    """Yield the names of the files directly in ``train``, as they would be in the archive."""
    if (root / "train").is_dir():
        for path in (root / "train").iterdir():
            dangling = path.is_symlink() and not path.exists()  # a photo too, a broken one
            if not path.name.startswith(".") and (path.is_file() or dangling):
                yield f"train/{path.name}"


def _labelled(where: Path, files: Mapping[str, Callable[[], bytes]]) -> list[Photo]:
    """Return the photos in the order of class and number; raises DataError where a class or a label is missing."""
    found = {name: match for name in files if (match := NAME.fullmatch(name))}
    there = {match[1].lower() for match in found.values()}
    if len(there) < 2:
        raise DataError(
            f"{where}: must have photos train/cat.N.jpg and train/dog.N.jpg, got {f'only {min(there)}s' if there else 'none'}; see --data"
        )
    strays = sorted(name for name in files if name not in found and STRAY.fullmatch(name))
    if strays:
        raise DataError(
            f"{where}: must have photos named cat.N.jpg or dog.N.jpg, got {len(strays)} of another name, {strays[0]!r}; take them out"
        )
    ordered = sorted(found, key=lambda name: (found[name][1].lower(), int(found[name][2]), name))
    return [Photo(name, f"{found[name][1].lower()}s", files[name]) for name in ordered]


def _split(photos: list[Photo], tune: float, seed: int) -> list[Photo]:
    """Return the photos split by split, each in their order."""
    rest, test = set_aside(photos, "test", TEST, seed)
    train, tuning = set_aside(rest, "tune", tune, seed)
    return train + tuning + test
