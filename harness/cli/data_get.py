"""``harness data get DATASET``: a dataset's archive downloaded, checked and unpacked to where the dataset finds it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from harness.cli import completion
from harness.cli.options import PluginFiles
from harness.errors import DataError, disk, shown
from harness.errors.disk import writing
from harness.plugin.contracts import Dataset, Download
from harness.plugin.runs import digest

if TYPE_CHECKING:
    from harness.console.progress import Reporter
    from harness.plugin.registry import Registry


def command(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A dataset that says where it can be got.", autocompletion=completion.datasets
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder to put it into, instead of the one in which datasets look by themselves."
        ),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Address to get it from, instead of its own.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="The SHA-256 that the archive must have.")] = None,
    plugin: PluginFiles = None,
) -> None:
    """Download a dataset's photos, check and unpack them.

    An interrupted download goes on where it was left.
    """
    from harness.console.progress import Reporter
    from harness.plugin.discovery import discover

    with Reporter() as reporter:
        get_photos(DownloadRequest(dataset, to, from_, sha256), discover(plugin or []), reporter)


@dataclass(frozen=True)
class DownloadRequest:
    """The dataset to get, and what the user has said about it."""

    dataset: str
    to: Path | None = None
    url: str | None = None  # --from: another place than the dataset's own
    sha256: str | None = None


def get_photos(request: DownloadRequest, registry: Registry, reporter: Reporter, patience: float | None = None) -> Path:
    """Return the folder the dataset's photos are in, after getting them where they are not there yet.

    Raises DataError where they cannot be got, within ``patience`` seconds where there is no network, or are not as expected.
    """
    from harness.data.download import PATIENCE, fetch
    from harness.data.places import downloads_folder

    download = _find_download(request, registry)
    folder = request.to or downloads_folder() / request.dataset
    if _has_layout(folder, download.files):
        reporter.say(f"already there: {_count_files(folder, download.files)} in {folder}")
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: must be an empty folder or not be there, got other files in it; see --to")
    size = f", about {disk.size(download.size)}" if download.size else ""
    reporter.say(f"getting {download.url}{size}, into {folder}")
    if download.license:
        reporter.say(f"note: {download.license}", style="yellow")
    work = folder.parent / f".{folder.name}.download"
    archive = work / f"{digest(download.url)[:8]}-{Path(urlsplit(download.url).path).name or 'archive'}"
    try:
        sha256 = fetch(download.url, archive, download.sha256, reporter.preparing, patience or PATIENCE)
    finally:
        with suppress(OSError):
            work.rmdir()  # where nothing has come
    _unpack_into(folder, archive, work / "unpacked", download, exact=not request.url, reporter=reporter)
    shutil.rmtree(work, ignore_errors=True)
    reporter.say(f"{_count_files(folder, download.files)} in {folder}")
    if download.sha256:
        reporter.say(f"its SHA-256 is as expected: {sha256}")
    else:
        reporter.say(
            "note: no SHA-256 of this archive is known, so it could not be compared; it arrived whole, as the server and "
            f"its own checksum say, and has the expected folders. It has the SHA-256 {sha256}",
            style="yellow",
        )
    return folder


def _find_download(request: DownloadRequest, registry: Registry) -> Download:
    """Return the download that the dataset declares, with the address and the hash that the user has given."""
    dataset = registry.get("dataset", request.dataset, Dataset, "data get")
    declared = dataset.download
    if declared is None:
        offers = registry.offers["dataset"]
        known = sorted(name for name in offers if getattr(offers[name].offer, "download", None))
        raise DataError(
            f"data get: must name a dataset that says where it can be got, got {shown(request.dataset)}; "
            f"there is {', '.join(known) or 'none'}"
        )
    sha256 = request.sha256 or ""
    if sha256 and not (len(sha256) == 64 and set(sha256.lower()) <= set("0123456789abcdef")):
        raise DataError(f"--sha256: must be 64 hex digits, got {shown(sha256)}")
    if request.url:
        if urlsplit(request.url).scheme not in ("http", "https"):
            raise DataError(f"--from: must be an address, http or https, got '{request.url}'")
        return replace(declared, url=request.url, sha256=sha256.lower(), size=0)
    return replace(declared, sha256=sha256.lower() or declared.sha256)


def _unpack_into(
    folder: Path, archive: Path, unpacked: Path, download: Download, exact: bool, reporter: Reporter
) -> None:
    """Unpack the archive and move its photos to the folder; raises DataError where it is not as expected."""
    from harness.data.unpack import unpack

    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with writing(folder, "see --to"):
            unpack(archive, unpacked, reporter.preparing)
        photos = _find_layout(unpacked, download.files)
        if photos is None:
            raise DataError(
                f"{download.url}: must have the folders {', '.join(download.files)}, got {_names_in(unpacked)}"
            )
        if exact:
            _check_counts(photos, download)
        with suppress(OSError):
            folder.rmdir()  # it is empty, or not there
        with writing(folder, "see --to"):
            photos.rename(folder)
    except DataError:
        archive.unlink(missing_ok=True)  # the same archive would fail again
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _check_counts(photos: Path, download: Download) -> None:
    """Raise DataError where a folder has another number of files than the dataset declares."""
    for inner, count in download.files.items():
        got = _count(photos / inner)
        if got != count:
            raise DataError(
                f"{download.url}: must have {count} files in {inner}, got {got}; name another with --from URL"
            )


def _has_layout(folder: Path, files: Mapping[str, int]) -> bool:
    """Return whether a folder has every folder that is expected, with files in it."""
    return all((folder / inner).is_dir() and _count(folder / inner) for inner in files)


def _find_layout(folder: Path, files: Mapping[str, int]) -> Path | None:
    """Return the folder with the expected layout: this one, or one of those in it; None where there is none."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return next((path for path in (folder, *inner) if _has_layout(path, files)), None)


def _count(folder: Path) -> int:
    return sum(path.is_file() and not path.name.startswith(".") for path in folder.iterdir())


def _count_files(folder: Path, files: Mapping[str, int]) -> str:
    """Return in words how many files each of the expected folders has."""
    return ", ".join(f"{inner} {_count(folder / inner):,}" for inner in files)


def _names_in(folder: Path) -> str:
    """Return the first names in a folder, for an error's line."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" or "nothing"
