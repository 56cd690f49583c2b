"""``data.exclude``: a list of examples, as CSV, that a benchmark leaves out.

They leave the splits that something is trained or chosen on, train and tune. The test split stays whole: it is
predicted as before, and the report scores it twice, with them and without.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.console.safe_text import from_spreadsheet_cell
from harness.errors import DataError, did_you_mean
from harness.plugin.contracts import Data, Split
from harness.plugin.runs import digest

COLUMN = "file"  # of the names, as they stand in the data


def read_exclusion(file: Path, where: str) -> dict[str, int]:
    """Return the names in the file's column "file", each with the line it stands on first.

    An apostrophe that 'harness data suspects' put before a name, so that no spreadsheet computes it, is taken away.

    Raises DataError where it cannot be read or has no such column; ``where`` says what named the file.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if COLUMN not in (rows.fieldnames or ()):
                columns = ", ".join(rows.fieldnames or ()) or "nothing"
                raise DataError(
                    f"{file}:1: must have a column '{COLUMN}', got {columns:.200}; see 'harness data suspects'"
                )
            lines_by_name: dict[str, int] = {}
            for row in rows:
                if row[COLUMN]:
                    lines_by_name.setdefault(from_spreadsheet_cell(row[COLUMN]), rows.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "nothing there" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(f"{where}: must be a CSV file, got '{file}': {reason}; check the path") from error
    return lines_by_name


def exclude(data: Data, names: Mapping[str, int], file: Path) -> Data:
    """Return the data with these examples out of train and tune, and named in ``excluded`` by split.

    The fingerprint covers which they are. Raises DataError for a name that is not in the data, and where a class would
    have no example left.
    """
    splits = {"train": data.train, "tune": data.tune, "test": data.test}
    names_in_data = {*data.train.names, *data.tune.names, *data.test.names}
    for name, line in names.items():
        if name not in names_in_data:
            raise DataError(
                f"{file}:{line}: must name an example of the data, got '{name:.200}'{_hint_name(name, names_in_data)}"
            )
    if not names:
        return data
    excluded = {}
    for split_name, split in splits.items():
        excluded[split_name] = tuple(name for name in split.names if name in names)
    return replace(
        data,
        train=_leave_out(data.train, names, "train", data.classes, file),
        tune=_leave_out(data.tune, names, "tune", data.classes, file),
        fingerprint=digest([data.fingerprint, "without", sorted(names)]),
        excluded=excluded,
    )


def _leave_out(split: Split, names: Iterable[str], which: str, classes: tuple[str, ...], file: Path) -> Split:
    import numpy as np

    rows = np.array([name not in names for name in split.names])
    if rows.all():
        return split  # perhaps a view of the store on disk
    targets = split.targets[rows]
    missing = [class_name for number, class_name in enumerate(classes) if not (targets == number).any()]
    if missing or not len(targets):
        missing_text = f"none of '{missing[0]}'" if missing else "none"
        raise DataError(f"{file}: must leave examples of every class in {which}, got {missing_text}; exclude fewer")
    return Split(split.inputs[rows], targets, tuple(np.array(split.names, dtype=object)[rows]))


def _hint_name(name: str, known: set[str]) -> str:
    """Return the nearest name; of very many names it is not looked for, because that takes long."""
    if len(known) > 5000:
        return "; names stand as 'harness data suspects' writes them"
    return did_you_mean(name, sorted(known))
