"""Where things lie on this machine: the cache, downloaded data, and the data a command is to use."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError

NAME = "optimizer-harness"  # of our folder among those of other programs
IN_CACHE: Mapping[str, str] = {  # a folder in the cache, and what is in it
    "images": "photos, decoded and cut to their size, and drawings",
    "features": "features of frozen backbones",
    "shipped": "what the workers of a cluster were sent",
}


@dataclass(frozen=True)
class Root:
    """The folder a dataset is to look in, if there is one."""

    path: Path | None
    required: bool = False  # the user named it: it must be used, or refused
    downloaded: bool = False  # it is there because of ``harness data get``


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$HARNESS_CACHE``, or our folder where this system keeps caches.

    >>> cache_folder().is_absolute() or "HARNESS_CACHE" in os.environ
    True
    """
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / NAME
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches" / NAME
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / NAME


def downloads_folder() -> Path:
    """Return ``$HARNESS_DOWNLOADS``, or our folder where this system keeps a user's data; a dataset has one in it."""
    if named := os.environ.get("HARNESS_DOWNLOADS"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / NAME / "data"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / NAME / "data"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share")) / NAME


def find_root(named: Path | None, dataset: str) -> Root:
    """Return the folder a dataset looks in: --data, $HARNESS_DATA, ./data, or that of ``harness data get``, in this order.

    Raises DataError where the folder the user named is not there.
    """
    variable = os.environ.get("HARNESS_DATA")
    folder, source = (named, "--data") if named else (Path(variable), "HARNESS_DATA") if variable else (None, "")
    if folder is not None:
        if not folder.is_dir():
            raise DataError(
                f"{source}: must be a folder with the data, got '{folder}', which is "
                f"{'a file; name the folder it lies in' if folder.exists() else 'not there; check the path'}"
            )
        return Root(folder, required=True)
    if Path("data").is_dir():
        return Root(Path("data"))
    downloaded = downloads_folder() / dataset
    return Root(downloaded, downloaded=True) if downloaded.is_dir() else Root(None)
