"""The folder of several workloads: a run folder for each, and one file that says which they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import RunFolderError, disk
from harness.records import files, schema
from harness.records.opening import lock_folder

FILE = "workloads.json"
HINT = "name another folder with --out"


@dataclass(frozen=True)
class Member:
    """One of the workloads: its run folder, or why there is none."""

    name: str
    folder: str = ""  # its run folder's name inside the common folder; "" before it was opened
    problem: str = ""  # why it could not be opened or carried out; ""
    optional: bool = False  # whether the benchmark may go without it


@dataclass(frozen=True)
class Workbook:
    """What the file of a folder of several workloads says."""

    name: str  # of the benchmark
    members: tuple[Member, ...]
    command: tuple[str, ...] = ()  # the words of the command that the last work was started with

    def with_member(self, member: Member) -> Workbook:
        """Return a copy in which this member takes the place of the one of its name."""
        members = (member if member.name == before.name else before for before in self.members)
        return replace(self, members=tuple(members))


def has_workloads(folder: Path) -> bool:
    """Return whether a folder is one of several workloads."""
    return (folder / FILE).is_file()


def write_workbook(folder: Path, workbook: Workbook) -> None:
    """Write the file of a folder of several workloads; the folder is made where it is not there."""
    with disk.writing(folder, HINT):
        folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / FILE, (json.dumps(asdict(workbook), indent=2) + "\n").encode(), hint=HINT)


def read_workbook(folder: Path) -> Workbook:
    """Return what the file says; raises RunFolderError where there is none, or it is damaged."""
    file = folder / FILE
    if not file.is_file():
        raise RunFolderError(f"{folder}: must be the folder of several workloads, got no {FILE} in it; check the path")
    with disk.reading(file):
        content = file.read_bytes()
    try:
        return _checked(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFolderError(
            f"{file}: must be as it was written, got other contents; the same 'harness run' writes it again"
        ) from error


def _checked(plain: Any) -> Workbook:
    """Return the values of the file; raises ValueError for what nobody has written there."""
    members = tuple(Member(**member) for member in plain["members"])
    for member in members:
        inside = member.folder not in (".", "..") and not set("/\\\0") & set(member.folder)
        texts = (member.name, member.folder, member.problem)
        if not inside or not isinstance(member.optional, bool) or not all(isinstance(text, str) for text in texts):
            raise ValueError(member)
    if not isinstance(plain["name"], str) or len({member.name for member in members}) < len(members):
        raise ValueError(plain["name"])
    return Workbook(plain["name"], members, _texts(plain["command"]))


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(values)
    return tuple(values)


def run_folders(folder: Path) -> dict[str, Path]:
    """Return the run folders that are there, by the names of their workloads."""
    folders = {member.name: folder / member.folder for member in read_workbook(folder).members if member.folder}
    return {name: path for name, path in folders.items() if schema.is_run_folder(path)}


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder of several workloads against other processes; raises RunFolderError where one has it."""
    with disk.writing(folder, HINT):
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock_folder(folder / "lock")
    try:
        yield
    finally:
        handle.close()
