"""The figures of a report as files for a paper: vectors in PDF, PGF or SVG, as wide as one column of it or as two.

``harness figures`` and ``run.figures.save`` both end in ``save_figures``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import BenchmarkError, DataError, HarnessError, did_you_mean, disk, shown
from harness.plugin.registry import Registry
from harness.records import files
from harness.results.pictures.writing import INCHES, write_picture
from harness.results.reports import figures_of, quiet_libraries, results_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "pgf", "svg")
CAPTIONS = "captions.txt"  # what each figure shows; a folder that has it was written by this command
HEAD = "What the figures beside this file show, by the name of the file.\n"
HINT = "name another folder with --out"


def write_figures(
    folder: Path, out: Path, formats: Sequence[str], columns: int, registry: Registry, names: Sequence[str] = ()
) -> list[Path]:
    """Write the figures of a run's report, or those of these names, in each format; return the files. See ``save_figures``."""
    _check(formats, columns, out)  # before anything is drawn, which takes seconds
    return save_figures(figures_of(results_of(folder, registry), registry), folder, out, formats, columns, names)


def save_figures(
    figures: Mapping[str, Figure],
    folder: Path,
    out: Path,
    formats: Sequence[str],
    columns: int,
    names: Sequence[str] = (),
) -> list[Path]:
    """Write the figures of a run's report, which have been drawn, or those of these names; return the files.

    Raises HarnessError for a format, a number of columns or a name that there is not, for an ``out`` with other files in it, and
    where the report of the run folder ``folder`` has no figures.
    """
    _check(formats, columns, out)
    if not figures:
        raise HarnessError(f"{folder}: must have a report with figures, got none; the format 'html' has them")
    chosen = _chosen(figures, names)
    written = []
    with disk.writing(out, HINT):
        out.mkdir(parents=True, exist_ok=True)
    for name, figure in chosen.items():
        with _as_wide_as(figure, INCHES[columns]), quiet_libraries():
            for format_ in dict.fromkeys(formats):
                written += write_picture(figure, out / f"{name}.{format_}", HINT)
    lines = [HEAD, *(f"{name}: {figure.get_label()}.\n" for name, figure in chosen.items())]
    files.write(out / CAPTIONS, "\n".join(lines).encode(), durable=False, hint=HINT)
    return written


def _check(formats: Sequence[str], columns: int, out: Path) -> None:
    """Raise HarnessError for what cannot be asked for."""
    for name in formats:
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS, listed=True)
            raise BenchmarkError(
                f"figures --format: must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {shown(name)}{hint}"
            )
    if columns not in INCHES:
        raise BenchmarkError(f"figures --columns: must be {' or '.join(map(str, INCHES))}, got {columns}")
    files.check_out_folder(out, "figures --out")
    if out.is_dir() and any(out.iterdir()) and not (out / CAPTIONS).is_file():
        raise DataError(
            f"figures --out: must be a new folder, or one that this command wrote, got '{out}'; name another"
        )


def _chosen(figures: Mapping[str, Figure], names: Sequence[str]) -> dict[str, Figure]:
    """Return the figures of these names, or all of them; raises HarnessError for a name that none has."""
    for name in names:
        if name not in figures:
            raise BenchmarkError(f"figures --only: must be a figure, got {shown(name)}{did_you_mean(name, figures)}")
    return {name: figure for name, figure in figures.items() if not names or name in names}


@contextmanager
def _as_wide_as(figure: Figure, inches: float) -> Iterator[None]:
    """Have a figure as wide as a column for a while; a narrower one is lower too, and a wider one is not higher."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(inches, height * min(1.0, max(inches / width, 0.8)))
    try:
        yield
    finally:
        figure.set_size_inches(width, height)


def default_folder(folder: Path) -> Path:
    """Return where figures go where no folder is named: beside the run folder's name, in the current folder."""
    return Path(f"{folder.resolve().name}-figures")
