"""``harness figures RUN``: the figures of a report, for a paper. What it carries out is ``harness.results.paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Blocked, PluginFiles, RunFolder
from harness.console.escaping import say_begun, say_lines


def command(
    folder: RunFolder,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="pdf, pgf or svg; several with commas between.")
    ] = "pdf",
    columns: Annotated[
        int | None,
        typer.Option(metavar="1|2", help="Width of a figure, in columns of a paper; 1 by default."),
    ] = None,
    width: Annotated[
        str | None, typer.Option(metavar="WIDTH", help="How wide a figure is, such as 3.25in, 82mm or 234.9pt.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this figure; may be given again.")
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Print the names of the figures and what they show, and write nothing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A folder of its own; by default RUN-figures in this one.")
    ] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
) -> None:
    """Write the figures of a run's report as files for a paper.

    They are vectors with their fonts in them, as wide as one column or as two. What each shows stands in captions.txt.
    """
    say_begun(f"figures of {folder}")
    from harness.plugin.discovery import discover
    from harness.results.paper import FigureRequest, default_folder, list_figures, write_figures

    registry = discover(plugin or [], block or [])
    if listed:
        say_lines(list_figures(folder, registry))
        return
    formats = tuple(dict.fromkeys(name.strip() for name in format_.split(",") if name.strip()))
    request = FigureRequest(formats, columns, width, tuple(only or ()))
    say_lines(map(str, write_figures(folder, out or default_folder(folder), request, registry)))
