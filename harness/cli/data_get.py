"""``harness data get``: a dataset's archive downloaded, checked and unpacked to where the dataset finds it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.console.progress import Reporter
from harness.data.download import PATIENCE, fetch
from harness.data.places import downloads_folder
from harness.data.unpack import unpack
from harness.errors import DataError, shown
from harness.errors.disk import writing
from harness.plugin.contracts import Dataset, Download
from harness.plugin.registry import Registry
from harness.plugin.runs import digest


@dataclass(frozen=True)
class Request:
    """What the user typed."""

    dataset: str
    to: Path | None = None
    url: str | None = None  # --from: another place than the dataset's own
    sha256: str | None = None


def obtain(request: Request, registry: Registry, reporter: Reporter, patience: float = PATIENCE) -> Path:
    """Return the folder the dataset's photos are in, after getting them where they are not there yet.

    Raises DataError where they cannot be got, within ``patience`` seconds without a network, or are not as expected.
    """
    wanted = _wanted(request, registry)
    folder = request.to or downloads_folder() / request.dataset
    if _layout(folder, wanted.files) is not None:
        reporter.say(f"already there: {_counts(folder, wanted.files)} in {folder}")
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: must be an empty folder or not be there, got other files in it; see --to")
    reporter.say(f"getting {wanted.url}{f', about {wanted.size / 1e6:.0f} MB' if wanted.size else ''}, into {folder}")
    if wanted.license:
        reporter.say(f"note: {wanted.license}", style="yellow")
    work = folder.parent / f".{folder.name}.download"
    archive = work / f"{digest(wanted.url)[:8]}-{Path(urlsplit(wanted.url).path).name or 'archive'}"
    try:
        sha256 = fetch(wanted.url, archive, wanted.sha256, reporter.preparing, patience)
    finally:
        with suppress(OSError):
            work.rmdir()  # where nothing has come
    _place(archive, work / "unpacked", folder, wanted, exact=not request.url, reporter=reporter)
    shutil.rmtree(work, ignore_errors=True)
    reporter.say(f"{_counts(folder, wanted.files)} in {folder}")
    if wanted.sha256:
        reporter.say(f"its SHA-256 is as expected: {sha256}")
    else:
        reporter.say(
            "note: no SHA-256 of this archive is known, so it could not be compared; it arrived whole, as the server and "
            f"its own checksum say, and has the expected folders. It has the SHA-256 {sha256}",
            style="yellow",
        )
    return folder


def _wanted(request: Request, registry: Registry) -> Download:
    dataset = registry.get("dataset", request.dataset, Dataset, "data get")
    declared = dataset.download
    if declared is None:
        there = [name for name, found in registry.found["dataset"].items() if getattr(found.offer, "download", None)]
        raise DataError(
            f"data get: must name a dataset that says where it can be got, got {shown(request.dataset)}; there is {', '.join(sorted(there)) or 'none'}"
        )
    sha256 = request.sha256 or ""
    if sha256 and not (len(sha256) == 64 and set(sha256.lower()) <= set("0123456789abcdef")):
        raise DataError(f"--sha256: must be 64 hex digits, got {shown(sha256)}")
    if request.url:
        if urlsplit(request.url).scheme not in ("http", "https"):
            raise DataError(f"--from: must be an address, http or https, got '{request.url}'")
        return replace(declared, url=request.url, sha256=sha256.lower(), size=0)
    return replace(declared, sha256=sha256.lower() or declared.sha256)


def _place(archive: Path, unpacked: Path, folder: Path, wanted: Download, exact: bool, reporter: Reporter) -> None:
    """Unpack the archive and move what is in it to the folder; raises DataError where it is not as expected."""
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with writing(folder, "see --to"):
            unpack(archive, unpacked, reporter.preparing)
        found = _layout(unpacked, wanted.files) or _layout_below(unpacked, wanted.files)
        if found is None:
            raise DataError(f"{wanted.url}: must have the folders {', '.join(wanted.files)}, got {_shown(unpacked)}")
        for inner, count in wanted.files.items():
            if exact and (got := _files(found / inner)) != count:
                raise DataError(
                    f"{wanted.url}: must have {count} files in {inner}, got {got}; name another with --from URL"
                )
        with suppress(OSError):
            folder.rmdir()  # it is empty, or not there
        with writing(folder, "see --to"):
            found.rename(folder)
    except DataError:
        archive.unlink(missing_ok=True)  # what is wrong with it stays wrong
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _layout(folder: Path, files: Mapping[str, int]) -> Path | None:
    """Return the folder where it has every folder that is expected, with files in it."""
    return folder if all((folder / inner).is_dir() and _files(folder / inner) for inner in files) else None


def _layout_below(folder: Path, files: Mapping[str, int]) -> Path | None:
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return next((path for path in inner if _layout(path, files)), None)


def _files(folder: Path) -> int:
    return sum(path.is_file() and not path.name.startswith(".") for path in folder.iterdir())


def _counts(folder: Path, files: Mapping[str, int]) -> str:
    return ", ".join(f"{inner} {_files(folder / inner):,}" for inner in files)


def _shown(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" or "nothing"
