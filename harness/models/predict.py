"""Predictions for unlabelled photos by the best model of a run, or by an exported one.

The photos are a stream: any number of them takes the same memory. A photo goes the way the run's own photos went: the same decoder and cut (``data.squares``), the same normalisation, the same
frozen backbone from the same weights file, and then the trained weights.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.benchmark import loading
from harness.benchmark.sections import TrainSection
from harness.benchmark.toml import parse_override
from harness.console import interruption
from harness.console.numbers import counted
from harness.console.progress import Reporter
from harness.console.safe_text import from_spreadsheet_cell, spreadsheet_cell
from harness.data.images import quiet_photos, stream_photos
from harness.data.photos import IDS, Numbered, Skipped, open_photos, skipped_line
from harness.data.squares import CENTRE, CORNERS, Cut, Position
from harness.errors import BenchmarkError, did_you_mean, shown
from harness.models.choice import build_model, choose_model
from harness.models.exported import is_export, read_model
from harness.models.scorer import Score, build_scorer
from harness.models.trained import Model, registry_for
from harness.plugin.process_settings import kept
from harness.records import open_records
from harness.records.files import check_out_file, replacing
from harness.training import device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

SETTABLE = ("train.device", "train.precision", "train.pretrained", "train.threads")  # they may differ from the run's
BATCH = 64  # photos at a time, as when features are extracted
ID = "id"  # the first column
LABEL = "label"  # the column of two classes, as Kaggle calls it
PREDICTED = "predicted"  # the column with the most probable class, where it is asked for
SHOWN = 5  # unreadable photos that are named
REPLACED = "name another, or replace it with --force"  # a file that is there and is no table with the same columns


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be predicted, with which model, and where the table goes."""

    folder: Path  # of the run, or of an exported model
    photos: Path
    out: Path = Path("submission.csv")
    arm: str | None = None
    ensemble: bool = False
    tta: bool = False
    clip: tuple[float, float] = (0.0, 1.0)  # of the probabilities; these ends change none
    plugins: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    snapshots: bool = False
    ids: str = "number"  # one of data.photos.IDS
    predicted: bool = False  # a column with the most probable class
    force: bool = False  # replace a file that is there, whatever it is


def predict(request: PredictionRequest, reporter: Reporter) -> int:
    """Write a probability for every photo to ``request.out``, and return how many could not be read.

    Those get the same probability for every class. Raises HarnessError where run, photos or weights are not right.
    """
    _check_request(request)
    model, train = open_model(request)
    check_out_file(request.out, header=_header_line(model, request.predicted), hint=REPLACED, force=request.force)
    return _predict(request, model, train, reporter, _open_table(request.out), f", into {request.out}")


def predict_table(request: PredictionRequest, reporter: Reporter) -> DataFrame:
    """Return the table that ``predict`` writes; nothing is written."""
    _check_request(request)
    model, train = open_model(request)
    rows: list[list[object]] = []
    keep: Callable[[Sequence[object]], object] = lambda row: rows.append([str(value) for value in row])  # noqa: E731
    _predict(request, model, train, reporter, nullcontext(keep), "")
    return _as_frame(rows)


def read_table(file: Path) -> DataFrame:
    """Return a table that ``predict`` has written."""
    with file.open(encoding="utf-8", newline="") as lines:
        return _as_frame([[from_spreadsheet_cell(cell) for cell in row] for row in csv.reader(lines)])


def _as_frame(rows: Sequence[Sequence[object]]) -> DataFrame:
    """Return the rows of a table, the first of which has its columns; the probabilities are numbers."""
    import pandas as pd

    header, *body = rows
    frame = pd.DataFrame(body, columns=[str(name) for name in header])
    for column in frame.columns:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        if column != ID and not numbers.isna().any():
            frame[column] = numbers
    return frame


