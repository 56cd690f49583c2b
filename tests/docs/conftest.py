"""A tiny finished run that the tests of all pages read."""

from __future__ import annotations

import pytest

from harness.console.progress import Reporter
from harness.running.prepare import Request
from harness.running.start import run

TEXT = """
name = "tiny"
data = { size = 16, options = { train = 64, tune = 32, test = 64 } }
train = { optimizers = ["sgd", "adam"], batch_size = 16, precision = "fp32", threads = 1, executor = "inprocess" }
search = { trials = 2, epochs = [1], sampler_options = { n_startup_trials = 1 } }
compare = { looks = [3], seeds = 2, epochs = 1, untuned = 0 }
report = { formats = ["text"], paths = false }
"""


@pytest.fixture(scope="session")
def finished(made_once):
    """A tiny run that is over, which no test may change."""

    def fill(folder):
        (folder / "tiny.toml").write_text(TEXT)
        assert run(Request(folder / "tiny.toml", out=folder / "runs"), Reporter(quiet=True)) == 0

    return next(made_once("docs", fill).glob("runs/tiny-????????"))
