"""Disks that refuse: full, read-only, limited. Exit code 2, one line with the path, nothing lost, and the same command goes on."""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pandas import DataFrame
from PIL import Image

from harness.benchmark.arms import ends
from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import DiskError, disk
from harness.plugin.contracts import Analysis
from harness.plugin.runs import Failed
from harness.records import Store, database, open_records, promised, schema
from harness.results.analysis import analyse
from harness.running import disk_space
from harness.running.driver import Driver
from harness.running.forecast import lines as planning
from harness.running.forecast.estimate import estimate
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.training import loop
from harness.training.loop import execute

BENCHMARK = """
name = "tiny"
[data]
size = 16
options = { train = 64, tune = 32, test = 64 }
[train]
executor = "inprocess"
optimizers = ["sgd"]
batch_size = 16
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 2
epochs = [2]
[compare]
looks = [1]
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


@pytest.fixture(scope="session")
def blocked(registry):
    """The options that leave the analyses out, which take most of a command's time, but for the one that names photos."""
    offers = registry.offers["analysis"]
    plugins = sorted({offers[name].plugin for name in offers if name != "suspects"})
    return tuple(word for plugin in plugins for word in ("--block", plugin))


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
        assert "then the same command goes on" in line
    return line


# --- a run -----------------------------------------------------------------------------------------------------


CODES = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EFBIG, errno.EIO, errno.EPERM, errno.EMFILE)
CALLS = ("open", "write", "fsync", "replace")


def test_a_run_goes_on_from_every_kind_of_file_that_could_not_be_written(
    benchmark, whole, harness, tmp_path, monkeypatch, blocked
):
    """At each kind of file in turn, in the order in which they come, another call fails with another error."""
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    out = tmp_path / "runs"
    simulated = Disk(out, monkeypatch)
    command = ("run", benchmark, "--out", out, *blocked)
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


def test_a_run_goes_on_from_every_limit_on_the_size_of_a_file(benchmark, whole, harness, tmp_path, blocked):
    """The system itself refuses here, SQLite too, which says nothing but 'disk I/O error'."""
    command = ("run", benchmark, "--out", tmp_path / "runs", *blocked)
    for size in (4_000, 90_000, 201_000):
        with file_limit(size):
            line = refused(harness(*command), tmp_path / "runs", errno.EFBIG)
        assert f"files of at most {disk.size(size)} allowed; raise the limit on the size of a file (ulimit -f)" in line
        assert "got 'disk I/O error'" in line or "got 'File too large'" in line
    assert harness(*command)[0] == 0
    assert tables(next((tmp_path / "runs").iterdir())) == tables(whole)


def test_a_run_goes_on_from_every_page_that_the_database_could_not_get(
    benchmark, whole, harness, tmp_path, monkeypatch, blocked
):
    """SQLite's own 'database or disk is full', which reaches the run through Optuna and SQLAlchemy too."""
    command = ("run", benchmark, "--out", tmp_path / "runs", *blocked)
    connect = database.connect
    for pages in (3, 30, 45):

        def limited(folder, pages=pages):
            db = connect(folder)
            db.execute(f"PRAGMA max_page_count = {pages}")
            return db

        monkeypatch.setattr(database, "connect", limited)
        line = refused(harness(*command), tmp_path / "runs", errno.ENOSPC)
        assert "run.db: must be usable, got 'database or disk is full'" in line
        assert re.search(r" \(the run needs about [\d.]+ MB more\)$", line)
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


CALLS_OF = {"report": ["write"], "compare": ["write"], "data": ["open", "write"], "export": ["open", "replace"]}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report", "RUN", "--format", "text", "--out", "OUT/pages"), errno.ENOSPC),
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
    for call in CALLS_OF.get(words[0], ("open", "write", "replace")):
        simulated.fails_at((call, "any"), code)
        refused(harness(*command), out, code)
        assert not [path for path in out.rglob("*") if path.is_file() and not path.name.endswith(".tmp")]
    simulated.heals()
    assert harness(*command)[0] == 0
    assert [path for path in out.rglob("*") if path.is_file()]


