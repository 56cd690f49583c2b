r"""A figure as a file: vectors in PDF, PGF or SVG, or dots in PNG. The same figure gives the same bytes.

A PDF has its fonts in it. A PGF picture is set by the paper's own LaTeX, in the paper's own font: ``\input{NAME.pgf}``.
No LaTeX is needed to write it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.latex import latex_text
from harness.errors import BenchmarkError, shown
from harness.records import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By columns of a paper. They fit the class article on A4 paper (221 and 452 points of TeX), and so also on letter paper (229.5 and 469),
# and the classes of ICML (234.9 and 487.8) and IEEE (252 and 516).
INCHES = {1: 3.05, 2: 6.25}
UNITS = {
    "in": 1.0,
    "cm": 1 / 2.54,
    "mm": 1 / 25.4,
    "pt": 1 / 72.27,
}  # inches; a point is one of TeX, as \columnwidth is given
NARROWEST, WIDEST = 2.0, 20.0  # inches; in less there is no room for the letters
_LENGTH = re.compile(rf"([0-9]{{1,6}}(?:\.[0-9]{{1,9}})?) ?({'|'.join(UNITS)})")


def inches_of(width: str, option: str) -> float:
    """Return a width such as "3.25in", "82mm" or "234.9pt" in inches; raises BenchmarkError for what is none.

    >>> inches_of("7.62cm", "--width")
    3.0
    """
    length = _LENGTH.fullmatch(width)
    inches = float(length[1]) * UNITS[length[2]] if length else 0.0
    if not NARROWEST <= inches <= WIDEST:
        raise BenchmarkError(
            f"{option}: must be a width from {NARROWEST:g}in to {WIDEST:g}in, such as 3.25in, 82mm or 234.9pt, got {shown(width)}; "
            "\\the\\columnwidth in a paper prints it"
        )
    return inches


def check_picture(file: Path, option: str) -> None:
    """Raise BenchmarkError or DataError for a picture that cannot be written, before anything is spent."""
    if file.suffix.lower() not in WRITERS:
        *all_but_last, last = WRITERS
        endings = f"{', '.join(all_but_last)} or {last}"
        raise BenchmarkError(f"{option}: must be a picture ending in {endings}, got '{file}'")
    files.check_out_file(file, option)


def write_picture(figure: Figure, file: Path, hint: str) -> list[Path]:
    """Write a figure in the format that the file's ending names; return the files, which are several for PGF with images in it.

    Raises DiskError with the ``hint`` for a file that cannot be written.
    """
    with files.temporary_folder() as folder_made:
        picture = folder_made / file.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box
            WRITERS[file.suffix.lower()](figure, picture)
        written = []
        for part in sorted(folder_made.iterdir(), key=lambda part: part != picture):
            files.write(file.parent / part.name, part.read_bytes(), durable=False, hint=hint)
            written.append(file.parent / part.name)
    return written


def _save_pdf(figure: Figure, file: Path) -> None:
    import matplotlib

    whole_letters: dict[Any, Any] = {"pdf.fonttype": 42}  # as publishers want them, and no drawings of letters
    with matplotlib.rc_context(whole_letters):
        figure.savefig(
            file, format="pdf", backend="pdf", dpi=300, metadata={"CreationDate": None, "Creator": files.MARK}
        )


def _save_svg(figure: Figure, file: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": files.MARK})
    text = file.read_text(encoding="utf-8")  # a tenth of 1/72 inch is exact enough for a line, and halves its text
    lines = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]).replace("\n", ""), text)
    file.write_text(lines, encoding="utf-8")


def _save_png(figure: Figure, file: Path) -> None:
    figure.savefig(file, format="png", dpi=150, metadata={"Software": files.MARK})


def _save_pgf(figure: Figure, file: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"pgf.rcfonts": False}), _measured_without_latex():
        figure.savefig(file, format="pgf", backend="pgf", dpi=300)
    file.write_text(f"%% {files.MARK}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")


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

        def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, *more: Any, **named: Any) -> None:
            font = prop.copy()
            font.set_family(["the paper's own"])  # a name that matplotlib does not know, so it names no font at all
            super().draw_text(gc, x, y, latex_text(s), font, *more, **named)  # type: ignore[no-untyped-call]

        def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
            size: tuple[float, float, float] = self._measuring.get_text_width_height_descent(s, prop, False)
            return size

    with (
        patch.object(backend_pgf, "RendererPgf", Renderer),
        patch.object(backend_pgf, "_get_image_inclusion_command", lambda: r"\includegraphics"),
    ):
        yield


WRITERS: dict[str, Callable[[Figure, Path], None]] = {
    ".pdf": _save_pdf,
    ".pgf": _save_pgf,
    ".svg": _save_svg,
    ".png": _save_png,
}  # by the ending of a file's name
