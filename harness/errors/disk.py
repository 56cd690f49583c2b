"""When the operating system refuses a file, for want of room, permission or a limit: one wording, one class, ``DiskError``.

Everything that the harness writes passes here, so a full disk is never mistaken for a broken run folder, for a fault of
the harness, or for a failure of the plugin that happened to be at work.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import DiskError, shortened

LONGEST = 200  # characters of a path that are printed
_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # where it helps to know how much room there is
_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EIO: "look after the disk",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "make its file system writable",
}


@contextmanager
def writing(place: Path | str, hint: str = "", needed: int = 0) -> Iterator[None]:
    """Raise DiskError for every OSError inside; ``needed`` is in bytes, ``hint`` says where else it can be written."""
    try:
        yield
    except OSError as error:
        raise refused(error, place, hint, needed) from error


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Raise DiskError for an OSError inside, where the file's content is not known; a file that is missing passes as it is."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise
    except OSError as error:
        raise refused(error, place, must="be readable") from error


def refused(
    error: OSError, place: Path | str = "", hint: str = "", needed: int = 0, must: str = "be written"
) -> DiskError:
    """Return the line for an OSError; it names the file of the error, or ``place`` where it has none."""
    named = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    if named and not (place and named.startswith(f"{place}.")):  # that is the temporary file beside it
        place = Path(named)
    got = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return explained(place or "a file", got, error.errno or 0, hint, needed, must)


def explained(
    place: Path | str, got: str, code: int, hint: str = "", needed: int = 0, must: str = "be written"
) -> DiskError:
    """Return the error for a path or another target, with the system's message and its code from ``errno``."""
    facts = [f"'{got}'"]
    if code in _ROOM and isinstance(place, Path):
        facts += [f"{size(needed)} needed"] if needed else []
        facts += [fact for fact in (_room_text(place), file_limit()) if fact]
    remedy = _REMEDIES.get(code, "" if hint else "see what is there")
    go_on = ", then the same command goes on" if remedy and code != errno.ENAMETOOLONG else ""
    what_to_do = ", or ".join(filter(None, (f"{remedy}{go_on}", hint)))
    error = DiskError(
        f"{shortened(str(place), LONGEST, end=LONGEST // 2, dots='...')}: must {must}, got {', '.join(facts)}; {what_to_do}"
    )
    error.full = code in (errno.ENOSPC, errno.EDQUOT)
    return error


def free(place: Path) -> int | None:
    """Return the bytes that are free where a path is, or is to be; None where the system does not say."""
    with suppress(OSError):
        return shutil.disk_usage(_existing_folder(place)).free
    return None


def size(count: int) -> str:
    """Return bytes in words: "12 kB", "0.3 MB", "34 MB", "1.2 GB"."""
    if count < 100_000:
        return f"{-(-count // 1000)} kB"
    unit, value = ("GB", count / 1e9) if count >= 1e9 else ("MB", count / 1e6)
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def _room_text(place: Path) -> str:
    with suppress(OSError):
        if hasattr(os, "statvfs"):
            status = os.statvfs(_existing_folder(place))
            if status.f_files and not status.f_favail:
                return "no room for one more file"
    left = free(place)
    return "" if left is None else f"{size(left)} free"


def _existing_folder(place: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())


def file_limit() -> str:
    """Return in words how large the files of this process may become; "" where there is no limit."""
    with suppress(ImportError, OSError):  # Windows has none
        import resource

        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        return "" if limit == resource.RLIM_INFINITY else f"files of at most {size(limit)} allowed"
    return ""
