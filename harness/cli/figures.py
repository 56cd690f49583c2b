"""``harness figures RUN``: the figures of a report, for a paper. What it carries out is ``harness.results.paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Blocked, PluginFiles, RunFolder
from harness.console.escaping import say_lines


def command(
    folder: RunFolder,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="pdf, pgf or svg; several with commas between.")
    ] = "pdf",
    columns: Annotated[int, typer.Option(metavar="1|2", help="Columns of the paper that a figure is wide.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this figure; may be given again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A folder of its own; by default RUN-figures in this one.")
    ] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
) -> None:
    """Write the figures of a run's report as files for a paper.

    They are vectors with their fonts in them, as wide as one column or as two. What each shows stands in captions.txt.
    """
    from harness.plugin.discovery import discover
    from harness.results.paper import default_folder, write_figures

    formats = list(dict.fromkeys(name.strip() for name in format_.split(",") if name.strip()))
    registry = discover(plugin or [], block or [])
    written = write_figures(folder, out or default_folder(folder), formats, columns, registry, only or ())
    say_lines(map(str, written))
