"""Whole benchmark files on the device: wall seconds, how busy the GPU is while it trains, equal tables, and the tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from _gpu.busy import Busy, sampled
from _gpu.setting import Context

ROOT = Path(__file__).resolve().parents[3]
FLAGSHIP = ROOT / "benchmarks" / "dogscats.toml"
SMALL = (  # the flagship for a CPU
    "data.options={train=128, tune=64, test=64}", "search.trials=2", "search.epochs=[1, 1]",
    "search.sampler_options={n_startup_trials=1}", "compare.looks=[2]", "compare.seeds=1", "compare.epochs=1", "compare.untuned=0",
    "compare.probe_sizes={}", "train.device='cpu'",
)  # fmt: skip
TELLS = 5.0  # seconds that an interrupted command has to say how far it is
LINES, WIDTH = 26, 70  # of what a command said, as many as are told


# --- a command --------------------------------------------------------------------------------------------------


@dataclass
class Said:
    """How a command ended, and what it said when."""

    code: int
    seconds: float
    began: float  # since 1970
    lines: list[tuple[float, str]]  # seconds since it began

    def when(self, pattern: str, last: bool = False) -> float | None:
        """Return the seconds after which a line was said that has this pattern."""
        found = [seconds for seconds, line in self.lines if re.search(pattern, line)]
        return found[-1 if last else 0] if found else None

    def outline(self) -> list[str]:
        """Return the lines that begin differently from all before them, each with its second, and the last ones."""
        seen: dict[str, str] = {}
        for seconds, line in self.lines:
            begins = re.sub(r"[\d.,]+", "#", line)[:18]
            seen.setdefault(begins, f"{seconds:.0f} {line[:WIDTH]}")
        lines = list(seen.values())
        return lines if len(lines) <= LINES else [*lines[: LINES // 2], "...", *lines[-LINES // 2 :]]

    def end(self, characters: int = 900) -> str:
        """Return the end of what it said."""
        return "\n".join(line for _, line in self.lines)[-characters:]


def command(context: Context, words: list[str], cache: Path, seconds: float, **environment: str) -> Said:
    """Run a command with a cache of its own; it is killed with all it has started when its time is over."""
    surroundings = {
        **os.environ,
        "HARNESS_CACHE": str(cache),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        **environment,
    }
    began, start = time.time(), time.perf_counter()
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=surroundings, cwd=ROOT
    )
    left = max(min(seconds, context.left - 8), 1)
    killers = [threading.Timer(left, process.kill)]
    if left > 2 * TELLS:  # what it has done so far, it tells when it is interrupted
        killers.append(threading.Timer(left - TELLS, process.send_signal, [signal.SIGINT]))
    for killer in killers:
        killer.start()
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append((time.perf_counter() - start, line.rstrip()))
        print(f"[{lines[-1][0]:7.2f}] {line}", end="", flush=True)
    for killer in killers:
        killer.cancel()
    return Said(process.wait(), time.perf_counter() - start, began, lines)


def harness(*words: str) -> list[str]:
    """Return the command line of the harness."""
    return [sys.executable, "-u", "-m", "harness", *words]


def settings(*lines: str) -> list[str]:
    """Return the words that set keys of a benchmark file."""
    return [word for line in lines for word in ("--set", line)]


def folder_of(out: Path) -> Path | None:
    """Return the one run folder in a folder."""
    return next((path.parent for path in sorted(out.glob("*/run.db"))), None)


# --- whole files ------------------------------------------------------------------------------------------------


def flagship(context: Context) -> None:
    """Time the flagship's file from scratch."""
    _whole_file(context, limit=60.0)


def verdict(context: Context) -> None:
    """Time the flagship's profile that tests the lesson's claim."""
    _whole_file(context, "--profile", "verdict", limit=240.0)


