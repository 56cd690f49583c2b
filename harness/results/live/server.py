"""The server of the live page: the standard library's, on the loopback address, for one run folder and nothing else.

Every address has a secret word in it, and a request has to name this machine, so neither another user nor a page of
another site can read along. Only GET is answered, and only the page, its content and the reports of the run.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.plugin.registry import Registry
from harness.records.workloads import has_workloads, run_folders
from harness.results.live.page import POLICY, render_page, render_part
from harness.results.live.progress import RunProgress, progress_of, whole_is_over
from harness.results.reports import PAGE, PAGE_FILE, page_of, write_reports

HOST = "127.0.0.1"
REST = 20.0  # how many times as long as it took, before the records are read again
MOST_REST = 10.0  # seconds; a page must hear that its run is over while its server still waits for it
HTML = "text/html; charset=utf-8"


class LiveRun:
    """What the page is made from: a run folder, read again after a rest of twenty times what reading it took, ten seconds at most."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self._registry = registry
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._cost = 0.0
        self._runs: list[RunProgress] = []

    @property
    def runs(self) -> list[RunProgress]:
        """How far each run of the folder is, as it was read last."""
        with self._lock:
            began = time.monotonic()
            if began - self._read_at > min(REST * self._cost, MOST_REST):
                self._runs = progress_of(self.folder)
                self._read_at = time.monotonic()
                self._cost = self._read_at - began
            return self._runs

    @property
    def is_over(self) -> bool:
        """Whether the run is over and its report is written."""
        return whole_is_over(self.runs) and page_of(self.folder).is_file()

    def report(self, place: str) -> bytes | None:
        """Return a report of the folder by its place in it; one that is not written yet is made. None for any other place."""
        folders = {PAGE_FILE: self.folder}
        if has_workloads(self.folder):
            folders |= {f"{run.name}/{PAGE_FILE}": run for run in run_folders(self.folder).values()}
        if place not in folders:
            return None
        written = page_of(folders[place])
        return written.read_bytes() if self.is_over and written.is_file() else self._made(folders[place])

    def _made(self, folder: Path) -> bytes | None:
        """Return the report of an unfinished run as it stands, written elsewhere; the run folder is its driver's."""
        if has_workloads(folder):
            return None
        with self._lock, tempfile.TemporaryDirectory(prefix="harness-live-") as place:
            written = write_reports(folder, [PAGE], self._registry, out=Path(place) / "report")
            return written.files[0].read_bytes() if written.files else None


class LiveServer:
    """The page of a live run at ``address``; ``with LiveServer(...)`` it answers."""

    def __init__(self, live: LiveRun, port: int = 0) -> None:
        self.delivered = threading.Event()  # the report of the finished run was asked for
        self._word = secrets.token_urlsafe(12)
        self._server = ThreadingHTTPServer((HOST, port), _handler(self, live))
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.port}/{self._word}/"

    def inside(self, path: str, host: str) -> str | None:
        """Return what a path asks for below the secret word; None where the word or the name of the machine is wrong."""
        begins = f"/{self._word}/"
        if host not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            return None
        return path.partition("?")[0].removeprefix(begins) if path.startswith(begins) else None

    def __enter__(self) -> LiveServer:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="live", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(server: LiveServer, live: LiveRun) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers requests for the page, for its content and for reports."""

        def do_GET(self) -> None:
            place = server.inside(self.path, self.headers.get("Host", ""))
            try:
                self._answer(place)
            except (HarnessError, OSError) as error:  # the folder was moved away, or the browser has left
                with contextlib.suppress(OSError):
                    self._send(str(error).encode(), HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8")

        def _answer(self, place: str | None) -> None:
            if place == "":
                self._send(render_page(live.runs).encode(), more={"Content-Security-Policy": POLICY})
            elif place == "part":
                over = live.is_over
                self._send(str(render_part(live.runs)).encode(), more={"X-Over": "yes" if over else "no"})
            elif place is not None and (report := live.report(place)) is not None:
                self._send(report)
                if live.is_over:
                    server.delivered.set()
            else:
                self._send(b"nothing is here\n", HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8")

        def _send(
            self,
            content: bytes,
            status: HTTPStatus = HTTPStatus.OK,
            kind: str = HTML,
            more: dict[str, str] | None = None,
        ) -> None:
            self.send_response(status)
            headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store"}
            for name, value in {**headers, "X-Content-Type-Options": "nosniff", **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler
