"""A run folder open for writing: locked, checked and tidied when it is opened, and closed in order."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, Self

from harness.errors import RunFolderError, disk, encodable
from harness.records import database, files, promised, schema
from harness.records.attempts import Attempts
from harness.records.links import check_no_links


class OpenFolder:
    """A run folder that one process has open, and its database."""

    def __init__(
        self, folder: Path, warn: Callable[[str], object] = lambda line: None, attempts: Attempts | None = None
    ) -> None:
        self.folder = folder
        self.attempts = attempts or Attempts()  # of what is under way
        self.warn = warn  # takes a line for the user, on what is wrong in the folder and was mended
        self.optuna: Any = None  # Optuna's storage in run.db, opened by the first search
        _check_place(folder)
        check_no_links(folder)
        self._lock = self._make_folders()
        self._closing = ExitStack()
        self._environment: Mapping[str, Any] = {}  # versions and hardware of the driver; empty before work begins
        self._environments: set[str] = set()  # hashes of those that are noted
        try:
            self.db = database.connect(folder)
        except sqlite3.Error as error:
            self._lock.close()
            raise database.explained(error, folder) from error
        self.db.isolation_level = None
        self.db.row_factory = sqlite3.Row
        try:
            database.check_tables(self.db, schema.database(folder))
            self._check()
        except BaseException as error:  # what is damaged is left as it is
            self.db.close()
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise database.explained(error, folder) from error
            raise
        try:
            self._open()
        except Exception as error:
            self.__exit__()
            if (plain := database.explained(error, folder)) is not error:
                raise plain from error
            if not isinstance(error, sqlite3.DatabaseError):
                raise
            raise RunFolderError(
                f"{schema.database(folder)}: must be the records of a run, got {error}; move the folder away"
            ) from error

    def _make_folders(self) -> IO[bytes]:
        """Make the folders that a run folder has, and return its lock."""
        with disk.writing(self.folder, "name another folder with --out"):
            for place in schema.own_folders(self.folder):
                if place.is_file():
                    self._put_aside(place, "a folder", "a file")
            for name in schema.FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            return lock_folder(self.folder / "lock")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, error: BaseException | None = None, *_: object) -> None:
        """Close the folder. An error of SQLite that the user can mend, Optuna's too, is raised as a HarnessError."""
        try:
            self._closing.close()
            with suppress(sqlite3.Error):  # another program is at it: then the folder is read as a killed run's is
                self.db.execute("PRAGMA busy_timeout = 0")
                self.db.execute("PRAGMA journal_mode = DELETE")  # for readers that cannot write beside the database
        finally:
            self.db.close()
            self._lock.close()
        if isinstance(error, Exception) and (plain := database.explained(error, self.folder)) is not error:
            raise plain from error

    def at_close(self, close: Callable[[], object]) -> None:
        """Call this when the store is closed, so that whatever else uses the run folder ends with it."""
        self._closing.callback(close)

    def check_integrity(self) -> None:
        """Raise RunFolderError if SQLite finds a damaged page, or a row that belongs to a missing row."""
        (damage,) = self.db.execute("PRAGMA integrity_check(1)").fetchone()
        lost = self.db.execute("PRAGMA foreign_key_check").fetchone()
        if damage != "ok" or lost:
            trouble = f"rows of '{lost[0]}' that belong to none of '{lost[2]}'" if lost else " ".join(damage.split())
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got {trouble}; move the folder away"
            )

    def drop_tables(self, names: Sequence[str]) -> None:
        """Remove tables, without reading them: damaged ones go too."""
        self.db.execute("PRAGMA writable_schema = ON")
        try:
            places = ", ".join("?" * len(names))
            self.db.execute(f"DELETE FROM sqlite_master WHERE tbl_name IN ({places})", tuple(names))
        finally:
            self.db.execute("PRAGMA writable_schema = RESET")
        self.db.execute("VACUUM")  # frees their pages, and tells other connections

    def _open(self) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        if self._is_new():
            self.db.executescript(f"BEGIN; {schema.TABLES} COMMIT;")  # all of them, or after a kill none
            self.db.execute("PRAGMA wal_checkpoint")  # on the disk, as what is written later need not be
        self._tidy()

    def _check(self) -> None:
        """Raise RunFolderError if the records are damaged, or if they are gone while their files are still there."""
        try:
            is_new = self._is_new()
            if not is_new:
                database.check(self.db, self.folder)
        except sqlite3.DatabaseError as error:
            if (plain := database.explained(error, self.folder)) is not error:
                raise plain from error
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got {error}; move the folder away"
            ) from error
        if is_new and any(
            file.suffix == ".safetensors" for name in schema.FOLDERS for file in (self.folder / name).iterdir()
        ):
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got an empty file and a folder with "
                "results; move the folder away"
            )

    def _is_new(self) -> bool:
        """Return whether there are no records yet, not even empty ones."""
        return bool(self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)

    def _transaction(self) -> _Transaction:
        return _Transaction(self.db)

    def _tidy(self) -> None:
        """Remove half-written files that a kill left, and the states of runs that have ended; put folders aside that stand for files."""
        with disk.writing(self.folder):
            for file in self.folder.rglob("*.tmp"):
                if file.is_file():
                    file.unlink()
        promised_files = promised.files_of(self.folder, self.db)  # restore looks after these
        for place in schema.own_files(self.folder):
            if place.is_dir() and place not in promised_files:
                self._put_aside(place, "a file", "a folder")
        ended = self.db.execute(f"SELECT run_id FROM runs WHERE state IN {schema.ENDED}")
        for (run_id,) in ended.fetchall():
            self._drop_state(run_id)

    def _put_aside(self, path: Path, must: str, got: str, then: str = "") -> None:
        with disk.writing(path):
            aside = files.put_aside(path)
        self.warn(
            f"{path}: must be {must}, got {got}; it is put aside as {aside.name}{f', and {then}' if then else ''}"
        )

    def _drop_state(self, run_id: str) -> None:
        file = schema.saved_state(self.folder, run_id)
        with disk.writing(file):
            if file.is_file():
                file.unlink()


