"""A whole benchmark of the optimizers that break naive contracts: it runs, it goes on bit-equal, and it is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.records import open_records, store
from harness.running.prepare import Request
from harness.running.start import run
from harness.training import loop

ARMS = ["lbfgs", "sam", "schedulefree", "muon", "ema", "prodigy", "sam(adam)", "ema(sgd)"]


class Killed(BaseException):
    """What no part of the harness may catch."""


def outcome(folder: Path) -> dict:
    """Return everything about a run that may not depend on what interrupted it."""
    records = open_records(folder)
    epochs = records.epochs.drop(columns="seconds").sort_values(["run_id", "epoch"]).to_json()
    predictions = {r: records.predictions(r).tobytes().hex() for r in records.compared()["run_id"]}
    return {"epochs": epochs, "predictions": predictions}


def test_they_run_go_on_bit_equal_after_kills_and_are_reported(benchmark_file, tmp_path, monkeypatch):
    names = ", ".join(f'"{name}"' for name in ARMS)
    file = benchmark_file(
        ('"sgd", "adam"', names), ("trials = 3", "trials = 1"), ("epochs = [1, 2]", "epochs = [2]"),
        ("seeds = 2", "seeds = 1"), ("epochs = 2\n", "epochs = 3\n"),
    )  # fmt: skip
    save = store.save_tensors
    left = 0

    def then_killed(path, *rest):
        nonlocal left
        save(path, *rest)
        left -= 1
        if left == 0:
            raise Killed

    def carry_out(out: str, saves: int = 0, overrides: tuple[str, ...] = ()) -> Path:
        """Run, and be killed after so many saved states and solutions."""
        nonlocal left
        left = saves
        assert run(Request(file, out=tmp_path / out, overrides=overrides), Reporter(quiet=True)) == 0
        return next((tmp_path / out).iterdir())

    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(store, "save_tensors", then_killed)
    whole = carry_out("whole", overrides=('report.formats=["html"]',))
    for saves in (3, 7, 5, 11):
        with pytest.raises(Killed):
            carry_out("killed", saves)
    assert outcome(carry_out("killed")) == outcome(whole)

    arms = {arm["optimizer"]: arm for arm in show(whole)["arms"]}
    assert list(arms) == ARMS
    assert all(seed["state"] == "done" for arm in arms.values() for seed in arm["seeds"])
    assert {name for name, arm in arms.items() if arm["scheduler"] == "constant"} == {"lbfgs", "schedulefree"}
    report = (whole / "report.html").read_text()
    assert all(name in report for name in ARMS)
