"""The tables of ``run.db`` and the files beside it.

Our tables are the truth; Optuna's (``studies``, ``trials``, ...) stand in the same file and are mended from ours.

    meta     one row a key: what the run is about, as JSON (data, environment, command, plugins)
    searches one row a search, by the name of its study: the arm, which of the arm's searches it is, the trial it chose
    asks     one row a trial: what the sampler chose, in which generation, how it ended, and the run that trained it once
             more to confirm it ("" for none)
    runs     one row a training: its recipe (a JSON of ``Run``), state and final metrics; ``taken_from`` names the run
             folder that it was trained in, where that is another one
    epochs   one row an epoch of a training
    range_tests  one row a step of an arm's learning-rate range test; what it suggests stands in meta
    paths    one row a step of an arm's walk over a function of two parameters; of which hyperparameters stands in meta
    measured one row a number that a probe measured, on one network or on two or three together
    examples  one row a photo, where the data are photos of classes: its name and class, and whether it is excluded
    files    one row a file that was written for good: the run it belongs to ("" for none), its size and checksum
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import RunFolderError

VERSION = 7  # of these tables; stands in meta as schema_version
UNREPEATABLE = "unrepeatable"  # the key in meta of operations without a deterministic form, names by run
SCALE_FREE = "scale_free"  # the key in meta of the networks' scale-free tensors, by network
WORK = "work"  # the key in meta of the operations of a gradient evaluation, by arm
CHANGES = "changed_settings"  # the key in meta of what plugins changed of the process, lines by run; "" for no run

TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS searches (
    study TEXT PRIMARY KEY, arm TEXT NOT NULL, replicate INTEGER NOT NULL, network TEXT NOT NULL, backbone TEXT NOT NULL,
    head TEXT NOT NULL, optimizer TEXT NOT NULL, scheduler TEXT NOT NULL,
    position INTEGER NOT NULL,
    tuned_trial INTEGER, tuned_params TEXT, tuned_value REAL
);
CREATE TABLE IF NOT EXISTS asks (
    study TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL, params TEXT NOT NULL,
    run_id TEXT NOT NULL, state TEXT NOT NULL, value REAL, reason TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0, trained INTEGER NOT NULL DEFAULT 0,
    trial_attrs TEXT NOT NULL DEFAULT '{}', study_attrs TEXT NOT NULL DEFAULT '{}',
    pruner_notes TEXT NOT NULL DEFAULT '{}', confirmation TEXT NOT NULL DEFAULT '', PRIMARY KEY (study, number)
);
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, arm TEXT NOT NULL, phase TEXT NOT NULL, seed INTEGER NOT NULL,
    recipe TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '',
    metrics TEXT NOT NULL DEFAULT '{}', seconds REAL NOT NULL DEFAULT 0, stop_after INTEGER,
    started TEXT, ended TEXT, environment TEXT NOT NULL, schema_version INTEGER NOT NULL,
    taken_from TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS epochs (
    run_id TEXT NOT NULL, epoch INTEGER NOT NULL, steps INTEGER NOT NULL, gradients INTEGER NOT NULL, lr REAL,
    seconds REAL NOT NULL, metrics TEXT NOT NULL, PRIMARY KEY (run_id, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS range_tests (
    arm TEXT NOT NULL, step INTEGER NOT NULL, lr REAL NOT NULL, loss REAL NOT NULL, smoothed REAL NOT NULL,
    PRIMARY KEY (arm, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS paths (
    arm TEXT NOT NULL, landscape TEXT NOT NULL, step INTEGER NOT NULL, gradients INTEGER NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, value REAL NOT NULL, lr REAL, problem TEXT NOT NULL,
    PRIMARY KEY (arm, landscape, step)
);
CREATE TABLE IF NOT EXISTS measured (
    probe TEXT NOT NULL, version TEXT NOT NULL, one TEXT NOT NULL, other TEXT NOT NULL, third TEXT NOT NULL,
    name TEXT NOT NULL, value REAL, PRIMARY KEY (probe, version, one, other, third, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS examples (
    split TEXT NOT NULL, row INTEGER NOT NULL, name TEXT NOT NULL, target INTEGER NOT NULL, excluded INTEGER NOT NULL,
    PRIMARY KEY (split, row)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    file TEXT PRIMARY KEY, run_id TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
"""
JSON = {
    "searches": ("tuned_params",),
    "asks": ("params", "trial_attrs", "study_attrs", "pruner_notes"),
    "runs": ("recipe", "metrics"),
    "epochs": ("metrics",),
}  # columns that hold an object as text; so does meta.value, of any kind

