"""Predicting unlabelled photos with the best model of a run, as a stream: any number of them in constant memory.

A photo goes the way the run's own photos went: the same decoder and cut (``data.images``), the same normalisation, the same
frozen backbone from the same weights file, and then the trained weights out of ``solutions/``.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import config, device, interruption
from harness.config import Benchmark
from harness.contracts import Split, Task
from harness.data.images import CENTRE, CORNERS, Cut, Place, quiet_photos, stream_photos
from harness.data.photos import Numbered, open_photos
from harness.device import Device
from harness.discovery import discover
from harness.errors import BenchmarkError, DataError, RunFolderError, did_you_mean
from harness.progress import Reporter
from harness.records import Records, open_records, schema
from harness.registry import Registry
from harness.sources import fingerprint
from harness.trained import load_frozen, load_trained

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

SETTABLE = ("train.device", "train.precision", "train.pretrained", "train.threads")  # what may differ from the run's
BATCH = 64  # photos at a time, as when features are extracted
SHOWN = 5  # unreadable photos that are named

Score = Callable[["NDArray[np.uint8]"], "NDArray[np.float64]"]  # squares [B, V, size, size, 3] -> [B, K]


@dataclass(frozen=True)
class Request:
    """What the user typed."""

    folder: Path  # of the run
    photos: Path
    out: Path = Path("submission.csv")
    arm: str | None = None
    ensemble: bool = False
    tta: bool = False
    clip: tuple[float, float] = (0.005, 0.995)
    plugins: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    snapshots: bool = False


@dataclass(frozen=True)
class Model:
    """What of a run predicts: an arm, and one of its comparison runs or all of them, each with its snapshots or not."""

    arm: str
    backbone: str
    head: str  # empty where the backbone itself was trained
    run_ids: tuple[str, ...]
    why: str  # for a person
    snapshots: bool = False


def predict(request: Request, reporter: Reporter) -> int:
    """Write a probability for every photo to ``request.out``, and return how many could not be read.

    Those get the same probability for every class. Raises HarnessError where run, photos or weights are not right.
    """
    low, high = request.clip
    if not 0 <= low < high <= 1:
        raise BenchmarkError(f"--clip: must be LOW HIGH with 0 <= LOW < HIGH <= 1, got {low} {high}")
    records = open_records(request.folder)
    classes = records.meta["data"]["classes"]
    if len(classes) < 2 or len(records.meta["data"]["input_shape"]) != 3:
        raise RunFolderError(f"{request.folder}: must be a run on photos of two or more classes, got one on other data")
    model = choose(records, request.arm, request.ensemble, request.snapshots)
    cut = _cut(records)
    places: tuple[Place, ...] = (CENTRE,)
    if request.tta and cut.scaled > cut.size:
        places += CORNERS
    reporter.say(f"predicting with {model.why}")
    if notice := records.meta["data"]["notice"]:
        reporter.say(f"note: in the run {notice}", style="bold yellow")
    if request.tta:
        corners = ", and four corners" if len(places) > 1 else "; the cut leaves no corners"
        reporter.say(f"mean over {len(places) + 1} views of each photo: as it is, mirrored{corners}")
    score = _score(request, records, model, cut, reporter)
    with open_photos(request.photos) as photos, _table(request.out) as write:
        broken = _stream(photos, cut, places, score, _columns(classes), request.clip, write, reporter)
    reporter.say(f"{len(photos)} photos predicted, into {request.out}")
    if broken:
        reporter.say(
            f"warning: {len(broken)} of {len(photos)} photos could not be read and got {1 / len(classes):.3g}:",
            style="yellow",
        )
        for line in broken[:SHOWN]:
            reporter.say(f"  {line}", style="yellow")
        if len(broken) > SHOWN:
            reporter.say(f"  ... and {len(broken) - SHOWN} more", style="yellow")
    return len(broken)


def choose(records: Records, arm: str | None = None, ensemble: bool = False, snapshots: bool = False) -> Model:
    """Return the arm whose finished comparison runs have the best mean on the tune split, and of it the best run, or all.

    With ``snapshots`` it is the best of the arms that kept some. The test split has no say. Raises RunFolderError where
    none has finished or none was kept, and BenchmarkError for an unknown ``arm``.
    """
    arms = list(records.meta["arms"])
    if arm is not None and arm not in arms:
        raise BenchmarkError(f"--arm: must be an arm of the run, got '{arm}'{did_you_mean(arm, arms)}")
    metric = records.meta["metric"]
    about = records.meta["metrics"][metric]
    sign = 1 if about["goal"] == "max" else -1
    runs = records.compared()
    done = runs[(runs["state"] == schema.DONE) & runs["arm"].isin([arm] if arm else arms)]
    if done.empty or f"tune_{metric}" not in done:
        raise RunFolderError(f"{records.folder}: must have a finished comparison run, got none; 'harness run' goes on")
    if snapshots:
        done = done[[bool(schema.snapshots(records.folder, run_id)) for run_id in done["run_id"]]]
        if done.empty:
            raise RunFolderError(
                f"{records.folder}: must have snapshots{f' of {arm}' if arm else ''}, got none; they are kept with "
                "compare.snapshots = true where a schedule has cycles (sgdr)"
            )
    tuned = sign * done.set_index(["arm", "run_id"])[f"tune_{metric}"]
    means = tuned.groupby("arm").mean()
    best = max((name for name in arms if name in means.index), key=lambda name: (means[name], -arms.index(name)))
    of_arm = done[done["arm"] == best].sort_values("seed")
    of_arm = of_arm if ensemble else of_arm.loc[[(sign * of_arm[f"tune_{metric}"]).idxmax()]]
    seeds = ", ".join(map(str, of_arm["seed"]))
    scale, unit = (100, " %") if about["unit"] == "%" else (1, f" {about['unit']}".rstrip())
    mean = f"tune {metric} {scale * sign * means[best]:.4g}{unit} on average over {len(tuned[best])} seeds"
    backbone = str(records.arms.set_index("arm").loc[best, "backbone"])
    network = best.partition("/")[0]
    head = "" if network == backbone else network.removeprefix(f"{backbone}+")
    which = f"the mean of seeds {seeds}" if ensemble else f"seed {seeds}"
    if snapshots:
        which = f"the snapshots of {which}"
    return Model(best, backbone, head, tuple(of_arm["run_id"]), f"{best}, {which} ({mean})", snapshots)


def _cut(records: Records) -> Cut:
    about = records.meta["data"]
    if not {"interpolation", "crop"} <= set(about) or "weights" not in records.meta:
        raise RunFolderError(
            f"{records.folder}: must say how its photos were cut, got a run of an earlier version; "
            "the same 'harness run' again adds that and trains nothing"
        )
    return Cut(about["input_shape"][0], about["interpolation"], about["crop"])


def _columns(classes: Sequence[str]) -> dict[str, int]:
    """Return the columns of the table, each with the class it is the probability of."""
    if len(classes) > 2:
        return {name: i for i, name in enumerate(classes)}
    dog = [i for i, name in enumerate(classes) if name.lower() in ("dog", "dogs")]
    return {"label": dog[0] if dog else 1}


def _stream(
    photos: Sequence[Numbered], cut: Cut, places: Sequence[Place], score: Score, columns: dict[str, int],
    clip: tuple[float, float], write: Callable[[Sequence[object]], object], reporter: Reporter,
) -> list[str]:  # fmt: skip
    """Write a row a photo, and return a line for each that could not be read."""
    import numpy as np

    write(["id", *columns])
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
    beside = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        with _writing(out):
            file = beside.open("w", newline="", encoding="utf-8")
        with file:
            rows = csv.writer(file, lineterminator="\n")

            def write(row: Sequence[object]) -> None:
                with _writing(out):
                    rows.writerow(row)

            yield write
            with _writing(out):
                file.flush()
        with _writing(out):
            beside.replace(out)
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"--out: must be a file that can be written, got '{out}': {error.strerror or error}") from error


# --- the network


def _score(request: Request, records: Records, model: Model, cut: Cut, reporter: Reporter) -> Score:
    """Return the function that turns squares into the mean of the model's predictions."""
    import numpy as np
    import torch

    from harness.training.batches import resident

    benchmark = _benchmark(request)
    registry = discover(_plugins(records, request.plugins, reporter), benchmark.block)
    chosen = device.choose(benchmark.train.device, benchmark.train.precision, benchmark.train.threads)
    task = registry.get("task", benchmark.train.task, Task, str(request.folder))
    looks = records.meta["weights"].get(model.backbone)
    nothing = Split(np.zeros((0, cut.size, cut.size, 3), np.uint8), np.zeros(0, np.int64), ())
    like = resident(nothing, chosen, *((looks["mean"], looks["std"]) if looks else ()))
    body, networks = _networks(request, records, model, benchmark, registry, chosen, like.input_shape, reporter)

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
        return torch.stack([of_view(view) for view in views]).mean(dim=0).cpu().numpy()

    return score


