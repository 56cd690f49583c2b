"""A run that something else disturbs: another program's lock, a disk that cannot be written."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness.console.progress import Reporter
from harness.errors import DiskError, RunFolderError
from harness.records import Store, database, open_records, schema
from harness.results.reports import write_reports
from harness.running.prepare import Request
from harness.running.start import run

LOCKED = r"run\.db: must be free to be used, got locked by another program for 0\.1 s; close it \(.*\), then the same command goes on"
TINY = (
    ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'),
    ("trials = 3", "trials = 2"),
    ("[compare]", "[compare]\nuntuned = 0"),
)


@pytest.fixture(scope="module")
def file(repository, tmp_path_factory):
    """The benchmark file of a tiny run."""
    text = (repository / "tests" / "tiny.toml").read_text(encoding="utf-8")
    for old, new in TINY:
        assert old in text, old
        text = text.replace(old, new)
    file = tmp_path_factory.mktemp("disturbed") / "tiny.toml"
    file.write_text(text, encoding="utf-8")
    return file


def carry_out(file, out):
    """Carry out a benchmark, and return the run folder."""
    assert run(Request(file, out=out), Reporter(quiet=True)) == 0
    return next(out.iterdir())


@pytest.fixture(scope="module")
def finished(file):
    """A tiny run that nothing has disturbed, which no test may change."""
    return carry_out(file, file.parent / "whole")


@contextmanager
def held(folder, begin="BEGIN EXCLUSIVE"):
    """Hold the write lock of a run folder's database, as a browser of databases does with unsaved changes."""
    other = sqlite3.connect(schema.database(folder), isolation_level=None)
    try:
        other.execute(begin)
        yield
    finally:
        other.close()


def tables(folder):
    """Return everything that may not depend on what disturbed a run."""
    records = open_records(folder)
    measured = {
        "trials": records.trials.drop(columns="seconds"),
        "runs": records.runs.drop(columns=["seconds", "started", "ended"]),
        "epochs": records.epochs.drop(columns="seconds"),
    }
    predictions = {run_id: records.predictions(run_id).tobytes() for run_id in records.compared()["run_id"]}
    return {name: table.to_json() for name, table in measured.items()} | predictions


@pytest.mark.usefixtures("unreported")
def test_a_lock_that_outlives_the_patience_is_one_line_and_costs_nothing(file, finished, tmp_path, monkeypatch):
    """It is held at the start, in the search and in the comparison; each time the same command goes on."""
    appended = Store.append

    def hold_at(runs_ended):
        def append(self, run_id, event, *verdict):
            if self.db.execute("SELECT count(*) FROM runs WHERE state = 'done'").fetchone()[0] < runs_ended:
                return appended(self, run_id, event, *verdict)
            with held(self.folder):
                return appended(self, run_id, event, *verdict)

        return append

    monkeypatch.setattr(database, "PATIENCE", 0.1)
    for runs_ended in (1, 3):
        monkeypatch.setattr(Store, "append", hold_at(runs_ended))
        with pytest.raises(RunFolderError, match=LOCKED):
            carry_out(file, tmp_path / "locked")
    monkeypatch.setattr(Store, "append", appended)
    (folder,) = tmp_path.glob("locked/*")
    assert {*open_records(folder).runs["phase"]} == {"search", "compare"}
    with held(folder), pytest.raises(RunFolderError, match=LOCKED):
        carry_out(file, tmp_path / "locked")
    carry_out(file, tmp_path / "locked")
    assert tables(folder) == tables(finished)


def test_a_lock_that_is_given_back_in_time_is_waited_for(tmp_path):
    with Store(tmp_path) as store:
        other = sqlite3.connect(schema.database(tmp_path), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.2, other.close).start()
        store.note("key", "value")
        assert store.noted("key") == "value"


