"""Predicting unlabelled photos with the best model of a run, or an exported one, as a stream: any number of them in constant memory.

A photo goes the way the run's own photos went: the same decoder and cut (``data.images``), the same normalisation, the same
frozen backbone from the same weights file, and then the trained weights.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.benchmark import loading
from harness.benchmark.sections import TrainSection
from harness.benchmark.toml import parse_override
from harness.console import interruption
from harness.console.numbers import measure
from harness.console.progress import Reporter
from harness.console.safe_text import spreadsheet_cell
from harness.data.images import CENTRE, CORNERS, Cut, Position, quiet_photos, stream_photos
from harness.data.photos import IDS, Numbered, Skipped, open_photos, skipped_line
from harness.errors import BenchmarkError, RunFolderError, did_you_mean, shown
from harness.models.exported import is_export, read_model
from harness.models.trained import Model, load_networks, origin_of, registry_for
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Split, Task
from harness.plugin.process_settings import kept
from harness.records import Records, open_records, schema
from harness.records.files import check_out_file, replacing
from harness.training import device

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

SETTABLE = ("train.device", "train.precision", "train.pretrained", "train.threads")  # what may differ from the run's
BATCH = 64  # photos at a time, as when features are extracted
ID = "id"  # the first column
SHOWN = 5  # unreadable photos that are named

Score = Callable[["NDArray[np.uint8]"], "NDArray[np.float64]"]  # squares [B, V, size, size, 3] -> [B, K]


@dataclass(frozen=True)
class PredictionRequest:
    """What the user typed."""

    folder: Path  # of the run, or of an exported model
    photos: Path
    out: Path = Path("submission.csv")
    arm: str | None = None
    ensemble: bool = False
    tta: bool = False
    clip: tuple[float, float] = (0.005, 0.995)
    plugins: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    snapshots: bool = False
    ids: str = "number"  # one of data.photos.IDS


@dataclass(frozen=True)
class Choice:
    """What of a run predicts: an arm, and one of its comparison runs or all of them, each with its snapshots or not."""

    arm: str
    backbone: str
    head: str  # empty where the backbone itself was trained
    run_ids: tuple[str, ...]
    why: str  # for a person
    snapshots: bool = False


def predict(request: PredictionRequest, reporter: Reporter) -> int:
    """Write a probability for every photo to ``request.out``, and return how many could not be read.

    Those get the same probability for every class. Raises HarnessError where run, photos or weights are not right.
    """
    check_out_file(request.out, header=f"{ID},")
    low, high = request.clip
    if not 0 <= low < high <= 1:
        raise BenchmarkError(f"--clip: must be LOW HIGH with 0 <= LOW < HIGH <= 1, got {low} {high}")
    if request.ids not in IDS:
        raise BenchmarkError(
            f"--ids: must be {' or '.join(IDS)}, got {shown(request.ids)}{did_you_mean(request.ids, IDS, listed=True)}"
        )
    model, train = opened(request)
    check_out_file(request.out, header=_header(model))
    places: tuple[Position, ...] = (CENTRE,)
    if request.tta and model.cut.scaled > model.cut.size:
        places += CORNERS
    reporter.say(f"predicting with {model.why}")
    if model.notice:
        reporter.say(f"note: in the run {model.notice}", style="bold yellow")
    if request.tta:
        corners = ", and four corners" if len(places) > 1 else "; the cut leaves no corners"
        reporter.say(f"mean over {len(places) + 1} views of each photo: as it is, mirrored{corners}")
    score = _score(request, model, train, reporter)
    skipped = Skipped(request.photos)
    with (
        kept(f"the model {model.arm}"),
        open_photos(request.photos, skipped, request.ids) as photos,
        _table(request.out) as write,
    ):
        broken = _stream(photos, model.cut, places, score, _columns(model.classes), request.clip, write, reporter)
    reporter.say(f"{len(photos)} photos predicted, into {request.out}")
    if skipped.by_reason:
        reporter.say(f"note: {skipped_line(skipped.by_reason)}", style="yellow")
    if broken:
        reporter.say(
            f"warning: {len(broken)} of {len(photos)} photos could not be read and got {1 / len(model.classes):.3g}:",
            style="yellow",
        )
        for line in broken[:SHOWN]:
            reporter.say(f"  {line}", style="yellow")
        if len(broken) > SHOWN:
            reporter.say(f"  ... and {len(broken) - SHOWN} more", style="yellow")
    return len(broken)


def opened(request: PredictionRequest) -> tuple[Model, TrainSection]:
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
        return _of_export(request)
    records = open_records(request.folder)
    benchmark = loading.load(request.folder / "benchmark.toml", overrides=request.overrides)[0]
    named = any(override.startswith("train.pretrained") for override in request.overrides)
    choice = choose_model(records, request.arm, request.ensemble, request.snapshots)
    records.check_files(choice.run_ids, "solutions/")
    return model_of(records, choice, benchmark.train.pretrained if named else None), benchmark.train


def model_of(records: Records, choice: Choice, pretrained: bool | str | None = None) -> Model:
    """Return a run's model; ``pretrained`` where the user has just said where the backbone's weights are.

    Raises RunFolderError for a run that is not on photos of two or more classes.
    """
    from harness.training.batches import MEAN, STD

    folder, about = records.folder, records.meta.data
    if len(about["classes"]) < 2 or len(about["input_shape"]) != 3:
        raise RunFolderError(f"{folder}: must be a run on photos of two or more classes, got one on other data")
    cut, looks = _cut(records), records.meta.weights.get(choice.backbone)
    files = [
        file
        for run_id in choice.run_ids
        for file in (*(schema.snapshots(folder, run_id) if choice.snapshots else ()), schema.solution(folder, run_id))
    ]
    return Model(
        origin=origin_of(records, pretrained, choice.run_ids[0]),
        arm=choice.arm,
        backbone=choice.backbone,
        head=choice.head,
        task=records.meta.benchmark["train"]["task"],
        classes=tuple(about["classes"]),
        cut=cut,
        mean=tuple(looks["mean"]) if looks else MEAN,
        std=tuple(looks["std"]) if looks else STD,
        files=tuple(files),
        why=choice.why,
        notice=about["notice"],
        block=tuple(records.meta.benchmark.get("block", ())),
    )


def _of_export(request: PredictionRequest) -> tuple[Model, TrainSection]:
    """Return an exported model, and the settings that the user gives it."""
    model, said = read_model(request.folder)
    asked = {"--arm": request.arm is not None, "--ensemble": request.ensemble, "--snapshots": request.snapshots}
    for option in (option for option, is_asked in asked.items() if is_asked):
        raise BenchmarkError(
            f"{option}: must be left out for an exported model, which is one already; use it at 'harness export'"
        )
    settings: dict[str, Any] = dict(said["settings"])
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


def choose_model(records: Records, arm: str | None = None, ensemble: bool = False, snapshots: bool = False) -> Choice:
    """Return the arm whose finished comparison runs have the best mean on the tune split, and of it the best run, or all.

    With ``snapshots`` it is the best of the arms that kept some. The test split has no say. Raises RunFolderError where
    none has finished or none was kept, and BenchmarkError for an unknown ``arm``.
    """
    arms = list(records.meta.arms)
    if arm is not None and arm not in arms:
        raise BenchmarkError(f"--arm: must be an arm of the run, got {shown(arm)}{did_you_mean(arm, arms)}")
    deciding, sign = records.deciding, records.deciding.sign
    runs = records.compared()
    done = runs[(runs["state"] == schema.DONE) & runs["arm"].isin([arm] if arm else arms)]
    if done.empty or deciding.tune_column not in done:
        raise RunFolderError(f"{records.folder}: must have a finished comparison run, got none; 'harness run' goes on")
    if snapshots:
        done = done[[bool(schema.snapshots(records.folder, run_id)) for run_id in done["run_id"]]]
        if done.empty:
            raise RunFolderError(
                f"{records.folder}: must have snapshots{f' of {arm}' if arm else ''}, got none; they are kept with "
                "compare.snapshots = true where a schedule has cycles (sgdr)"
            )
    tuned = sign * done.set_index(["arm", "run_id"])[deciding.tune_column]
    means = tuned.groupby("arm").mean()
    best = max((name for name in arms if name in means.index), key=lambda name: (means[name], -arms.index(name)))
    of_arm = done[done["arm"] == best].sort_values("seed")
    of_arm = of_arm if ensemble else of_arm.loc[[(sign * of_arm[deciding.tune_column]).idxmax()]]
    seeds = ", ".join(map(str, of_arm["seed"]))
    score = measure(float(sign * means[best]), deciding.unit)
    mean = f"tune {deciding.name} {score} on average over {len(tuned[best])} seeds"
    backbone = str(records.arms.set_index("arm").loc[best, "backbone"])
    network = best.partition("/")[0]
    head = "" if network == backbone else network.removeprefix(f"{backbone}+")
    which = f"the mean of seeds {seeds}" if ensemble else f"seed {seeds}"
    if snapshots:
        which = f"the snapshots of {which}"
    return Choice(best, backbone, head, tuple(of_arm["run_id"]), f"{best}, {which} ({mean})", snapshots)


def _cut(records: Records) -> Cut:
    about = records.meta.data
    return Cut(about["input_shape"][0], about["interpolation"], about["crop"])


def _header(model: Model) -> str:
    """Return the first line of the table."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(spreadsheet_cell, (ID, *_columns(model.classes))))
    return line.getvalue()