def _benchmark(request: Request) -> Benchmark:
    for override in request.overrides:
        key = override.partition("=")[0].strip()
        if key not in SETTABLE:
            raise BenchmarkError(f"--set: must be one of {', '.join(SETTABLE)} for a run that is over, got '{key}'")
    return config.load(request.folder / "benchmark.toml", overrides=request.overrides)[0]


def _plugins(records: Records, named: Sequence[Path], reporter: Reporter) -> list[Path]:
    """Return the loose plugin files: those named, and the run's own that are still where and what they were.

    What a run folder names is run only if it lies outside of it: a folder from somebody else brings no code.
    """
    found, mine = list(named), {file.stem for file in named}
    for about in records.meta.get("plugins", {}).values():
        file = Path(about.get("file", ""))
        if file.suffix != ".py" or file.stem in mine or not file.is_file():
            continue
        if records.folder.resolve() in file.resolve().parents or fingerprint(file, file.stem) != about["sha256"]:
            reporter.say(
                f"warning: plugin {file} is not the one the run was made with, so it is not used; name it with --plugin",
                style="yellow",
            )
            continue
        found.append(file)
    return found


def _networks(
    request: Request, records: Records, model: Model, benchmark: Benchmark, registry: Registry, chosen: Device,
    shape: tuple[int, ...], reporter: Reporter,
) -> tuple[torch.nn.Module | None, list[torch.nn.Module]]:  # fmt: skip
    """Return the frozen backbone, if the run had one, and the trained networks, ready on the device."""
    folder, outputs, body = request.folder, len(records.meta["data"]["classes"]), None
    files = [
        file
        for run_id in model.run_ids
        for file in (
            *(schema.snapshots(folder, run_id) if model.snapshots else ()),
            schema.solution(folder, run_id),
        )
    ]
    named = any(override.startswith("train.pretrained") for override in request.overrides)
    if model.head:
        body, shape = load_frozen(records, model.backbone, benchmark, registry, chosen, shape, reporter, named)
    trained = model.head or model.backbone
    return body, load_trained(records, trained, files, registry, chosen, shape, outputs, reporter)
