"""``harness watch RUN``: a run in the browser while it goes on; ``harness run --open`` starts it beside itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from harness.cli.options import AnyRunFolder, Blocked, PluginFiles
from harness.console.escaping import say_lines
from harness.errors import HarnessError, one_line, printable

if TYPE_CHECKING:
    from harness.console.progress import Reporter
    from harness.results.live.server import LiveRun, LiveServer
    from harness.running.prepare import Request

LOOK = 0.2  # seconds between two looks at whether it is over
PATIENCE, SHORT_PATIENCE = 60.0, 15.0  # seconds that the page of a run stays after its driver, finished and unfinished
START = "import sys; sys.path[:] = {path!r}; from harness.cli.app import main; main({words!r})"


def command(
    folder: AnyRunFolder,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; a free one where it is 0.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    plugin: PluginFiles = None,
    block: Blocked = None,
    follow: Annotated[
        bool, typer.Option("--follow", hidden=True, help="End with the run that has started this.")
    ] = False,
) -> None:
    """Show a run in the browser while it goes on.

    The page has the trials, the curves and the time left. Ctrl-C ends the page, and not the run.
    """
    from harness.plugin.discovery import discover
    from harness.records.reader import check_run_folder
    from harness.records.workloads import has_workloads
    from harness.results.live.server import LiveRun, LiveServer

    if not follow and not has_workloads(folder):
        check_run_folder(folder)
    if follow and hasattr(os, "nice"):
        os.nice(10)  # what is trained goes first
    live = LiveRun(folder, discover(plugin or [], block or []))
    try:
        server = LiveServer(live, port)
    except OSError as error:
        raise HarnessError(f"--port: must be a free port, got {port} ({one_line(error)}); leave it out") from error
    with server:
        say_lines([f"live: {server.address}"])
        sys.stdout.flush()
        if browser:
            open_page(server.address)
        with contextlib.suppress(KeyboardInterrupt):
            _serve(server, live, _Driver() if follow else None)


class _Driver:
    """The run that has started this process: it has ended when standard input has."""

    def __init__(self) -> None:
        self.ended_at = float("inf")
        threading.Thread(target=self._wait, name="driver", daemon=True).start()

    def _wait(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(1024):
                pass
        self.ended_at = time.monotonic()


def _serve(server: LiveServer, live: LiveRun, driver: _Driver | None) -> None:
    """Serve until Ctrl-C; beside a run, until the browser has the report of the run that has ended."""
    while driver is None or not _is_done(server, live, driver.ended_at):
        time.sleep(LOOK)


def _is_done(server: LiveServer, live: LiveRun, ended_at: float) -> bool:
    waited = time.monotonic() - ended_at
    if waited < 0:
        return False
    return server.delivered.is_set() or waited > (PATIENCE if live.is_over else SHORT_PATIENCE)


def open_page(address: str) -> None:
    """Open a page in the browser, where there is a screen for one."""
    screen = not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen:
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(address)


def watch_beside(request: Request, reporter: Reporter, folder: Path) -> subprocess.Popen[bytes]:
    """Start ``harness watch`` for a run as a process of its own, which ends after this one; say where its page is."""
    words = ["watch", str(folder), "--follow"]
    words += [word for plugin in request.plugins for word in ("--plugin", str(plugin))]
    words += [word for name in request.block for word in ("--block", name)]
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (a pipe that nobody empties would stop the process)
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(path=sys.path, words=words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
    )  # fmt: skip

    def say() -> None:
        assert process.stdout is not None
        with errors:
            line = process.stdout.readline().decode(errors="replace").strip()
            reporter.say(line or f"note: the live page did not start: {_why_ended(process, errors)}")

    threading.Thread(target=say, name="watch", daemon=True).start()
    return process


def _why_ended(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Return the last line of a process's errors; where it has none, how it ended."""
    code = process.wait()
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return printable(last.removeprefix("error: ")) or f"its process ended with code {code}"
