"""Measure and check on one GPU all that the engine promises, section by section, in one call.

    python benchmarks/speed/gpu.py [--sections bare,steps,...] [--minutes 8]

A section has a limit, and all sections together have ``--minutes``. So those that take long (``eight_seeds``, ``verdict``) need a
call of their own, or more minutes. The harness that is measured is that of this clone.
Every section is a process of its own with a time limit of its own, so a bug, a hang or a lost device in one costs no other
one its figures. A section prints one JSON line for each result as soon as it has it. A line with "check" says whether a
promise "holds". A line with "problem" says why a section ended early, with the end of its traceback.

The whole output of all sections goes to ``sections.log``, and the JSON lines to ``gpu.jsonl``, in the folder that the
environment variable OUT names, else in a new temporary folder. Where OUT is set, the records and the page of each whole file
go there too, as ``SECTION-run.db`` and ``SECTION-report.html``. Where there is no GPU, every section runs on the CPU with
small sizes, as far as it can: that checks this script and measures nothing.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CLONE = [*map(str, (ROOT, ROOT / "plugins", ROOT / "reports")), os.environ.get("PYTHONPATH", "")]
SECTIONS = {  # by name: the module, the function in it, and the most seconds it may take; cheap and telling ones first
    "bare": ("bare", "bare", 75),
    "steps": ("steps", "steps", 120),
    "resnet18": ("steps", "resnet18", 120),
    "short_runs": ("steps", "short_runs", 60),
    "little_memory": ("steps", "little_memory", 45),
    "barrier": ("barriers", "barrier", 60),
    "tests": ("files", "gpu_tests", 260),
    "flagship": ("files", "flagship", 260),
    "tables": ("files", "tables", 150),
    "gpu_workers": ("files", "gpu_workers", 300),
    "verdict": ("files", "verdict", 420),
    "eight_seeds": ("files", "eight_seeds", 660),
}
ASKED = (
    "bare",
    "steps",
    "resnet18",
    "short_runs",
    "barrier",
    "tests",
    "flagship",
    "tables",
    "verdict",
)  # where none is named
SPARE = 4.0  # seconds before its limit at which a section says where it is
TRACEBACK = 1700  # characters of one traceback that are printed


def run_section(name: str, seconds: float) -> int:
    """Run a section in this process; print what is raised and return the exit code."""
    module, function, _ = SECTIONS[name]
    faulthandler.dump_traceback_later(max(seconds - SPARE, 1.0))  # says where a section hangs, before it is killed
    sys.path.insert(0, str(HERE))
    began = time.perf_counter()
    from _gpu import setting

    try:
        context = setting.Context(name, seconds)
        getattr(importlib.import_module(f"_gpu.{module}"), function)(context)
    except BaseException as error:
        traceback.print_exc()
        context.say(problem=setting.compact(error))
        return 1
    context.say(section_seconds=round(time.perf_counter() - began, 1))
    return 0


def shortened(text: str, most: int = TRACEBACK) -> str:
    """Return the beginning and, above all, the end of a long text."""
    begins = most // 5
    return text if len(text) <= most else f"{text[:begins]} [...] {text[begins - most :]}"


def told(name: str, code: int, over: bool, rest: list[str]) -> dict[str, Any]:
    """Return the line of a section that ended early."""
    text = "".join(rest)
    cut = max(text.rfind("Traceback (most recent call last)"), text.rfind("Timeout ("), 0)
    why = "over its time limit" if over else f"exit code {code}"
    return {"section": name, "ended": why, "output": shortened(text[cut:] or "none")}


def _die_with_parent() -> None:
    """Have Linux end a section where this script is killed: it would go on beside whatever is measured next."""
    if sys.platform == "linux":
        set_signal_of_parents_death = 1  # of linux/prctl.h
        ctypes.CDLL(None).prctl(set_signal_of_parents_death, signal.SIGKILL)


class Section:
    """A section as a process: its JSON lines are printed and kept, all else is kept alone."""

    def __init__(self, name: str, seconds: float, log: Any, lines: Any) -> None:
        self.name, self.seconds, self._log, self._lines = name, seconds, log, lines
        self._rest: list[str] = []
        self._named = False  # whether it has said itself what is wrong
        command = [sys.executable, "-u", str(HERE / "gpu.py"), "--child", name, "--seconds", str(seconds)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True, preexec_fn=_die_with_parent, env={**os.environ, "PYTHONPATH": os.pathsep.join(CLONE)},
        )  # fmt: skip

    def carry_out(self) -> bool:
        """Wait for its end or its limit; return whether it ended well."""
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        try:
            code, over = self._process.wait(self.seconds), False
        except subprocess.TimeoutExpired:
            over = True
            os.killpg(self._process.pid, signal.SIGKILL)  # with whatever it has started
            code = self._process.wait()
        reader.join(5)
        if code and (over or not self._named):
            self._say(told(self.name, code, over, self._rest[-400:]))
        return code == 0

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            print(line, end="", file=self._log, flush=True)
            if line.startswith('{"section"'):
                self._say(json.loads(line))
            else:
                self._rest.append(line)

    def _say(self, value: dict[str, Any]) -> None:
        self._named = "problem" in value and "part" not in value
        line = json.dumps(value)
        print(line, flush=True)
        print(line, file=self._lines, flush=True)


def carry_out(names: list[str], minutes: float) -> int:
    """Carry out sections one after the other as long as there is time; return 1 where one ended early."""
    folder = Path(os.environ.get("OUT") or tempfile.mkdtemp(prefix="gpu-"))
    folder.mkdir(parents=True, exist_ok=True)
    ends, worst = time.monotonic() + 60 * minutes, 0
    with (folder / "sections.log").open("a") as log, (folder / "gpu.jsonl").open("a") as lines:
        for name in names:
            left = ends - time.monotonic()
            if left < 10:
                print(json.dumps({"section": name, "problem": "no time left"}), flush=True)
                continue
            print(f"=== {name}", file=log, flush=True)
            worst |= not Section(name, min(SECTIONS[name][2], left), log, lines).carry_out()
    print(json.dumps({"folder": str(folder)}))
    return int(worst)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default=",".join(ASKED), help=f"some of {', '.join(SECTIONS)}")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all sections together")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return run_section(arguments.child, arguments.seconds)
    names = arguments.sections.split(",")
    for name in names:
        if name not in SECTIONS:
            parser.error(f"--sections: must be some of {', '.join(SECTIONS)}, got {name}")
    return carry_out(names, arguments.minutes)


if __name__ == "__main__":
    sys.exit(main())
