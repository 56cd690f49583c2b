"""Disks that refuse: full, read-only, limited. Exit code 2, one line with the path, nothing lost, and the same command goes on."""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import disk
from harness.cli import main
from harness.records import database, open_records, store

BENCHMARK = """
name = "tiny"
[data]
size = 16
options = { train = 64, tune = 32, test = 64 }
[train]
optimizers = ["sgd"]
batch_size = 16
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 2
epochs = [2]
[compare]
seeds = 1
epochs = 2
untuned = 0
probes = []
[report]
paths = false
formats = ["text"]
"""
WITH_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Disk:
    """Every call of Python's that writes below a folder; from the one that is chosen on, all of them fail with ``code``."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder = str(folder)
        self.calls: list[tuple[str, str]] = []  # what was called, on which kind of file
        self.chosen, self.code, self.failing = ("", ""), 0, False
        self.writing: object = folder  # the file that was written to last
        for name in ("mkdir", "replace", "rename", "unlink"):
            monkeypatch.setattr(os, name, self._guarded(name, getattr(os, name)))
        fsync, self._open = os.fsync, io.open

        def guarded_fsync(handle):
            if not stat.S_ISDIR(os.fstat(handle).st_mode):
                self.call("fsync", self.writing)
            fsync(handle)

        monkeypatch.setattr(os, "fsync", guarded_fsync)
        monkeypatch.setattr(io, "open", self.open)
        monkeypatch.setattr(builtins, "open", self.open)

    def fails_at(self, chosen: tuple[str, str], code: int) -> None:
        self.chosen, self.code, self.failing = chosen, code, False

    def heals(self) -> None:
        self.fails_at(("", ""), 0)

    def kind(self, path: object) -> str:
        """Return the folder below the run folder that a file is in, or its own name."""
        parts = Path(os.fsdecode(path)).relative_to(self.folder).parts[1:]
        return re.sub(r"\.\d+\.tmp$", "", parts[0]) if parts else "folder"

    def call(self, what: str, path: object) -> None:
        if isinstance(path, int) or not os.fsdecode(path).startswith(self.folder + os.sep):
            return
        call = (what, self.kind(path))
        self.calls.append(call)
        self.failing = self.failing or call == self.chosen or (what, "any") == self.chosen
        if self.failing and (what != "unlink" or self.code == errno.EROFS):  # a full disk lets files go
            raise OSError(self.code, os.strerror(self.code), *([] if what in ("write", "fsync") else [str(path)]))

    def _guarded(self, name, real):
        def call(path, *more, **options):
            self.call(name, path)
            return real(path, *more, **options)

        return call

    def open(self, path, mode="r", *more, **options):
        if not set(mode) & set("wxa"):
            return self._open(path, mode, *more, **options)
        self.call("open", path)
        return _File(self, path, self._open(path, mode, *more, **options))


class _File:
    """A file whose writing is counted."""

    def __init__(self, disk: Disk, path: object, file) -> None:
        self._disk, self._path, self._file = disk, path, file

    def write(self, content):
        self._disk.writing = self._path
        self._disk.call("write", self._path)
        return self._file.write(content)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def harness(capsys):
    """Return a function that runs a command; it returns the exit code and the lines on stderr."""

    def go(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, capsys.readouterr().err.splitlines()

    return go


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The tiny benchmark; its sample is drawn and cached once."""
    file = tmp_path_factory.mktemp("benchmark") / "tiny.toml"
    file.write_text(BENCHMARK, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def whole(benchmark):
    """A run that nothing disturbed."""
    with pytest.raises(SystemExit) as ended:
        main(["run", str(benchmark), "--out", str(benchmark.parent / "whole")])
    assert ended.value.code == 0
    return next((benchmark.parent / "whole").iterdir())


def tables(folder):
    """Return everything that may not depend on what disturbed a run."""
    records = open_records(folder)
    found = {
        "trials": records.trials.drop(columns="seconds"),
        "runs": records.runs.drop(columns=["seconds", "started", "ended"]),
        "epochs": records.epochs.drop(columns="seconds"),
        "comparison": records.comparison.drop(columns=["seconds", "started", "ended"]),
    }
    predictions = {run_id: records.predictions(run_id).tobytes() for run_id in records.compared()["run_id"]}
    return {name: table.to_json() for name, table in found.items()} | predictions


def refused(ended, path, code=None):
    """Assert that a command ended as it must where the system refuses: the user's affair, in one line with the path."""
    assert ended[0] == 2, ended
    (line,) = [line for line in ended[1] if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    assert str(path) in line
    assert re.search(r": must be (written|usable), got '.+'.*; .+", line), line
    assert "move the folder away" not in line
    assert "report it" not in line
    if code in WITH_ROOM:
        assert re.search(r"[\d.,]+ [kMG]B free", line), line
        assert line.endswith("then the same command goes on") or "goes on, or " in line
    return line


# --- a run -----------------------------------------------------------------------------------------------------


CODES = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EFBIG, errno.EIO, errno.EPERM, errno.EMFILE)
CALLS = ("open", "write", "fsync", "replace")


def test_a_run_goes_on_from_every_kind_of_file_that_could_not_be_written(
    benchmark, whole, harness, tmp_path, monkeypatch
):
    """At each kind of file in turn, in the order in which they come, another call fails with another error."""
    monkeypatch.setattr(store, "SAVE_EVERY", 0.0)
    out = tmp_path / "runs"
    simulated = Disk(out, monkeypatch)
    command = ("run", benchmark, "--out", out)
    assert harness(*command)[0] == 0
    kinds = list(dict.fromkeys(kind for what, kind in simulated.calls if what == "replace"))
    assert {"benchmark.toml", "environment.json", "states", "solutions", "predictions", "tables", "thumbnails"} < set(
        kinds
    )
    shutil.rmtree(out)
    points = [("mkdir", "folder"), ("open", "lock")]
    for place, kind in enumerate(kinds):
        durable = ("fsync", kind) in simulated.calls
        calls = CALLS if durable else CALLS[:2] + CALLS[3:]
        points.append((calls[place % len(calls)], kind))
    assert {what for what, _ in points} == {"mkdir", *CALLS}
    for place, point in enumerate(points):
        code = CODES[place % len(CODES)]
        simulated.fails_at(point, code)
        refused(harness(*command), out, code)
        assert simulated.failing, point
    simulated.heals()
    assert harness(*command)[0] == 0
    (folder,) = out.iterdir()
    assert tables(folder) == tables(whole)
    assert not list(folder.rglob("*.tmp"))
    assert not list((folder / "states").iterdir())


@contextmanager
def file_limit(size):
    """Let no file of this process become larger; Python ignores the signal, so that writing ends with EFBIG."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_run_goes_on_from_every_limit_on_the_size_of_a_file(benchmark, whole, harness, tmp_path):
    """The system itself refuses here, SQLite too, which says nothing but 'disk I/O error'."""
    command = ("run", benchmark, "--out", tmp_path / "runs")
    for size in (4_000, 90_000, 201_000):
        with file_limit(size):
            line = refused(harness(*command), tmp_path / "runs", errno.EFBIG)
        assert f"files of at most {disk.size(size)} allowed; raise the limit on the size of a file (ulimit -f)" in line
        assert "got 'disk I/O error'" in line or "got 'File too large'" in line
    assert harness(*command)[0] == 0
    assert tables(next((tmp_path / "runs").iterdir())) == tables(whole)


def test_a_run_goes_on_from_every_page_that_the_database_could_not_get(
    benchmark, whole, harness, tmp_path, monkeypatch
):
    """SQLite's own 'database or disk is full', which reaches the run through Optuna and SQLAlchemy too."""
    command = ("run", benchmark, "--out", tmp_path / "runs")
    connect = database.connect
    for pages in (3, 12, 30, 45, 50):

        def limited(folder, pages=pages):
            db = connect(folder)
            db.execute(f"PRAGMA max_page_count = {pages}")
            return db

        monkeypatch.setattr(database, "connect", limited)
        line = refused(harness(*command), tmp_path / "runs", errno.ENOSPC)
        assert "run.db: must be usable, got 'database or disk is full'" in line
    monkeypatch.setattr(database, "connect", connect)
    assert harness(*command)[0] == 0
    assert tables(next((tmp_path / "runs").iterdir())) == tables(whole)


# --- what is made of a run -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    return folder


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report", "RUN", "--format", "text", "--out", "OUT/pages"), errno.ENOSPC),
        (("report", "RUN", "--format", "text", "--out", "OUT/pages"), errno.EROFS),
        (("predict", "RUN", "PHOTOS", "--out", "OUT/a.csv"), errno.ENOSPC),
        (("export", "RUN", "--out", "OUT/model"), errno.EDQUOT),
        (("baseline", "export", "RUN", "--out", "OUT/a.zip"), errno.EFBIG),
        (("compare", "RUN", "OTHER", "--out", "OUT/a.md"), errno.ENOSPC),
        (("data", "suspects", "RUN", "--out", "OUT/a.csv"), errno.EIO),
        (("new", "optimizer", "mine", "--out", "OUT/new"), errno.EACCES),
    ],
)
def test_every_command_that_writes_ends_in_one_line_and_does_it_the_next_time(
    whole, photos, harness, tmp_path, monkeypatch, words, code
):
    out = tmp_path / "out"
    out.mkdir()
    if "OTHER" in words:
        shutil.copytree(whole, tmp_path / "other")
    places = {"RUN": whole, "OTHER": tmp_path / "other", "PHOTOS": photos}
    command = [str(places.get(word, word.replace("OUT", str(out)))) for word in words]
    simulated = Disk(out, monkeypatch)
    for call in ("open", "write", "replace")[: 1 if "suspects" in words else 3]:
        simulated.fails_at((call, "any"), code)
        refused(harness(*command), out, code)
        assert not [path for path in out.rglob("*") if path.is_file() and not path.name.endswith(".tmp")]
    simulated.heals()
    assert harness(*command)[0] == 0
    assert [path for path in out.rglob("*") if path.is_file()]
