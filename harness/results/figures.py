"""The figures of a report in a notebook: ``run.figures``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Results
from harness.plugin.registry import Registry
from harness.results.reports import figures_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Figures(Mapping[str, "Figure"]):
    """A report's figures by name. They are drawn when one is first asked for; a notebook shows all of them."""

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
        return self._drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawn)

    def __len__(self) -> int:
        return len(self._drawn)

    def __repr__(self) -> str:
        return f"<figures {', '.join(self)}>"

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        part = Markup("<figure><figcaption><code>{}</code>: {}</figcaption>{}</figure>")
        shown = [part.format(name, figure.get_label(), Markup(svg_of(figure))) for name, figure in self.items()]
        return str(Markup("").join(shown))


def shown_in_notebook(figure: Figure) -> Figure:
    """Return the figure, which a notebook shows as SVG from now on, whatever backend of matplotlib is in use."""
    anything: Any = figure
    anything._repr_svg_ = lambda: svg_of(figure)
    return figure


def svg_of(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element, without a date in it."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
