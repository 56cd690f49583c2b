"""``harness index [RUNS]``: one page over all run folders of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Blocked, PluginFiles
from harness.console.escaping import say_begun, say_lines


def command(
    folder: Annotated[Path, typer.Argument(metavar="RUNS", help="The folder with run folders.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; by default index.html in RUNS.")
    ] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
) -> None:
    """Write one page over all runs of a folder.

    It has name, date, state, verdict and answer of each run, and a link to its report.
    """
    say_begun(f"pages of {folder}")
    from harness.plugin.discovery import discover
    from harness.results.index import write_index

    file, problems = write_index(folder, discover(plugin or [], block or []), out)
    say_lines([f"index: {file}", *(f"warning: {line}" for line in problems)])
    raise typer.Exit(1 if problems else 0)