# --- whose failure it is ---------------------------------------------------------------------------------------


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", "a plugin's own file")


def test_a_plugin_that_cannot_write_has_failed_and_a_file_of_the_harness_is_nobodys_failure(benchmark, whole):
    setting = prepare(Request(benchmark), Reporter(quiet=True))
    competitor = setting.plan.competitors[0]
    one = setting.compare_run(competitor, ends(competitor, 0), seed=0)

    def refuse(*_):
        raise disk.refused(OSError(errno.EIO, "Input/output error"), whole)

    (event,) = execute(one, SimpleNamespace(parts=full, state=full))
    assert isinstance(event, Failed)
    assert "a plugin's own file" in event.reason
    parts = SimpleNamespace(resume=lambda *_: iter(()), done=full)
    with pytest.raises(DiskError, match="Input/output error"):
        list(execute(one, SimpleNamespace(parts=lambda _: parts, state=refuse)))
    records = open_records(whole)
    results = analyse(
        records, [Analysis(name="one", compute=full), Analysis(name="other", compute=lambda _: DataFrame())]
    )
    assert list(results.tables) == ["other"]
    assert "analysis 'one' failed" in results.problems[0]
    with pytest.raises(DiskError, match="Input/output error"):
        analyse(records, [Analysis(name="one", compute=refuse)])


def test_a_state_that_cannot_be_read_is_not_taken_for_a_damaged_one(tmp_path, monkeypatch):
    with Store(tmp_path) as opened:
        file = schema.saved_state(tmp_path, "a")
        file.write_bytes(b"whatever it is")
        monkeypatch.setattr(Path, "read_bytes", lambda _: os_error(errno.EMFILE))
        line = r"a\.safetensors: must be readable, got 'Too many open files'; raise the limit on open files \(ulimit -n\), then"
        with pytest.raises(DiskError, match=line):
            opened.state("a")
    assert file.exists()


def test_a_promised_file_that_cannot_be_read_is_not_made_again(whole, tmp_path, monkeypatch):
    folder = shutil.copytree(whole, tmp_path / "run")
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(promised, "checksum", lambda _: os_error(errno.EMFILE))
    with pytest.raises(DiskError, match="must be readable, got 'Too many open files'"), Store(folder) as opened:
        opened.restore()
    assert sorted(folder.rglob("*")) == before


def os_error(code):
    raise OSError(code, os.strerror(code))


def test_a_folder_for_temporary_files_that_is_missing_is_no_plugins_failure(monkeypatch, harness):
    monkeypatch.setattr(tempfile, "_get_default_tempdir", lambda: os_error(errno.ENOENT))
    monkeypatch.setattr(tempfile, "tempdir", None)
    line = refused(harness("check", "dogscats", "--kind", "dataset"), "temporary files")
    assert line.endswith("; set TMPDIR to another folder")