def gpu_workers(context: Context) -> None:
    """Time the flagship's file with one, two and four processes on the GPU, the drawings kept from the first call."""
    with tempfile.TemporaryDirectory() as made:
        small = settings(*SMALL) if not context.gpu else []
        for workers in (4, 1, 2):
            out = Path(made, f"runs{workers}")
            words = harness("run", str(FLAGSHIP), "--out", str(out), "--no-reuse", *small)
            words += settings("train.executor='local'", f"train.workers={workers}")
            with sampled(context.gpu) as busy:
                said = command(context, words, Path(made, "cache"), context.left)
            folder = folder_of(out)
            times = training_times(folder) if folder else None
            if times is None:
                context.say(workers=workers, code=said.code, end=said.end())
                continue
            begins, ends = times["first"], times["last"]
            context.say(
                workers=workers, code=said.code, until_training=round(begins - said.began, 1), training=round(ends - begins, 1),
                after_training=round(said.began + said.seconds - ends, 1), by_phase=times["phases"],
                share=busy.share(begins, ends), share_afterwards=busy.share(ends, said.began + said.seconds),
                memory_gb=busy.most_memory, staff=[line for _, line in said.lines if " with a crew of " in line][-1:],
            )  # fmt: skip


def eight_seeds(context: Context) -> None:
    """Time resnet18 at 96 px, three optimizers with four replicates of two seeds and all primary measures."""
    sizes = ("data.options={train=4096, tune=1024, test=4096}", "search.trials=4", "search.epochs=[2, 4]",
             "search.sampler_options={n_startup_trials=2}", "compare.looks=[4]", "compare.epochs=16")  # fmt: skip
    _whole_file(context, "--profile", "scratch96", *settings(*sizes), limit=600.0)


def _whole_file(context: Context, *words: str, limit: float) -> None:
    with tempfile.TemporaryDirectory() as made, sampled(context.gpu) as busy:
        small = settings(*SMALL) if not context.gpu else []
        out = Path(made, "runs")
        said = command(
            context, harness("run", str(FLAGSHIP), "--out", str(out), *words, *small), Path(made, "cache"), context.left
        )
        folder = folder_of(out)
        times = training_times(folder) if folder else None
        if folder:
            keep(context, folder)
        context.check(
            f"in {limit:.0f} s or less, exit code 0", said.code == 0 and said.seconds <= limit,
            seconds=round(said.seconds, 1), code=said.code,
        )  # fmt: skip
        if times:
            _tell_training(context, said, times, busy)
        context.say(outline=said.outline())
        if said.code:
            context.say(end=said.end(1800))


def keep(context: Context, folder: Path) -> None:
    """Copy the records and the page of a run into the folder of this call's results, under the section's name."""
    if not (results := os.environ.get("OUT")):
        return
    for name in ("run.db", "report.html"):
        if (file := folder / name).is_file():
            shutil.copyfile(file, Path(results, f"{context.section}-{name}"))


def _tell_training(context: Context, said: Said, times: dict[str, Any], busy: Busy) -> None:
    """Tell how long the search, the comparison and the rest took, and how busy the GPU was meanwhile."""
    begins, ends = times["first"], times["last"]
    context.say(
        until_training=round(begins - said.began, 1),
        training=round(ends - begins, 1),
        after_training=round(said.began + said.seconds - ends, 1),
        by_phase=times["phases"], runs=times["states"], reasons=times["reasons"], memory_gb=busy.most_memory,
        samples=len(busy.samples), sampling_problem=busy.problem,
    )  # fmt: skip
    share = busy.share(begins, ends)
    if share is not None:
        after = busy.share(ends, said.began + said.seconds)
        context.check("the GPU is half busy while it trains", share >= 0.5, share=share, share_afterwards=after)


def training_times(folder: Path) -> dict[str, Any] | None:
    """Return from the records when training began and ended, by phase, and how the runs ended."""
    with closing(sqlite3.connect(folder / "run.db")) as db:
        rows = list(
            db.execute("SELECT phase, started, ended, seconds, state, reason FROM runs WHERE started IS NOT NULL")
        )
    times = [(phase, _seconds(began), _seconds(ended), seconds) for phase, began, ended, seconds, *_ in rows if ended]
    if not times:
        return None
    phases = {}
    for name in dict.fromkeys(phase for phase, *_ in times):
        of_phase = [row[1:] for row in times if row[0] == name]
        wall = max(ended for _, ended, _ in of_phase) - min(began for began, _, _ in of_phase)
        phases[name] = {
            "runs": len(of_phase),
            "wall": round(wall, 1),
            "training": round(sum(row[2] for row in of_phase), 1),
        }
    states: dict[str, int] = {}
    for *_, state, _reason in rows:
        states[state] = states.get(state, 0) + 1
    reasons = list(dict.fromkeys(row[5][:160] for row in rows if row[5]))[:3]
    first, last = min(began for _, began, _, _ in times), max(ended for _, _, ended, _ in times)
    return {"first": first, "last": last, "phases": phases, "states": states, "reasons": reasons}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# --- equal tables -----------------------------------------------------------------------------------------------

