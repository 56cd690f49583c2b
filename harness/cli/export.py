"""``harness export RUN``: a model in a folder of its own. What it carries out is ``harness.models.export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import completion
from harness.cli.options import PluginFiles, RunFolder
from harness.console.escaping import say_lines


def command(
    folder: RunFolder,
    arm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="This arm, instead of the one that is best on the tune split.",
            autocompletion=completion.arms,
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="All seeds of the arm, instead of the one that is best on the tune split."),
    ] = False,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Also as onnx, torchscript or timm, with commas between.")
    ] = "",
    light: Annotated[
        bool,
        typer.Option("--light", help="Without the pretrained weights below a head, which must then be found again."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A new folder; by default RUN-model in this one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an exported model that is there.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Write a run's best model into a folder of its own.

    A model card stands beside it, and 'harness predict' takes the folder.
    """
    from harness.console.progress import Reporter
    from harness.models.export import ExportRequest, export, lines

    formats = tuple(dict.fromkeys(name.strip() for name in format_.split(",") if name.strip()))
    request = ExportRequest(folder, out, arm, ensemble, light, tuple(plugin or ()), formats, force)
    with Reporter() as reporter:
        written, description = export(request, reporter)
    say_lines(lines(written, description))
