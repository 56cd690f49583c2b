"""Unpacking an archive from a stranger, a tar or a zip: every name, kind and size is checked before anything is written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.data.archive import MOST_MEMBERS, MOST_OF_A_MEMBER, MOST_OF_ALL, open_archive
from harness.data.kinds import is_rubbish
from harness.errors import DataError

MOST_RATIO = 50  # unpacked to packed, of all; photos do not shrink
SMALL = 2**26  # bytes, unpacked, below which the ratio says nothing
MOST_BETWEEN = 2**20  # bytes of headers before a member: a long name, times, what a pax header says
MOST_BEHIND = 2**24  # bytes behind the last member: tar fills up to its block size
OPENERS: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)

Progress = Callable[[str, int, int], None]


def unpack(archive: Path, folder: Path, progress: Progress) -> int:
    """Unpack a tar, plain or compressed, or a zip into a folder, and return how many files it had.

    Its files and folders only, never a link or a device, nothing outside the folder, nothing hidden. The archive is read
    to its last byte, so that its own checksum is checked. Raises DataError for one that is broken or not to be trusted, and
    OSError where it cannot be written, or has two files of one name.
    """
    if zipfile.is_zipfile(archive):
        return _unpack_zip(archive, folder, progress)
    packed = archive.stat().st_size
    count = total = 0
    seen = 0
    with _open_tar(archive) as (plain, metered, raw):
        for member in _read_members(archive, plain, metered):
            name = _check_member(archive, member)
            total += member.size
            seen += 1
            if seen > MOST_MEMBERS:
                raise _refusal(archive, f"must have at most {MOST_MEMBERS:,} members, got more")
            if total > MOST_OF_ALL or (total > SMALL and total > MOST_RATIO * packed):
                raise _refusal(archive, f"must not unpack to more than it should, got {total / 1e9:.1f} GB and more")
            if member.isfile() and not _is_hidden(name):
                _write_member(archive, plain, member, folder / name)
                count += 1
                if not count % 100:
                    progress("unpacking, in MB", raw.tell() // 10**6, packed // 10**6)
    progress("unpacking, in MB", packed // 10**6, packed // 10**6)
    return count


@contextmanager
def _open_tar(archive: Path) -> Iterator[tuple[tarfile.TarFile, _Metered, IO[bytes]]]:
    """Give the archive as a stream of members, the bytes it is read from, and the file below, by which one sees how far it is."""
    with archive.open("rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
        with opener(raw) if opener else archive.open("rb") as plain:  # type: ignore[arg-type]
            metered = _Metered(archive, plain)
            with _as_data_error(archive):
                stream: Any = metered
                tar = tarfile.open(fileobj=stream, mode="r|", errorlevel=2)  # noqa: SIM115 (only its beginning is guarded)
            with tar:
                yield tar, metered, raw
            metered.left = MOST_BEHIND
            with _as_data_error(archive):
                while metered.read(2**20):
                    pass


class _Metered:
    """A stream that gives so many bytes until more are allowed, because the tar reader takes whatever a header asks for."""

    def __init__(self, archive: Path, stream: IO[bytes]) -> None:
        self.left = MOST_BETWEEN
        self._archive = archive
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Return the next bytes; raises DataError where they are more than was allowed."""
        content = self._stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise _refusal(
                self._archive, "must be files with short headers and an end, got more bytes between or behind them"
            )
        return content


def _read_members(archive: Path, tar: Any, metered: _Metered) -> Iterator[tarfile.TarInfo]:
    while True:
        with _as_data_error(archive):
            member = tar.next()
        if member is None:
            return
        tar.members = []  # or it would keep all of them
        metered.left = member.size + MOST_BETWEEN
        yield member


@contextmanager
def _as_data_error(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise  # of the disk, not of the archive
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{archive}: must be a whole archive, got '{reason}'; remove it and get it again") from error


def _check_member(archive: Path, member: tarfile.TarInfo) -> str:
    """Return the member's name; raises DataError where it is not to be trusted."""
    name = member.name
    shown = repr(name if len(name) <= 80 else f"{name[:77]}...")
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\0" in name:
        raise _refusal(archive, f"must have members with relative names, got {shown}")
    if ".." in name.split("/"):
        raise _refusal(archive, f"must have members that stay inside the folder, got {shown}")
    if not (member.isfile() or member.isdir()):
        kind_name = "a link" if member.issym() or member.islnk() else "a special file"
        raise _refusal(archive, f"must have only files and folders, got {kind_name}, {shown}")
    if member.size > MOST_OF_A_MEMBER:
        raise _refusal(archive, f"must have members of at most {MOST_OF_A_MEMBER >> 20} MiB, got {shown}")
    return name


def _refusal(archive: Path, why: str) -> DataError:
    return DataError(f"{archive}: {why}; do not trust it, and get it from where it was published")


def _is_hidden(name: str) -> bool:
    return any(part != "." and is_rubbish(part) for part in name.split("/"))


def _write_member(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> None:
    with _as_data_error(archive):
        content = tar.extractfile(member)
    assert content is not None  # it is a file
    with _create_file(file) as out, _as_data_error(archive):
        shutil.copyfileobj(content, out, 2**20)
        if out.tell() != member.size:
            raise EOFError(f"an end within {member.name}")


def _create_file(file: Path) -> IO[bytes]:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("xb")


def _unpack_zip(file: Path, folder: Path, progress: Progress) -> int:
    with open_archive(file) as archive:
        for done, (name, info) in enumerate(archive.members.items(), 1):
            with _create_file(folder / name) as out:
                out.write(archive.read(info))
            progress("unpacking files", done, len(archive.members))
    return len(archive.members)
