"""What the campaign of kills does inside the processes that it disturbs: it counts their calls, and kills at one of them.

Every process of a command, its driver and its workers, writes what it does into one log, a line a note: its number, a word,
and what the word is about. A line is written by one call, so that no kill cuts it. The campaign reads from it which kill hit
what, and how often each epoch was trained.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
CHANGES = ("os.rename", "os.remove", "os.mkdir")  # audit events of calls that change the disk
STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE")
WORKER_CALLS = {
    "import": 10, "open": 20, "receive": 6, "send": 10, "half a message": 10, "sent": 10, "begin": 3, "epoch": 6, "measuring": 2,
    "measured": 2,
}  # fmt: skip  # what a worker is killed at, and at the how manyth of them at the most
SPAWNED_CALLS = {"import": 600, "open": 1500}  # the same of a worker that is not forked: it imports everything
MOST_OF_A_JOB = 2  # kills in a job of one command: three without progress would be its failure
UNKNOWN = "?"  # the job of a worker that has perhaps been given one, and has not begun it
MOST_OF_STARTS = 2  # kills of workers that have not said that they are ready


@dataclass(frozen=True)
class Note:
    """A line of the log."""

    process: int
    word: str
    about: str = ""


class Log:
    """The log of a command's processes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, word: str, about: str = "") -> None:
        """Write a line."""
        os.write(self._out, f"{os.getpid()}\t{word}\t{about}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._out)

    def notes(self) -> Iterator[Note]:
        """Yield every line that was written so far."""
        for line in self.file.read_text(encoding="utf-8").splitlines():
            process, word, about = line.split("\t")
            yield Note(int(process), word, about)


@dataclass
class Calls:
    """The calls of a process, counted; before a chosen one it kills itself, where that is still allowed.

    ``kind`` is the kind of call that counts; "" counts all.
    """

    log: Log
    kind: str = ""
    kill_at: int | None = None
    allowed: Callable[[], bool] = lambda: True
    out: str = ""  # only calls on files in here count, where it is not ""
    who: str = "worker"
    count: int = 0
    job: str = ""  # what is under way
    counting: bool = field(default=False)  # a call within a call does not count

    def note(self, what: str) -> None:
        """Count a call."""
        if self.counting or (self.kind and what != self.kind):
            return
        self.counting = True
        self.count += 1
        if self.count == self.kill_at and self.allowed():
            self.kill(what)
        self.counting = False

    def kill(self, what: str) -> None:
        """Write down what this process is killed at, and kill it."""
        self.log.note("killed", f"{self.who} at {what}|{self.job}")
        os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count a call of the system; the hook of ``sys.addaudithook``."""
        if event == "import":
            if self.kind == "import":
                self.note("import")
        elif event == "open":
            written = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if not self.out or (written and str(arguments[0]).startswith(self.out)):
                self.note("open")
        elif event in CHANGES and str(arguments[0]).startswith(self.out):
            self.note(event.removeprefix("os."))

    def statement(self, sql: str) -> None:
        """Count a statement of SQLite's."""
        word = sql.split(None, 1)[0].upper() if sql.strip() else ""
        if word in STATEMENTS:
            self.note(f"SQLite {word}")

    def listen_to_messages(self, before_first: Callable[[], object] = lambda: None) -> None:
        """Count what is sent and received on connections; half of a message may be sent.

        ``before_first`` is called when the first message is about to be received.
        """
        from multiprocessing.connection import Connection

        send, receive = Connection._send, Connection._recv  # type: ignore[attr-defined]

        def sent(connection: Any, content: Any, *arguments: Any) -> None:
            self.note("send")
            if self.kind in ("", "half a message") and self.count + 1 == self.kill_at and self.allowed():
                os.write(connection.fileno(), bytes(content)[: len(content) // 2])
                self.kill("half a message")
            self.note("half a message")
            send(connection, content, *arguments)
            self.note("sent")

        first = [before_first]

        def received(connection: Any, *arguments: Any) -> Any:
            if first:
                first.pop()()
            self.job = UNKNOWN
            self.note("receive")
            return receive(connection, *arguments)

        Connection._send, Connection._recv = sent, received  # type: ignore[attr-defined]

    def listen_to_disk(self) -> None:
        """Count calls that open, rename, remove and synchronise files."""
        sync = os.fsync

        def fsync(handle: int) -> None:
            self.note("fsync")
            sync(handle)

        os.fsync = fsync
        sys.addaudithook(self.audit)


@dataclass(frozen=True)
class Arming:
    """How the workers of one command are disturbed."""

    log: str  # the file
    seed: str
    chance: float  # that a worker kills itself at a call that the seed chooses
    most: int  # kills that may be in the log of the command


def arm_worker(arming: Arming, spawned: bool) -> None:
    """Have this process, a worker's, write its log, and kill itself perhaps."""
    log, most = Log(Path(arming.log)), arming.most
    choose = random.Random(f"{arming.seed}/{sum(note.word == 'start' for note in log.notes())}")
    log.note("start")
    calls = Calls(log)
    if choose.random() < arming.chance:
        ranges = {**WORKER_CALLS, **(SPAWNED_CALLS if spawned else {})}
        calls.kind = choose.choice(sorted(ranges))
        calls.kill_at = choose.randint(1, ranges[calls.kind])
        calls.allowed = lambda: may_be_killed(log, most, calls.job)
    sys.addaudithook(calls.audit)
    calls.listen_to_messages(before_first=lambda: _listen_to_jobs(log, calls))


def may_be_killed(log: Log, most: int, job: str, process: int = 0) -> bool:
    """Return whether a worker may be killed now, without a run being taken for the culprit, or the workers for broken."""
    notes = list(log.notes())
    killed = [note.about.partition("|")[2] for note in notes if note.word == "killed"]
    ready = any(note.word == "ready" for note in notes if note.process == (process or os.getpid()))
    if not ready:
        return len(killed) < most and killed.count("") < MOST_OF_STARTS
    jobs = Counter(one for one in killed if one not in ("", UNKNOWN))
    hit = max(jobs.values(), default=0) if job in ("", UNKNOWN) else jobs[job]
    return len(killed) < most and hit + killed.count(UNKNOWN) < MOST_OF_A_JOB


def _listen_to_jobs(log: Log, calls: Calls) -> None:
    """Write the jobs of this worker, their epochs and their ends into the log."""
    from harness import Epoch, Worker

    turns = Worker.turns

    def noted_turns(worker: Any, job: Any, state: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        measured = not hasattr(job, "epochs")
        calls.job = job.id
        log.note("begin", f"{job.id} {state.plain['epoch'] if state else 0}")
        calls.note("measuring" if measured else "begin")
        try:
            for event in turns(worker, job, state, *arguments, **named):
                if isinstance(event, Epoch):
                    log.note("epoch", f"{job.id} {event.number}")
                    calls.note("epoch")
                elif measured:
                    log.note("measured", job.id)
                    calls.note("measured")
                yield event
        finally:
            log.note("end", job.id)  # it is still the job that a death would be held against: its end is not sent yet

    Worker.turns = noted_turns  # type: ignore[method-assign]
    log.note("ready")


def arm_driver(log_file: Path, kill_at: int | None, out: Path, arming: Arming, spawned: bool) -> None:
    """Have this process, a driver's, killed at one of its calls, and its workers armed."""
    from harness.records import database
    from harness.running import executor
    from harness.training import loop

    log = Log(log_file)
    log.note("driver")
    calls = Calls(log, kill_at=kill_at, out=str(out), who="driver")
    connect, close = database.connect, executor.GuardedExecutor.close

    def connected(folder: Path) -> Any:
        db = connect(folder)
        db.set_trace_callback(calls.statement)
        return db

    def closed(self: Any) -> None:
        log.note("ends")
        close(self)

    database.connect, executor.GuardedExecutor.close = connected, closed  # type: ignore[method-assign]
    calls.listen_to_disk()
    calls.listen_to_messages()
    loop.SAVE_EVERY = 0.0  # so that every epoch has a state to go on from
    if spawned:
        start_workers_by(partial(_spawned, arming))
        return

    def begin() -> None:
        calls.kind = "none"  # what its driver would be killed at is not for this process
        arm_worker(arming, spawned=False)

    start_workers_by(partial(Forked, begin))


def start_workers_by(start: Callable[..., Any]) -> None:
    """Have workers started by another function than ``subprocess.Popen``."""
    from harness.running.workers import processes

    processes.subprocess = SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL)  # type: ignore[attr-defined]


def _spawned(arming: Arming, words: Sequence[str], **named: Any) -> subprocess.Popen[bytes]:
    """Start a worker as the harness does, armed before it does anything."""
    python, option, code = words
    armed = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path, PosixPath; "
        f"from tests.hostile import disturbing; disturbing.arm_worker(disturbing.{arming!r}, spawned=True); {code}"
    )
    return subprocess.Popen([python, option, armed], **named)


class Forked:
    """A worker's process that is forked from its driver, which has imported everything; it has what is used of ``Popen``.

    ``begin`` is called in it before anything else.
    """

    def __init__(
        self, begin: Callable[[], object], words: Sequence[str], stdin: int, stdout: int, stderr: int, env: dict[str, str],
        pass_fds: tuple[int, ...], start_new_session: bool,
    ) -> None:  # fmt: skip
        self.returncode: int | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which later releases of Python fear here
            self.pid = os.fork()
        if self.pid:
            return
        try:
            for number in signal.valid_signals():
                with suppress(OSError):
                    signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if start_new_session:
                os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for descriptor, standard in ((nothing, 0), (stdout, 1), (stderr, 2)):
                os.dup2(descriptor, standard)
            _close_all_but({0, 1, 2, *pass_fds})
            os.environ.clear()
            os.environ.update(env)
            begin()
            exec(words[2], {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def wait(self) -> int:
        """Wait for its end; return its exit code, or its signal, negative."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def _close_all_but(kept: set[int]) -> None:
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)
