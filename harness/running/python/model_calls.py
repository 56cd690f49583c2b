"""What the commands do with a trained model, for Python: ``harness.predict`` and ``harness.export``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmark.overrides import overrides_of
from harness.errors import arguments
from harness.results.notebook import Loaded
from harness.results.workloads.loaded import WorkloadRuns
from harness.running.python.talking import optional_path, optional_text, plugin_files, talking, texts

if TYPE_CHECKING:
    from pandas import DataFrame

Paths = Iterable[str | Path]


def predict(
    model: str | Path | Loaded,
    photos: str | Path,
    out: str | Path | None = None,
    arm: str | None = None,
    ensemble: bool = False,
    snapshots: bool = False,
    tta: bool = False,
    clip: tuple[float, float] = (0.0, 1.0),
    predicted: bool = False,
    ids: str = "number",
    force: bool = False,
    plugins: Paths = (),
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    quiet: bool = False,
) -> DataFrame:
    """Predict photos without labels with a run's best model, or with an exported one, as ``harness predict`` does.

    Args:
        model: A run, its folder, or the folder of an exported model.
        photos: A folder, or a zip, of photos.
        out: A file for the table, as ``harness predict`` writes it; none where it is None.
        arm: The arm that predicts; the one that is best on tune where it is None.
        ensemble: Whether to average over all seeds of the arm.
        snapshots: Whether to average over the ends of the schedule's cycles.
        tta: Whether to average over views of each photo: as it is, mirrored, and four corners.
        clip: The lowest and the highest probability that is returned.
        predicted: Whether a column ``predicted`` names the most probable class.
        ids: What names a photo: "number" for N of N.jpg, and the file's name of any other; or "name", without its suffix.
        force: Whether to replace a file ``out`` that is there, whatever it is.
        plugins: Loose plugin files. They are run as code.
        set: ``train.device``, ``train.precision``, ``train.threads`` or ``train.pretrained``, by key.
        quiet: Whether to print nothing.

    Returns:
        A row for each photo, in order: ``id``, and a probability for each class, or ``label`` for that of the dogs.

    Raises:
        HarnessError: Model, photos or options are not right, in one line.

    >>> predict("nowhere", "photos")
    Traceback (most recent call last):
        ...
    harness.errors.RunFolderError: nowhere: must be a run folder, got nothing there; check the path
    """
    from harness.models import predict as predicting

    request = predicting.PredictionRequest(
        _folder_of(model),
        arguments.path("photos", photos),
        predicting.PredictionRequest.out if out is None else arguments.path("out", out),
        arm=optional_text("arm", arm),
        ensemble=arguments.flag("ensemble", ensemble),
        tta=arguments.flag("tta", tta),
        clip=arguments.ends("clip", clip),
        plugins=plugin_files(plugins),
        overrides=overrides_of(set),
        snapshots=arguments.flag("snapshots", snapshots),
        ids=arguments.text("ids", ids),
        predicted=arguments.flag("predicted", predicted),
        force=arguments.flag("force", force),
    )
    with talking(quiet) as reporter:
        if out is not None:
            predicting.predict(request, reporter)
            return predicting.read_table(request.out)
        return predicting.predict_table(request, reporter)


def export(
    run: str | Path | Loaded,
    out: str | Path | None = None,
    arm: str | None = None,
    ensemble: bool = False,
    formats: Iterable[str] = (),
    light: bool = False,
    force: bool = False,
    plugins: Paths = (),
    quiet: bool = False,
) -> Path:
    """Write a run's best model into a folder of its own, with a model card, as ``harness export`` does.

    ``harness.predict`` takes the folder, without the run and without its data.

    Args:
        run: A run, or its folder.
        out: A new folder; RUN-model in the current one where it is None.
        arm: The arm; the one that is best on tune where it is None. "refit" is the network that ``refit=True`` trained.
        ensemble: Whether to take all seeds of the arm.
        formats: Further formats of the same model: "onnx", "torchscript" or "timm". Each is compared with ``harness.predict``.
        light: Whether to leave out the frozen backbone's own weights.
        force: Whether to replace a model that is in the folder already.
        plugins: Loose plugin files. They are run as code.
        quiet: Whether to print nothing.

    Returns:
        The folder.

    Raises:
        HarnessError: The run has no model that can be used, or the folder cannot be written, in one line.

    >>> export("nowhere")
    Traceback (most recent call last):
        ...
    harness.errors.RunFolderError: nowhere: must be a run folder, got nothing there; check the path
    """
    from harness.models import export as exporting

    request = exporting.ExportRequest(
        _folder_of(run, "run"),
        optional_path("out", out),
        optional_text("arm", arm),
        arguments.flag("ensemble", ensemble),
        arguments.flag("light", light),
        plugin_files(plugins),
        texts("formats", formats, "names of formats"),
        arguments.flag("force", force),
    )
    with talking(quiet) as reporter:
        written, description = exporting.export(request, reporter)
        for line in exporting.lines(written, description):
            reporter.say(line)
    return written


def _folder_of(model: object, name: str = "model") -> Path:
    """Return the folder of a run or of an exported model; raises TypeError for several runs."""
    if isinstance(model, WorkloadRuns):
        first = next(iter(model), "NAME")
        raise TypeError(
            f"{name}: must be the run of one workload, got those of {', '.join(model)}; give it runs[{first!r}]"
        )
    return model.folder if isinstance(model, Loaded) else arguments.path(name, model)