def _check_place(folder: Path) -> None:
    """Raise RunFolderError where nothing can be recorded in a folder: its path is not UTF-8, or its records were removed."""
    path = str(folder.absolute())
    if encodable(path) != path:  # the address of Optuna's database is UTF-8
        raise RunFolderError(f"{path}: must be a path in UTF-8, got other bytes; see --out")
    if not schema.is_run_folder(folder) and (left := next(_of_runs(folder), None)):
        raise RunFolderError(
            f"{schema.database(folder)}: must be beside '{left.relative_to(folder)}' and what else runs have left, got "
            "nothing there; put it back, or move the folder away, and everything is trained again"
        )


def _of_runs(folder: Path) -> Iterator[Path]:
    """Yield the files that runs have left in a folder."""
    for name in ("solutions", "states", "predictions"):
        yield from (folder / name).glob("*.safetensors")


class _Transaction:
    """A transaction: all of its statements take effect, or none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.db.execute("COMMIT")
        elif self.db.in_transaction:  # SQLite takes back by itself what a full disk stopped
            self.db.execute("ROLLBACK")


def lock_folder(file: Path) -> IO[bytes]:
    """Return the lock file, locked as long as it is open; raises RunFolderError if another process holds it."""
    handle = file.open("a+b", buffering=0)  # so that nothing is left to be written when it is closed
    try:
        free = files.lock(handle)
    except OSError:  # as on a network's file system that knows no locks
        handle.close()
        raise
    if not free:
        handle.seek(0)
        holder = (handle.read() or b"").decode(errors="replace").strip() or "unknown"
        handle.close()
        raise RunFolderError(
            f"{file.parent}: must not be in use, got a run under way in process {holder}; wait for it or stop it"
        )
    with suppress(OSError):  # it only tells who holds the lock
        handle.truncate(0)
        handle.write(str(os.getpid()).encode())
    return handle
