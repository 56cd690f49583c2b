"""The figures of a report in a notebook: ``run.figures``."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.in_python import for_python
from harness.errors import arguments
from harness.errors.names import missing
from harness.plugin.contracts import Results
from harness.plugin.registry import Registry
from harness.results import paper
from harness.results.reports import figures_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Figures(Mapping[str, "Figure"]):
    """A report's figures by name. They are drawn when one is first asked for; a notebook shows all of them.

    ``figures.save()`` writes them as files for a paper.
    """

    def __init__(self, results: Results, registry: Registry) -> None:
        self._results = results
        self._registry = registry

    @cached_property
    def _drawn(self) -> dict[str, Figure]:
        figures = figures_of(self._results, self._registry)
        for figure in figures.values():
            shown_in_notebook(figure)
        return figures

    def __getitem__(self, name: str) -> Figure:
        if name not in self._drawn:
            raise missing("run.figures", "a figure of the report", name, self._drawn)
        return self._drawn[name]

    def save(
        self,
        out: str | Path | None = None,
        names: Iterable[str] = (),
        formats: Iterable[str] = ("pdf",),
        columns: int | None = None,
        width: str | None = None,
    ) -> list[Path]:
        """Write the figures as files for a paper, as ``harness figures`` does; return the files.

        Args:
            out: A new folder, or one with figures that are written again; RUN-figures where it is None.
            names: Only these figures; all where none is named.
            formats: "pdf", "pgf" or "svg", or several of them.
            columns: Of the paper, 1 or 2: how wide a figure is; 1 where nothing is said.
            width: How wide a figure is, such as "3.25in", "82mm" or "234.9pt", in the place of columns.

        Raises:
            HarnessError: A name, a format or a width is unknown, or ``out`` has other files in it.
        """
        folder = self._results.records.folder
        place = paper.default_folder(folder) if out is None else arguments.path("out", out)
        chosen = [arguments.text("names", name) for name in arguments.items("names", names, "names of figures")]
        chosen_figures = [
            arguments.text("formats", name) for name in arguments.items("formats", formats, "names of formats", 1)
        ]
        columns = None if columns is None else arguments.whole("columns", columns, 1, 2)
        width = None if width is None else arguments.text("width", width)
        request = paper.FigureRequest(chosen_figures, columns, width, chosen)
        with for_python({f"{paper.LISTING} names": "list(run.figures) names"}):
            return paper.save_figures(self._drawn, folder, place, request)

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawn)

    def __len__(self) -> int:
        return len(self._drawn)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"<figures {', '.join(self)}>"

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        part = Markup("<figure><figcaption><code>{}</code>: {}</figcaption>{}</figure>")
        shown = [part.format(name, figure.get_label(), Markup(svg_of(figure))) for name, figure in self.items()]
        return str(Markup("").join(shown))


def shown_in_notebook(figure: Figure) -> Figure:
    """Return the figure, which a notebook shows as SVG from now on, whatever backend of matplotlib is in use."""
    drawing: Any = figure
    drawing._repr_svg_ = lambda: svg_of(figure)
    return figure


def svg_of(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element, without a date in it."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