def _predict(
    request: PredictionRequest, model: Model, train: TrainSection, reporter: Reporter,
    table: AbstractContextManager[Callable[[Sequence[object]], object]], into: str,
) -> int:  # fmt: skip
    """Write a row for every photo into an open table, and return how many could not be read."""
    places: tuple[Position, ...] = (CENTRE,)
    if request.tta and model.cut.scaled > model.cut.size:
        places += CORNERS
    reporter.say(f"predicting with {model.why}")
    if model.notice:
        reporter.say(f"note: in the run {model.notice}", style="bold yellow")
    columns = _name_columns(model.classes)
    if len(model.classes) == 2:
        reporter.say(f"the column {LABEL} has the probability of {model.classes[columns[LABEL]]}")
    if request.tta:
        corners = ", and four corners" if len(places) > 1 else "; the cut leaves no corners"
        reporter.say(f"mean over {len(places) + 1} views of each photo: as it is, mirrored{corners}")
    registry = registry_for(model, request.plugins, reporter)
    chosen = device.set_up_device(train.device, train.precision, train.threads)
    score = build_scorer(model, registry, chosen, mirrored=request.tta)
    skipped = Skipped(request.photos)
    with (
        kept(f"the model {model.arm}"),
        open_photos(request.photos, skipped, request.ids) as photos,
        table as write,
    ):
        layout = Table(model.classes, request.clip, request.predicted)
        unreadable = _predict_photos(photos, model.cut, places, score, layout, write, reporter)
    reporter.say(f"{counted(len(photos), 'photo')} predicted{into}")
    if skipped.by_reason:
        reporter.say(f"note: {skipped_line(skipped.by_reason)}", style="yellow")
    if unreadable:
        probability = f"{1 / len(model.classes):.3g}"
        line = f"warning: {len(unreadable)} of {len(photos)} photos could not be read and got {probability}:"
        reporter.say(line, style="yellow")
        for line in unreadable[:SHOWN]:
            reporter.say(f"  {line}", style="yellow")
        if len(unreadable) > SHOWN:
            reporter.say(f"  ... and {len(unreadable) - SHOWN} more", style="yellow")
    return len(unreadable)


def _check_request(request: PredictionRequest) -> None:
    """Raise HarnessError for options out of their range."""
    low, high = request.clip
    if not 0 <= low < high <= 1:
        raise BenchmarkError(f"--clip: must be LOW HIGH with 0 <= LOW < HIGH <= 1, got {low} {high}")
    if request.ids not in IDS:
        raise BenchmarkError(
            f"--ids: must be {' or '.join(IDS)}, got {shown(request.ids)}{did_you_mean(request.ids, IDS, listed=True)}"
        )


def open_model(request: PredictionRequest) -> tuple[Model, TrainSection]:
    """Return the model that the request means and the settings it is used with.

    Raises RunFolderError where the folder is neither a run on photos of classes nor an exported model.
    """
    for override in request.overrides:
        key = override.partition("=")[0].strip()
        if key not in SETTABLE:
            raise BenchmarkError(
                f"--set: must be one of {', '.join(SETTABLE)} for a run that is over, got {shown(key)}"
            )
    if is_export(request.folder):
        return _open_export(request)
    records = open_records(request.folder)
    benchmark = loading.load(request.folder / "benchmark.toml", overrides=request.overrides)[0]
    named = any(override.startswith("train.pretrained") for override in request.overrides)
    choice = choose_model(records, request.arm, request.ensemble, request.snapshots)
    records.check_files(choice.run_ids, "solutions/")
    return build_model(records, choice, benchmark.train.pretrained if named else None), benchmark.train


