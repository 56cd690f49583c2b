"""``harness report RUN``: the reports written again. What it carries out is ``harness.results.reports``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Blocked, PluginFiles, RunFolder
from harness.console.escaping import say_lines


def command(
    folder: RunFolder,
    format_: Annotated[str, typer.Option("--format", metavar="NAMES", help="Formats, with commas between.")] = "html",
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to; the run folder where not said.")] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
) -> None:
    """Write the reports again, from the records alone."""
    from harness.plugin.discovery import discover
    from harness.records.files import check_out_folder
    from harness.results.reports import write_reports

    if out:
        check_out_folder(out)
    formats = [name.strip() for name in format_.split(",") if name.strip()]
    written = write_reports(folder, formats, discover(plugin or [], block or []), out=out)
    say_lines(map(str, written.files))
    say_lines((f"warning: {line}" for line in written.failures), sys.stderr)
    raise typer.Exit(1 if written.failures else 0)
