"""The process of one listener: it reads the records of the run, and tells the listener what is new in them."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError, one_line
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Listener, ListenerRequest, Occurrence
from harness.plugin.discovery import load_only
from harness.running.listening.heard import Heard
from harness.running.listening.occurrences import Reading
from harness.running.workers.processes import die_with_parent

EVERY = 0.5  # seconds between two looks at the records
PATIENCE = 5.0  # seconds that the last look waits for the driver's own writing
CHUNK = 65_536  # bytes


def main() -> None:
    """Be the process of a listener. What it is to do comes as lines of JSON; what it says goes back as such lines."""
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the driver decides what Ctrl-C means
    talk = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a listener prints goes into its log
    sys.stdout = sys.stderr
    messages = _messages(sys.stdin.fileno())
    told, code = next(message for message in messages if message), 1
    try:
        _hear(told, messages, partial(_say, talk))
        code = 0
    except (PluginFailed, HarnessError) as error:
        _say(talk, {"failed": str(error)})
    except BaseException as error:
        _say(talk, {"failed": f"listener '{told['name']}': must hear, got {one_line(error)}"})
    finally:
        os._exit(code)  # threads that a listener has left behind are not waited for


def _say(talk: IO[str], message: Mapping[str, Any]) -> None:
    with suppress(OSError, ValueError):
        talk.write(json.dumps(message) + "\n")
        talk.flush()


def _hear(
    told: Mapping[str, Any], messages: Iterator[Mapping[str, Any]], say: Callable[[Mapping[str, Any]], None]
) -> None:
    """Open the listener and tell it everything, until the driver says that this was all."""
    folder, name = Path(told["run_folder"]), told["name"]
    files = {Path(file): content.encode("latin-1") for file, content in told["files"].items()}
    listener = load_only(told["modules"], files).get("listener", name, Listener)
    heard = Heard(folder, name)
    request = ListenerRequest(heard.folder, folder, told["benchmark"]["name"], told["benchmark"], told["options"])
    with Boundary("listener", name, "open"):
        hear = listener.open(request)
    say({"opened": True})
    tell = _Teller(name, hear, heard, lambda: say({"told": True})).tell
    reading, reads = Reading(folder), True
    for message in messages:
        if reads:
            _read_all(reading, tell, PATIENCE if "asks" in message else 0.0)
        for values in message.get("occurrences", ()):
            tell(Occurrence(**values))
        if message.get("all"):
            break
        if "asks" in message:  # after this the driver closes the records, which it does alone
            reads = False
            say({"answers": message["asks"]})
    with Boundary("listener", name, "close"):
        if callable(close := getattr(hear, "close", None)):
            close()


def _read_all(reading: Reading, tell: Callable[[Occurrence], None], patience: float) -> None:
    """Tell what is new in the records. Where the driver has the file to itself, try again for so many seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            for occurrence in reading.new():
                tell(occurrence)
            return
        except sqlite3.Error:
            if time.monotonic() >= until:
                return
            time.sleep(0.1)


class _Teller:
    """Tells a listener what it has not been told; ``progress`` is called after each occurrence."""

    def __init__(
        self, name: str, hear: Callable[[Occurrence], object], heard: Heard, progress: Callable[[], object]
    ) -> None:
        self._boundary = Boundary("listener", name, "hear")
        self._hear = hear
        self._heard = heard
        self._progress = progress

    def tell(self, occurrence: Occurrence) -> None:
        """Tell an occurrence, once."""
        if self._heard.note(occurrence.key):
            with self._boundary:
                self._hear(occurrence)
            self._progress()


def _messages(descriptor: int) -> Iterator[Mapping[str, Any]]:
    """Yield the driver's messages as they come, and an empty one now and then; the last one says that this was all."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], EVERY)[0]:
            yield {}
            continue
        chunk = os.read(descriptor, CHUNK)
        if not chunk:  # the driver has ended
            yield {"all": True}
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)
