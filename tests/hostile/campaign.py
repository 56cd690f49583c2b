"""Kills a tiny run again and again, damages its files in between, and compares all tables with those of an undisturbed run.

    python -m tests.hostile.campaign --kills 200 [--workers 2]

A run is a process forked from this one, which has imported everything and done nothing. It is killed by SIGKILL, SIGTERM
or SIGINT at a random moment, or by SIGKILL at a random one of the calls by which it changes the disk: before a file is
opened for writing, synchronised, renamed or removed, and before SQLite begins, changes or commits. Then it is started
again. In between a file of the run folder is damaged in one of the ways of ``DAMAGE``. A run that has ended is compared,
damaged, and started again too; then comes the next folder.

Every start has ``--retry``: nobody can tell a kill from a crash, and three in a row within one epoch would count as the
failure of what was under way.

With ``--workers`` the run has workers, and these are killed too (``worker_campaign``).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

TINY = Path(__file__).parent.parent / "tiny.toml"
CHANGES = (
    ('name = "tiny"', 'name = "campaign"'),
    ("threads = 1", 'threads = 1\ndevice = "cpu"'),
    ("trials = 3", "trials = 2"),
    ("n_startup_trials = 2", "n_startup_trials = 1"),
    ("looks = [1]", "looks = [1, 2]"),
    ("seeds = 2", "seeds = 1"),
    ("[compare]", '[compare]\nuntuned = 0\nprobes = ["inside", "surface"]'),
    ("[report]", "[compare.probe_options.surface]\npoints = 5\nimages = 64\n[report]"),
)


def _benchmark() -> str:
    """Return the tiny benchmark of the tests, with fewer trials, without analyses and with probes that write files."""
    from harness.plugin.discovery import discover

    offers = discover().offers["analysis"]
    analyses = sorted({offers[name].plugin for name in offers if name != "suspects"})  # of which the thumbnails come
    text = f"block = {json.dumps(analyses)}\n{TINY.read_text(encoding='utf-8')}"
    for old, new in CHANGES:
        assert old in text, old
        text = text.replace(old, new)
    return text


BENCHMARK = _benchmark()

IMPORTED = (
    "torch", "torch._dynamo", "safetensors.torch", "pandas", "pyarrow.parquet", "optuna.storages._rdb.storage", "scipy.stats",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.orm", "alembic.command", "pyarrow.pandas_compat",
    "rich.progress", "PIL.JpegImagePlugin", "harness.cli.app", "harness.running.start", "harness.results.document",
)  # fmt: skip
# once, for all runs

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130}  # of a run that was killed
PARTS = 3  # of an undisturbed run, after the first of which at the latest it is killed
HANGS = 600.0  # seconds, after which a process is taken for hung


# --- damage --------------------------------------------------------------------------------------------------


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in {len(content) // 2, len(content) - 1} - {-1}:
        content[place] ^= 1
    file.write_bytes(content)


def _replace_with_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inner").write_text("a")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "two bits flipped": _flip,
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "empty": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(b"\xa5" * 5000),
    "a folder": _replace_with_folder,
    "gone": lambda file: file.unlink(),
}


def kind_of(folder: Path, file: Path) -> str:
    """Return which kind of a run folder's files a file is."""
    parts = file.relative_to(folder).parts
    if parts[0] == "predictions" and len(file.stem) != 16:
        return file.stem
    return "/".join(parts[:-1])[:8] if len(parts) > 1 else parts[0]


def files_of(folder: Path) -> list[Path]:
    """Return the files of a run folder that can be made again: all but the database and the lock."""
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        path
        for path in every
        if not path.name.startswith("run.db")
        and path.name != "lock"
        and not any(".damaged" in part for part in path.parts)
    ]


# --- what may not depend on what disturbed a run --------------------------------------------------------------

PASSING = {
    "seconds", "seconds_each", "seconds_per_epoch", "seconds_per_run", "used", "started", "ended", "environment", "environments", "command", "registered", "when",
    "executor", "executor_options", "workers",
}  # fmt: skip


