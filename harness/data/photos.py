"""Which files of a folder or a zip are photos, and which are passed over; and photos by the numbers in their names."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.data.archive import Archive, open_archive
from harness.data.kinds import HEAD, SUFFIXES, is_rubbish, why_no_photo
from harness.errors import DataError, arguments, printable
from harness.plugin.contracts import Photo

NUMBER = re.compile(r"[0-9]{1,255}")  # as long as a file's name may be
IDS = ("number", "name")  # what a photo goes by in a submission
SHOWN = 3  # names of files that are passed over, for each reason

Skip = Callable[[Path, str], None]


class Skipped:
    """The files that are passed over, by reason; it is called with each of them and the reason."""

    def __init__(self, root: Path | None) -> None:
        self.root = root  # names are relative to it
        self.by_reason: dict[str, list[str]] = {}

    def __call__(self, file: Path, reason: str) -> None:
        """Keep the file's name under its reason."""
        within = file.relative_to(self.root) if self.root and file.is_relative_to(self.root) else file
        self.by_reason.setdefault(reason, []).append(printable(within.as_posix()))


def skipped_line(skipped: Mapping[str, Sequence[str]]) -> str:
    """Return in one line how many files are passed over, for which reasons, and some of their names; empty for none."""
    count = sum(map(len, skipped.values()))
    if not count:
        return ""
    reasons = [
        f"{len(names)} {reason}: {', '.join(names[:SHOWN])}{' ...' if len(names) > SHOWN else ''}"
        for reason, names in skipped.items()
    ]
    return f"{count} {'file is' if count == 1 else 'files are'} passed over, {'; '.join(reasons)}"


def photo_files(folder: Path, skipped: Skip = lambda file, reason: None) -> list[Path]:
    """Return the photos anywhere in a folder, ordered by path. Nothing that is hidden is among them.

    A file is a photo by its suffix or by its first bytes. A link that leads nowhere and has a photo's suffix is among them:
    it is a photo that cannot be read.

    Args:
        folder: Where to look.
        skipped: Is called with every file that is passed over, and the reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "cat.jpg").write_bytes(b""), Path(folder, ".hidden.jpg").write_bytes(b"")
    ...     [file.name for file in photo_files(Path(folder))]
    ['cat.jpg']
    """
    folder, photos = arguments.path("folder", folder), []
    if not folder.is_dir():
        raise DataError(
            f"{folder}: must be a folder, got {'a file' if folder.exists() else 'nothing there'}; check the path"
        )
    for file, regular in sorted(_walk_files(folder, arguments.function("skipped", skipped))):
        reason = _why_no_photo(file, regular)
        if reason:
            skipped(file, reason)
        else:
            photos.append(file)
    return photos


def photo_members(
    archive: Archive, within: str = "", skipped: Skip = lambda file, reason: None
) -> dict[str, zipfile.ZipInfo]:
    """Return the photos of an archive, by name, as ``photo_files`` does for a folder.

    Args:
        archive: An archive that ``open_archive`` gave.
        within: What their names begin with: a folder in the archive.
        skipped: Is called with every file that is passed over, and the reason.

    >>> import tempfile
    >>> from harness import open_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "photos.zip")
    ...     with zipfile.ZipFile(file, "w") as content:
    ...         content.writestr("cats/1.jpg", b"")
    ...     with open_archive(file) as archive:
    ...         list(photo_members(archive))
    ['cats/1.jpg']
    """
    arguments.instance("archive", archive, Archive, "an archive, which open_archive() gives")
    within, skipped, photos = arguments.text("within", within), arguments.function("skipped", skipped), {}
    for name, member in archive.members.items():
        if name.startswith(within):
            reason = why_no_photo(name, partial(archive.head, member, HEAD))
            if reason:
                skipped(archive.file / name, reason)
            else:
                photos[name] = member
    return photos