def _columns(classes: Sequence[str]) -> dict[str, int]:
    """Return the columns of the table, each with the class it is the probability of; none is called as the first, id."""
    if len(classes) > 2:
        free = f"class {ID}"
        while free in classes:
            free = f"class {free}"
        return {free if name == ID else name: i for i, name in enumerate(classes)}
    dog = [i for i, name in enumerate(classes) if name.lower() in ("dog", "dogs")]
    return {"label": dog[0] if dog else 1}


def _stream(
    photos: Sequence[Numbered], cut: Cut, places: Sequence[Position], score: Score, columns: dict[str, int],
    clip: tuple[float, float], write: Callable[[Sequence[object]], object], reporter: Reporter,
) -> list[str]:  # fmt: skip
    """Write a row a photo, and return a line for each that could not be read."""
    import numpy as np

    write([ID, *columns])
    broken: list[str] = []
    done = 0
    with quiet_photos():
        for pixels, faults in stream_photos([each.photo for each in photos], cut, places, BATCH):
            interruption.check()
            found = score(pixels)
            for row, each in enumerate(photos[done : done + len(pixels)]):
                if why := faults.get(done + row):
                    found[row] = 1 / found.shape[1]
                    broken.append(f"{each.photo.name}: {why}")
                shown = np.clip(found[row, list(columns.values())], *clip)
                write([each.id, *(f"{value:.6g}" for value in shown)])
            done += len(pixels)
            reporter.preparing("predicting photos", done, len(photos))
    return broken


