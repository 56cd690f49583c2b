"""What a run changes of the process is in force while it works, also over pauses in which nothing is compared."""

from __future__ import annotations

import os

from harness.plugin.process_settings import comparing, kept_apart
from harness.plugin.process_settings import keeping as keeping_module


class Quiet:
    """A pause after which no plugin's code is called."""

    calls_no_plugin = True


def test_after_a_quiet_pause_nothing_is_compared_up_to_the_next_item(monkeypatch):
    counted = []
    monkeypatch.setattr(keeping_module, "taken", lambda: counted.append(1) or comparing.taken())

    def work():
        os.environ["HARNESS_TEST_SETTING"] = "on"
        yield Quiet()
        yield Quiet()
        yield None
        yield os.environ.get("HARNESS_TEST_SETTING")  # in force again, because plugins' code comes here

    items = []
    for item, lines in kept_apart(work(), "arm x"):
        assert "HARNESS_TEST_SETTING" not in os.environ
        items.append((item if isinstance(item, str) else type(item).__name__, len(lines), len(counted)))
    assert items == [("Quiet", 1, 1), ("Quiet", 0, 1), ("NoneType", 0, 1), ("on", 0, 2)]


def test_an_iterator_may_end_after_a_quiet_pause():
    assert [type(item).__name__ for item, _ in kept_apart(iter([Quiet()]), "arm x")] == ["Quiet"]
