"""Measure the executor `local` with N workers against `inprocess` with N threads, on one benchmark, as a ratio.

    python benchmarks/speed/workers.py [--cores 2] [--rounds 3] [--trials 4] [--replicates 2] [--epochs 20] [--precision auto]
    python benchmarks/speed/workers.py --bare-only

The benchmark is the flagship, with fewer trials, replicates and epochs: searches, the comparison and all its probes. Both ways
carry it out in turn (A B A B ...), each in a process of its own, from a cache that has the drawings already. What counts
is the work: the seconds of the command, less those of the same command on the finished folder, which starts, finds
nothing left to do and writes the report. The start of the workers counts as work.

Before that it measures the bare limit: N processes of one thread each against one process of N threads, each training the
flagship's network by hand (the bare loop of ``loop.py``). No harness can be faster than that on the trainings alone.

All processes may use the first N of this process's cores only. With other programs on these cores, the ratio says what
these programs do to threads that wait for each other (``contention.py`` measures that).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

FLAGSHIP = Path(__file__).parents[1] / "dogscats.toml"
IMAGES, SIZE, BATCH = 1024, 32, 64  # of the bare loop, as in the flagship


def first_cores(count: int) -> None:
    """Restrict this process, and all that it starts, to so many cores, and let nothing but the benchmark set threads."""
    os.environ.pop("OMP_NUM_THREADS", None)
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < count:
        raise SystemExit(f"--cores: must be at most {len(usable)}, which this process may use, got {count}")
    os.sched_setaffinity(0, usable[:count])


def machine() -> str:
    """Return the name of the processor and the version of torch."""
    from harness.training.device import Device, environment

    known = environment(Device("cpu", "fp32", 1))
    return f"{known['hardware']['device']}, torch {known['versions']['torch']}"


def spread(values: Sequence[float]) -> str:
    """Return the median of some numbers, with the smallest and the largest."""
    middle, least, most = (
        f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least} to {most}, n={len(values)})"


# --- the bare limit


def train_bare(threads: int, passes: int, precision: str) -> None:
    """Train by hand in this process: say "ready" after a warm-up, begin at the next line of the input, end with the process."""
    import torch
    from loop import EPOCHS, bare

    from harness import Backbone
    from harness.plugin.discovery import discover
    from harness.training.device import set_up_device

    device = set_up_device("cpu", precision, threads)
    backbone = discover().get("backbone", "lesson_cnn", Backbone)
    images, labels = torch.randn(IMAGES, SIZE, SIZE, 3), torch.randint(0, 2, (IMAGES,))
    for number in range(1 + passes):
        bare(backbone.build((3, SIZE, SIZE), 2), images, labels, BATCH, device)
        if number == 0:
            print("ready", EPOCHS * IMAGES, flush=True)
            sys.stdin.readline()


def bare_rate(processes: int, threads: int, passes: int, precision: str) -> float:
    """Return how many images a second so many processes train together."""
    command = [sys.executable, __file__, "--train-bare", str(threads), str(passes), "--precision", precision]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)]
    images = sum(passes * int((process.stdout.readline().split() or ["ready", "0"])[1]) for process in started)
    began = time.perf_counter()
    for process in started:
        process.stdin.write("begin\n")
        process.stdin.flush()
    codes = [process.wait() for process in started]
    if any(codes):
        raise SystemExit("the bare loop failed")
    return images / (time.perf_counter() - began)


def measure_bare(cores: int, rounds: int, precision: str) -> None:
    """Print the bare limit: processes of one thread against threads of one process."""
    together, apart = [], []
    for _ in range(rounds):
        together.append(bare_rate(1, cores, 2 * cores, precision))
        apart.append(bare_rate(cores, 1, 2, precision))
    ratios = [processes / threads for processes, threads in zip(apart, together, strict=True)]
    print(f"bare, 1 process of {cores} threads: {spread(together)} images/s")
    print(f"bare, {cores} processes of 1 thread: {spread(apart)} images/s")
    print(f"bare limit, processes / threads: {spread(ratios)}", flush=True)


# --- the harness


def command_of(ways: Sequence[str], options: argparse.Namespace, out: str) -> list[str]:
    """Return the command that carries the small flagship out."""
    settings = [
        *ways, f"search.trials={options.trials}", f"search.together={options.together}", f"compare.looks=[{options.replicates}]",
        f"compare.epochs={options.epochs}", "compare.untuned=1", f'train.precision="{options.precision}"',
        f"compare.probe_sizes={{ connectivity = {options.pairs} }}", 'report.formats=["text"]', "data.options.test=1024",
    ]  # fmt: skip
    words = [word for setting in settings for word in ("--set", setting)]
    return [sys.executable, "-m", "harness", "run", str(FLAGSHIP), "--out", out, "--no-reuse", *words]


def seconds_of(command: Sequence[str]) -> float:
    """Return the seconds of a command, which must end well."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout[-3000:]}")
    return time.perf_counter() - began


def seconds_of_work(ways: Sequence[str], options: argparse.Namespace) -> float:
    """Return the seconds that the work of a run takes: without start-up and report."""
    with tempfile.TemporaryDirectory() as out:
        command = command_of(ways, options, out)
        whole = seconds_of(command)
        return whole - seconds_of(command)


def measure_ways(options: argparse.Namespace) -> None:
    """Print how long the work takes in threads and in workers, and the ratio."""
    cores = options.cores
    threads = ('train.executor="inprocess"', f"train.threads={cores}")
    workers = ('train.executor="local"', f"train.workers={cores}", "train.threads=1")
    seconds_of([*command_of(threads, options, tempfile.mkdtemp(dir=os.environ["HARNESS_CACHE"])), "--only-search"])
    by_way: dict[str, list[float]] = {"inprocess": [], "local": []}
    for _ in range(options.rounds):
        by_way["inprocess"].append(seconds_of_work(threads, options))
        by_way["local"].append(seconds_of_work(workers, options))
        print(*(f"{way}: {seconds[-1]:.1f} s" for way, seconds in by_way.items()), flush=True)
    ratios = [one / other for one, other in zip(by_way["inprocess"], by_way["local"], strict=True)]
    print(f"inprocess, {cores} threads: {spread(by_way['inprocess'])} s")
    print(f"local, {cores} workers: {spread(by_way['local'])} s")
    print(f"inprocess / local: {spread(ratios)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--together", type=int, default=4)
    parser.add_argument("--replicates", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=36)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--bare-only", action="store_true")
    parser.add_argument("--train-bare", type=int, nargs=2, help=argparse.SUPPRESS, metavar=("THREADS", "PASSES"))
    options = parser.parse_args()
    if options.train_bare:
        return train_bare(*options.train_bare, options.precision)
    first_cores(options.cores)
    print(f"{machine()}, {options.cores} cores, precision {options.precision}")
    measure_bare(options.cores, options.rounds, options.precision)
    if not options.bare_only:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["HARNESS_CACHE"] = cache
            measure_ways(options)
    return None


if __name__ == "__main__":
    main()
