"""``harness data suspects RUN``: the photos that a run has made suspicious, as a CSV that ``data.exclude`` takes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import RunFolder
from harness.console.escaping import say_lines
from harness.console.safe_text import spreadsheet_cell
from harness.errors import DataError, RunFolderError
from harness.errors.disk import writing

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("file", "split", "label", "reason", "score", "suggested", "other")


def command(
    folder: RunFolder,
    out: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="A new file, which the key data.exclude of a benchmark takes.")
    ] = Path("suspects.csv"),
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many of each reason.")] = None,
) -> None:
    """List the photos that a run has made suspicious.

    These are doubtful labels, duplicates and leaks. Nothing is removed.
    """
    from harness.records.files import check_out_file

    check_out_file(out, new=True)
    table = list_suspects(folder, limit)
    write_csv(table, out)
    say_lines(lines(table, out))


def list_suspects(folder: Path, limit: int | None = None) -> DataFrame:
    """Return the run's suspects, of each reason the first ``limit``; the columns are ``COLUMNS``.

    Raises RunFolderError for a run that is not over, or is not of photos of classes.
    """
    from harness.records import open_records
    from harness.results.analysis import computed
    from harness.results.tables.suspects import ANALYSIS

    records = open_records(folder)
    if records.examples.empty or records.meta.likeness is None:
        raise RunFolderError(
            f"{folder}: must be a finished run on photos of classes, got one without names of photos; "
            "the same 'harness run' again adds them, where the data are photos"
        )
    table = computed(ANALYSIS, records)
    rows = table if limit is None else table.groupby("reason", sort=False).head(limit)
    return rows[list(COLUMNS)].reset_index(drop=True)


def as_csv(table: DataFrame) -> str:
    """Return the suspects as CSV, a header first, in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in table.itertuples(index=False):
        writer.writerow(map(_csv_cell, row))
    return text.getvalue()


def _csv_cell(value: object) -> object:
    return f"{value:.6f}" if isinstance(value, float) else spreadsheet_cell(value)


def write_csv(table: DataFrame, out: Path) -> None:
    """Write the suspects to a new file; raises DataError where there is one, because a person may have edited it."""
    content = as_csv(table).encode()
    with writing(out, "name another file with --out", len(content)):
        try:
            file = out.open("xb")
        except FileExistsError:
            raise DataError(
                f"--out: must be a new file, got '{out}', which is there; name another or remove it"
            ) from None
        try:
            with file:
                file.write(content)
        except OSError:
            out.unlink()  # or the same command would not go on
            raise


def lines(table: DataFrame, out: Path) -> list[str]:
    """Return, for a person, how many photos each reason has, and what to do with the file."""
    counts = table["reason"].value_counts(sort=False)
    return [
        f"{table['file'].nunique():,} suspect photos, into {out}",
        *(f"  {str(reason).ljust(20)} {count:,}" for reason, count in counts.items()),
        "look at them, delete the rows of those that are right, and set data.exclude to the file in [data]",
    ]
