"""The driver's side of the listeners: it starts a process for each, waits a little at the end, and names what failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from harness.console.safe_text import impersonal
from harness.errors import one_line, printable
from harness.plugin.contracts import Listener
from harness.plugin.registry import Registry
from harness.running.listening.heard import NAME

START = "import sys; sys.path[:] = {path!r}; from harness.running.listening.hearing import main; main()"
GRACE = 30.0  # seconds without any progress, after which a listener at the end of a run is not waited for
LONGEST = 120.0  # seconds that one is waited for at the most
FAREWELL = 2.0  # seconds that one gets where the run was interrupted
LEFT_OUT = "it is left out from here on"


class Audience:
    """The listeners of a run, which never waits for one of them while it goes on.

    ``failures`` has a line for each listener that failed, and ``late`` for each that did not keep up; both are left out.
    """

    def __init__(
        self, listeners: Sequence[Listener], run_folder: Path, benchmark: Mapping[str, Any], registry: Registry,
        say: Callable[[str], object],
    ) -> None:  # fmt: skip
        self._say = say
        self.failures: dict[str, str] = {}  # by listener
        self.late: dict[str, str] = {}
        self._folder = run_folder / NAME
        self._openings = {listener.name: _opening(listener, run_folder, benchmark, registry) for listener in listeners}
        self._seats: list[_Seat] = []

    def open(self) -> None:
        """Start the processes, in a run folder that is there."""
        self._seats = [_Seat(name, self._folder, opening, self._leave) for name, opening in self._openings.items()]

    @property
    def left_out(self) -> dict[str, str]:
        """By listener why it was left out."""
        return {**self.late, **self.failures}

    def catch_up(self) -> None:
        """Let the listeners be told everything that is in the records, as far as they keep up."""
        self._ask({}, GRACE)

    def finish(self, occurrences: Sequence[Mapping[str, Any]]) -> None:
        """Tell the last occurrences, and close the listeners."""
        self._ask({"occurrences": list(occurrences), "all": True}, GRACE)
        self.close()

    def close(self) -> None:
        """End the processes. What was not told is told by the next call."""
        open_seats = [seat for seat in self._seats if not seat.over]
        for seat in open_seats:
            seat.send({"all": True})
        for seat in open_seats:
            seat.wait(FAREWELL)
        for seat in self._seats:
            seat.kill()

    def _ask(self, message: Mapping[str, Any], grace: float) -> None:
        """Send a message to all listeners, and wait until each has been told everything, but not long."""
        seats = [seat for seat in self._seats if not seat.over]
        for seat in seats:
            seat.send(message)
        for seat in seats:
            if not seat.wait(grace):
                seat.kill()
                line = f"listener '{seat.name}': must keep up, got no progress for {grace:g} s; {LEFT_OUT}, and the next call goes on"
                self.late[seat.name] = line
                self._say(f"note: {line}")

    def _leave(self, name: str, why: str) -> None:
        """Note that a listener has failed, and say it. The thread of its process calls this, once."""
        line = impersonal(printable(f"{why}; {LEFT_OUT}"))
        self.failures[name] = line
        self._say(f"warning: {line}")


class _Seat:
    """The process of one listener. Two threads talk to it, so that nobody else waits for it."""

    def __init__(
        self, name: str, folder: Path, opening: Mapping[str, Any], leave: Callable[[str, str], object]
    ) -> None:
        self.name = name
        self._leave = leave
        self._asked = self._answered = 0
        self._progress = time.monotonic()  # when it was last heard of
        self._changed = threading.Condition()
        self._killed = False
        self._outbox: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._process = self._started(folder)
        self.over = self._process is None  # it has ended, well or not
        if self._process:
            self._outbox.put(opening)
            for work in (self._talk, self._listen):
                threading.Thread(target=work, args=(self._process,), daemon=True, name=f"listener {name}").start()

    def _started(self, folder: Path) -> subprocess.Popen[bytes] | None:
        """Return the process, which writes what it prints into a log beside the listener's folder; None where it cannot start."""
        log = folder / f"{self.name}.log"
        try:
            folder.mkdir(exist_ok=True)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o644)
            try:
                return subprocess.Popen(
                    [sys.executable, "-c", START.format(path=sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=out, start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(out)
        except OSError as error:
            self._leave(self.name, f"listener '{self.name}': must start, got {one_line(error)}")
            return None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message that wants an answer."""
        self._asked += 1
        self._progress = time.monotonic()
        self._outbox.put({**message, "asks": self._asked})

    def wait(self, grace: float) -> bool:
        """Return whether the listener has answered and, after its last message, ended; False where it makes no progress."""
        latest = time.monotonic() + LONGEST
        with self._changed:
            while not self.over and self._answered < self._asked:
                left = min(latest, self._progress + grace) - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def kill(self) -> None:
        """End the process at once, with whatever it has started."""
        self._killed = True
        self._outbox.put(None)
        if self._process and self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        """Write what is in the outbox to the process; a thread does that, which may wait for it."""
        assert process.stdin
        with suppress(OSError, ValueError), process.stdin:
            while (message := self._outbox.get()) is not None:
                process.stdin.write(json.dumps(message).encode() + b"\n")
                process.stdin.flush()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Read what the process says, until it has ended; a thread does that."""
        assert process.stdout
        failed, last = "", 0
        with process.stdout:
            for line in process.stdout:
                message = json.loads(line)
                failed = message.get("failed", failed)
                last = message.get("answers", last)
                with self._changed:
                    self._progress = time.monotonic()
                    self._answered = last
                    self._changed.notify_all()
        code = process.wait()
        if failed or (code and not self._killed):
            ending = f"signal {-code}" if code < 0 else f"exit code {code}"
            log = f"; listeners/{self.name}.log has what it printed"
            self._leave(self.name, failed or f"listener '{self.name}': must hear until the end, got {ending}{log}")
        with self._changed:
            self.over = True
            self._changed.notify_all()


def _opening(listener: Listener, run_folder: Path, benchmark: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return what the process of a listener needs to know, as plain values."""
    offered = registry.find("listener", listener.name, "report.listeners")
    modules, files = {}, {}
    if offered.plugin in registry.files:
        file, content = registry.files[offered.plugin]
        files[str(file)] = content.decode("latin-1")
    else:
        modules[offered.plugin] = offered.origin
    return {
        "name": listener.name, "run_folder": str(run_folder), "benchmark": dict(benchmark), "options": dict(listener.options),
        "modules": modules, "files": files,
    }  # fmt: skip
