"""newcomer keeps the contract of a report, and writes what the tables say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from harness import Deciding, Results
from harness.testing import Check, checks
from harness.testing.templates.report import harness_reports, render


@pytest.mark.parametrize("check", [check for offer in harness_reports() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_a_line_per_arm() -> None:
    records: Any = SimpleNamespace(name="mine", deciding=Deciding("accuracy", "max", "%"))
    board = pd.DataFrame(
        [("a/sgd/cosine", "test_accuracy", 0.9, 8, 8), ("a/sgd/cosine", "seconds", 20.0, 8, 8)],
        columns=["arm", "metric", "mean", "n", "planned"],
    )
    lines = render(Results(records, {"leaderboard": board}, ("analysis 'x' failed",))).splitlines()
    assert lines == [
        "mine: test_accuracy",
        "    0.9000  a/sgd/cosine  (8 of 8 seeds)",
        "problem: analysis 'x' failed",
    ]
