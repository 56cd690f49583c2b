"""Workers as processes of this machine: how they are started, what they are told, and how they end.

They are started by ``subprocess``, so the user's main module is not imported, and each is the leader of a session: a
Ctrl-C of the terminal does not reach it, and whatever it has started ends with it. A worker ends when the driver does,
because the other end of its lifeline closes then; on Linux the system sees to it too.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.console import interruption
from harness.plugin.contracts import Opening
from harness.running.workers.messages import FromWorker, Left, ToWorker
from harness.running.workers.packing import pack, unpack
from harness.running.workers.stored import Spool, open_stored

MODULES = "Extension modules: "  # begins the last line of a crash
LAST_LINES = 20  # of a worker's standard error, which are kept for when it dies
CHUNK = 65_536
LOOK = 0.5  # seconds
START = (
    "import sys; sys.path[:] = {path!r}; from harness.running.workers.processes import main; "
    "main({connection}, {lifeline}, {spool}, {opening})"
)
PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


@dataclass
class _Process:
    """A worker's process, as the driver sees it."""

    process: subprocess.Popen[bytes]
    connection: Connection
    errors: int  # a descriptor: what it writes to its standard error
    gpu: str  # the only one that it sees; "" for those that this process sees
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    line_is_open: bool = False  # it has printed a part of its last line: a crash is told piece by piece
    lists_modules: bool = False  # the line that it prints now is that list


class Processes:
    """The transport of workers that are processes of this machine.

    Args:
        opening: What ``workbench.opening()`` gave.
        environ: Further environment variables of the workers.
        gpus: How many GPUs they share, from the first one on. Of several each worker sees one.

    >>> class Opening:
    ...     sys_path = ()
    ...     def with_arrays(self, change): return "values that can be pickled"
    >>> workers = Processes(Opening())
    >>> workers.memory(0)  # of a worker that has not been started
    0
    >>> workers.close()
    """

    def __init__(self, opening: Opening, environ: dict[str, str] | None = None, gpus: int = 0) -> None:
        self._sys_path = list(opening.sys_path)
        self._environ = {**os.environ, **(environ or {})}
        self._spool = Spool()
        self._opening = self._spool.store_bytes(pickle.dumps(opening.with_arrays(self._spool.store)))
        self._alive, self._lifeline = os.pipe()  # the workers see the end of the second one close
        self._processes: dict[int, _Process] = {}
        self._gpus = names_of_gpus(gpus, os.environ) if gpus > 1 else []

    def start(self, worker: int) -> None:
        """Start a worker."""
        ours, theirs = Pipe()
        errors, out = os.pipe()
        spool = self._spool.descriptor
        code = START.format(
            path=self._sys_path, connection=theirs.fileno(), lifeline=self._alive, spool=spool, opening=self._opening
        )
        gpu = least_used(self._gpus, [one.gpu for one in self._processes.values()])
        environ = {**self._environ, "CUDA_VISIBLE_DEVICES": gpu} if gpu else self._environ
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ,
            pass_fds=(theirs.fileno(), self._alive, spool), start_new_session=True,
        )  # fmt: skip
        theirs.close()
        os.close(out)
        os.set_blocking(errors, False)
        self._processes[worker] = _Process(process, ours, errors, gpu)

    def send(self, worker: int, message: ToWorker) -> None:
        """Send a message to a worker."""
        with suppress(OSError):  # it has ended, which ``receive`` says
            self._processes[worker].connection.send_bytes(pack(message))

    def receive(self, timeout: float) -> Sequence[tuple[int, FromWorker]]:
        """Return the next messages of any workers; pass on what they print, to the standard error."""
        sources: list[Any] = []
        for process in self._processes.values():
            sources += [process.connection, process.errors]
        wait(sources, timeout)
        messages: list[tuple[int, FromWorker]] = []
        for worker, process in list(self._processes.items()):
            has_ended = _has_ended(process.process)  # looked at first, so that nothing it said before is missed
            messages += [(worker, message) for message in _messages_of(process)]
            _pass_on(process)  # looked at last, so that what was printed before a message is not left behind
            if has_ended:
                messages.append((worker, self._buried(worker)))
        return messages

    def memory(self, worker: int) -> int:
        """Return the bytes of memory that a worker uses, without what it shares with the others."""
        process = self._processes.get(worker)
        with suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="utf-8") if process else ""
            return int(status.partition("RssAnon:")[2].split()[0]) * 1024
        return 0

    def kill(self, worker: int) -> None:
        """End a worker at once, with whatever it has started."""
        if worker in self._processes:
            _kill(self._processes[worker].process)

    def close(self) -> None:
        """End all workers."""
        for process in self._processes.values():
            _kill(process.process)
        for worker in list(self._processes):
            self._buried(worker)
        self._spool.close()
        for end in (self._alive, self._lifeline):
            with suppress(OSError):
                os.close(end)

    def _buried(self, worker: int) -> Left:
        """Take leave of a worker that has ended or is about to; whatever it has started ends too."""
        process = self._processes.pop(worker)
        _kill(process.process)  # its session
        code = process.process.wait()
        _pass_on(process)
        process.connection.close()
        os.close(process.errors)
        return Left(f"signal {-code}" if code < 0 else f"exit code {code}", "\n".join(process.last_lines))


def names_of_gpus(count: int, environ: Mapping[str, str]) -> list[str]:
    """Return the names by which CUDA knows the first GPUs that this process sees.

    >>> names_of_gpus(2, {}), names_of_gpus(2, {"CUDA_VISIBLE_DEVICES": "5,GPU-8a1b,7"})
    (['0', '1'], ['5', 'GPU-8a1b'])
    """
    visible = [name for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (visible or [str(index) for index in range(count)])[:count]


def least_used(gpus: Sequence[str], used: Sequence[str]) -> str:
    """Return the GPU that is named least often among those in use, the first of several; "" where there are none.

    >>> least_used(["0", "1"], []), least_used(["0", "1"], ["0"]), least_used(["0", "1"], ["0", "1", "1"])
    ('0', '1', '0')
    """
    return min(gpus, key=used.count, default="")


def _messages_of(one: _Process) -> Iterator[FromWorker]:
    """Yield the messages of a worker that have come. One that has closed its connection, or sends anything else, is ended."""
    try:
        while one.connection.poll(0):
            yield unpack(one.connection.recv_bytes())
    except Exception:  # its end, or a plugin has closed what it does not know, or has written there
        _kill(one.process)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process has ended; it stays a zombie, so that its session keeps its number."""
    if process.returncode is not None or not hasattr(os, "waitid"):  # macOS has none in Python 3.11 and 3.12
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError):
        process.kill()


def _pass_on(one: _Process) -> None:
    """Pass on what a worker has printed, and keep its last lines."""
    chunks = []
    with suppress(BlockingIOError):
        while chunk := os.read(one.errors, CHUNK):
            chunks.append(chunk)
    if chunks:
        text = _without_modules(one, b"".join(chunks).decode("utf-8", "backslashreplace"))
        _keep_lines(one, text)
        sys.stderr.write(text)
        sys.stderr.flush()


def _keep_lines(one: _Process, text: str) -> None:
    """Keep the last lines of what a worker has printed; the first of them may go on with the one before."""
    lines = text.splitlines()
    if lines and one.line_is_open and one.last_lines:
        one.last_lines[-1] += lines.pop(0)
    one.last_lines.extend(lines)
    if text:
        one.line_is_open = not text.endswith("\n")


def _without_modules(one: _Process, text: str) -> str:
    """Return what a worker has printed without Python's list of all its extension modules, which helps nobody."""
    lines_kept = []
    for line in text.splitlines(keepends=True):
        if one.lists_modules or line.startswith(MODULES):
            one.lists_modules = not line.endswith("\n")
        else:
            lines_kept.append(line)
    return "".join(lines_kept)


# --- inside a worker


def main(connection: int, lifeline: int, spool: int, opening: tuple[int, int]) -> None:
    """Be a worker: open the benchmark, carry out what comes, and end without any further ado."""
    os.dup2(2, 1)  # what a plugin prints must not be taken for the driver's output
    sys.stdout = sys.stderr  # which writes each line at once, so that a crash takes none with it
    faulthandler.enable()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the driver decides what Ctrl-C means
    _die_with_driver(lifeline)
    sys.addaudithook(partial(_spare_driver, os.getppid()))
    ours, code = Connection(connection), 1
    try:
        _work(ours, spool, opening)
        code = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver has ended
        code = 0
    except OSError as error:
        if error.errno == errno.EBADF:
            print("a plugin has closed what this worker talks to its driver by", file=sys.stderr)
        else:
            traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)  # threads that a plugin has left behind are not waited for


def _work(connection: Connection, spool: int, opening: tuple[int, int]) -> None:
    """Open the benchmark and carry out what comes, until the process is to retire; raises EOFError at the driver's end."""
    from harness.running.workers.worker import serve  # needs torch, which the process that starts workers need not have

    receive = _reading(connection)
    with interruption.listening():
        opened = pickle.loads(os.pread(spool, opening[1], opening[0])).with_arrays(open_stored)
        os.close(spool)
        serve(opened, receive, lambda message: connection.send_bytes(pack(message)))


def _reading(connection: Connection) -> Callable[[bool], Any]:
    """Return what gives the next message; a thread reads them all, so that the driver never waits for this worker to read.

    Otherwise the two could wait for each other, each with a large message for the other.
    """
    inbox: SimpleQueue[bytes | None] = SimpleQueue()

    def read() -> None:
        with suppress(OSError, EOFError):
            while True:
                if connection.poll(LOOK):  # a read without end would keep a connection open that a plugin has closed
                    inbox.put(connection.recv_bytes())
        inbox.put(None)

    threading.Thread(target=read, daemon=True, name="inbox").start()

    def receive(may_wait: bool) -> Any:
        try:
            content = inbox.get(may_wait)
        except Empty:
            return None
        if content is None:
            raise EOFError
        return unpack(content)

    return receive


def die_with_parent() -> None:
    """Let Linux end this process at once when the one ends that started it; other systems do nothing of the kind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with_driver(lifeline: int) -> None:
    """See to it that this process ends when the driver does."""
    die_with_parent()
    threading.Thread(target=_watch, args=(lifeline,), daemon=True, name="lifeline").start()


def _spare_driver(driver: int, event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what would end the driver from here by a call of Python's; an audit hook, which no plugin can take out."""
    everybody = 1  # as -1 it stands for all processes of the user
    if event in ("os.kill", "os.killpg") and abs(arguments[0]) in (everybody, driver):
        raise PermissionError(f"{event}({arguments[0]}): a worker must not end its driver")


def _watch(lifeline: int) -> None:
    """End this process, and whatever it has started, when the lifeline ends."""
    with suppress(OSError):
        os.read(lifeline, 1)  # which returns when the driver has ended, for it never writes
    os.killpg(0, signal.SIGKILL)
