"""A journal of the work that is under way, so that the next start knows during which work the process died.

A plugin can end the process in ways that nothing in it survives: ``os._exit``, a segmentation fault, an alarm, more
memory than there is. So can the user, by ``kill -9``, and a power cut. Which of them it was cannot be told afterwards.
What was under way is named at the next start and tried again; when the process has died in the same work ``MOST`` times
in a row, and the work has not come any further from one time to the next, it is given up as failed, and the rest goes
on. Whatever ends in any other way, well, with an error or by Ctrl-C, is no death.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from harness.plugin.runs import Job, Measurement
from harness.records import files

MOST = 3  # deaths in a row


def of_run(run_id: str) -> str:
    """Return what a run is called in the journal."""
    return f"run {run_id}"


def of_job(job: Job) -> str:
    """Return what a job is called in the journal."""
    if isinstance(job, Measurement):
        return " ".join(("probe", job.probe, *(run.id for run in job.runs)))
    return of_run(job.id)


class Attempts:
    """The journal of one run folder: a small file beside it, which is there only while it has something to say.

    It is locked while it is open, so that work of another process that is alive is never taken for a death; where it
    cannot be locked or written, or there is to be none, nothing is noted, and nothing else is harmed.
    """

    def __init__(self, file: Path | None = None, warn: Callable[[str], object] = lambda line: None) -> None:
        self._file = file
        self._warn = warn
        self._out: IO[bytes] | None = None
        self._works: dict[str, dict[str, Any]] = {}
        if file is not None and os.path.lexists(file) and self._open():
            self._count()

    @contextmanager
    def during(self, work: str, label: str) -> Iterator[None]:
        """Note that work is under way. Work that raises has ended too, unless the error stops the whole process."""
        self.begin(work, label)
        try:
            yield
        except Exception:
            self.end(work)
            raise
        self.end(work)

    def begin(self, work: str, label: str) -> None:
        """Note that work begins; messages call it ``label``."""
        if self._out is not None or self._open():
            entry = self._works.setdefault(work, {"deaths": 0, "progress": 0, "died_at": 0})
            entry |= {"label": label, "under_way": True}
            self._write()

    def come_to(self, work: str, progress: int) -> None:
        """Note how far work has come, in steps of any size. Only progress beyond the furthest step counts."""
        entry = self._works.get(work)
        if entry is not None and progress > entry["progress"]:
            entry["progress"] = progress
            self._write()

    def died(self, work: str, label: str, reason: str, progress: int, alone: bool) -> None:
        """Note that a process of its own died in some work, and how; this process goes on.

        ``progress`` is how far the work has come. Only a death while it was alone in its process is held against it.
        """
        died = f"{label}: its process died ({reason})"
        if not alone:
            self._warn(f"{died} with other work in it; it is tried again alone")
            return
        if self._out is None:
            self._open()
        entry = self._works.setdefault(work, {"deaths": 0, "progress": 0, "died_at": 0, "under_way": False})
        entry |= {"label": label, "reason": reason, "progress": max(progress, entry["progress"])}
        self._count_death(entry, died)
        self._write()

    def lost(self, label: str, reason: str) -> None:
        """Say that work begins again because its machine has gone; that is not held against it."""
        self._warn(f"{label}: {reason}; it goes on elsewhere")

    def end(self, work: str) -> None:
        """Note that work has ended, well or not, and forget its deaths."""
        if self._works.pop(work, None) is not None:
            self._write()

    def given_up(self, work: str) -> str:
        """Return why work is not tried again; "" if it is to be tried."""
        entry = self._works.get(work, {})
        deaths = entry.get("deaths", 0)
        if deaths < MOST:
            return ""
        if entry.get("reason"):
            return f"crashed ({entry['reason']}), {deaths} times in a row; --retry tries it again"
        return f"the process died in it {deaths} times in a row; --retry tries it again"

    def forget(self) -> None:
        """Let everything be tried again."""
        self._works.clear()
        self._write()

    def close(self) -> None:
        """Note that the process ends by itself, so that the work under way has not killed it."""
        for entry in self._works.values():
            entry["under_way"] = False
        self._works = {work: entry for work, entry in self._works.items() if entry["deaths"]}
        self._write()
        if self._out is not None:
            self._out.close()
            self._out = None

    # --- inside

    def _count(self) -> None:
        """Count the death of the process that wrote the journal, if it died, and say during which work."""
        under_way = [entry for entry in self._works.values() if entry["under_way"]]
        for entry in under_way:
            entry["under_way"] = False
            if len(under_way) > 1:  # it may have been any of them
                self._warn(f"the process died during {entry['label']}, or other work beside it, which begins again")
                continue
            entry["reason"] = ""
            self._count_death(entry, f"the process died during {entry['label']}")
        self._works = {work: entry for work, entry in self._works.items() if entry["deaths"]}
        self._write()

    def _count_death(self, entry: dict[str, Any], died: str) -> None:
        """Count one more death in some work, and say it."""
        entry["deaths"] = entry["deaths"] + 1 if entry["progress"] == entry["died_at"] else 1
        entry["died_at"] = entry["progress"]
        if entry["deaths"] < MOST:
            self._warn(f"{died}; attempt {entry['deaths'] + 1} of {MOST} begins")
        else:
            self._warn(f"{died} for the {MOST}rd time in a row; it counts as failed; --retry tries it again")

    def _open(self) -> bool:
        if self._file is None:
            return False
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            if self._file.is_symlink():  # it may lead to a file of somebody else's
                self._file.unlink()
            out = self._file.open("r+b" if self._file.is_file() else "x+b", buffering=0)
            if not files.lock(out):
                out.close()
                return False
            self._out = out
            line = out.read().partition(b"\n")[0]
            works = json.loads(line) if line else {}
            self._works = {str(work): _checked(entry) for work, entry in works.items()}
        return self._out is not None

    def _write(self) -> None:
        """Write all works in one line, which one call of the system puts there whole."""
        if self._out is None or self._file is None:
            return
        with suppress(OSError):
            if not self._works:
                self._file.unlink(missing_ok=True)
                self._out.close()
                self._out = None
                return
            self._out.seek(0)
            self._out.write(json.dumps(self._works).encode() + b"\n")
            self._out.truncate()


def _checked(entry: Any) -> dict[str, Any]:
    """Return the journal's entry for some work; raises KeyError, TypeError or ValueError for anything else."""
    return {
        "label": str(entry["label"]), "under_way": bool(entry["under_way"]),
        "deaths": int(entry["deaths"]), "progress": int(entry["progress"]), "died_at": int(entry["died_at"]),
        "reason": str(entry.get("reason", "")),
    }  # fmt: skip
