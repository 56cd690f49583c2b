"""Writing what lies beside the runs: files that the records promise, a baseline, and what probes measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import disk
from harness.records import files, promised, schema
from harness.records.checked import save_arrays
from harness.records.notes import NoteTables

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ResultTables(NoteTables):
    """The tables of files and of measurements, and the rows that a baseline brings."""

    def promise(self, written: Iterable[Path], run_id: str = "", instead_of: str = "") -> None:
        """Promise files that were written for good; with ``instead_of``, in place of the files whose path begins with it."""
        with self._transaction():
            if instead_of:
                self.db.execute("DELETE FROM files WHERE substr(file, 1, ?) = ?", (len(instead_of), instead_of))
            self._enter_files(written, run_id)

    def _enter_files(self, written: Iterable[Path], run_id: str = "") -> None:
        rows = [
            (file.relative_to(self.folder).as_posix(), run_id, file.stat().st_size, files.checksum(file))
            for file in written
        ]
        self.db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def _promised(self, file: Path) -> str | None:
        """Return the checksum that a file was promised with; None if it was not promised."""
        place = file.relative_to(self.folder).as_posix()
        row = self.db.execute("SELECT sha256 FROM files WHERE file = ?", (place,)).fetchone()
        return str(row[0]) if row else None

    def lacking(self, runs: Collection[str]) -> bool:
        """Return whether files that the records promise of these runs are missing."""
        return bool(promised.lacking(self.folder, self.db, whole=False, runs=runs))

    def keep(self, name: str, content: bytes, run_id: str) -> None:
        """Write a file of a run that was trained elsewhere, whole or not at all; the records promise it."""
        files.write(self.folder / name, content)
        self.promise([self.folder / name], run_id)

    def put_in(self, tables: Mapping[str, Sequence[Mapping[str, Any]]], about: Mapping[str, Any]) -> None:
        """Enter the rows, by table, of arms that were trained elsewhere, and note ``about`` as the baseline."""
        with self._transaction():
            for table, rows in tables.items():
                for row in rows:
                    places = ", ".join("?" * len(row))
                    self.db.execute(
                        f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values())
                    )
            self.note("baseline", about)

    def take_out(self, arms: Sequence[str], studies: Sequence[str]) -> list[str]:
        """Remove the rows of these arms and of their searches; return the runs that are gone."""
        among = "({})".format(", ".join("?" * len(arms)))
        with self._transaction():
            gone = [row[0] for row in self.db.execute(f"SELECT run_id FROM runs WHERE arm IN {among}", arms).fetchall()]
            self.db.execute(f"DELETE FROM epochs WHERE run_id IN (SELECT run_id FROM runs WHERE arm IN {among})", arms)
            self.db.execute(f"DELETE FROM files WHERE run_id IN (SELECT run_id FROM runs WHERE arm IN {among})", arms)
            self.db.execute(
                f"DELETE FROM measured WHERE other = '' AND one IN (SELECT run_id FROM runs WHERE arm IN {among})", arms
            )
            self.db.execute(f"DELETE FROM runs WHERE arm IN {among}", arms)
            for study in studies:
                self.db.execute("DELETE FROM asks WHERE study = ?", (study,))
                self.db.execute("DELETE FROM searches WHERE study = ?", (study,))
            self.note("baseline", None)
        return gone

    def measured(self, probe: str, version: str) -> set[tuple[str, str, str]]:
        """Return the run_ids of the networks that a probe has measured, "" where there are fewer than three."""
        rows = self.db.execute(
            "SELECT DISTINCT one, other, third FROM measured WHERE probe = ? AND version = ?", (probe, version)
        )
        return {(first, second, third) for first, second, third in rows.fetchall()}

    def add_measured(
        self, probe: str, version: str, runs: Sequence[str], numbers: Mapping[str, float],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:  # fmt: skip
        """Enter what a probe measured on these networks, even if it had nothing to say."""
        file = schema.probed(self.folder, probe, version, *runs)
        if arrays:
            with disk.writing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(file, arrays)
        key = (probe, version, *runs, *[""] * (3 - len(runs)))
        rows = [(*key, name, value if math.isfinite(value) else None) for name, value in numbers.items()]
        with self._transaction():
            self.db.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?, ?)", rows or [(*key, "", None)]
            )
            self._enter_files([file] if arrays else [])

    def drop_measured(self, probe: str, version: str, networks: Iterable[tuple[str, str, str]]) -> None:
        """Take out what a probe measured on these networks."""
        with self._transaction():
            self.db.executemany(
                "DELETE FROM measured WHERE probe = ? AND version = ? AND one = ? AND other = ? AND third = ?",
                [(probe, version, *runs) for runs in networks],
            )

    def _measure_again(self, measured: tuple[str, str, tuple[str, ...]]) -> None:
        """Let a probe measure these networks again."""
        probe, version, runs = measured
        self.db.execute(
            "DELETE FROM measured WHERE probe = ? AND version = ? AND one = ? AND other = ? AND third = ?",
            (probe, version, *runs, *[""] * (3 - len(runs))),
        )
        probes = self.noted("probes") or {}
        if probe in probes:
            self.note("probes", {**probes, probe: {**probes[probe], "over": False}})