def test_a_reader_says_too_that_the_database_is_locked(tmp_path, monkeypatch):
    Store(tmp_path).__exit__()
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    with sqlite3.connect(schema.database(tmp_path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # with a WAL a reader waits for nobody
    with held(tmp_path), pytest.raises(RunFolderError, match=LOCKED):
        open_records(tmp_path)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (sqlite3.SQLITE_FULL, r"must be usable, got 'what SQLite said', [\d,.]+ [kMG]B free; make room, then the same"),
        (
            sqlite3.SQLITE_IOERR_WRITE,
            r"must be usable, got 'what SQLite said', [\d,.]+ [kMG]B free; look after the disk",
        ),
        (sqlite3.SQLITE_CORRUPT, "must be the records of a run, got what SQLite said; move the folder away"),
        (sqlite3.SQLITE_READONLY, "must be usable, got 'what SQLite said'; change its permissions, then the same"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "must be free to be used, got locked by another program"),
    ],
)
def test_an_error_of_sqlite_is_explained_however_deep_it_is_wrapped(tmp_path, code, line):
    innermost = sqlite3.OperationalError("what SQLite said")
    innermost.sqlite_errorcode = code
    outer = RuntimeError("invalid data in the commit")
    outer.__cause__ = ValueError("wrapped once")
    outer.__cause__.__cause__ = innermost
    with pytest.raises((RunFolderError, DiskError), match=f"run.db: {line}"), Store(tmp_path):
        raise outer


def test_an_error_of_something_else_passes_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="mine"), Store(tmp_path):
        raise ValueError("mine")


# --- where nothing can be written ----------------------------------------------------------------------------


def unwritable(folder):
    """Make SQLite unable to write beside a database, as in a folder that is read-only; that would not stop root.

    It follows no links.
    """
    schema.database(folder).with_name("run.db-shm").symlink_to("nowhere")


def in_wal_mode(folder):
    """Leave a database as a process does that was killed after its last checkpoint."""
    with closing(sqlite3.connect(schema.database(folder))) as db:
        assert db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)


def test_a_finished_run_is_one_file_that_needs_nothing_beside_it(finished):
    assert not [path.name for path in finished.iterdir() if path.name.startswith("run.db-")]
    with closing(sqlite3.connect(f"{schema.database(finished).as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (5,)


def test_a_killed_run_is_read_too_where_nothing_can_be_written(tmp_path):
    with Store(tmp_path) as store:
        store.note("key", "value")
    in_wal_mode(tmp_path)
    unwritable(tmp_path)
    uri = f"{schema.database(tmp_path).as_uri()}?mode=ro"
    plainly = closing(sqlite3.connect(uri, uri=True))
    with plainly as db, pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        db.execute("SELECT * FROM meta")
    with database.reading(tmp_path) as db:
        assert db.execute("SELECT * FROM meta").fetchall() == [("key", '"value"')]


def test_what_stands_in_the_journal_alone_is_not_left_out_in_silence(tmp_path):
    (tmp_path / "copy").mkdir()
    with Store(tmp_path) as store:
        store.note("key", "value")
        for name in ("run.db", "run.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    unwritable(tmp_path / "copy")
    line = r"run\.db: must be in a folder that can be written to, got .*run\.db-wal has its last records.*; copy the folder"
    with pytest.raises(RunFolderError, match=line), database.reading(tmp_path / "copy"):
        pass


def test_a_reader_at_the_end_of_a_run_does_not_stop_it(tmp_path):
    """The journal cannot be left clean then; what is in the database is whole all the same."""
    with Store(tmp_path) as store:
        store.note("key", "value")
        reader = sqlite3.connect(schema.database(tmp_path))
        reader.execute("SELECT * FROM meta").fetchone()
    reader.close()
    with database.reading(tmp_path) as db:
        assert db.execute("SELECT * FROM meta").fetchall() == [("key", '"value"')]


def test_a_report_goes_elsewhere_where_the_run_folder_cannot_be_written(finished, registry, tmp_path, monkeypatch):
    folder = shutil.copytree(finished, tmp_path / finished.name)
    opened = Path.open

    def refuse(file, mode="r", *more, **options):
        if folder in file.parents and mode in ("wb", "xb"):
            raise OSError(errno.EROFS, "Read-only file system", str(file))
        return opened(file, mode, *more, **options)

    monkeypatch.setattr(Path, "open", refuse)
    line = r"parquet: must be written, got 'Read-only file system'; .* goes on, or name another folder with 'harness report --out'"
    with pytest.raises(DiskError, match=line):
        write_reports(folder, ["text"], registry)
    (report,) = write_reports(folder, ["text"], registry, out=tmp_path / "new" / "out").files
    assert report == tmp_path / "new" / "out" / "report.txt"
    assert report.read_bytes() == (folder / "report.txt").read_bytes()
    assert {path.name for path in (report.parent / "tables").iterdir()} == {
        path.name for path in (folder / "tables").iterdir()
    }
