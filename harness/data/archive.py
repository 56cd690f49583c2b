"""A zip that is read in place: it is never unpacked to disk, and everything in its directory is checked first.

Refused are names that lead out of a folder, links, encryption, and bombs: members or archives that would fill the
memory (https://www.bamsoftware.com/hacks/zipbomb/).
"""

from __future__ import annotations

import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.data.kinds import is_rubbish
from harness.errors import DataError, arguments

MOST_OF_A_MEMBER = 64 * 2**20  # bytes, unpacked
MOST_OF_ALL = 64 * 2**30  # bytes, unpacked
MOST_MEMBERS = 2_000_000
MOST_RATIO = 200  # unpacked to packed, of a member larger than:
SMALL = 2**20  # bytes, unpacked
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound on their output
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Archive:
    """An open zip, every member of which passed the checks; ``read`` may be called from several threads."""

    file: Path
    members: dict[str, zipfile.ZipInfo]  # by name, without folders, hidden files and what systems add
    _zip: zipfile.ZipFile
    _lock: threading.Lock

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """Return the member unpacked, never more bytes than it declares; raises DataError where it is damaged."""
        return self._read(member, member.file_size + 1)  # which stops there, whatever the data would become

    def head(self, member: zipfile.ZipInfo, count: int) -> bytes:
        """Return the first ``count`` bytes of the member, or all where it has fewer; raises DataError as ``read`` does."""
        return self._read(member, count)

    def _read(self, member: zipfile.ZipInfo, count: int) -> bytes:
        try:
            with self._lock:  # opening and closing count the users of the file, reading has a lock of its own
                content = self._zip.open(member)
            try:
                unpacked = content.read(count)
            finally:
                with self._lock:
                    content.close()
            if len(unpacked) != min(count, member.file_size):
                raise EOFError(f"{len(unpacked)} of {member.file_size} bytes")
        except DAMAGE as error:
            raise DataError(
                f"{self.file}: must be an undamaged zip archive, got {_error_line(error)} in {_quote_name(member.filename)}; get it again"
            ) from error
        return unpacked


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Give a zip opened and checked, in a ``with`` statement.

    Args:
        file: The zip file.

    Returns:
        The archive, whose ``members`` have the files by name and whose ``read(member)`` returns one unpacked.

    Raises:
        DataError: It is broken, or not to be trusted.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "photos.zip")
    ...     with zipfile.ZipFile(file, "w") as content:
    ...         content.writestr("cats/1.jpg", b"pixels")
    ...     with open_archive(file) as archive:
    ...         archive.read(archive.members["cats/1.jpg"])
    b'pixels'
    """
    file = arguments.path("file", file)
    try:
        opened = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise DataError(f"{file}: must be a whole zip archive, got '{_error_line(error)}'; get it again") from error
    with opened:
        infos = opened.infolist()
        _check(file, infos)
        yield Archive(file, _files_by_name(file, infos), opened, threading.Lock())


def _check(file: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Raise DataError for the first member that is not to be trusted."""
    if len(infos) > MOST_MEMBERS:
        raise DataError(f"{file}: must have at most {MOST_MEMBERS:,} members, got {len(infos):,}; do not trust it")
    total = 0
    for info in infos:
        total += info.file_size
        fault = _name_fault(info.orig_filename) or _kind_fault(info) or _size_fault(info)
        if fault:
            raise DataError(f"{file}: {fault}; make the archive anew, or get it from where it was published")
    if total > MOST_OF_ALL:
        raise DataError(
            f"{file}: must unpack to at most {MOST_OF_ALL >> 30} GiB, got {total / 2**30:.1f} GiB; do not trust it"
        )


def _name_fault(name: str) -> str:
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\0" in name:
        return f"must have members with relative names, got {_quote_name(name)}"
    if ".." in name.split("/"):
        return f"must have members that stay inside the folder, got {_quote_name(name)}"
    return ""


def _kind_fault(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where it was not packed on Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind_name = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
        return f"must have only files and folders, got {kind_name}, {_quote_name(info.filename)}"
    if info.flag_bits & 0x1:
        return f"must not be encrypted, got {_quote_name(info.filename)} encrypted"
    if info.compress_type not in METHODS:
        return f"must be stored or deflated, got {_quote_name(info.filename)} packed by method {info.compress_type}"
    return ""


def _size_fault(info: zipfile.ZipInfo) -> str:
    if max(info.file_size, info.compress_size) > MOST_OF_A_MEMBER:
        return f"must have members of at most {MOST_OF_A_MEMBER >> 20} MiB, got {_quote_name(info.filename)} of {info.file_size >> 20} MiB"
    if info.file_size > SMALL and info.file_size > MOST_RATIO * info.compress_size:
        return f"must unpack to at most {MOST_RATIO} times its size, got more for {_quote_name(info.filename)}"
    return ""


def _files_by_name(file: Path, infos: Iterable[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the files by name, without hidden ones; raises DataError where two have one name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        parts = info.filename.split("/")
        if info.is_dir() or any(is_rubbish(part) for part in parts):
            continue
        if info.filename in members:
            raise DataError(
                f"{file}: must have members of different names, got two {_quote_name(info.filename)}; make it anew"
            )
        members[info.filename] = info
    return members


def _quote_name(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


def _error_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
