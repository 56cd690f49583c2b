"""Plugins that harm their process, carried out in workers: each harms its own worker only, and the next run is clean.

All of them are SGD (``harmful``), so every arm must come out with the numbers of the harmless one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

HARMFUL = Path(__file__).with_name("harmful.py")
HARMS = (
    "segfault", "exit", "abort", "out_of_memory", "chdir", "thread", "threads", "seeds", "dtype", "warnings", "descriptors", "silence",
    "output", "output_closed", "group", "double_fork", "environment",
)  # fmt: skip  # done once
SECONDS = 20  # that a run may take: several times what any of them takes but the one that sleeps
ALWAYS = ("crashes", "parent", "sys_exit", "interrupt", "sleeps", "eats")  # done in every run
COMMAND = f"""if 1:
    import os, sys
    from functools import partial
    import torch._dynamo
    sys.path.insert(0, {str(Path(__file__).parents[2])!r})
    from tests.hostile import disturbing
    disturbing.start_workers_by(partial(disturbing.Forked, lambda: None))  # they have all imports: there will be many
    os.environ["HARMFUL_DRIVER"] = str(os.getpid())
    from harness.benchmark.plan import Setting
    from harness.cli.app import main
    Setting._search_seed = lambda *_: 1_000_000  # all arms search with one seed, so that their numbers can be compared
    main(sys.argv[1:])
"""
BENCHMARK = """
block = {analyses}
name = "harmful"
[data]
size = 16
options = {{ train = 64, tune = 32, test = 64 }}
[train]
optimizers = {optimizers}
schedulers = ["constant"]
batch_size = 16
precision = "fp32"
device = "cpu"
threads = 1
executor = "local"
workers = 2
max_seconds = {seconds}
max_memory = 1.5
[search]
trials = 1
confirm = 0
epochs = [2]
[compare]
looks = [1]
seeds = 1
epochs = 2
untuned = 0
gate = false
probes = ["deadly"]
[report]
formats = ["md"]
paths = false
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory, every_analysis):
    """A run of all of them: its exit code, what it printed, its records and its report."""
    folder = tmp_path_factory.mktemp("harmful")
    harms = folder / "harms"
    harms.mkdir()
    file = folder / "harmful.toml"
    names = ["sleeps", "harmless", *HARMS, *(name for name in ALWAYS if name != "sleeps")]  # others run while it sleeps
    file.write_text(
        BENCHMARK.format(seconds=SECONDS, analyses=json.dumps(every_analysis), optimizers=json.dumps(names)),
        encoding="utf-8",
    )
    words = ["run", str(file), "--plugin", str(HARMFUL), "--out", str(folder / "runs")]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, cwd=folder,
        env={**os.environ, "HARMFUL": str(harms)}, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), (done.stdout + done.stderr)[-3000:]
    (made,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    with closing(sqlite3.connect(made / "run.db")) as db:
        db.row_factory = sqlite3.Row
        runs = [dict(row) for row in db.execute("SELECT * FROM runs")]
        measured = [dict(row) for row in db.execute("SELECT * FROM measured")]
    said = done.stdout + done.stderr
    report = (made / "report.md").read_text(encoding="utf-8")
    yield SimpleNamespace(code=done.returncode, said=said, runs=runs, measured=measured, report=report, harms=harms)
    with suppress(OSError, ValueError):
        os.kill(int((harms / "left behind").read_text()), signal.SIGKILL)


def runs_of(ended, name):
    return [row for row in ended.runs if row["arm"] == f"lesson_cnn/{name}/constant"]


def numbers(rows):
    """Return the metrics of a trial, and of the run of the comparison."""
    return {row["phase"]: json.loads(row["metrics"]) for row in rows if row["state"] == "done"}


def test_everything_that_could_be_carried_out_was(ended):
    assert ended.code == 1, ended.said[-3000:]  # because of those that harm each time
    assert "Traceback" not in ended.said


@pytest.mark.parametrize("name", HARMS)
def test_a_run_whose_process_was_harmed_goes_on_in_another_and_the_next_run_is_clean(ended, name):
    assert (ended.harms / name).exists()  # it was done
    rows = runs_of(ended, name)
    assert [row["state"] for row in rows] == ["done"] * 2, rows
    expected = numbers(runs_of(ended, "harmless"))
    assert set(expected) == {"search", "compare"}
    changes_its_own = name in ("dtype", "threads", "seeds", "warnings", "environment")
    if changes_its_own:  # from there to the end of the epoch; the run after it must not be touched
        expected["search"] = numbers(rows)["search"]
    assert numbers(rows) == expected


ENDS = {
    "crashes": "signal 11",
    "parent": "a worker must not end its driver",
    "sys_exit": "SystemExit",
    "interrupt": "KeyboardInterrupt",
    "sleeps": f"over its limit of {SECONDS} s (train.max_seconds)",
    "eats": "(train.max_memory)",
}


@pytest.mark.parametrize("name", ALWAYS)
def test_a_run_that_harms_each_time_has_failed_and_is_named(ended, name):
    (row,) = runs_of(ended, name)
    assert row["state"] == "failed"
    assert ENDS[name] in row["reason"]
    assert any(re.search(rf"\b{name}\b", line) and ENDS[name] in line for line in ended.said.splitlines()), ended.said
    assert name in ended.report.replace("\\", "")


NAMED = {
    "chdir": "the working directory",
    "threads": "threads",
    "dtype": "default dtype",
    "warnings": "warning",
    "environment": "environment",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_change_of_the_process_is_named(ended, name):
    lines = [line for line in ended.said.splitlines() if f"lesson_cnn/{name}/constant" in line and "warning" in line]
    assert any(NAMED[name] in line for line in lines), lines


def test_a_probe_that_ended_its_process_has_measured_every_network(ended):
    assert (ended.harms / "probe").exists()
    compared = [row for row in ended.runs if row["phase"] == "compare" and row["state"] == "done"]
    assert len({row["one"] for row in ended.measured}) == len(compared) == 1 + len(HARMS)


def test_no_process_is_left(ended):
    """Workers know the folder of the harms from their environment."""
    deadline = time.monotonic() + 60
    while (left := _processes_with(f"HARMFUL={ended.harms}")) and time.monotonic() < deadline:
        time.sleep(0.05)
    behind = ended.harms / "left behind"
    assert left in ([], [int(behind.read_text())])


def _processes_with(variable):
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable.encode() in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return found
