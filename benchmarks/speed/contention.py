"""Measure what is left of the throughput when another program keeps one core busy.

    python benchmarks/speed/contention.py [--cores 2] [--rounds 3] [--seconds 20] [--ways inprocess inprocess-1 local]

A benchmark whose trials never end is trained in one of three ways: by `local` with N workers, by `inprocess` with N threads,
and by `inprocess` with one thread. Once every worker has trained an epoch, the epochs that reach the records are counted
for some seconds while nothing else runs (quiet), and for as long beside a busy loop (busy), in turn (A B A B ...). The
part that is left is busy / quiet of each round. All processes, the busy loop among them, may use the first N of this
process's cores only.

Nothing else may run on these cores. At its beginning the script says how many cores others keep busy.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from workers import first_cores, machine, spread

FLAGSHIP = Path(__file__).parents[1] / "dogscats.toml"
IMAGES = 256  # of an epoch: few, because threads that wait for each other train some 40 a second
PATIENCE = 600.0  # seconds until the first epochs must have been trained


def ways(cores: int) -> dict[str, tuple[str, ...]]:
    """Return the settings of each way."""
    return {
        "inprocess": ('train.executor="inprocess"', f"train.threads={cores}"),
        "inprocess-1": ('train.executor="inprocess"', "train.threads=1"),
        "local": ('train.executor="local"', f"train.workers={cores}", "train.threads=1"),
    }


def command_of(settings: Sequence[str], out: str) -> list[str]:
    """Return the command of a benchmark whose trials do not end while anybody waits."""
    words = [
        *settings, 'train.optimizers=["sgd", "adam"]', "search.trials=8", "search.epochs=[100000]",
        "search.space.sgd={ lr = 0.01 }", "search.space.adam={ lr = 1e-3 }",
        f"data.options={{ train = {IMAGES}, tune = 64, test = 64 }}", 'compare.probes=["gradient_norm"]',
    ]  # fmt: skip
    given = [word for setting in words for word in ("--set", setting)]
    return [sys.executable, "-m", "harness", "run", str(FLAGSHIP), "--only-search", "--out", out, "--no-reuse", *given]


@contextmanager
def training(settings: Sequence[str], out: str, workers: int) -> Iterator[Path]:
    """Train in a process of its own, until so many runs have begun and beyond; yield the database of the run folder."""
    with Path(out, "printed").open("w", encoding="utf-8") as printed:
        process = subprocess.Popen(command_of(settings, out), stdout=printed, stderr=subprocess.STDOUT)
    try:
        began = time.monotonic()
        while len(databases := list(Path(out).glob("*/run.db"))) != 1 or epochs(databases[0])[0] < workers:
            if process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise SystemExit(f"no epoch was trained:\n{Path(out, 'printed').read_text(encoding='utf-8')[-3000:]}")
            time.sleep(0.2)
        yield databases[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep a core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(1)  # until the scheduler has found a place for it
        yield
    finally:
        process.kill()
        process.wait()


def epochs(database: Path) -> tuple[int, int]:
    """Return how many runs have begun, and how many epochs the records have in all."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'epochs'").fetchone():
            return 0, 0
        runs, trained = db.execute("SELECT count(DISTINCT run_id), count(*) FROM epochs").fetchone()
        return int(runs), int(trained)


def images_a_second(database: Path, seconds: float) -> float:
    """Return the throughput from now on: counted from the end of one epoch to the end of another."""
    before = end = _at_next_epoch(database, PATIENCE)
    while end[0] - before[0] < seconds:
        left = max(1.0, before[0] + seconds - end[0])
        following = _at_next_epoch(database, left if end is not before else PATIENCE)
        if following[1] == end[1]:
            break
        end = following
    return IMAGES * (end[1] - before[1]) / max(end[0] - before[0], 1e-9)


def _at_next_epoch(database: Path, patience: float) -> tuple[float, int]:
    """Wait for the end of an epoch; return when it was, and how many epochs there are."""
    began, trained = time.monotonic(), epochs(database)[1]
    while (now := epochs(database)[1]) == trained and time.monotonic() - began < patience:
        time.sleep(0.01)
    return time.monotonic(), now


def busy_cores(seconds: float = 1.0) -> float:
    """Return how many cores of the machine are busy, whoever keeps them so."""

    def working() -> int:
        user, nice, system = Path("/proc/stat").read_text(encoding="utf-8").split()[1:4]
        return int(user) + int(nice) + int(system)

    before = working()
    time.sleep(seconds)
    return (working() - before) / os.sysconf("SC_CLK_TCK") / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each count")
    parser.add_argument("--ways", nargs="+", default=["inprocess", "inprocess-1", "local"])
    options = parser.parse_args()
    first_cores(options.cores)
    print(f"{machine()}, {options.cores} cores; others keep {busy_cores():.1f} cores busy")
    for way in options.ways:
        with (
            tempfile.TemporaryDirectory() as out,
            training(ways(options.cores)[way], out, options.cores if way == "local" else 1) as database,
        ):
            quiet, busy = [], []
            for _ in range(options.rounds):
                quiet.append(images_a_second(database, options.seconds))
                with busy_loop():
                    busy.append(images_a_second(database, options.seconds))
        parts = [100 * one / other for one, other in zip(busy, quiet, strict=True)]
        print(
            f"{way}: quiet {spread(quiet)} images/s, busy {spread(busy)} images/s, left {spread(parts)} %", flush=True
        )


if __name__ == "__main__":
    main()
