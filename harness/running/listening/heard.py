"""What a listener has been told: a line of the key of each occurrence, in a file of the run folder."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import PluginError, disk, printable

NAME = "listeners"  # the folder in a run folder that listeners write into


class Heard:
    """The keys of the occurrences that a listener has been told of, in this call or an earlier one.

    A key is written before the listener is told. So a process that is killed in between has told nothing twice, and at the
    most one occurrence not at all.
    """

    def __init__(self, run_folder: Path, listener: str) -> None:
        self.folder = run_folder / NAME / listener  # for whatever the listener writes
        file = run_folder / NAME / f"{listener}.heard"
        for place in (file.parent, self.folder, file):
            if place.is_symlink():
                raise PluginError(f"{place}: must be the run's own, got a link; nothing is written there, so remove it")
        with disk.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o644)
            with open(self._file, "rb", closefd=False) as lines:
                whole_lines, _, cut = lines.read().rpartition(b"\n")
            if cut:  # a process was killed while it wrote this line
                os.ftruncate(self._file, len(whole_lines) + 1 if whole_lines else 0)
        self._keys = set(whole_lines.decode("utf-8", "replace").splitlines())

    def __len__(self) -> int:
        return len(self._keys)

    def note(self, key: str) -> bool:
        """Note that the listener is told of this; return False where it has been already."""
        line = printable(key)
        if line in self._keys:
            return False
        self._keys.add(line)
        os.write(self._file, f"{line}\n".encode())
        return True
