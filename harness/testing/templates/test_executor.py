"""newcomer keeps the contract of an executor, and takes the shortest run first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness import Failed
from harness.testing import Check, checks
from harness.testing.templates.executor import Newcomer, harness_executors


@pytest.mark.parametrize("check", [check for offer in harness_executors() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


class Broken:
    """A workbench that cannot put any run together."""

    def parts(self, run: Any) -> Any:
        raise RuntimeError("no parts")

    def state(self, run_id: str) -> None:
        return None


def test_the_shortest_run_comes_first_and_a_failure_stops_no_other() -> None:
    workbench: Any = Broken()
    executor = Newcomer(workbench)
    labels = {"arm": SimpleNamespace(name="any"), "task": "any"}
    runs: list[Any] = [SimpleNamespace(id=f"{epochs} epochs", epochs=epochs, **labels) for epochs in (3, 1, 2)]
    executor.submit(runs)
    seen = list(executor.events())
    assert [run_id for run_id, _ in seen] == ["1 epochs", "2 epochs", "3 epochs"]
    assert all(isinstance(event, Failed) for _, event in seen)
