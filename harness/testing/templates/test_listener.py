"""newcomer keeps the contract of a listener, and writes a line for each training that is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import ListenerRequest, Occurrence
from harness.testing import Check, checks
from harness.testing.templates.listener import Newcomer, harness_listeners


@pytest.mark.parametrize("check", [check for offer in harness_listeners() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_a_line_for_each_training_that_is_over(tmp_path: Path) -> None:
    values = {"state": "done", "metrics": {"test_accuracy": 0.9, "test_f1": None}}
    for key in ("ended a done", "ended b done"):
        hear = Newcomer(ListenerRequest(tmp_path, tmp_path, "mine"))
        hear(Occurrence("epoch", "epoch a 1", "a", "mlp/adam/cosine"))
        hear(Occurrence("ended", key, "a", "mlp/adam/cosine", values))
        hear.close()
    written = (tmp_path / "newcomer.txt").read_text(encoding="utf-8")
    assert written == 2 * "mlp/adam/cosine  done  test_accuracy 0.9000\n"
