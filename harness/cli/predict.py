"""``harness predict RUN PHOTOS``: a table of probabilities. What it carries out is ``harness.models.predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.cli import completion
from harness.cli.options import PluginFiles


def command(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or an exported model.")],
    photos: Annotated[Path, typer.Argument(metavar="FOLDER_OR_ZIP", help="Photos without labels.")],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table that is written.")] = Path("submission.csv"),
    arm: Annotated[str | None, typer.Option(metavar="NAME", help="This arm, instead of the one that is best on the tune split.", autocompletion=completion.arms)] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Average the probabilities over all seeds of the arm.")] = False,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="Average them over the ends of the schedule's cycles.")] = False,
    tta: Annotated[bool, typer.Option("--tta", help="Average them over views: as it is, mirrored, four corners.")] = False,
    clip: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="The least and the largest probability that is written.")] = (0.0, 1.0),
    predicted: Annotated[bool, typer.Option("--predicted", help="Add a column with the most probable class.")] = False,
    ids: Annotated[str, typer.Option(metavar="number|name", help="What a photo is called in the table: of 00012.jpg the number 12, or the name 00012.")] = "number",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there, whatever it is.")] = False,
    plugin: PluginFiles = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Device, precision, threads or weights.")] = None,
) -> None:  # fmt: skip
    """Predict photos without labels with a run's best model.

    The table is as Kaggle takes it: a row for each photo.
    """
    from harness.console import interruption
    from harness.console.progress import Reporter

    with interruption.listening(), Reporter() as reporter:
        reporter.start(f"predict {photos} with {folder}", __version__)
        from harness.models.predict import PredictionRequest, predict

        request = PredictionRequest(
            folder,
            photos,
            out,
            arm,
            ensemble,
            tta,
            clip,
            tuple(plugin or ()),
            tuple(set_ or ()),
            snapshots,
            ids,
            predicted,
            force,
        )
        predict(request, reporter)
