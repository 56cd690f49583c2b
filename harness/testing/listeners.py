"""What a listener must do: take everything that a run writes down, go on in a later call, and write into its own folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import PluginError
from harness.plugin.contracts import HAPPENINGS, Listener, ListenerRequest, Occurrence
from harness.plugin.runs import Arm, Run
from harness.records.files import temporary_folder
from harness.testing.outcomes import NotApplicable, require

FACETS = ("loss", "function", "representation", "geometry", "connectivity")


def run_of(seed: int, phase: Any) -> Run:
    """Return a made-up training."""
    return Run(
        phase=phase, arm=Arm("mlp", "sam(torch:Adam)", "cosine"), optimizer={"lr": 0.01, "beta1": 0.9},
        scheduler={"warmup": 0.1}, epochs=2, batch_size=32, l2=0.0, augment=(), precision="fp32", task="classification",
        init_seed=seed, order_seed=seed, data="0", plugins={},
    )  # fmt: skip


def occurrences() -> list[Occurrence]:
    """Return what a made-up run writes down: a training that ends well and one that diverges, a trial, a look and an end."""
    occurrences_told: list[Occurrence] = []
    for seed, phase, state in ((2_000_000, "search", "diverged"), (0, "compare", "done")):
        run = run_of(seed, phase)
        epochs = [_epoch(number) for number in (1, 2)]
        names = (run.id, run.arm.name)
        occurrences_told.append(Occurrence("began", f"began {run.id}", *names, run.recipe()))
        occurrences_told += [Occurrence("epoch", f"epoch {run.id} {epoch['epoch']}", *names, epoch) for epoch in epochs]
        metrics = {"test_accuracy": 0.9, "test_f1": None} if state == "done" else {}
        reason = "" if state == "done" else "epoch 2: the training loss must be finite, got nan"
        end = {"state": state, "reason": reason, "seconds": 1.5, "taken_from": "", "metrics": metrics, "epochs": epochs}
        occurrences_told.append(Occurrence("ended", f"ended {run.id} {state}", *names, {**end, "recipe": run.recipe()}))
        if phase == "search":
            trial = {
                "study": run.arm.name,
                "number": 0,
                "state": state,
                "value": None,
                "reason": reason,
                "params": {"lr": 0.01},
            }
            occurrences_told.append(Occurrence("trial", f"trial {run.arm.name} 0", *names, trial))
    look = {"replicates": 6, "number": 1, "of": 2, "ended": "settled"}
    network = {
        "network": "mlp",
        "statement": "inconclusive",
        **dict.fromkeys(FACETS, "similar"),
        "lines": ["loss: similar"],
    }
    occurrences_told.append(Occurrence("look", "look 6 settled", values=look))
    occurrences_told.append(Occurrence("verdict", "verdict 0", values={"networks": [network]}))
    occurrences_told.append(Occurrence("report", "report 0", values={"files": ["/nowhere/report.html"]}))
    return occurrences_told


def _epoch(number: int) -> dict[str, Any]:
    metrics = {"train_loss": 0.7 / number, "tune_accuracy": 0.5 + 0.1 * number, "tune_f1": None}
    return {
        "epoch": number,
        "steps": 8 * number,
        "gradients": 8 * number,
        "lr": 0.01,
        "seconds": 0.5 * number,
        "metrics": metrics,
    }


def hears_all(offer: Listener) -> str:
    """It takes every kind of occurrence: a training that diverges, a metric that is undefined, names with odd characters."""
    with _opened_in() as (folder, run_folder):
        _tell(offer, folder, run_folder, occurrences())
        written = [path for path in folder.rglob("*") if path.is_file()]
        return f"{', '.join(HAPPENINGS)}; it wrote {len(written)} files"


def goes_on(offer: Listener) -> str:
    """Opened again in the same folder, it takes what follows of a training that began before."""
    with _opened_in() as (folder, run_folder):
        all_occurrences = occurrences()
        _tell(offer, folder, run_folder, all_occurrences[:2])
        _tell(offer, folder, run_folder, all_occurrences[2:])
    return ""


def stays_in_its_folder(offer: Listener) -> str:
    """It writes into ``request.folder``, and neither elsewhere in the run folder nor into the working folder."""
    with _opened_in() as (folder, run_folder):
        before = _listing(Path.cwd())
        _tell(offer, folder, run_folder, occurrences())
        strays = [path for path in _listing(run_folder) if path != folder.parent]
        strays += [path for path in _listing(Path.cwd()) if path not in before]
        require(not strays, f"must write into request.folder alone, got '{strays[0] if strays else ''}'")
    return ""


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@contextmanager
def _opened_in() -> Iterator[tuple[Path, Path]]:
    """Give a folder for the listener, and the run folder that it lies in; the working folder is another one for that time."""
    before = Path.cwd()
    with temporary_folder() as place:
        run_folder, working = place / "tiny-0a1b2c3d", place / "working"
        folder = run_folder / "listeners" / "any"
        for empty in (folder, working):
            empty.mkdir(parents=True)
        os.chdir(working)
        try:
            yield folder, run_folder
        finally:
            os.chdir(before)


def _tell(offer: Listener, folder: Path, run_folder: Path, told: list[Occurrence]) -> None:
    """Open the listener, tell it everything, and close it; NotApplicable where a library is missing."""
    request = ListenerRequest(folder, run_folder, "tiny", {"name": "tiny"}, dict(offer.options))
    try:
        hear = offer.open(request)
    except PluginError as error:
        raise NotApplicable(f"it cannot be opened here: {error}") from error
    require(callable(hear), f"open must return a function, got {type(hear).__name__}")
    close: Callable[[], object] = getattr(hear, "close", lambda: None)
    try:
        for occurrence in told:
            hear(occurrence)
    except BaseException:
        with suppress(Exception):
            close()
        raise
    close()


QUICK = [hears_all, goes_on, stays_in_its_folder]
FULL: list[Any] = []
