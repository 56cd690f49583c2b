r"""The figures of a report as files for a paper: vectors in PDF, PGF or SVG, as wide as one column of it or as two.

A PDF has its fonts in it, and an SVG has its letters as outlines. A PGF picture is set by the paper's own LaTeX, in the
paper's own font: ``\input{NAME.pgf}``. No LaTeX is needed to write it. ``harness figures`` and ``run.figures.save`` both
end in ``save_figures``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.latex import latex_text
from harness.errors import BenchmarkError, DataError, HarnessError, did_you_mean, disk, shown
from harness.plugin.registry import Registry
from harness.records import files
from harness.results.reports import figures_of, quiet_libraries, results_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "pgf", "svg")
INCHES = {1: 3.35, 2: 6.9}  # by columns: 85 mm and 175 mm, as most journals and conferences have them
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
        with _as_wide_as(figure, INCHES[columns]):
            for format_ in dict.fromkeys(formats):
                written += _write(figure, name, format_, out)
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
            raise BenchmarkError(
                f"figures --only: must be a figure, got {shown(name)}{did_you_mean(name, figures, listed=True)}"
            )
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


def _write(figure: Figure, name: str, format_: str, out: Path) -> list[Path]:
    """Write one figure, and beside a PGF picture the images in it; return the files."""
    with files.temporary_folder() as made:
        file = made / f"{name}.{format_}"
        with quiet_libraries(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box
            SAVERS[format_](figure, file)
        written = []
        for part in sorted(made.iterdir(), key=lambda part: part != file):
            files.write(out / part.name, part.read_bytes(), durable=False, hint=HINT)
            written.append(out / part.name)
    return written


def _save_pdf(figure: Figure, file: Path) -> None:
    import matplotlib

    with matplotlib.rc_context(
        {"pdf.fonttype": 42}
    ):  # whole letters, as publishers want them, and no drawings of letters
        figure.savefig(file, format="pdf", backend="pdf", dpi=300, metadata={"CreationDate": None})


def _save_pgf(figure: Figure, file: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"pgf.rcfonts": False}), _measured_without_latex():
        figure.savefig(file, format="pgf", backend="pgf", dpi=300)


def _save_svg(figure: Figure, file: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "harness"}):
        figure.savefig(file, format="svg", backend="svg", dpi=300, metadata={"Date": None})


SAVERS = {"pdf": _save_pdf, "pgf": _save_pgf, "svg": _save_svg}


@contextmanager
def _measured_without_latex() -> Iterator[None]:
    """Have matplotlib write PGF with texts that LaTeX cannot mistake, measured by matplotlib's own font.

    matplotlib itself measures each text by a LaTeX that it starts, and takes a "%" in it for a comment.
    """
    from unittest.mock import patch

    from matplotlib.backends import backend_pgf
    from matplotlib.backends.backend_agg import RendererAgg

    class Renderer(backend_pgf.RendererPgf):
        def __init__(self, figure: Figure, out: Any) -> None:
            super().__init__(figure, out)  # type: ignore[no-untyped-call]
            self._measuring: Any = RendererAgg(1, 1, figure.dpi)  # type: ignore[no-untyped-call]

        def draw_text(self, gc: Any, x: float, y: float, s: str, *more: Any, **named: Any) -> None:
            super().draw_text(gc, x, y, latex_text(s), *more, **named)  # type: ignore[no-untyped-call]

        def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
            size: tuple[float, float, float] = self._measuring.get_text_width_height_descent(s, prop, False)
            return size

    with (
        patch.object(backend_pgf, "RendererPgf", Renderer),
        patch.object(backend_pgf, "_get_image_inclusion_command", lambda: r"\includegraphics"),
    ):
        yield


def default_folder(folder: Path) -> Path:
    """Return where figures go where no folder is named: beside the run folder's name, in the current folder."""
    return Path(f"{folder.resolve().name}-figures")
