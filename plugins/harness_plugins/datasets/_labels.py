"""The classes of photos in a CSV file: the columns ``path`` and ``label``, and perhaps ``split``.

Every fault is one line that names the file and the line in it. Photos of the folder that the file does not name are passed
over, and counted.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import DataError, DataRequest, Photo, photo_files
from harness_plugins.datasets._layout import NAMES

COLUMNS: Mapping[str, tuple[str, ...]] = {  # by what it means, the names that a column may have, the first first
    "path": ("path", "file", "filename", "file_name", "image"),
    "label": ("label", "class", "category"),
    "split": ("split",),
}
DELIMITERS = (",", ";", "\t")
LONGEST = 200  # characters of a text of the file that are shown


@dataclass(frozen=True)
class _Row:
    """A line of the file: its number, the photo, its class, and the part of the data that it is of."""

    line: int
    path: str
    label: str
    part: str


def labelled_photos(root: Path, request: DataRequest) -> list[Photo]:
    """Return the photos that the file of labels names, in its order; raises DataError, naming the line, for any fault."""
    file = request.labels
    assert file is not None
    rows = _read(file)
    photos = _photos(root, file, rows)
    listed = {_place(root, row.path) for row in rows}
    for path in photo_files(root):
        if _absolute(path) not in listed:
            request.skipped(path, f"not in {file.name}")
    return photos


def _read(file: Path) -> list[_Row]:
    """Return the lines of the file, as they stand there."""
    if not file.is_file():
        raise DataError(
            f"{file}: must be the CSV file that data.labels names, got {'a folder' if file.exists() else 'nothing there'}; "
            "put it into the folder with the data, or correct data.labels"
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: must be a CSV file in UTF-8, got {error}; save it as UTF-8") from error
    delimiter, columns = _columns(file, text.partition("\n")[0])
    rows: list[_Row] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    next(reader, None)
    try:
        filled = (cells for cells in reader if any(map(str.strip, cells)))
        rows.extend(_row(file, reader.line_num, cells, columns) for cells in filled)
    except csv.Error as error:
        raise DataError(f"{file}:{reader.line_num}: must be a line of CSV, got {error}; correct the line") from error
    if not rows:
        raise DataError(f"{file}: must name photos and their labels, got no line below the first; add them")
    return rows


def _columns(file: Path, header: str) -> tuple[str, dict[str, int]]:
    """Return the delimiter, and the position of each column by its meaning; raises DataError where one is missing."""
    for delimiter in DELIMITERS:
        names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
        columns = {}
        for meaning, headers in COLUMNS.items():
            if present := [name for name in headers if name in names]:
                columns[meaning] = names.index(present[0])
        if {"path", "label"} <= set(columns):
            return delimiter, columns
    header_text = header.strip()[:LONGEST] or "an empty line"
    raise DataError(
        f"{file}:1: must have the columns path and label, got {header_text!r}; name the columns so in the first line"
    )


def _row(file: Path, line: int, cells: Sequence[str], columns: Mapping[str, int]) -> _Row:
    """Return a line of the file; raises DataError where a value is missing, or the split is none."""
    values = {}
    for meaning, position in columns.items():
        values[meaning] = cells[position].strip() if position < len(cells) else ""
        if not values[meaning]:
            raise DataError(f"{file}:{line}: must have a {meaning}, got nothing; add it, or take the line out")
    if "split" not in values:
        return _Row(line, values["path"], values["label"], "train")
    word = values["split"].lower()
    part = next((part for part, names in NAMES.items() if word in names), None)
    if part is None:
        raise DataError(
            f"{file}:{line}: must be train, valid, test or tune in the column split, got {values['split'][:LONGEST]!r}; "
            "correct it, or take the column out"
        )
    return _Row(line, values["path"], values["label"], part)


def _photos(root: Path, file: Path, rows: Sequence[_Row]) -> list[Photo]:
    """Return the photos; raises DataError for a path that is not there, that leads out of the folder, or that is there twice."""
    photos: list[Photo] = []
    lines: dict[str, int] = {}
    missing: list[_Row] = []
    for row in rows:
        path = _place(root, row.path)
        if not path.is_relative_to(_absolute(root)):
            raise DataError(
                f"{file}:{row.line}: must be a path inside {root}, got {row.path[:LONGEST]!r}, which leads out of it; "
                "name the folder above with --data DIR, or move the photo"
            )
        name = path.relative_to(_absolute(root)).as_posix()
        first = lines.setdefault(name, row.line)
        if first != row.line:
            raise DataError(
                f"{file}:{row.line}: must name each photo once, got {name!r}, which line {first} names too; take one out"
            )
        if path.is_dir() or not os.path.lexists(path):
            missing.append(row)
        photos.append(Photo(name, row.label, path.read_bytes, row.part, listed=f"{file}:{row.line}"))
    if missing:
        row, more = missing[0], f" ({len(missing):,} of {len(rows):,} lines are like this)" if len(missing) > 1 else ""
        state = "which is a folder" if _place(root, row.path).is_dir() else "which is not there"
        raise DataError(
            f"{file}:{row.line}: must be the path of a photo in {root}, got {row.path[:LONGEST]!r}, {state}{more}; "
            f"{_elsewhere(root, row.path) or 'correct the path'}"
        )
    return photos


def _place(root: Path, path: str) -> Path:
    """Return where a path of the file leads; one with backslashes was written on Windows."""
    place = _absolute(root / path)
    return _absolute(root / path.replace("\\", "/")) if "\\" in path and not os.path.lexists(place) else place


def _absolute(path: Path) -> Path:
    """Return a path without ``..`` in it. Links are not followed, as photos may lie behind one."""
    return Path(os.path.normpath(path.absolute()))


def _elsewhere(root: Path, path: str) -> str:
    """Return where a file of this name lies in the folder, as advice; "" where there is none."""
    places = sorted(
        path_below for path_below in root.rglob("*") if path_below.name == Path(path).name and path_below.is_file()
    )
    return f"'{places[0].relative_to(root).as_posix()}' is there, so name the folders on the way too" if places else ""
