"""A run folder may come from a stranger, so it holds files and folders of its own, and no link in it is followed."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import RunFolderError
from harness.records.files import RUN_FOLDER

DEEPEST = 8  # folders inside one another; ours are two


def check_no_links(folder: Path) -> None:
    """Raise RunFolderError for a link, or another special file, in a place of a run folder that is read or written.

    The folder itself may be reached by a link: that is the user's own path. Reports may be links too, for the file that
    is put in their place replaces the link itself.
    """
    for name in RUN_FOLDER:
        place = folder / name
        if place.is_symlink():
            raise _refused(place, "a link")
        if name != "listeners":  # which has files of their own; what the harness writes there is checked there
            _check_below(place)


def _check_below(folder: Path, depth: int = 1) -> None:
    if depth > DEEPEST:
        raise _refused(folder, "a folder that deep")
    try:
        with os.scandir(folder) as entries:
            below = []
            for entry in entries:
                if entry.is_symlink():
                    raise _refused(Path(entry.path), "a link")
                if entry.is_dir(follow_symlinks=False):
                    below.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    raise _refused(Path(entry.path), "a special file")
    except OSError:  # nothing there, or nothing that could be read through it either
        return
    for path in below:
        _check_below(path, depth + 1)


def _refused(place: Path, what: str) -> RunFolderError:
    return RunFolderError(
        f"{place}: must be a file or folder of the run's own, got {what}; nothing there is followed, so remove it"
    )
