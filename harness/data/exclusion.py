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
                got = ", ".join(rows.fieldnames or ()) or "nothing"
                raise DataError(f"{file}:1: must have a column '{COLUMN}', got {got:.200}; see 'harness data suspects'")
            found: dict[str, int] = {}
            for row in rows:
                if row[COLUMN]:
                    found.setdefault(from_spreadsheet_cell(row[COLUMN]), rows.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "nothing there" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(f"{where}: must be a CSV file, got '{file}': {why}; check the path") from error
    return found


def exclude(data: Data, names: Mapping[str, int], file: Path) -> Data:
    """Return the data with these examples out of train and tune, and named in ``excluded`` by split.

    The fingerprint covers which they are. Raises DataError for a name that is not in the data, and where a class would
    have no example left.
    """
    splits = {"train": data.train, "tune": data.tune, "test": data.test}
    known = {name for split in splits.values() for name in split.names}
    for name, line in names.items():
        if name not in known:
            raise DataError(f"{file}:{line}: must name an example of the data, got '{name:.200}'{_hint(name, known)}")
    if not names:
        return data
    excluded = {which: tuple(name for name in split.names if name in names) for which, split in splits.items()}
    return replace(
        data,
        train=_without(data.train, names, "train", data.classes, file),
        tune=_without(data.tune, names, "tune", data.classes, file),
        fingerprint=digest([data.fingerprint, "without", sorted(names)]),
        excluded=excluded,
    )


def _without(split: Split, names: Iterable[str], which: str, classes: tuple[str, ...], file: Path) -> Split:
    import numpy as np

    kept = np.array([name not in names for name in split.names])
    if kept.all():
        return split  # perhaps a view of the store on disk
    targets = split.targets[kept]
    missing = [each for number, each in enumerate(classes) if not (targets == number).any()]
    if missing or not len(targets):
        what = f"none of '{missing[0]}'" if missing else "none"
        raise DataError(f"{file}: must leave examples of every class in {which}, got {what}; exclude fewer")
    return Split(split.inputs[kept], targets, tuple(np.array(split.names, dtype=object)[kept]))


def _hint(name: str, known: set[str]) -> str:
    """Return the nearest name, where that is a matter of a moment."""
    return (
        did_you_mean(name, sorted(known))
        if len(known) <= 5000
        else "; names stand as 'harness data suspects' writes them"
    )
