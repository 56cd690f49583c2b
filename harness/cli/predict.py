"""``harness predict RUN PHOTOS``: a table of probabilities. What it carries out is ``harness.models.predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import PluginFiles


def command(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or an exported model.")],
    photos: Annotated[Path, typer.Argument(metavar="FOLDER_OR_ZIP", help="Photos without labels.")],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table that is written.")] = Path("submission.csv"),
    arm: Annotated[str | None, typer.Option(metavar="NAME", help="Not the arm that is best on tune.")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Mean over all seeds of the arm.")] = False,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="Mean over the ends of the schedule's cycles.")] = False,
    tta: Annotated[bool, typer.Option("--tta", help="Mean over views: as it is, mirrored, four corners.")] = False,
    clip: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="Ends of the probabilities.")] = (0.0, 1.0),
    predicted: Annotated[bool, typer.Option("--predicted", help="A column with the most probable class.")] = False,
    ids: Annotated[str, typer.Option(metavar="number|name", help="Of 00012.jpg: 12, or 00012.")] = "number",
    plugin: PluginFiles = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Device, precision, threads or weights.")] = None,
) -> None:  # fmt: skip
    """Predict unlabelled photos with a run's best model, into a table as Kaggle takes it."""
    from harness.console import interruption
    from harness.console.progress import Reporter
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
    )
    with interruption.listening(), Reporter() as reporter:
        predict(request, reporter)
