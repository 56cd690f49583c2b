"""Reading a run folder as pandas tables, without torch."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.numbers import first_of
from harness.errors import RunFolderError, disk, one_line
from harness.plugin.contracts.records import Lack, Records
from harness.plugin.meta import KEYS, Meta
from harness.records import database, promised, schema, tables
from harness.records.checked import load_arrays
from harness.records.imported import with_imported
from harness.records.pictures import made_again
from harness.records.workloads import has_workloads, run_folders

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ANEW = "'harness run --no-reuse' with another --out records them"


class FolderRecords(Records):
    """The records of a run folder; what stands in files of its own is read when it is asked for."""

    @property
    def changes(self) -> list[str]:
        """A line for each setting of the process that a plugin changed while it ran; they were put back after it."""
        return schema.changes_of(self.meta.changed_settings)

    def predictions(self, run_id: str, split: str = "test") -> NDArray[np.float32]:
        """Return a comparison run's predictions ``[N, ...]`` of test or tune; raises RunFolderError where they are missing."""
        file, name = schema.prediction(self.folder, run_id), "tune" if split == "tune" else "predictions"
        arrays = load_arrays(file)
        if name not in arrays:
            raise RunFolderError(f"{file}: must have predictions of the split '{split}', got none; {ANEW}")
        return arrays[name]

    def probed(self, probe: str, *run_ids: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name that a probe kept of these networks; none where it kept none."""
        version = self.meta.probes.get(probe, {}).get("version", "")
        file = schema.probed(self.folder, probe, version, *run_ids)
        return load_arrays(file) if file.is_file() else {}

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The test targets ``[N, ...]``."""
        return load_arrays(schema.targets(self.folder))["targets"]

    @cached_property
    def tune_targets(self) -> NDArray[Any]:
        """The targets of the tune split ``[N, ...]``; raises RunFolderError where they are missing."""
        file = schema.targets(self.folder)
        arrays = load_arrays(file)
        if "tune" not in arrays:
            raise RunFolderError(f"{file}: must have the targets of the tune split, got none; {ANEW}")
        return arrays["tune"]

    @property
    def out_of_fold(self) -> NDArray[np.float32] | None:
        """Predictions ``[N, ...]`` of the train split, each by a model trained without it; None without ``compare.folds``."""
        file = schema.out_of_fold(self.folder)
        return load_arrays(file)["predictions"] if self.meta.folds is not None and file.is_file() else None

    def thumbnail(self, split: str, row: int) -> bytes | None:
        """Return a small copy of a photo as JPEG, made anew from its pixels; None where there is none."""
        file = schema.thumbnail(self.folder, split, row)
        with disk.reading(file):
            content = file.read_bytes() if file.is_file() else b""
        return made_again(content)

    @cached_property
    def lacking(self) -> tuple[Lack, ...]:
        """The files that the records promise and the run folder lacks, because they are gone or damaged; all are read."""
        return self.find_lacking()

    def find_lacking(self, whole: bool = True, run_ids: Collection[str] | None = None) -> tuple[Lack, ...]:
        """Return those of all runs or of some; not ``whole``, damage is seen only where it has changed a file's size."""
        with database.reading(self.folder) as db:
            return tuple(promised.lacking(self.folder, db, whole, run_ids))

    def check_files(self, run_ids: Collection[str], *places: str) -> None:
        """Raise RunFolderError where files of these runs, in one of these folders, are gone or damaged."""
        if needed := [lack for lack in self.find_lacking(run_ids=run_ids) if lack.file.startswith(places)]:
            raise RunFolderError(f"{self.folder}: must have its files whole: {promised.summary(needed)}")

    @cached_property
    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Everything that decided a comparison run's outcome, as plain values, by run (``harness.Run``)."""
        with database.reading(self.folder) as db:
            rows = db.execute("SELECT run_id, recipe FROM runs WHERE phase = 'compare'").fetchall()
        return {run_id: json.loads(recipe) for run_id, recipe in rows}

    @cached_property
    def scores(self) -> Mapping[str, NDArray[Any]]:
        """The deciding test metric of every example, ``[N]`` in the order of the test split, by comparison run.

        Their mean is the metric. Empty where the metric is no mean over examples, or the comparison is not over.
        """
        file = schema.scores(self.folder)
        return load_arrays(file) if file.is_file() else {}


NEEDED = frozenset(
    ("benchmark", "data", "metrics", "metric", "search_metric", "arms", "spaces", "environment", "command")
)  # keys of the table ``meta`` without which a run has not begun
MOST_NAMED = 3  # run folders that an error names
_STARTING = (
    "{}: must be a run with something recorded, got one in its first moment; look again in a while, or let the same "
    "'harness run' go on"
)


def _run_folders_near(folder: Path) -> str:
    """Return what to do about a folder that is no run folder: those in it, beside it, or of the benchmark that it names."""
    for place, names in ((folder, "*"), (folder.parent, "*"), (Path("runs"), f"{escape(folder.name)}-*")):
        runs: list[str] = []
        with suppress(OSError):  # there is no such folder, or nobody may read it
            runs = [str(run_folder) for run_folder in sorted(place.glob(names)) if schema.is_run_folder(run_folder)]
        if runs:
            return f"there {'is' if len(runs) == 1 else 'are'} {first_of(runs, MOST_NAMED)}"
    return "check the path"


def check_run_folder(folder: Path) -> None:
    """Raise RunFolderError for a folder that is no run folder; it names those nearby."""
    if not schema.is_run_folder(folder):
        state = "no run.db in it" if folder.is_dir() else "nothing there"
        raise RunFolderError(f"{folder}: must be a run folder, got {state}; {_run_folders_near(folder)}")


def open_records(folder: Path) -> FolderRecords:
    """Return the records of a run folder; raises RunFolderError where it is none."""
    if has_workloads(folder):
        inner = ", ".join(f"'{run}'" for run in run_folders(folder).values()) or "no run yet"
        raise RunFolderError(f"{folder}: must be one run folder, got a folder of several workloads; it has {inner}")
    check_run_folder(folder)
    try:
        return _opened(folder)
    except RunFolderError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:  # the tables are there, and say nonsense
        raise RunFolderError(
            f"{schema.database(folder)}: must be the records of a run, got {one_line(error)}; move the folder away"
        ) from error


def _opened(folder: Path) -> FolderRecords:
    with database.reading(folder) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise RunFolderError(_STARTING.format(folder))
        database.check(db, folder)
        meta = _meta(folder, db)
        measured = tables.read_measured(db, meta)
        runs = tables.read_runs(db, meta, measured)
        trials = tables.read_trials(db, meta)
        return FolderRecords(
            folder,
            meta,
            tables.read_arms(db, meta),
            tables.first_searches(trials, meta),
            runs,
            tables.read_epochs(db, runs),
            tables.read_range_tests(db, meta),
            tables.read_paths(db, meta),
            tables.read_examples(db),
            tables.read_comparison(db, meta, measured),
            measured,
            tables.further_searches(trials, meta),
        )


def _meta(folder: Path, db: sqlite3.Connection) -> Meta:
    """Return what the run is about; raises RunFolderError where it has not begun, and TypeError for damaged notes."""
    notes = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
    if NEEDED - set(notes):
        raise RunFolderError(_STARTING.format(folder))
    if unknown := sorted(set(notes) - KEYS):
        raise TypeError(f"the key '{unknown[0]:.80}' in the table 'meta'")
    for field in fields(Meta):
        if field.name in notes and not isinstance(notes[field.name], _kinds(str(field.type))):
            raise TypeError(f"{notes[field.name]!r:.80} as '{field.name}' in the table 'meta'")
    return Meta(**with_imported(notes))


def _kinds(annotation: str) -> tuple[type, ...]:
    """Return what JSON gives for a value of ``Meta`` with that annotation."""
    kinds: dict[str, type] = {"Mapping": dict, "Sequence": list, "str": str, "int": int}
    empty = (type(None),) if annotation.endswith("| None") else ()
    return kinds[re.split(r"\W", annotation)[0]], *empty
