"""``harness report RUN``: the reports written again. What it carries out is ``harness.results.reports``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import completion
from harness.cli.options import AnyRunFolder, Blocked, PluginFiles
from harness.console.escaping import say_begun, say_lines
from harness.errors import HarnessError, shown

if TYPE_CHECKING:
    from harness.plugin.registry import Registry


def command(
    folder: AnyRunFolder,
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAMES", help="Formats, with commas between.", autocompletion=completion.reports
        ),
    ] = "html",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write into; without it, the run folder.")
    ] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
) -> None:
    """Write the reports again, from the records alone.

    Of a folder of several workloads these are the reports of each run and the common ones.
    """
    say_begun(f"reports of {folder}")
    from harness.plugin.discovery import discover
    from harness.records.files import check_out_folder
    from harness.records.workloads import has_workloads
    from harness.results.paper import FORMATS
    from harness.results.reports import write_reports

    if out:
        check_out_folder(out)
    formats = [name.strip() for name in format_.split(",") if name.strip()]
    if figures := [name for name in formats if name in FORMATS]:
        raise HarnessError(
            f"report --format: must be formats of reports, got {shown(figures[0])}; 'harness figures RUN --format "
            f"{','.join(figures)}' writes the figures"
        )
    registry = discover(plugin or [], block or [])
    if has_workloads(folder):
        files, failures = _write_all(folder, formats, registry, out)
    else:
        written = write_reports(folder, formats, registry, out=out)
        files, failures = [*written.files], [*written.failures]
    say_lines(map(str, files))
    say_lines((f"warning: {line}" for line in failures), sys.stderr)
    raise typer.Exit(1 if failures else 0)


def _write_all(
    folder: Path, formats: Sequence[str], registry: Registry, out: Path | None
) -> tuple[list[Path], list[str]]:
    """Write the reports of every workload's run, and then the common ones, into the common folder."""
    from harness.records.workloads import run_folders
    from harness.results.reports import write_reports
    from harness.results.workloads.writing import write_common_reports

    if out:
        raise HarnessError(
            f"report --out: must be left out for several workloads, got '{out}'; their pages lead to each other's places"
        )
    files: list[Path] = []
    failures: list[str] = []
    for name, run in run_folders(folder).items():
        written = write_reports(run, formats, registry)
        files += written.files
        failures += [f"{name}: {line}" for line in written.failures]
    common = write_common_reports(folder, formats, registry)
    return [*files, *common.files], [*failures, *common.failures]
