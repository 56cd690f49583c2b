"""The lines of a run that docs/command-line.md shows are those that a run prints, but for names and numbers.

What other pages show of ``harness predict`` and ``harness data inspect`` is held against these commands where they are tested.
"""

from __future__ import annotations

import re

import pytest

from harness.console import progress
from harness.console.progress import Reporter

NUMBER = r"[\d.,e+-]+"
ENDED = {
    "trial": rf" *trial \d+/\d+  \w+ +tune \w+ {NUMBER} \S+  {NUMBER} m?s  (\w+={NUMBER}|\w+=\w+)( \w+=\S+)*",
    "seed": rf" *seed \d+  \S+ +test \w+ {NUMBER} \S+  {NUMBER} m?s",
}  # how a line looks that says how a trial ended, or a seed


@pytest.fixture(scope="module")
def blocks(repository):
    """The blocks of text on the page, each a list of lines."""
    page = (repository / "docs" / "command-line.md").read_text()
    return [block.splitlines() for block in re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]


def test_a_trial_and_a_seed_that_have_ended(blocks, tiny_run):
    printed = (tiny_run.parent.parent / "printed.txt").read_text().splitlines()
    for line, pattern in zip(blocks[0], ENDED.values(), strict=True):
        assert re.fullmatch(pattern, line), line
        assert any(re.fullmatch(pattern, one) for one in printed), (pattern, printed)


def test_what_is_under_way_where_the_output_goes_to_a_file(blocks, monkeypatch, capsys):
    reporter = Reporter()
    with reporter.during("opening the data of 'dogscats'"):
        monkeypatch.setattr(reporter._heart, "_due", 0.0)
        reporter._heart.beat()
    reporter.ahead.expect("epoch", 1300, seconds=0.5)
    reporter.ahead.expect("measurement", 418, of="distance")
    monkeypatch.setattr(progress, "EVERY", -1.0)
    reporter.move("sgd", 621, 4028, at_once=2)
    assert capsys.readouterr().out.splitlines() == blocks[1]
