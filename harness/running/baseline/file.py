"""The baseline file: a zip of ``baseline.json``, with rows of our tables as they stand, and of what the runs predicted.

    baseline.json               what the run was about, and the rows of its arms: trials, runs, epochs, cells of the comparison
    predictions/*.safetensors   of test and tune, a file per run of the comparison
    solutions/*.safetensors     its final weights, where they are wanted

The same run gives the same bytes. What is left out belongs to the machine (paths, tracebacks), to Optuna, or to pairs of
networks that another run has not both of.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

from harness.console.safe_text import impersonal
from harness.errors import DataError, RunFolderError, one_line
from harness.plugin.runs import Arm, digest
from harness.records import Records, database, files, open_records, schema

FORMAT, VERSION = "optimizer-harness baseline", 3
ROLES = ("fresh", "twin", "restart", "untuned")  # not the controls that another run makes for its own arms
KEYS = {
    "searches": ("position", "study"),
    "asks": ("study", "number"),
    "runs": ("run_id",),
    "epochs": ("run_id", "epoch"),
    "measured": ("probe", "one", "name"),
}
LEFT_OUT = ("trial_attrs", "study_attrs", "pruner_notes", "traceback")  # Optuna's, and what is of the machine
KEPT = (
    "metric",
    "search_metric",
    "metrics",
    "environment",
    "arms",
    "spaces",
    "optimizers",
    "references",
    "scheduler_references",
    "convex",
    "exhausted",
)  # of meta, as it is
NEEDED = {
    "run", "made", "solutions", "benchmark", "data", "weights", "environments", "plugins", "roles", "cells", "arms", "left_out",
    "spaces", "optimizers", "metric", "search_metric", "metrics", "environment", "references",
    "scheduler_references", "convex", "work",
}  # fmt: skip
MOST = 2 * 10**9  # bytes of one member: more is no baseline
MOST_TEXT = 2**28  # bytes of baseline.json
MOST_RATIO, SMALL = 200, 2**20  # of baseline.json, unpacked to packed, where it is larger than so many bytes

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """A baseline file that has been read."""

    file: Path
    sha256: str
    notes: Mapping[str, Any]  # benchmark, data, environment, arms, ...: see ``KEPT`` and ``pack``
    tables: Mapping[str, Sequence[Row]] = field(repr=False)  # by table: ``KEYS`` has them

    @property
    def arms(self) -> list[str]:
        """The names of its arms."""
        return list(self.notes["arms"])

    @property
    def left_out(self) -> list[str]:
        """The names of the run's arms that have no result, and so no place in it."""
        return list(self.notes["left_out"])

    @property
    def solutions(self) -> bool:
        """Whether it has the final weights."""
        return bool(self.notes["solutions"])

    def files(self, run_ids: set[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the files of these runs, each by its place in a run folder; raises DataError for a damaged one."""
        folders = ("predictions", "solutions") if self.solutions else ("predictions",)
        with zipfile.ZipFile(self.file) as archive:
            packed = set(archive.namelist())
            for name in (f"{folder}/{run_id}.safetensors" for folder in folders for run_id in sorted(run_ids)):
                if name in packed:
                    yield name, _member(self.file, archive, name)


def pack(folder: Path, out: Path, solutions: bool = False) -> Baseline:
    """Write the arms of a finished run into a new file, with ``solutions`` their final weights too, and return it.

    Arms without a result, because no trial or no seed of them ended, are left out and named in ``Baseline.left_out``.
    Raises RunFolderError for a run whose comparison is not over, and DataError where the file cannot be written.
    """
    files.check_out_file(out, new=True)
    records = open_records(folder)
    cells = [cell for cell in (records.meta.comparison or []) if cell["role"] in ROLES and not _imported(records, cell)]
    tables = _tables(folder, _own(records), cells)
    arms = _with_results(folder, tables, cells, _own(records), bool(records.meta.looks.get("ended")))
    cells = [cell for cell in cells if cell["of"] in arms]
    tables = _tables(folder, arms, cells)
    notes = impersonal(_notes(records, arms, cells, tables, solutions))
    runs = [row["run_id"] for row in tables["runs"] if row["phase"] == "compare"]
    records.check_files(runs, "predictions/", *(["solutions/"] if solutions else []))
    content = {"about": notes, "tables": {name: _packed(rows) for name, rows in tables.items()}}
    members = {"baseline.json": json.dumps(content, allow_nan=False, separators=(",", ":")).encode()}
    places = [schema.prediction, *([schema.solution] if solutions else [])]
    for file in (place(folder, run_id) for place in places for run_id in sorted(runs)):
        if file.is_file():
            members[file.relative_to(folder).as_posix()] = file.read_bytes()
    _write(out, members)
    return read_baseline(out)


def read_baseline(file: Path, where: str = "baseline") -> Baseline:
    """Return a baseline; raises DataError, naming ``where``, for a file that is none, of another version, or damaged."""
    if not file.is_file():
        obstacle = "a folder" if file.is_dir() else "nothing there"
        raise DataError(
            f"{where}: must be a file of 'harness baseline export', got {obstacle}: '{file}'; check the path"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            content = json.loads(_member(file, archive, "baseline.json", MOST_TEXT, MOST_RATIO))
        notes = content["about"]
        kind = (notes["format"], notes["version"])
        if kind == (FORMAT, VERSION):
            tables = {name: _unpacked(name, content["tables"][name]) for name in KEYS}
            if wrong := _wrong(notes, tables):
                raise ValueError(wrong)
            with file.open("rb") as stream:
                return Baseline(file, hashlib.file_digest(stream, "sha256").hexdigest(), notes, tables)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        sqlite3.Error,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(
            f"{where}: must be a file of 'harness baseline export', got {one_line(error)} in '{file}'"
        ) from error
    raise DataError(
        f"{where}: must be of format '{FORMAT}' and version {VERSION}, got {kind[0]!r} and {kind[1]!r} in '{file}'; "
        "use the release that wrote it"
    )


def _wrong(notes: Mapping[str, Any], tables: Mapping[str, Sequence[Row]]) -> str:
    """Return what is wrong with a baseline's content; "" for nothing. It goes into the records of another run.

    A run's name is the digest of its recipe, so with another arm's recipe it would stand for a run of that arm.
    """
    if missing := NEEDED - set(notes):
        return f"no '{min(missing)}'"
    for row in tables["runs"]:
        recipe = json.loads(row["recipe"])
        if digest(recipe)[:16] != row["run_id"]:
            return f"run {row['run_id']} with another recipe"
        if Arm(**recipe["arm"]).name != row["arm"]:
            return f"run {row['run_id']} with the recipe of another arm"
    run_ids = {row["run_id"] for row in tables["runs"]}
    for row in tables["measured"]:
        if row["one"] not in run_ids or row["other"] or row["third"]:
            return f"a measurement of {row['one']!r:.80}, which is no run of it alone"
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema.TABLES)
        for table, rows in tables.items():
            for row in rows:
                places = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))
        return database.fault(db)


def _own(records: Records) -> list[str]:
    """Return the arms that were trained in this run, not imported themselves."""
    imported = set((records.meta.baseline or {}).get("arms", ()))
    return [arm for arm in records.meta.arms if arm not in imported]


def _imported(records: Records, cell: Row) -> bool:
    return cell["of"] not in _own(records)


def _tables(folder: Path, arms: Sequence[str], cells: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of these arms' searches and of these cells, in the order of their keys."""
    with database.reading(folder) as db:
        recorded = {name: _rows(db, name) for name in KEYS}
    searches = [row for row in recorded["searches"] if row["arm"] in arms]
    studies = {row["study"] for row in searches}
    asks = [row for row in recorded["asks"] if row["study"] in studies]
    run_ids = {row["run_id"] for row in (*asks, *cells)} | {row["confirmation"] for row in asks}
    rows_kept = {
        "searches": searches,
        "asks": asks,
        "runs": [{**row, "reason": impersonal(row["reason"])} for row in recorded["runs"] if row["run_id"] in run_ids],
        "epochs": [row for row in recorded["epochs"] if row["run_id"] in run_ids],
        "measured": [row for row in recorded["measured"] if row["one"] in run_ids and not row["other"] and row["name"]],
    }
    return {name: sorted(rows, key=lambda row: [row[key] for key in KEYS[name]]) for name, rows in rows_kept.items()}


def _rows(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    cursor = db.execute(f"SELECT * FROM {table}")
    columns = [name for name, *_ in cursor.description]
    is_kept = [column not in LEFT_OUT for column in columns]
    return [dict(compress(zip(columns, row, strict=True), is_kept)) for row in cursor.fetchall()]


def _packed(rows: Sequence[Row]) -> dict[str, Any]:
    return {"columns": list(rows[0]) if rows else [], "rows": [list(row.values()) for row in rows]}


def _unpacked(table: str, packed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table; raises ValueError for a column that this release does not know."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema.TABLES)
        table_columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if strange := set(packed["columns"]) - table_columns:
        raise ValueError(f"a column '{min(strange)}' of {table} that this release does not know")
    return [dict(zip(packed["columns"], row, strict=True)) for row in packed["rows"]]


def _with_results(
    folder: Path, tables: Mapping[str, Sequence[Row]], cells: Sequence[Row], arms: Sequence[str], over: bool
) -> list[str]:
    """Return the arms with a seed that ended; raises RunFolderError where the comparison is not over, or there are none.

    The cells of a replicate are written down once its searches have ended, so an arm that has none then gets none later.
    """
    states = {row["run_id"]: row["state"] for row in tables["runs"]}
    left = sum(states.get(cell["run_id"]) not in schema.ENDED for cell in cells)
    if left or not over:
        state = f"{left} runs of it left" if left else "one that goes on" if cells else "none"
        raise RunFolderError(
            f"{folder}: must be a run whose comparison is over, got {state}; the same 'harness run' goes on"
        )
    ended = {cell["of"] for cell in cells if cell["role"] == "fresh" and states[cell["run_id"]] != schema.FAILED}
    with_result = [arm for arm in arms if arm in ended]
    if not with_result:
        raise RunFolderError(
            f"{folder}: must have an arm with a result, got only failed runs of {', '.join(arms)}; 'harness show' says why"
        )
    return with_result


def _notes(
    records: Records, own: Sequence[str], cells: Sequence[Row], tables: Mapping[str, Sequence[Row]], solutions: bool
) -> dict[str, Any]:
    """Return what a baseline says of its run: data, budget, environments, and what the records note of its arms."""
    meta = records.meta
    names = {row["arm"] for row in tables["runs"]}
    data = meta.data
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": records.folder.resolve().name,
        "made": max((row["ended"] or "" for row in tables["runs"]), default=""),
        "solutions": solutions,
        "benchmark": meta.benchmark,
        "data": {key: data[key] for key in ("name", "notice", "fingerprint", "counts")},
        "weights": {name: weights["sha256"] for name, weights in meta.weights.items()},
        "environments": sorted({row["environment"] for row in tables["runs"]}),
        "plugins": {name: entry["sha256"] for name, entry in sorted(meta.plugins.items())},
        "roles": {name: role for name, role in meta.roles.items() if name in names},
        "cells": list(cells),
        **{key: getattr(meta, key) for key in KEPT if key != "arms"},
        "arms": list(own),
        "left_out": [arm for arm in _own(records) if arm not in own],
        "spaces": {arm: meta.spaces[arm] for arm in own},
        "optimizers": {arm: meta.optimizers[arm] for arm in own},
        "work": {name: work for name, work in meta.work.items() if name in names},
    }


def _member(file: Path, archive: zipfile.ZipFile, name: str, most: int = MOST, ratio: float = math.inf) -> bytes:
    """Return a member's bytes; raises DataError for a damaged or a huge one."""
    try:
        member = archive.getinfo(name)
        if member.file_size > most:
            raise ValueError(f"more than {most / 1e9:.2g} GB")
        if member.file_size > max(SMALL, ratio * member.compress_size):
            raise ValueError(f"more than {ratio} times its packed size")
        with archive.open(member) as content:
            return content.read(member.file_size + 1)  # which stops there, whatever the data would become
    except (KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile) as error:  # a wrong CRC is one of them
        raise DataError(f"{file}: must have '{name}' whole, got {one_line(error)}; export it again") from error


def _write(out: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip that is the same for the same content: its times are the format's first."""
    packed = io.BytesIO()  # a full disk then stops one write, and not the closing of an archive as well
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    files.write(out, packed.getvalue(), hint="name another file with --out")