WAYS = {  # by name: the keys that say where runs are carried out, and nothing else
    "inprocess": ("train.executor='inprocess'",),
    "a crew of 1": ("train.executor='local'", "train.crew=1"),
    "a crew of 8": ("train.executor='local'", "train.crew=8"),
}
SMALL_FILE = """
name = "alike"
[data]
size = 32
options = {{ train = {train}, tune = {test}, test = {test} }}
[train]
backbones = ["lesson_cnn"]
optimizers = ["sgd", "adam", "rmsprop"]
batch_size = 64
threads = 1
[search]
trials = 4
epochs = [1, 3]
together = 2
sampler_options = {{ n_startup_trials = 2 }}
[compare]
looks = [4]
seeds = 1
epochs = {epochs}
untuned = 0
probes = ["gradient_norm", "distance", "representation", "connectivity", "sharpness"]
probe_sizes = {{ connectivity = 9, sharpness = 6 }}
[compare.probe_options]
connectivity = {{ alphas = 5, images = 256, bn_images = 256 }}
sharpness = {{ images = 256, steps = 5 }}
[report]
formats = ["text"]
"""
PASSING = {"seconds", "started", "ended", "environment", "seconds_each"}  # columns that may differ
TABLES = ("searches", "asks", "runs", "epochs", "measured", "files")


def tables(context: Context) -> None:
    """Compare the tables, weights and predictions of one small benchmark carried out in several ways."""
    first: dict[str, list[str]] | None = None
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, "alike.toml")
        sizes = {"train": context.sized(512, 128), "test": context.sized(256, 64), "epochs": context.sized(4, 1)}
        file.write_text(SMALL_FILE.format(**sizes))
        for way, keys in WAYS.items():
            out = Path(made, way.replace(" ", "-"))
            words = ["run", str(file), "--out", str(out), "--no-reuse", *settings(*keys)]
            said = command(context, harness(*words), Path(made, "cache"), context.left)
            folder = folder_of(out)
            context.say(way=way, seconds=round(said.seconds, 1), code=said.code, end=said.end(900) if said.code else "")
            if folder is None:
                continue
            rows = contents(folder)
            if first is None:
                first, first_way = rows, way
            else:
                gaps = differences(first, rows)
                context.check(
                    f"{first_way} and {way}: equal tables, weights and predictions", not gaps, differences=gaps
                )


def contents(folder: Path) -> dict[str, list[str]]:
    """Return the rows of the records' tables as text, without seconds; files are those of weights and predictions."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.row_factory = sqlite3.Row
        for table in TABLES:
            rows = [
                {k: v for k, v in dict(row).items() if k not in PASSING} for row in db.execute(f"SELECT * FROM {table}")
            ]
            if table == "files":
                rows = [row for row in rows if row["file"].startswith(("solutions", "predictions"))]
            found[table] = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return found


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, Any]:
    """Return by table how many rows only one of two has, with one of each."""
    gaps = {}
    for table in TABLES:
        only = sorted(set(one[table]) - set(other[table])), sorted(set(other[table]) - set(one[table]))
        if any(only):
            gaps[table] = [len(only[0]), len(only[1]), *(rows[0][:220] for rows in only if rows)]
    return gaps


# --- the tests --------------------------------------------------------------------------------------------------


def gpu_tests(context: Context) -> None:
    """Run the tests marked ``gpu``."""
    marked = [str(file) for file in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in file.read_text()]
    if not marked:
        context.check("tests that need a GPU", False, end="no file has the marker")
        return
    with tempfile.TemporaryDirectory() as made:
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "gpu",
            "-v",
            "-p",
            "no:cacheprovider",
            "--tb=short",
            "-rfE",
        ]
        said = command(context, [*words, *marked], Path(made), context.left, OMP_NUM_THREADS="1")
        context.check("tests that need a GPU", said.code == 0, code=said.code, end=said.end(2400 if said.code else 300))