def _why_no_photo(file: Path, regular: bool) -> str:
    if not regular and file.is_symlink() and not file.exists():
        return "" if file.suffix.lower() in SUFFIXES else "link to nothing"
    return why_no_photo(file.name, partial(_read_head, file)) if regular or file.is_file() else "not a regular file"


def _read_head(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(HEAD)


def _walk_files(folder: Path, skipped: Skip) -> Iterator[tuple[Path, bool]]:
    """Yield (path, whether it is a regular file and no link) of everything in a folder that is neither folder nor rubbish.

    A folder is walked once, by whatever links it is reached, and none above the first is: it has other classes. Linked
    folders come after the others, so that a photo has its own path where it has one.
    """
    folders, links = [folder], list[Path]()
    walked = {_folder_identity(above) for above in (folder, *folder.resolve().parents, *folder.absolute().parents)}
    while folders or links:
        if not folders:
            link = min(links)
            links.remove(link)
            if _folder_identity(link) in walked:
                skipped(link, "link to a folder above it or read already")
                continue
            walked.add(_folder_identity(link))
            folders.append(link)
        current = folders.pop()
        try:
            with os.scandir(current) as entries:
                inner = [entry for entry in entries if not is_rubbish(entry.name)]
        except OSError as error:
            skipped(current, f"folder that cannot be read ({error.strerror or error})")
            continue
        for entry in inner:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                walked.add(_folder_identity(path))
                folders.append(path)
            elif entry.is_symlink() and path.is_dir():
                links.append(path)
            else:
                yield path, entry.is_file(follow_symlinks=False)


def _folder_identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class Numbered:
    """A photo by what it goes by in a submission: the number ``N`` of ``N.jpg``, or else its file name; or its bare name."""

    id: str
    photo: Photo


@contextmanager
def open_photos(
    place: Path, skipped: Skip = lambda file, reason: None, ids: str = "number"
) -> Iterator[Sequence[Numbered]]:
    """Give the photos of a folder or a zip, readable until it is left: by number, and after those by name.

    ``ids`` is one of ``IDS``: "number" makes ``00012.jpg`` 12 and leaves other file names whole, "name" takes the suffix
    off every name and leaves the rest as it is, ``00012``. ``skipped`` is called with every file that is passed over, and
    the reason. Raises DataError where there are none, where two go by one name, and for an archive not to be trusted.
    """
    if place.is_dir():
        photos = [
            Photo(file.relative_to(place).as_posix(), "", file.read_bytes) for file in photo_files(place, skipped)
        ]
        yield _number_photos(photos, place, ids)
    elif zipfile.is_zipfile(place):
        with open_archive(place) as archive:
            members = photo_members(archive, skipped=skipped)
            photos = [Photo(name, "", partial(archive.read, info)) for name, info in members.items()]
            yield _number_photos(photos, place, ids)
    else:
        found_text = "another file" if place.exists() else "nothing there"
        raise DataError(f"{place}: must be a folder or a zip archive of photos, got {found_text}; check the path")


def _number_photos(photos: Sequence[Photo], place: Path, ids: str) -> list[Numbered]:
    by_id: dict[str, Photo] = {}
    for photo in photos:
        file = photo.name.rpartition("/")[2]
        stem = file.rpartition(".")[0] or file
        name = stem if ids == "name" else str(int(stem)) if NUMBER.fullmatch(stem) else file
        first_photo = by_id.setdefault(name, photo)
        if first_photo is not photo:
            raise DataError(
                f"{place}: must have photos of different names, got '{first_photo.name}' and '{photo.name}'; name the folder of one of them"
            )
    if not by_id:
        raise DataError(f"{place}: must have photos (JPEG, PNG, GIF, BMP, TIFF or WebP), got none; check the path")
    return [Numbered(name, by_id[name]) for name in sorted(by_id, key=_sort_key)]


def _sort_key(name: str) -> tuple[bool, int, str]:
    number = NUMBER.fullmatch(name)
    return not number, int(name) if number else 0, name