@contextmanager
def _table(out: Path) -> Iterator[Callable[[Sequence[object]], object]]:
    """Give a function that writes a row; the file is there once it is whole."""
    with replacing(out, durable=False, hint="name another file with --out") as file:
        lines = SimpleNamespace(write=lambda text: file.write(text.encode()))
        rows = csv.writer(lines, lineterminator="\n")
        yield lambda row: rows.writerow([spreadsheet_cell(value) for value in row])


# --- the network


def _score(request: PredictionRequest, model: Model, train: TrainSection, reporter: Reporter) -> Score:
    """Return the function that turns squares into the mean of the model's predictions."""
    import numpy as np
    import torch

    from harness.training.batches import resident

    registry = registry_for(model, request.plugins, reporter)
    chosen = device.set_up_device(train.device, train.precision, train.threads)
    task = registry.get("task", model.task, Task, str(request.folder))
    nothing = Split(np.zeros((0, model.cut.size, model.cut.size, 3), np.uint8), np.zeros(0, np.int64), ())
    like = resident(nothing, chosen, model.mean, model.std)
    body, networks = load_networks(model, registry, chosen)
    predicting = Boundary("backbone", model.head or model.backbone, "predict")

    def of_view(squares: NDArray[np.uint8]) -> torch.Tensor:
        inputs = like.as_input(torch.from_numpy(np.ascontiguousarray(squares)).to(chosen.name))
        if body:  # as its features were extracted
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.precision == "bf16"):
                inputs = body(inputs).float()
        outputs = [network(inputs) for network in networks]  # in float32, as the recorded predictions were computed
        return torch.stack([task.predict(each.float()) for each in outputs]).double().mean(dim=0)

    @torch.no_grad()
    def score(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        views = [pixels[:, place] for place in range(pixels.shape[1])]
        if request.tta:
            views.append(pixels[:, 0, :, ::-1])
        with predicting:
            return torch.stack([of_view(view) for view in views]).mean(dim=0).cpu().numpy()

    return score
