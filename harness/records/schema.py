"""The tables of ``run.db`` and the files beside it.

Our tables are the truth; Optuna's (``studies``, ``trials``, ...) stand in the same file and are mended from ours.

    meta     one row a key: what the run is about, as JSON (data, environment, command, plugins)
    arms     one row a competitor, with the trial its search chose
    asks     one row a trial: what the sampler chose, in which generation, and how it ended
    runs     one row a training: its recipe (a JSON of ``Run``), state and final metrics
    epochs   one row an epoch of a training
"""

from __future__ import annotations

from pathlib import Path

VERSION = 1  # of these tables; stands in meta as schema_version

TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arms (
    arm TEXT PRIMARY KEY, backbone TEXT NOT NULL, optimizer TEXT NOT NULL, scheduler TEXT NOT NULL,
    position INTEGER NOT NULL, generation_size INTEGER NOT NULL,
    tuned_trial INTEGER, tuned_params TEXT, tuned_value REAL
);
CREATE TABLE IF NOT EXISTS asks (
    arm TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL, params TEXT NOT NULL,
    run_id TEXT NOT NULL, state TEXT NOT NULL, value REAL, reason TEXT NOT NULL DEFAULT '',
    trial_attrs TEXT NOT NULL DEFAULT '{}', study_attrs TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (arm, number)
);
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, arm TEXT NOT NULL, phase TEXT NOT NULL, seed INTEGER NOT NULL,
    recipe TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '',
    metrics TEXT NOT NULL DEFAULT '{}', seconds REAL NOT NULL DEFAULT 0, stop_after INTEGER,
    started TEXT, ended TEXT, environment TEXT NOT NULL, schema_version INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS epochs (
    run_id TEXT NOT NULL, epoch INTEGER NOT NULL, steps INTEGER NOT NULL, lr REAL,
    seconds REAL NOT NULL, metrics TEXT NOT NULL, PRIMARY KEY (run_id, epoch)
) WITHOUT ROWID;
"""

# states of a run and of an ask
WAITING, DONE, STOPPED, DIVERGED, FAILED = "waiting", "done", "stopped", "diverged", "failed"
ENDED = (DONE, STOPPED, DIVERGED, FAILED)


def database(folder: Path) -> Path:
    """Return the folder's SQLite file."""
    return folder / "run.db"


def solution(folder: Path, run_id: str) -> Path:
    """Return where a run's final weights are."""
    return folder / "solutions" / f"{run_id}.safetensors"


def saved_state(folder: Path, run_id: str) -> Path:
    """Return where a run under way is saved."""
    return folder / "states" / f"{run_id}.safetensors"


def prediction(folder: Path, run_id: str) -> Path:
    """Return where a run's test predictions are, ``float32 [N, ...]``."""
    return folder / "predictions" / f"{run_id}.safetensors"


def targets(folder: Path) -> Path:
    """Return where the test targets are, beside the predictions."""
    return folder / "predictions" / "targets.safetensors"