def _open_export(request: PredictionRequest) -> tuple[Model, TrainSection]:
    """Return an exported model, and the settings that the user gives it."""
    model, description = read_model(request.folder)
    options = {"--arm": request.arm is not None, "--ensemble": request.ensemble, "--snapshots": request.snapshots}
    for option, is_given in options.items():
        if is_given:
            raise BenchmarkError(
                f"{option}: must be left out for an exported model, which is chosen already; use it at 'harness export'"
            )
    settings: dict[str, Any] = dict(description["settings"])
    for override in request.overrides:
        (*_, key), value = parse_override(override)
        settings[key] = value
    try:
        train = TrainSection.model_validate(settings)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise BenchmarkError(
            f"--set: train.{wrong['loc'][0]}: {wrong['msg'].replace('Input should be', 'must be')}, got {wrong['input']!r}"
        ) from error
    if any(override.startswith("train.pretrained") for override in request.overrides):
        model = replace(model, origin=replace(model.origin, pretrained=train.pretrained, named=True))
    return model, train


def _header_line(model: Model, predicted: bool) -> str:
    """Return the first line of the table."""
    line = io.StringIO()
    table = Table(model.classes, predicted=predicted)
    csv.writer(line, lineterminator="\n").writerow(map(spreadsheet_cell, table.head))
    return line.getvalue()


@dataclass(frozen=True)
class Table:
    """The table of predictions: what stands in its columns."""

    classes: Sequence[str]
    clip: tuple[float, float] = (0.0, 1.0)
    predicted: bool = False

    @property
    def head(self) -> list[str]:
        """The names of the columns; none has the name of another."""
        names = [ID, *_name_columns(self.classes)]
        return [*names, _free_name(PREDICTED, names)] if self.predicted else names

    def row(self, photo: object, probabilities: NDArray[np.float64], readable: bool) -> list[object]:
        """Return the row of a photo, from the probability of every class ``[K]``; no class is named of one not readable."""
        columns = probabilities[list(_name_columns(self.classes).values())].clip(*self.clip)
        named = self.classes[int(probabilities.argmax())] if readable else ""
        return [photo, *(f"{value:.6g}" for value in columns), *([named] if self.predicted else [])]


def _free_name(name: str, taken: Sequence[str]) -> str:
    """Return a name, with "class" before it as often as it is taken."""
    while name in taken:
        name = f"class {name}"
    return name


def _name_columns(classes: Sequence[str]) -> dict[str, int]:
    """Return the columns of the table, each with the class whose probability it has; none has the name of the first, ``id``."""
    if len(classes) > 2:
        free = _free_name(f"class {ID}", classes)
        return {free if name == ID else name: i for i, name in enumerate(classes)}
    dogs = [i for i, name in enumerate(classes) if name.lower() in ("dog", "dogs")]
    return {LABEL: dogs[0] if dogs else 1}


def _predict_photos(
    photos: Sequence[Numbered], cut: Cut, places: Sequence[Position], score: Score, table: Table,
    write: Callable[[Sequence[object]], object], reporter: Reporter,
) -> list[str]:  # fmt: skip
    """Write a row a photo, and return a line for each that could not be read."""
    write(table.head)
    unreadable: list[str] = []
    done = 0
    reporter.preparing("predicting photos", done, len(photos))
    with quiet_photos():
        for pixels, faults in stream_photos([numbered.photo for numbered in photos], cut, places, BATCH):
            interruption.check()
            probabilities = score(pixels)
            for row, numbered in enumerate(photos[done : done + len(pixels)]):
                reason = faults.get(done + row, "")
                if reason:
                    probabilities[row] = 1 / probabilities.shape[1]
                    unreadable.append(f"{numbered.photo.name}: {reason}")
                write(table.row(numbered.id, probabilities[row], not reason))
            done += len(pixels)
            reporter.preparing("predicting photos", done, len(photos))
    return unreadable


@contextmanager
def _open_table(out: Path) -> Iterator[Callable[[Sequence[object]], object]]:
    """Give a function that writes a row; the file is there once it is whole."""
    with replacing(out, durable=False, hint="name another file with --out") as file:
        lines = SimpleNamespace(write=lambda text: file.write(text.encode()))
        rows = csv.writer(lines, lineterminator="\n")
        yield lambda row: rows.writerow([spreadsheet_cell(value) for value in row])