FOLDERS = ("solutions", "predictions", "states", "probes")  # that a run folder always has
MORE_FOLDERS = ("thumbnails", "tables")  # that it may have
_FILES = (
    "benchmark.toml", "environment.json", "report.*", "tables/*.*", "thumbnails/*.jpg", "probes/*/*.safetensors",
    *(f"{name}/*.safetensors" for name in ("solutions", "predictions", "states")),
)  # fmt: skip

# states of a run and of an ask
WAITING, DONE, STOPPED, DIVERGED, FAILED = "waiting", "done", "stopped", "diverged", "failed"
ENDED = (DONE, STOPPED, DIVERGED, FAILED)


def _part(name: str) -> str:
    """Return a name out of the records as part of a file's name; raises RunFolderError for one that leads elsewhere."""
    if "/" in name or "\\" in name or "\0" in name or name in ("", ".", ".."):
        raise RunFolderError(f"run.db: must have names that stay in the run folder, got {name!r:.80}; do not trust it")
    return name


def inside(folder: Path, file: str) -> Path:
    """Return a file of the run folder by its place there; raises RunFolderError for one that leads elsewhere."""
    return folder.joinpath(*map(_part, file.split("/")))


def changes_of(noted: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines on changed settings, each once, with the number of runs where it is of several."""
    runs = Counter(line for lines in noted.values() for line in lines)
    return [line if count == 1 else f"{line} (in {count} runs)" for line, count in runs.items()]


def database(folder: Path) -> Path:
    """Return the folder's SQLite file."""
    return folder / "run.db"


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder has the records of a run."""
    return database(folder).is_file()


def own_files(folder: Path) -> list[Path]:
    """Return whatever there is in the places of files that a run writes, but for the database and the lock."""
    return [path for pattern in _FILES for path in folder.glob(pattern) if path.suffix != ".damaged"]


def own_folders(folder: Path) -> list[Path]:
    """Return the places of folders that a run writes into, whatever there is."""
    inner = [path for path in folder.glob("probes/*") if not path.suffix]
    return [*(folder / name for name in (*FOLDERS, *MORE_FOLDERS)), *inner]


def solution(folder: Path, run_id: str) -> Path:
    """Return where a run's final weights are."""
    return folder / "solutions" / f"{_part(run_id)}.safetensors"


def snapshot(folder: Path, run_id: str, epoch: int) -> Path:
    """Return where the weights are that a run had after an epoch, if it keeps those."""
    return folder / "solutions" / f"{_part(run_id)}.epoch{epoch}.safetensors"


def snapshots(folder: Path, run_id: str) -> list[Path]:
    """Return the snapshots of a run before its final weights, the earliest first."""
    name = re.compile(rf"{re.escape(_part(run_id))}\.epoch(\d+)\.safetensors")
    files = {file: name.fullmatch(file.name) for file in (folder / "solutions").glob(f"{glob.escape(run_id)}.epoch*")}
    epochs = {int(match[1]): file for file, match in files.items() if match}
    return [epochs[epoch] for epoch in sorted(epochs)]


def probe_file(file: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Return the probe, its version and the runs of a file that a probe kept, given by its place; None for another."""
    parts = Path(file).parts
    if len(parts) != 3 or parts[0] != "probes":
        return None
    probe, _, version = parts[1].rpartition("-")
    return probe, version, tuple(Path(file).stem.split("-"))


def saved_state(folder: Path, run_id: str) -> Path:
    """Return where a run under way is saved."""
    return folder / "states" / f"{_part(run_id)}.safetensors"


def prediction(folder: Path, run_id: str) -> Path:
    """Return where a run's predictions are, ``float32 [N, ...]``: ``predictions`` of test, ``tune``, and ``snapshots`` ``[S, N, ...]``."""
    return folder / "predictions" / f"{_part(run_id)}.safetensors"


def probed(folder: Path, probe: str, version: str, *run_ids: str) -> Path:
    """Return where the arrays are that a probe kept of these networks."""
    return folder / "probes" / _part(f"{probe}-{version}") / f"{_part('-'.join(run_ids))}.safetensors"


def targets(folder: Path) -> Path:
    """Return where the targets are, beside the predictions: ``targets`` of test, and ``tune``."""
    return folder / "predictions" / "targets.safetensors"


def scores(folder: Path) -> Path:
    """Return where the per-example scores of the deciding test metric are, by run; ``[N]`` each."""
    return folder / "predictions" / "scores.safetensors"


def out_of_fold(folder: Path) -> Path:
    """Return where the predictions of the train split are, each by a model that was trained without it."""
    return folder / "predictions" / "out_of_fold.safetensors"


def thumbnail(folder: Path, split: str, row: int) -> Path:
    """Return where a small copy of a photo is, for reports: of the few that they show."""
    return folder / "thumbnails" / f"{_part(split)}-{row:d}.jpg"
