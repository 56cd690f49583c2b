"""Checks of analyses and reports: equal results from equal records, without torch and without a change to the records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.console.progress import Reporter
from harness.errors.disk import writing
from harness.plugin.contracts import Analysis, Report, Results
from harness.plugin.discovery import discover
from harness.plugin.validate import RECORD_TABLES
from harness.records import Records, open_records
from harness.results.analysis import analyse
from harness.running.prepare import Request
from harness.running.start import run
from harness.testing.driving import alone
from harness.testing.outcomes import NotApplicable, require

BENCHMARK = """
name = "check"
[data]
size = 16
options = { train = 32, tune = 16, test = 32 }
[train]
executor = "inprocess"
backbones = ["linear"]
optimizers = ["sgd", "adam"]
batch_size = 16
precision = "fp32"
threads = 1
[search]
trials = 2
epochs = [1, 2]
sampler_options = { n_startup_trials = 2 }
[compare]
looks = [1]
seeds = 2
epochs = 2
[report]
formats = []
"""


def pure(offer: Analysis | Report) -> str:
    """From the same records it makes the same, twice, and leaves the records as they were."""
    results = _results()
    before = deepcopy(results)
    first, repeated = _made(offer, results), _made(offer, results)
    require(
        first == repeated, "must make the same from the same records, made another; no clock, no chance, no set's order"
    )
    for name in RECORD_TABLES:
        unchanged = getattr(results.records, name).equals(getattr(before.records, name))
        require(unchanged, f"must leave the records as they were, changed {name}; work on a copy")
    return f"{len(first):,} bytes"


def without_torch(offer: Analysis | Report) -> str:
    """Its module is imported without torch or timm, for reports are written where there are none."""
    code = getattr(_function(offer), "__code__", None)
    file = Path(code.co_filename) if code else None
    if file is None or not file.is_file():
        raise NotApplicable("its function has no file of its own")
    look = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('looked_at', sys.argv[1]); "
        "module = importlib.util.module_from_spec(spec); sys.modules['looked_at'] = module; "
        "spec.loader.exec_module(module); print(*sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", look, str(file)], capture_output=True, text=True, check=False)
    require(answer.returncode == 0, f"must be importable by itself, got {answer.stderr.strip().splitlines()[-1:]}")
    imported = answer.stdout.split()
    require(
        not imported,
        f"must not import {' or '.join(imported)}; import what is heavy nowhere in an analysis or a report",
    )
    return ""


def _function(offer: Analysis | Report) -> Callable[..., Any]:
    return offer.compute if isinstance(offer, Analysis) else offer.render


def _made(offer: Analysis | Report, results: Results) -> bytes:
    """Return what it makes, as bytes."""
    if isinstance(offer, Report):
        text = offer.render(results)
        require(isinstance(text, str), f"render() must return a text, got {type(text).__name__}")
        return text.encode()
    from pandas import DataFrame

    table = offer.compute(results.records)
    require(isinstance(table, DataFrame), f"compute() must return a table, got {type(table).__name__}")
    return table.to_parquet(index=False)


@cache
def _results() -> Results:
    """Return the records of a tiny run, and the tables that the installed analyses make of them."""
    registry = discover()
    plugins = {offered.plugin for offered in registry.offers["analysis"].values()}
    offers = [analysis for analysis in registry.all("analysis") if isinstance(analysis, Analysis)]
    return analyse(_records(tuple(sorted(plugins))), offers)


@cache
def _folder() -> Any:
    """Return a folder that is thrown away when the program ends."""
    with writing("temporary files", "set TMPDIR to another folder"):
        return TemporaryDirectory(prefix="harness-check-", ignore_cleanup_errors=True)


def _records(block: tuple[str, ...]) -> Records:
    """Return the records of a tiny run without these plugins, which would make each table once more."""
    folder = Path(_folder().name)
    file = folder / "check.toml"
    file.write_text(BENCHMARK, encoding="utf-8")
    before = {name: os.environ.pop(name, None) for name in ("HARNESS_CACHE", "HARNESS_DATA")}
    os.environ["HARNESS_CACHE"] = str(folder / "cache")
    try:
        with alone():
            code = run(Request(file, out=folder / "runs", block=block), Reporter(quiet=True))
    finally:
        del os.environ["HARNESS_CACHE"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
    require(code == 0, "a tiny run must end well before a report can be checked, got a failure; see 'harness run'")
    (run_folder,) = (folder / "runs").iterdir()
    return open_records(run_folder)


QUICK = [without_torch]
FULL = [pure]  # needs a run to look at