def contents(folder: Path) -> dict[str, list[str]]:
    """Return the rows of every table of a run, without times and surroundings; the checksums of all files are among them."""
    from harness.records import schema

    with closing(sqlite3.connect(folder / "run.db")) as db, closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(schema.TABLES)
        tables = [row[0] for row in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        db.row_factory = sqlite3.Row
        rows = {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in tables}
    return {table: sorted(json.dumps(_lasting(row), sort_keys=True) for row in each) for table, each in rows.items()}


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("key") in PASSING:
            return {}
        return {key: _lasting(each) for key, each in value.items() if key not in PASSING}
    if isinstance(value, list):
        return [_lasting(each) for each in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(ValueError):
            return _lasting(json.loads(value))
    return value


# --- one process ---------------------------------------------------------------------------------------------


def compare(expected: dict[str, list[str]], found: dict[str, list[str]], folder: Path) -> None:
    """Raise AssertionError where the tables of a run folder differ from those expected, or files are half written."""
    for table, rows in expected.items():
        if found[table] != rows:
            new, gone = sorted(set(found[table]) - set(rows)), sorted(set(rows) - set(found[table]))
            raise AssertionError(f"{table} differs: {new[:3]} instead of {gone[:3]}")
    if left := [str(path) for path in folder.rglob("*.tmp")]:
        raise AssertionError(f"files are left half written: {left}")


class Calls:
    """The calls by which a process changes the disk, counted; before the one of that number it is killed."""

    def __init__(self, out: Path, kill_at: int | None, notes: Path) -> None:
        self.out, self.kill_at, self.notes = str(out), kill_at, notes
        self.count = 0

    def listen(self) -> None:
        """Count from now on."""
        from harness.records import database

        sync, connect = os.fsync, database.connect

        def fsync(handle: int) -> None:
            self._note("fsync")
            sync(handle)

        def connected(folder: Path) -> sqlite3.Connection:
            db = connect(folder)
            db.set_trace_callback(self._statement)
            return db

        os.fsync = fsync
        database.connect = connected
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        changed = opened or event in ("os.rename", "os.remove", "os.mkdir")
        if changed and str(arguments[0]).startswith(self.out):
            self._note(event.removeprefix("os."))

    def _statement(self, sql: str) -> None:
        word = sql.split(None, 1)[0].upper() if sql.strip() else ""
        if word in ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE"):
            self._note(f"SQLite {word}")

    def _note(self, what: str) -> None:
        self.count += 1
        if self.count == self.kill_at:
            handle = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(handle, what.encode())
            os.kill(os.getpid(), signal.SIGKILL)


def _run(file: Path, out: Path, kill_at: int | None, notes: Path) -> None:
    """Carry out the benchmark in this process, which ends with it."""
    code = 70
    try:
        printed = os.open(notes.with_suffix(".out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.stdout, sys.stderr = (
            os.fdopen(handle, "w", 1, closefd=False) for handle in (1, 2)
        )  # a test captures others
        calls = Calls(out, kill_at, notes)
        calls.listen()
        from harness.cli.app import main
        from harness.training import loop

        loop.SAVE_EVERY = 0.0  # so that every epoch has a state to go on from
        main(["run", str(file), "--out", str(out), "--retry"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        if kill_at is None:
            notes.write_text(str(calls.count))
    finally:
        os._exit(code)


class Campaign:
    """Runs that are disturbed, and what came of it."""

    def __init__(self, work: Path, seed: int, say: Callable[[str], object], text: str = BENCHMARK) -> None:
        self.work, self.choose, self.say = work, random.Random(seed), say
        self.file, self.notes = work / "campaign.toml", work / "notes"
        self.file.write_text(text, encoding="utf-8")
        self.kills: Counter[str] = Counter()
        self.damages: Counter[str] = Counter()
        self.compared = self.unharmed = 0
        began = time.monotonic()
        if code := self.start(work / "whole", None, None):
            raise AssertionError(f"the undisturbed run ended with {code}: {self._printed()}")
        self.length = time.monotonic() - began
        self.calls = int(self.notes.read_text())
        (whole,) = (work / "whole").iterdir()
        self.expected = contents(whole)

    def start(self, out: Path, kill_at: int | None, signalled: tuple[float, signal.Signals] | None) -> int:
        """Carry the run out, or let it be killed; return its exit code, or the signal's number, negative."""
        self.notes.unlink(missing_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which later releases of Python fear here
            child = os.fork()
        if not child:
            _run(self.file, out, kill_at, self.notes)
        began = time.monotonic()
        sent = False
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            spent = time.monotonic() - began
            if signalled and not sent and spent > signalled[0]:
                os.kill(child, signalled[1])
                sent = True
            if spent > HANGS:
                os.kill(child, signal.SIGKILL)
                raise AssertionError(f"a run hung for {spent:.0f} s")
            time.sleep(0.002)

    def disturb(self, kills: int) -> None:
        """Kill that many runs, in as many folders as it takes."""
        number = 0
        while self.kills.total() < kills:
            number += 1
            out = self.work / f"killed{number}"
            for _ in range(3):  # a run, and what is damaged of it once it has ended
                self._to_the_end(out, kills)
                self._compare(out)
                if self.kills.total() >= kills:
                    break
                for _ in range(self.choose.randint(1, 4)):
                    self._damage(next(out.iterdir()))
            shutil.rmtree(out)

    def _to_the_end(self, out: Path, kills: int) -> None:
        while True:
            undisturbed = self.kills.total() >= kills
            kill_at, signalled = None, None
            if not undisturbed and self.choose.random() < 0.5:
                kill_at = self.choose.randint(1, self.calls // PARTS)
            elif not undisturbed:
                signalled = self.choose.uniform(0, self.length / PARTS), self.choose.choice(SIGNALS)
            code = self.start(out, kill_at, signalled)
            if code == 0:
                self.unharmed += kill_at is not None or signalled is not None
                return
            if code not in CODES:
                raise AssertionError(f"a run ended with {code}: {self._printed()}")
            self.kills[f"at {self.notes.read_text()}" if kill_at else f"{signalled[1].name} at a moment"] += 1
            self.say(f"{self.kills.total()} kills")
            folders = list(out.iterdir()) if out.is_dir() else []
            if folders and self.choose.random() < 0.5:
                self._damage(folders[0])

    def _damage(self, folder: Path) -> None:
        by_kind: dict[str, list[Path]] = {}
        for file in files_of(folder):
            by_kind.setdefault(kind_of(folder, file), []).append(file)
        if by_kind:
            kind, how = self.choose.choice(sorted(by_kind)), self.choose.choice(sorted(DAMAGE))
            DAMAGE[how](self.choose.choice(by_kind[kind]))
            self.damages[f"{kind} {how}"] += 1

    def _compare(self, out: Path) -> None:
        (folder,) = out.iterdir()
        compare(self.expected, contents(folder), folder)
        self.compared += 1

    def _printed(self) -> str:
        return self.notes.with_suffix(".out").read_text(errors="replace")[-3000:]

    def lines(self) -> Iterator[str]:
        """Yield what was done."""
        yield f"{self.kills.total()} kills: {', '.join(f'{count} {how}' for how, count in self.kills.most_common())}"
        kinds: Counter[str] = Counter()
        for about, count in self.damages.items():
            kinds[about.split(None, 1)[0]] += count
        yield f"{self.damages.total()} damages: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}"
        yield f"{self.compared} ended runs, all tables equal to those of the undisturbed run"


def main() -> None:
    """Carry the campaign out."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--quiet", action="store_true")
    options.add_argument(
        "--workers", type=int, default=0, help="kill so many workers and their driver; 0 for a run in one process"
    )
    chosen = options.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a shell ignores for what it starts in the background
    with tempfile.TemporaryDirectory() as work:
        os.environ["HARNESS_CACHE"] = f"{work}/cache"
        for name in IMPORTED:
            importlib.import_module(name)
        importlib.import_module("harness.plugin.discovery").discover()
        say = (lambda line: None) if chosen.quiet else print
        if chosen.workers:  # from the package, which is there with ``python -m tests.hostile.campaign``
            with_workers = importlib.import_module("tests.hostile.worker_campaign").WorkerCampaign
            campaign = with_workers(Path(work), chosen.seed, chosen.workers, say)
        else:
            campaign = Campaign(Path(work), chosen.seed, say)
        try:
            campaign.disturb(chosen.kills)
        finally:
            print("\n".join(campaign.lines()))


if __name__ == "__main__":
    main()
