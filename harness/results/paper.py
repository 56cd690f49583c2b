"""The figures of a report as files for a paper: vectors in PDF, PGF or SVG, as wide as one column of it or as two.

``harness figures`` and ``run.figures.save`` both end in ``save_figures``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import BenchmarkError, DataError, HarnessError, did_you_mean, disk, near_names, shown
from harness.plugin.registry import Registry
from harness.records import files
from harness.results.pictures.fitting import at_width
from harness.results.pictures.writing import INCHES, inches_of, write_picture
from harness.results.reports import figures_of, quiet_libraries, results_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "pgf", "svg")
CAPTIONS = "captions.txt"  # what each figure shows; a folder that has it was written by this command
HEAD = "What the figures beside this file show, by the name of the file.\n"
HINT = "name another folder with --out"
LISTING = "'harness figures RUN --list'"  # what prints the names of all figures
NEAR = 3  # names that an unknown one is answered with


@dataclass(frozen=True)
class FigureRequest:
    """Which figures are written, in which formats, and how wide: as columns of a paper, or as a length."""

    formats: Sequence[str] = ("pdf",)
    columns: int | None = None  # one column, where no width is given either
    width: str | None = None  # such as "3.25in" or "234.9pt"
    names: Sequence[str] = ()  # all, where none is named

    @property
    def inches(self) -> float:
        """How wide the figures are."""
        return INCHES[self.columns or 1] if self.width is None else inches_of(self.width, "figures --width")


def write_figures(folder: Path, out: Path, request: FigureRequest, registry: Registry) -> list[Path]:
    """Write the figures of a run's report in each format; return the files. See ``save_figures``."""
    _check(request, out)  # before anything is drawn, which takes seconds
    return save_figures(figures_of(results_of(folder, registry), registry), folder, out, request)


def save_figures(figures: Mapping[str, Figure], folder: Path, out: Path, request: FigureRequest) -> list[Path]:
    """Write the figures of a run's report, which have been drawn, and return the files.

    Raises HarnessError for a format, a width or a name that there is not, for an ``out`` with other files in it, and
    where the report of the run folder ``folder`` has no figures.
    """
    _check(request, out)
    chosen = _chosen(_some(figures, folder), request.names)
    written = []
    with disk.writing(out, HINT):
        out.mkdir(parents=True, exist_ok=True)
    for name, figure in chosen.items():
        with quiet_libraries():
            drawn = at_width(figure, request.inches)
            for format_ in dict.fromkeys(request.formats):
                written += write_picture(drawn, out / f"{name}.{format_}", HINT)
    lines = [HEAD, *(f"{name}: {figure.get_label()}.\n" for name, figure in chosen.items())]
    files.write(out / CAPTIONS, "\n".join(lines).encode(), durable=False, hint=HINT)
    return written


def list_figures(folder: Path, registry: Registry) -> list[str]:
    """Return a line for each figure of a run's report: its name, and what it shows."""
    figures = _some(figures_of(results_of(folder, registry), registry), folder)
    return [f"{name}: {figure.get_label()}" for name, figure in figures.items()]


def _some(figures: Mapping[str, Figure], folder: Path) -> Mapping[str, Figure]:
    """Return the figures; raises HarnessError where there is none."""
    if not figures:
        raise HarnessError(f"{folder}: must have a report with figures, got none; the format 'html' has them")
    return figures


def _check(request: FigureRequest, out: Path) -> None:
    """Raise HarnessError for what cannot be asked for."""
    for name in request.formats:
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS, listed=True)
            raise BenchmarkError(
                f"figures --format: must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {shown(name)}{hint}"
            )
    if request.columns is not None and request.columns not in INCHES:
        raise BenchmarkError(f"figures --columns: must be {' or '.join(map(str, INCHES))}, got {request.columns}")
    if request.columns is not None and request.width is not None:
        raise BenchmarkError(f"figures --width: must stand alone, got --columns {request.columns} too; leave one out")
    _ = request.inches  # a width that is none raises
    files.check_out_folder(out, "figures --out")
    if out.is_dir() and any(out.iterdir()) and not (out / CAPTIONS).is_file():
        raise DataError(
            f"figures --out: must be a new folder, or one that this command wrote, got '{out}'; name another"
        )


def _chosen(figures: Mapping[str, Figure], names: Sequence[str]) -> dict[str, Figure]:
    """Return the figures of these names, or all of them; raises HarnessError for a name that none has."""
    for name in names:
        if name not in figures:
            parts = [figure_name for figure_name in figures if name and name.casefold() in figure_name.casefold()]
            near = list(dict.fromkeys([*parts, *near_names(name, figures, NEAR)]))[:NEAR]
            meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise BenchmarkError(
                f"figures --only: must be a figure of the report, got {shown(name)}; {meant}{LISTING} names all {len(figures)}"
            )
    return {name: figure for name, figure in figures.items() if not names or name in names}


def default_folder(folder: Path) -> Path:
    """Return where figures go where no folder is named: beside the run folder's name, in the current folder."""
    return Path(f"{folder.resolve().name}-figures")
