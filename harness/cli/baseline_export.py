"""``harness baseline export RUN``: tuned arms as a file. What it carries out is ``harness.running.baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import RunFolder
from harness.console.escaping import say_lines
from harness.errors import disk


def command(
    folder: RunFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file; by default RUN.baseline.zip in this folder.")
    ] = None,
    with_solutions: Annotated[bool, typer.Option("--with-solutions", help="The final weights too.")] = False,
) -> None:
    """Write a run's tuned arms into one file.

    The section [baseline] of another benchmark takes it.
    """
    from harness.running.baseline import pack

    packed = pack(folder, out or Path(f"{folder.resolve().name}.baseline.zip"), with_solutions)
    size = disk.size(packed.file.stat().st_size)
    say_lines([f"{len(packed.arms)} arms, {size}, SHA-256 {packed.sha256}, into {packed.file}"])
    say_lines(f"left out: {arm}, which has no result; 'harness show' says why" for arm in packed.left_out)
    say_lines(["[baseline]", f'file = "{packed.file.name}"'])
