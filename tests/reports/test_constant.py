"""Arms that learned nothing: every place that shows their score says what a constant answer scores."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.start import run

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure

NOTHING = '''
"""Classes that the features say nothing of; RARE of 100 examples are dogs."""

import numpy as np

from harness import Data, Dataset, Split, hookimpl


def split(count, seed):
    targets = (np.arange(count) % 100 < RARE).astype(np.int64)
    inputs = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return Split(inputs, targets, tuple(f"{seed}/{i}" for i in range(count)))


def load(request):
    return Data("nothing", split(200, 0), split(200, 1), split(400, 2), "RARE", "made up", ("cat", "dog"))


@hookimpl
def harness_datasets():
    """Offer nothing."""
    return [Dataset("nothing", load)]
'''


@pytest.fixture
def without_signal(benchmark_file, tmp_path):
    """Return a function that runs three seeds of two arms on data with so many rare examples of 100."""

    def start(rare, *overrides, block=()):
        plugin = tmp_path / "nothing.py"
        plugin.write_text(NOTHING.replace("RARE", str(rare)))
        file = benchmark_file(
            ("size = 16\noptions = { train = 64, tune = 32, test = 64 }", 'dataset = "nothing"'),
            ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd", "adam"]\nbackbones = ["linear"]'),
            ('formats = ["text"]', 'formats = ["html", "md", "latex", "csv"]'),
            ("[compare]", "[search.space.sgd]\nlr = { low = 1e-3, high = 1e-2, log = true }\n[compare]"),
            ("seeds = 2", "seeds = 3"),
        )
        request = Request(file, out=tmp_path / "runs", plugins=(plugin,), overrides=tuple(overrides), block=block)
        lines = []
        reporter = Reporter(quiet=True)
        reporter.say = lambda line, **_: lines.append(line)
        assert run(request, reporter) == 0
        (folder,) = (tmp_path / "runs").iterdir()
        return folder, lines

    return start


@pytest.fixture
def shown(capsys):
    """Return a function that returns what ``harness show`` prints."""

    def call(folder, *options):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["show", str(folder), *options])
        assert not ended.value.code
        return capsys.readouterr().out

    return call


def test_of_95_to_5_every_page_says_that_no_arm_is_better_than_the_large_class(without_signal, shown):
    folder, lines = without_signal(5)
    constant = "always answering “cat” (95.00 %)"
    words = shown(folder)
    assert words.splitlines()[2].startswith("A leaderboard, no verdict: no arm is ")
    assert f"better than {constant}" in words.splitlines()[2]
    doubts = [line for line in words.splitlines() if line.lstrip().startswith("doubt: ")]
    assert doubts[0].startswith("doubt: One search of each arm: this run ranks the arms and cannot tell")
    assert "better than always answering “cat”" in doubts[1]
    assert "adam" in doubts[1]  # which is named behind sgd
    assert "loss inconclusive" in words
    found = json.loads(shown(folder, "--json"))
    assert {row["arm"] for row in found["alarms"] if row["alarm"] == "chance"} == {
        each["arm"] for each in found["arms"]
    }
    assert found["constant"]["scores"]["test"]["accuracy"]["score"] == 0.95
    assert found["constant"]["scores"]["test"]["balanced_accuracy"]["score"] == 0.5
    assert found["data"]["class_counts"]["test"] == [380, 20]
    for arm in found["arms"]:
        assert all(0.4 < seed["metrics"]["test_balanced_accuracy"] < 0.6 for seed in arm["seeds"])
    page = (folder / "report.html").read_text()
    start = page.index("Why you might doubt this")
    assert "better than always answering “cat”" in page[start : start + 1600]
    assert '<th scope="row">always answering “cat”</th>' in page
    markdown = (folder / "report.md").read_text()
    assert "| always answering “cat” | 95.00 % |" in markdown
    assert "- **Problem**: " in markdown
    assert "always answering" in (folder / "report.tex").read_text()
    board = pd.read_csv(folder / "tables" / "leaderboard.csv").set_index(["arm", "metric"])
    assert set(board.xs("test_accuracy", level="metric")["constant"]) == {0.95}
    assert "classes are unequal: always answering 'cat' gives a test accuracy of 95.00 %" in "\n".join(lines)


def test_of_two_equal_classes_no_arm_is_better_than_guessing(without_signal, shown, every_analysis):
    folder, lines = without_signal(50, 'report.formats=["text"]', block=every_analysis)  # ``show`` makes its own tables
    answer = shown(folder).splitlines()[2]
    assert answer in (
        "A leaderboard, no verdict: no arm is better than guessing (50.00 %).",
        "A leaderboard, no verdict: no arm is shown to be better than guessing (50.00 %).",
    )
    assert not any("unequal" in line for line in lines)


def test_a_balanced_accuracy_decides(without_signal, shown, every_analysis):
    overrides = ('compare.metric="balanced_accuracy"', 'report.formats=["text"]')
    folder, _ = without_signal(5, *overrides, block=every_analysis)
    assert "better than always answering “cat” (50.00 %)." in shown(folder).splitlines()[2]
    assert {row["alarm"] for row in json.loads(shown(folder, "--json"))["alarms"]} >= {"chance"}
    assert open_records(folder).meta.metric == "balanced_accuracy"
