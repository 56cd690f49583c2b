"""Ctrl-C while the command line is still being loaded."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_IMPORT = """
import runpy, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
sys.argv = ["harness", "list"]
runpy.run_module("harness", run_name="__main__")
"""


def test_ends_with_130_and_a_line_and_without_a_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
