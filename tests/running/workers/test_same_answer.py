"""However many workers there are, and whether there are any, the tables are the same; only seconds differ."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.console.progress import Reporter
from harness.running.prepare import Request
from harness.running.start import run
from harness.running.workers import processes

HOSTILE = Path(__file__).parents[2] / "hostile"
EXECUTOR = re.compile(r'"executor": "\w+"|"workers": \d+')  # what the benchmark file says of it
SEARCHES = {
    "one trial at a time": 'pruner = "none"\ntogether = 1',
    "four trials together": 'pruner = "none"\ntogether = 4',
    "a pruner": 'pruner = "median"\npruner_options = { n_startup_trials = 1, n_warmup_steps = 1 }\ntogether = 1',
    "a pruner and four trials together": (
        'pruner = "median"\npruner_options = { n_startup_trials = 1, n_warmup_steps = 1 }\ntogether = 4'
    ),
}
PROBES = """
probes = ["gradient_norm", "distance", "representation", "connectivity", "surface"]
probe_options = { connectivity = { alphas = 3, images = 32, bn_images = 32, orders = 1 }, surface = { points = 2 } }
"""


LARGEST = "a pruner and four trials together"
WHOLE = {"[compare]": f"[compare]\nuntuned = 1\n{PROBES}", "looks = [1]": "looks = [1, 2]"}
SEARCHED = {"[compare]": "[compare]\nuntuned = 0\ngate = false\nprobes = []"}  # all else is as in the largest one


def _module(name):
    """Return a module of the hostile tests."""
    spec = importlib.util.spec_from_file_location(name, HOSTILE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def _forked_workers(leave_out_reports):
    """Fork the workers, of which there are many: started as users' are, each would import everything anew."""
    disturbing = _module("disturbing")
    with pytest.MonkeyPatch.context() as patch:
        popen = partial(disturbing.Forked, lambda: None)
        leave_out_reports(patch)
        patch.setattr(processes, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))
        yield


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """Return a function that carries a benchmark out with so many workers, 0 for none, and returns its tables."""
    contents = _module("campaign").contents
    text = (HOSTILE.parent / "tiny.toml").read_text(encoding="utf-8")
    answers = {}

    def carried_out(search, workers):
        if (search, workers) not in answers:
            folder = tmp_path_factory.mktemp("answer")
            executor = f'"local"\nworkers = {workers}' if workers else '"inprocess"'
            changed = text
            for old, new in {
                'executor = "inprocess"': f"executor = {executor}",
                "trials = 3": f"trials = 6\n{SEARCHES[search]}",
                "epochs = [1, 2]": "epochs = [3]" if "pruner" in search else "epochs = [1, 2]",
                **(WHOLE if search == LARGEST else SEARCHED),
                "seeds = 2": "seeds = 1",
            }.items():
                assert old in changed, old
                changed = changed.replace(old, new)
            file = folder / "tiny.toml"
            file.write_text(changed, encoding="utf-8")
            assert run(Request(file, out=folder / "runs"), Reporter(quiet=True), ["harness", "run", str(file)]) == 0
            (made,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
            tables = contents(made)
            answers[search, workers] = {name: [EXECUTOR.sub("", row) for row in rows] for name, rows in tables.items()}
        return answers[search, workers]

    return carried_out


@pytest.mark.parametrize("search", SEARCHES)
def test_two_workers_give_the_tables_of_one_process(answer, search):
    assert answer(search, 2) == answer(search, 0)


@pytest.mark.parametrize("workers", [1, 8])
def test_any_number_of_workers_gives_the_same_tables(answer, workers):
    assert answer(LARGEST, workers) == answer(LARGEST, 0)


def test_these_searches_are_told_apart(answer):
    """How many trials are asked together, and a pruner, do make a difference: the comparisons above could fail."""
    asked = [[row for row in answer(search, 0)["asks"] if " #2" not in row] for search in SEARCHES]  # of one replicate
    assert all(asked.count(one) == 1 for one in asked)
    stopped = [row for row in answer("a pruner", 0)["runs"] if '"stopped"' in row]
    assert stopped
