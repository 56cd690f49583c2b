"""Damaged run folders: what cannot be read is put aside and made again, is never held against an optimizer, and is named.

A finished run, and two that were killed in the search and in the comparison, are made once and copied for every case.
"""

from __future__ import annotations

import pytest

from harness.preparation import Request
from harness.progress import Reporter
from harness.records import store
from harness.run import run
from tests.conftest import TINY

SMALL = (
    ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'),
    ("trials = 3", "trials = 2"),
    ("epochs = [1, 2]", "epochs = [2]"),
    ("[compare]", "[compare]\nuntuned = 0"),
    ("paths = false", 'paths = false\nformats = ["text"]'),
)


class Killed(BaseException):
    """Nothing catches it, as nothing does signal 9."""


@pytest.fixture(scope="module")
def carry_out(tmp_path_factory):
    """Return a function that carries out a tiny benchmark; it returns the exit code, the run folder and what was said."""
    file = tmp_path_factory.mktemp("benchmark") / "tiny.toml"
    text = TINY
    for old, new in SMALL:
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")

    def start(out, kill_at=0):
        """Kill it where so many states and solutions have been saved."""
        lines, saved = [], []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Reporter, "say", lambda self, text, style="": lines.append(text))
            patch.setattr(store, "SAVE_EVERY", 0.0)
            keep = store.save_tensors

            def then_killed(place, *tensors):
                keep(place, *tensors)
                saved.append(place)
                if len(saved) == kill_at:
                    raise Killed

            patch.setattr(store, "save_tensors", then_killed)
            code = None
            try:
                code = run(Request(file, out=out), Reporter(quiet=True), ["harness", "run", str(file)])
            except Killed:
                assert kill_at
        return code, next(out.iterdir()), lines

    return start
