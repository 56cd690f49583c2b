"""The campaign of kills on an executor with workers: ``python -m tests.hostile.campaign --workers 2``.

In the life of one command several workers are killed: at a call of their own (``disturbing.WORKER_CALLS``: while they start,
open the benchmark, receive a job, train, measure a probe, before, in the middle of and after a message), or by a signal at a
random moment. Then the driver may be: at a call that changes the disk or moves a message, by a signal, alone or together
with a worker, by one or two Ctrl-C, which all its processes get, and while it ends its workers. Then the same command begins
again, until it ends by itself.

After each command:

- no process of it is left;
- what it printed has no traceback;
- a run that has ended in the records is never begun again, and another one begins at the last epoch in the records, or at
  the one before it, whose state was not yet written;
- within a command no epoch is trained twice but the one that a worker died in, once for each death.

After the last one all tables equal those of an undisturbed run in one process, and no file is left half written.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.plugin.discovery import discover
from tests.hostile import campaign, disturbing
from tests.hostile.disturbing import Arming, Log, Note

DEADLY = (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGBUS)  # for a worker
CHANCE = 0.85  # that a worker kills itself, if it lives for long enough
MOST = 12  # kills of workers in the life of one command
SPAWNED = 0.1  # the part of the commands whose workers are started as users' are; those of the others are forked
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl.h
EXECUTOR = re.compile(r'"executor": "\w+"|"workers": \d+')
GONE = 30.0  # seconds in which all processes of a command must be gone after its driver


@dataclass(frozen=True)
class Blow:
    """What is done to a command from outside, some seconds after its start, or after its driver has begun to end."""

    seconds: float
    at_the_end: bool
    target: str  # "driver", "worker", "both", "group"
    signal: signal.Signals
    again: float = 0.0  # seconds until the same signal is sent once more; 0 for once

    def __str__(self) -> str:
        """Return the kind of the blow."""
        if self.target == "group":
            return f"{'two ' if self.again else ''}Ctrl-C"
        when = "while the driver ends" if self.at_the_end else "at a moment"
        return f"{self.target} by {self.signal.name} {when}"


class WorkerCampaign:
    """Commands with workers that are disturbed, and what came of it."""

    def __init__(self, work: Path, seed: int, workers: int, say: Callable[[str], object]) -> None:
        self.work, self.workers, self.say, self.seed = work, workers, say, seed
        self.choose = random.Random(seed)
        self.file, self.printed = work / "campaign.toml", work / "printed"
        self.kills: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()  # epochs that were trained again, by what was killed
        self.compared = self.commands = self.trained = 0
        ctypes.CDLL(None).prctl(
            PR_SET_CHILD_SUBREAPER, 1
        )  # orphans become children of this process, which sees them so
        self._expect()
        began = time.monotonic()
        self._command(work / "whole", chance=0.0)
        self.length = time.monotonic() - began
        self._compare(work / "whole")

    def _expect(self) -> None:
        """Carry the benchmark out in one process: what every other way must come to."""
        undisturbed = campaign.Campaign(self.work, self.seed, self.say, benchmark("inprocess", 0))
        (whole,) = (self.work / "whole").iterdir()
        self.calls, self.expected = undisturbed.calls, contents(whole)
        shutil.rmtree(self.work / "whole")
        self.file.write_text(benchmark("local", self.workers), encoding="utf-8")

    def disturb(self, kills: int) -> None:
        """Kill so many processes, in as many folders as it takes."""
        number = 0
        while self.kills.total() < kills:
            number += 1
            out = self.work / f"killed{number}"
            while self._command(out, CHANCE) != 0:
                pass
            self._compare(out)
            shutil.rmtree(out)

    # --- one command

    def _command(self, out: Path, chance: float) -> int:
        """Carry the benchmark out, or as much of it as the kills allow; return its exit code."""
        self.commands += 1
        log_file = self.work / "log"
        log_file.unlink(missing_ok=True)
        log = Log(log_file)
        before = recorded(out)
        spawned = self.choose.random() < SPAWNED
        kill_at, blows = self._plan() if chance else (None, [])
        self.most = self.choose.randint(1, MOST)
        driver = os.fork()
        if not driver:
            self._drive(out, log_file, kill_at, chance, spawned)
        code = self._watch(driver, log, blows)
        self._clear(driver)
        notes = list(log.notes())
        log.close()
        for note in notes:
            if note.word == "killed":
                self.kills[note.about.partition("|")[0]] += 1
        self.say(f"{self.kills.total()} kills in {self.commands} commands")
        printed = self.printed.read_text(errors="replace")
        if code not in {0, *campaign.CODES} or "Traceback" in printed:
            raise AssertionError(f"a command ended with {code}: {printed[-3000:]}\n{self._shown(notes)}")
        self._check_trainings(before, notes, recorded(out))
        return code

    def _plan(self) -> tuple[int | None, list[Blow]]:
        """Return at which of its calls the driver is killed, if at any, and what is done from outside."""
        choose = self.choose
        blows = [
            Blow(choose.uniform(0, self.length), False, "worker", choose.choice(DEADLY))
            for _ in range(choose.randint(0, 2))
        ]
        kind = choose.choice(("call", "call", "driver", "both", "group", "the end", "nothing"))
        moment = choose.uniform(0, self.length)
        again = choose.choice((0.0, choose.uniform(0, 0.2)))
        if kind == "call":
            return choose.randint(1, self.calls // campaign.PARTS), blows
        if kind in ("driver", "both"):
            blows.append(Blow(moment, False, kind, choose.choice(campaign.SIGNALS)))
        if kind == "group":
            blows.append(Blow(moment, False, kind, signal.SIGINT, again))
        if kind == "the end":
            target = choose.choice(("driver", "worker", "both", "group"))
            sent = signal.SIGINT if target == "group" else signal.SIGKILL
            blows.append(Blow(choose.uniform(0, 0.1), True, target, sent, again if target == "group" else 0.0))
        return None, blows

    def _drive(self, out: Path, log_file: Path, kill_at: int | None, chance: float, spawned: bool) -> None:
        """Be the driver of a command, and end with it."""
        code = 70
        try:
            os.setsid()  # a group of its own, as a command of a terminal has
            handle = os.open(self.printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            arming = Arming(str(log_file), f"{self.seed}/{self.commands}", chance, self.most)
            disturbing.arm_driver(log_file, kill_at, out, arming, spawned)
            from harness.cli.app import main

            main(["run", str(self.file), "--out", str(out), "--retry"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        finally:
            os._exit(code)

    def _watch(self, driver: int, log: Log, blows: Sequence[Blow]) -> int:
        """Strike when it is time, until the driver has ended; return its exit code, or its signal, negative."""
        began, ending = time.monotonic(), 0.0
        left = list(blows)
        while True:
            pid, status = os.waitpid(driver, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            now = time.monotonic()
            if not ending and any(blow.at_the_end for blow in left) and "\tends\t" in log.file.read_text():
                ending = now
            for blow in list(left):
                since = ending if blow.at_the_end else began
                if since and now - since > blow.seconds:
                    left.remove(blow)
                    self._strike(blow, driver, log)
            if now - began > campaign.HANGS:
                state = Path(f"/proc/{driver}/wchan").read_text()
                os.killpg(driver, signal.SIGKILL)
                raise AssertionError(
                    f"a command hung ({state}): {self.printed.read_text()[-2000:]}\n{self._shown(log.notes())}"
                )
            time.sleep(0.002)

    def _strike(self, blow: Blow, driver: int, log: Log) -> None:
        """Send a signal, where the target is there and may be killed; what it hit is noted in the log."""
        targets = {"driver": [driver], "group": [-driver]}.get(blow.target, [])
        job = ""
        if blow.target in ("worker", "both"):
            workers = children(driver)
            if not workers:
                return
            worker = self.choose.choice(workers)
            job = job_of(worker, log.notes())
            if not disturbing.may_be_killed(log, self.most, job, worker):
                return
            targets = [worker] if blow.target == "worker" else self.choose.sample([worker, driver], 2)
        log.note("killed", f"{blow}|{job}")
        for target in targets:
            with suppress(ProcessLookupError):
                os.kill(target, blow.signal)
        if blow.again:
            time.sleep(blow.again)
            with suppress(ProcessLookupError):
                os.kill(targets[0], blow.signal)

    def _clear(self, driver: int) -> None:
        """Wait until every process of a command is gone; those whose parent has died are children of this one."""
        began = time.monotonic()
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                if time.monotonic() - began > GONE:
                    orphans = children(os.getpid())
                    for orphan in orphans:
                        os.kill(orphan, signal.SIGKILL)
                    raise AssertionError(
                        f"processes {orphans} outlive their driver {driver}: {self.printed.read_text()[-2000:]}"
                    )
                time.sleep(0.005)

    # --- what must hold

    def _check_trainings(
        self, before: dict[str, tuple[str, int]], notes: Sequence[Note], after: dict[str, tuple[str, int]]
    ) -> None:
        """Check what was trained in a command against the records before and after it."""
        epochs: Counter[str] = Counter(note.about for note in notes if note.word == "epoch")
        deaths: Counter[str] = Counter(note.about.partition("|")[2] for note in notes if note.word == "killed")
        first: dict[str, int] = {}
        for note in notes:
            if note.word == "begin":
                job, epoch = note.about.split()
                first.setdefault(job, int(epoch))
        for job, epoch in first.items():
            state, trained = before.get(job, ("", 0))
            if state in ("done", "stopped", "diverged", "failed"):
                raise AssertionError(f"run {job} is begun again though it is {state}\n{self._shown(notes)}")
            if epoch < trained - 1:
                raise AssertionError(f"run {job} begins after epoch {epoch}, not {trained}\n{self._shown(notes)}")
        for trained_epoch, count in epochs.items():
            job = trained_epoch.split()[0]
            if count > 1 + deaths[job] + deaths[disturbing.UNKNOWN]:
                raise AssertionError(f"epoch {trained_epoch} was trained {count} times\n{self._shown(notes)}")
        by_job: Counter[str] = Counter()
        for trained_epoch, count in epochs.items():
            by_job[trained_epoch.split()[0]] += count - 1
        for job, count in by_job.items():
            if count > deaths[job] + deaths[disturbing.UNKNOWN]:
                raise AssertionError(
                    f"{count} epochs of run {job} were trained again for {deaths[job]} deaths\n{self._shown(notes)}"
                )
        self.trained += epochs.total()
        self.repeated["a worker"] += by_job.total()
        lost = 0
        for job, (_, trained) in after.items():
            lost += max((int(about.split()[1]) for about in epochs if about.split()[0] == job), default=0) > trained
        self.repeated["a driver, at the most"] += lost

    def _compare(self, out: Path) -> None:
        (folder,) = out.iterdir()
        campaign.compare(self.expected, contents(folder), folder)
        self.compared += 1

    def _shown(self, notes: Iterator[Note] | Sequence[Note]) -> str:
        return "\n".join(f"{note.process} {note.word} {note.about}" for note in list(notes)[-60:])

    def lines(self) -> Iterator[str]:
        """Yield what was done."""
        yield f"{self.kills.total()} kills in {self.commands} commands with {self.workers} workers: "
        for how, count in sorted(self.kills.items(), key=lambda item: (-item[1], item[0])):
            yield f"  {count} {how}"
        again = ", ".join(f"{count} for {who}" for who, count in self.repeated.items())
        yield f"{self.trained} epochs were trained; begun again: {again}"
        yield f"{self.compared} ended runs, all tables equal to those of the undisturbed run in one process"


def benchmark(executor: str, workers: int) -> str:
    """Return the benchmark of the campaign for an executor: more runs to be killed in, and no analyses, which take long."""
    analyses = sorted({offered.plugin for offered in discover().offers["analysis"].values()})
    text = f"block = {json.dumps(analyses)}\n{campaign.BENCHMARK}"
    changes = [
        ('executor = "inprocess"', f'executor = "{executor}"\nworkers = {workers}'),
        ("epochs = 2", "epochs = 3"),
        ("looks = [1, 2]", "looks = [2, 4]"),
        ("seeds = 1", "seeds = 2"),
        ("trials = 2", "trials = 4"),
    ]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def contents(folder: Path) -> dict[str, list[str]]:
    """Return the tables of a run without what names the executor and its workers."""
    tables = campaign.contents(folder)
    return {name: [EXECUTOR.sub("", row) for row in rows] for name, rows in tables.items()}


def recorded(out: Path) -> dict[str, tuple[str, int]]:
    """Return the state of every run in the records, and its last epoch."""
    databases = list(out.glob("*/run.db"))
    if not databases:
        return {}
    with closing(sqlite3.connect(databases[0], timeout=60)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'epochs'").fetchone():
            return {}
        rows = db.execute(
            "SELECT run_id, state, (SELECT max(epoch) FROM epochs e WHERE e.run_id = runs.run_id) FROM runs"
        )
        return {run_id: (state, epoch or 0) for run_id, state, epoch in rows.fetchall()}


def children(parent: int) -> list[int]:
    """Return the processes that this one has started and that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, of = stat.read_text().rpartition(")")[2].split()[:2]
            if int(of) == parent and state != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)


def job_of(worker: int, notes: Iterator[Note]) -> str:
    """Return which job a worker is at; "" for none, and UNKNOWN where it may have been given one."""
    job = ""
    for note in notes:
        if note.process == worker and note.word in ("ready", "begin", "end"):
            job = note.about.split()[0] if note.word == "begin" else disturbing.UNKNOWN
    return job
