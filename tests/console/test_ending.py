"""A crash of the whole process is one line, which names the place in Python and the file with the trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, signal, sys
import numpy
from harness.console.ending import trace_crashes

trace_crashes()

def die():
    {death}

die()
"""


@pytest.fixture
def died(tmp_path):
    """Return a function that lets a process end in a way, and returns it as it ended; its temporary folder is ``tmp_path``."""

    def end(death):
        environ = {**os.environ, "TMPDIR": str(tmp_path)}
        environ.pop("PYTHONFAULTHANDLER", None)
        code = CODE.format(death=death)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)

    return end


@pytest.mark.parametrize(
    ("death", "reason"),
    [("os.abort()", "Aborted"), ("os.kill(os.getpid(), signal.SIGSEGV)", "Segmentation fault")],
)
def test_a_crash_is_one_line_that_names_its_place_and_the_file_of_its_trace(died, death, reason):
    ended = died(death)
    assert ended.returncode < 0
    place = r"in <string>, line 9, in die"
    line = rf"error: harness itself: crashed \({reason}\) {place}; the whole trace is in (\S+)\n"
    match = re.fullmatch(line, ended.stderr)
    assert match, ended.stderr
    trace = Path(match[1]).read_text(encoding="utf-8")
    assert trace.startswith(f"Fatal Python error: {reason}")
    assert "Extension modules: " in trace
    assert ended.stdout == ""


@pytest.mark.parametrize("death", ["sys.exit(0)", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_any_other_end_says_nothing_and_leaves_nothing(died, tmp_path, death):
    assert died(death).stderr == ""
    assert not list(tmp_path.iterdir())
