"""Photos without labels, in a folder or a zip, in the order of the numbers in their names."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.contracts import Photo
from harness.data.archive import open_archive
from harness.errors import DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
NUMBER = re.compile(r"[0-9]+")
IDS = ("number", "name")  # what a photo goes by in a submission


def photo_files(folder: Path) -> list[Path]:
    """Return the photos anywhere in a folder, by their suffixes and ordered by path; nothing that is hidden.

    A link that leads nowhere is among them: it is a photo that cannot be read.
    """
    files = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return sorted(path for path in shown if path.is_file() or (path.is_symlink() and not path.exists()))


@dataclass(frozen=True)
class Numbered:
    """A photo by what it goes by in a submission: the number ``N`` of ``N.jpg``, or else its file name; or its bare name."""

    id: str
    photo: Photo


@contextmanager
def open_photos(place: Path, ids: str = "number") -> Iterator[Sequence[Numbered]]:
    """Give the photos of a folder or a zip, readable until it is left: by number, and after those by name.

    ``ids`` is one of ``IDS``: "number" makes ``00012.jpg`` 12 and leaves other file names whole, "name" takes the suffix off
    every name and leaves the rest as it is, ``00012``. Raises DataError where there are none, where two go by one name, and for an archive not to be trusted.
    """
    if place.is_dir():
        found = [Photo(file.relative_to(place).as_posix(), "", file.read_bytes) for file in photo_files(place)]
        yield _numbered(found, place, ids)
    elif zipfile.is_zipfile(place):
        with open_archive(place) as archive:
            shown = {name: info for name, info in archive.members.items() if name.lower().endswith(SUFFIXES)}
            yield _numbered([Photo(name, "", partial(archive.read, info)) for name, info in shown.items()], place, ids)
    else:
        got = "another file" if place.exists() else "nothing there"
        raise DataError(f"{place}: must be a folder or a zip archive of photos, got {got}; check the path")


def _numbered(photos: Sequence[Photo], place: Path, ids: str) -> list[Numbered]:
    by_id: dict[str, Photo] = {}
    for photo in photos:
        file = photo.name.rpartition("/")[2]
        stem = file.rpartition(".")[0]
        name = stem if ids == "name" else str(int(stem)) if NUMBER.fullmatch(stem) else file
        other = by_id.setdefault(name, photo)
        if other is not photo:
            raise DataError(
                f"{place}: must have photos of different names, got '{other.name}' and '{photo.name}'; name the folder of one of them"
            )
    if not by_id:
        raise DataError(f"{place}: must have photos ({', '.join(SUFFIXES)}), got none; check the path")
    return [Numbered(name, by_id[name]) for name in sorted(by_id, key=_order)]


def _order(name: str) -> tuple[bool, int, str]:
    number = NUMBER.fullmatch(name)
    return not number, int(name) if number else 0, name