def test_a_file_system_without_locks_is_not_a_run_under_way(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", lambda *_: os_error(errno.ENOLCK))
    with pytest.raises(DiskError, match=r"must be written, got 'No locks available'; name another folder with --out"):
        Store(tmp_path)


# --- paths, standard output ------------------------------------------------------------------------------------


NAME, DEEP = "x" * 300, "/".join(["x" * 100] * 41)


@pytest.mark.parametrize("path", [NAME, DEEP])
@pytest.mark.parametrize(
    "words",
    [
        ("status", "PATH"),
        ("run", "FILE", "--out", "PATH"),
        ("run", "PATH.toml"),
        ("report", "RUN", "--out", "PATH", "--format", "text"),
        ("predict", "RUN", "PATH"),
        ("export", "RUN", "--out", "PATH"),
        ("data", "inspect", "--data", "PATH"),
        ("baseline", "export", "RUN", "--out", "PATH"),
        ("new", "optimizer", "mine", "--out", "PATH"),
        ("list", "--plugin", "PATH.py"),
    ],
)
def test_a_path_that_is_too_long_is_one_line_that_is_not(whole, benchmark, harness, words, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ended = harness(
        *(w.replace("PATH", path).replace("RUN", str(whole)).replace("FILE", str(benchmark)) for w in words)
    )
    line = refused(ended, "xxx...xxx")
    assert "got 'File name too long'; choose a shorter path" in line
    assert "same command" not in line
    assert len(line) < 400


def test_a_path_that_is_too_long_for_sqlite_alone_is_called_too_long(tmp_path):
    folder = tmp_path.joinpath(*["x" * 100] * 5)
    with pytest.raises(
        DiskError, match=r"run\.db: must be usable, got 'unable to open database file'; choose a shorter path$"
    ):
        Store(folder)


@pytest.fixture
def stdout(monkeypatch):
    """Return a function that puts a file descriptor in the place of standard output, as a shell does."""
    opened = []

    def put(handle):
        opened.append(os.fdopen(handle, "w", encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", opened[-1])
        monkeypatch.setattr(sys, "__stdout__", opened[-1])

    yield put
    monkeypatch.undo()
    for stream in opened:
        stream.close()


def test_a_pipe_that_nobody_reads_changes_nothing(harness, stdout):
    reader, writer = os.pipe()
    os.close(reader)
    stdout(writer)
    assert harness("list") == (0, [])
    assert harness("list", "nothing")[0] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["list"], ["--help"]])
def test_standard_output_on_a_full_disk_is_one_line_and_exit_code_2(harness, stdout, words):
    stdout(os.open("/dev/full", os.O_WRONLY))
    line = "standard output: must be written, got 'No space left on device'; make room, then the same command goes on"
    assert harness(*words) == (2, [f"error: {line}"])


# --- how much room a run takes ---------------------------------------------------------------------------------


def test_a_plan_says_how_much_room_a_run_takes_and_what_there_is(benchmark, whole, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.02)
    request = Request(benchmark, out=whole.parent)
    plan = estimate(request, Reporter(quiet=True))
    assert plan["exists"]
    assert plan["bytes"] / 1.3 < disk_space.taken(whole) < plan["bytes"] * 1.3
    assert plan["bytes_cached"] == 160 * 16 * 16 * 3
    assert (plan["little_room"], planning.lines(plan)[-1].startswith("in all about ")) == ("", True)
    monkeypatch.setattr(disk, "free", lambda _: 20_000)
    request = Request(benchmark, out=whole.parent / "new")
    plan = estimate(request, Reporter(quiet=True))
    assert re.fullmatch(
        rf"warning: {whole.parent / 'new'}\S+: the run needs about [\d.]+ MB more there, and 20 kB are free; "
        "make room, or name another folder with --out",
        planning.lines(plan)[-1],
    )
    setting = prepare(request, Reporter(quiet=True))
    assert disk_space.room_for(setting, 1).kept == plan["bytes"]  # 'harness run' knows as much without a step


def test_a_run_that_has_too_little_room_says_so_before_it_starts(benchmark, whole, monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, line, style="", brief=False: said.append(line))
    monkeypatch.setattr(disk, "free", lambda _: 20_000)
    monkeypatch.setattr(Driver, "drive", lambda _: os_error(errno.EDQUOT))
    with pytest.raises(OSError, match="quota"):
        run(Request(benchmark, out=tmp_path), Reporter(quiet=True))
    assert "the run needs about" in said[-1]
    assert said[-1].startswith(f"warning: {tmp_path}")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 kB"), (1, "1 kB"), (99_000, "99 kB"), (250_000, "0.2 MB"), (34e6, "34 MB"), (1.25e9, "1.2 GB"), (4e12, "4,000 GB")],
)  # fmt: skip
def test_a_size_in_words(count, words):
    assert disk.size(int(count)) == words
