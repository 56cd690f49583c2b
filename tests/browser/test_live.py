"""A run in a real browser from its first epoch to its report: ``harness run --open``, and ``harness watch`` beside it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

TINY = Path(__file__).parents[1] / "tiny.toml"
REPLACED = {
    'optimizers = ["sgd", "adam"]': 'optimizers = ["held"]',
    "trials = 3": "trials = 1",
    "epochs = [1, 2]": "epochs = [4]",
    "n_startup_trials = 2": "n_startup_trials = 1",
    "seeds = 2": "seeds = 1",
    'formats = ["text"]': 'formats = ["html"]',
}
HELD = '''
"""SGD that waits in the fourth epoch of a network until a file is there, so that a reader has time to look."""

import time
from pathlib import Path

import torch

from harness import Float, Optimizer, hookimpl


class Held(torch.optim.SGD):
    taken = 0

    def step(self, closure=None):
        size = sum(weights.numel() for group in self.param_groups for weights in group["params"])
        self.taken += size > 1000  # a check before the run has smaller ones
        while self.taken == 14 and not Path({go!r}).exists():
            time.sleep(0.05)
        return super().step(closure)


@hookimpl
def harness_optimizers():
    space = {{"lr": Float(1e-3, 0.1, log=True)}}
    return [Optimizer(name="held", build=lambda p, **h: Held(p, **h), space=space, defaults={{"lr": 0.01}}, resumes=False)]
'''
PATIENCE = 600_000  # milliseconds to wait for what a slow machine takes minutes for
ADDRESS = re.compile(r"live: (http://127\.0\.0\.1:\d+/[\w-]+/)")


def started(*words: str) -> subprocess.Popen[str]:
    """Return a command of ours under way, without a screen to open a browser on."""
    without = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=without,
    )  # fmt: skip


def address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that a command names, which has come by then."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := ADDRESS.search(line):
            return found[1]
    pytest.fail("no address in: " + "".join(lines))


def answers(address: str) -> bool:
    """Return whether anything listens at an address."""
    place = urlsplit(address)
    assert place.hostname == "127.0.0.1"
    with socket.socket() as asking:
        return asking.connect_ex((place.hostname, place.port or 0)) == 0


def test_a_run_is_watched_from_its_epochs_to_its_report(browser: Any, tmp_path: Path) -> None:
    go, plugin, file = tmp_path / "go", tmp_path / "held.py", tmp_path / "tiny.toml"
    plugin.write_text(HELD.format(go=str(go)), encoding="utf-8")
    text = TINY.read_text(encoding="utf-8")
    for old, new in REPLACED.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    out = tmp_path / "runs"
    page, complaints = browser.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    run = started("run", str(file), "--plugin", str(plugin), "--out", str(out), "--open")
    beside = None
    try:
        address = address_of(run)
        page.goto(address)
        page.wait_for_selector(
            "main svg polyline", state="attached"
        )  # the epochs so far; the page has asked for them itself
        shown = page.locator("main").inner_text()
        assert "under way" in shown
        assert re.search(r"held\s+0 of 1\s+0 of 1", shown)  # trials and seeds
        assert "epoch by epoch" in shown.lower()
        folder = next(path.parent for path in out.glob("*/run.db"))
        beside = started("watch", str(folder), "--no-browser")
        second = browser.new_page()
        second.set_default_timeout(PATIENCE)
        second.goto(address_of(beside))
        second.wait_for_selector("main svg polyline", state="attached")
        go.touch()
        page.wait_for_url("**/report.html")  # nobody has reloaded it
        page.wait_for_selector("html[data-live]")
        assert page.locator("#leaderboard tbody th").first.inner_text().startswith("held")
        second.wait_for_url("**/report.html")
        second.wait_for_selector("html[data-live]")
        assert run.wait(PATIENCE / 1000) == 0
        while answers(address):  # the page has been delivered, so its server ends with the run
            page.wait_for_timeout(100)
        assert beside.poll() is None  # a command of its own goes on until Ctrl-C
        assert complaints == []
    finally:
        go.touch()
        for process in filter(None, (run, beside)):
            process.terminate()
            process.communicate()
        page.close()
