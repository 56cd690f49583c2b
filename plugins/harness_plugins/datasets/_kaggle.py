"""Kaggle's layout of Dogs vs. Cats: one heap of labelled photos, as an archive or unpacked.

    ROOT/train.zip with train/cat.0.jpg, train/dog.0.jpg, ...    or    ROOT/train/cat.0.jpg, ROOT/train/dog.0.jpg, ...

The archive may have its photos without the folder ``train``, or one deeper, and so may the heap be one deeper. The archive comes first where both are there: it cannot be half unpacked. Kaggle's ``test1`` has no labels and is left
alone. So the test split is 8 % of every class, by a seed: of all 25,000 photos that is fast.ai's 23,000 and 2,000.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness import DataError, DataRequest, Photo, open_archive, photo_files, photo_members, stratified
from harness_plugins.datasets._layout import split_folders

TEST = 0.08  # the part of every class that becomes the test split
NAME = re.compile(r"(cat|dog)\.([0-9]{1,9})(\.[^./]*)?", re.IGNORECASE)

LAYOUT = "train.zip or train/ with cat.N.jpg and dog.N.jpg"


def has_layout(root: Path) -> bool:
    """Return whether the folder has ``train.zip``, or photos named as in it directly in ``train``."""
    heap = split_folders(root).get("train")
    return _archive(root) is not None or (
        heap is not None and any(NAME.fullmatch(path.name) for path in heap.iterdir())
    )


@contextmanager
def find_photos(root: Path, request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
    """Give where the photos are and all of them, those of test marked, readable until it is left.

    Raises DataError for an archive that is broken or not to be trusted, and where a class is missing.
    """
    file = _archive(root)
    if file is None:
        heap = split_folders(root)["train"]
        files = {path.relative_to(root).as_posix(): path.read_bytes for path in photo_files(heap, request.skipped)}
        within = f"{heap.relative_to(root).as_posix()}/"
        yield heap, _test_marked(_labelled(heap, files, within), request.seed)
        return
    with open_archive(file) as archive:
        levels = ("train/train/", "train/", "")
        within = next(level for level in levels if _has_folder(archive.members, level))
        members = photo_members(archive, within, request.skipped)
        read = {name: partial(archive.read, member) for name, member in members.items()}
        yield file, _test_marked(_labelled(file, read, within), request.seed)


def _archive(root: Path) -> Path | None:
    """Return the file ``train.zip``, in upper or lower case; None where there is none."""
    files = sorted(root.iterdir()) if root.is_dir() else []
    return next((path for path in files if path.name.lower() == "train.zip" and path.is_file()), None)


def _has_folder(names: Iterable[str], folder: str) -> bool:
    return not folder or any(name.startswith(folder) for name in names)


def _labelled(where: Path, files: Mapping[str, Callable[[], bytes]], within: str) -> list[Photo]:
    """Return the photos in the order of class and number; raises DataError where a class or a label is missing.

    All names begin with ``within``, the folder of the heap.
    """
    matches = {name: match for name in files if (match := NAME.fullmatch(name.removeprefix(within)))}
    words = {match[1].lower() for match in matches.values()}
    if len(words) < 2:
        raise DataError(
            f"{where}: must have photos train/cat.N.jpg and train/dog.N.jpg, got {f'only {min(words)}s' if words else 'none'}; name another folder with --data DIR"
        )
    strays = sorted(name for name in files if name not in matches)
    if strays:
        raise DataError(
            f"{where}: must have photos named cat.N.jpg or dog.N.jpg, got {len(strays)} of another name, {strays[0]!r}; take them out"
        )
    ordered = sorted(matches, key=lambda name: (matches[name][1].lower(), int(matches[name][2]), name))
    return [Photo(name, f"{matches[name][1].lower()}s", files[name]) for name in ordered]


def _test_marked(photos: list[Photo], seed: int) -> list[Photo]:
    """Return the photos in their order, a part of every class moved to the test split."""
    _, aside = stratified([photo.label for photo in photos], TEST, seed)
    tested = set(aside)
    return [replace(photo, split="test") if i in tested else photo for i, photo in enumerate(photos)]
