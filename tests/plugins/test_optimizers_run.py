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

# Each has a need of its own: a closure and a line search; weights that it switches, and no schedule; an estimate of its rate;
# and one that goes around another, which takes a closure around two halves for matrices and for the rest.
# Of every other optimizer test_resuming.py shows that it goes on bit-equal from a file.
ARMS = ["lbfgs", "schedulefree", "prodigy", "ema(sam(muon))"]


class Killed(BaseException):
    """What no part of the harness may catch."""


def outcome(folder: Path) -> dict:
    """Return everything about a run that may not depend on what interrupted it."""
    records = open_records(folder)
    epochs = records.epochs.drop(columns="seconds").sort_values(["run_id", "epoch"]).to_json()
    predictions = {r: records.predictions(r).tobytes().hex() for r in records.compared()["run_id"]}
    return {"epochs": epochs, "predictions": predictions}


@pytest.mark.usefixtures("undrawn")  # of the page, names are read
def test_they_run_go_on_bit_equal_after_a_kill_and_are_reported(
    benchmark_file, tmp_path, monkeypatch, leave_out_reports
):
    names = ", ".join(f'"{name}"' for name in ARMS)
    file = benchmark_file(
        ('"sgd", "adam"', names), ("trials = 3", "trials = 1"), ("epochs = [1, 2]", "epochs = [2]"),
        ("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false"), ("epochs = [2]", "epochs = [1]"),
        ("train = 64, tune = 32, test = 64", "train = 32, tune = 16, test = 16"),
    )  # fmt: skip
    save = store.save_tensors
    saved: list[Path] = []
    deadly = 0

    def then_killed(path, *rest):
        save(path, *rest)
        saved.append(path)
        if len(saved) == deadly:
            raise Killed

    def carry_out(out: str, saves: int = 0, overrides: tuple[str, ...] = ()) -> Path:
        """Run, and be killed after so many saved states and solutions."""
        nonlocal deadly
        deadly = saves
        saved.clear()
        assert run(Request(file, out=tmp_path / out, overrides=overrides), Reporter(quiet=True)) == 0
        return next((tmp_path / out).iterdir())

    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(store, "save_tensors", then_killed)
    whole = carry_out("whole", overrides=('report.formats=["html"]',))
    leave_out_reports(monkeypatch)  # of the run that is killed, the records are compared
    of_state = [place for place, path in enumerate(saved, 1) if path.parent.name == "states"]
    with pytest.raises(Killed):
        carry_out("killed", of_state[-1])  # within a run of the comparison, after its first epoch
    done = open_records(next((tmp_path / "killed").iterdir())).compared()["state"] == "done"
    assert 0 < done.sum() < len(ARMS)
    assert outcome(carry_out("killed")) == outcome(whole)

    arms = {arm["optimizer"]: arm for arm in show(whole)["arms"]}
    assert list(arms) == ARMS
    assert all(seed["state"] == "done" for arm in arms.values() for seed in arm["seeds"])
    assert {name for name, arm in arms.items() if arm["scheduler"] == "constant"} == {"lbfgs", "schedulefree"}
    report = (whole / "report.html").read_text()
    assert all(name in report for name in ARMS)
