"""``harness export``: a run's model as a folder of its own, which ``harness predict`` takes, with a model card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmark.sections import Benchmark, as_plain
from harness.console.progress import Reporter
from harness.console.safe_text import impersonal
from harness.errors import RunFolderError
from harness.models.card import interval, model_card, shown, winner
from harness.models.exported import FILE, describe_model, named
from harness.models.predict import Choice, choose_model, model_of
from harness.models.trained import Model, check_weights, load_frozen, registry_for
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Backbone, Task
from harness.plugin.registry import Registry
from harness.records import Records, open_records, schema
from harness.records.checked import load_arrays
from harness.records.files import check_out_folder, new_folder
from harness.results.analysis import computed
from harness.results.tables import winner as winner_table
from harness.training import device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What of a run's recipe a card shows: what was in force when the model was trained, whatever the benchmark's sections say.
RECIPE = (
    "optimizer", "scheduler", "epochs", "batch_size", "l2", "augment", "precision", "head_epochs", "layer_factor", "batch_norm",
)  # fmt: skip


@dataclass(frozen=True)
class ExportRequest:
    """What the user typed."""

    folder: Path  # of the run
    out: Path | None = None  # a new folder; RUN-model in the current one where not said
    arm: str | None = None
    ensemble: bool = False
    light: bool = False  # without the frozen backbone's weights
    plugins: tuple[Path, ...] = ()


def export(request: ExportRequest, reporter: Reporter) -> tuple[Path, dict[str, Any]]:
    """Write the model into a new folder, and return that and what its ``model.json`` says.

    It is there whole or not at all. Raises RunFolderError for a run without a finished comparison or without its weights,
    DataError where the frozen backbone's weights are not found or the folder cannot be written.
    """
    out = request.out or Path(f"{request.folder.resolve().name}-model")
    check_out_folder(out, new=True)
    records = open_records(request.folder)
    choice = choose_model(records, request.arm, request.ensemble)
    records.check_files(choice.run_ids, "solutions/", "predictions/")
    model = model_of(records, choice)
    for file in model.files:
        if not file.is_file():
            raise RunFolderError(
                f"{file}: must be the weights of {choice.arm}, got nothing there; they were removed or, of an imported "
                "arm, never here: name another --arm"
            )
    registry = registry_for(model, request.plugins, reporter)
    frozen = check_weights(model.origin, model.backbone, registry) if model.head else None
    kept = f"backbone{frozen.suffix}" if frozen and not request.light else ""
    about = describe_model(_with_own_plugins(model, registry), kept) | _about(records, choice, request, registry)
    about = impersonal(about) | {"plain": _in_plain_words(model, frozen, registry, reporter)}
    copies = {**named(model), **({kept: frozen} if frozen and kept else {})}
    _write(out, copies, {FILE: json.dumps(about, indent=2, allow_nan=False) + "\n", "README.md": model_card(about)})
    return out, about


def _with_own_plugins(model: Model, registry: Registry) -> Model:
    """Return the model with only those of the run's plugins that it is made of."""
    used = {registry.find(kind, name, str(model.origin.folder)).plugin for kind, name in model.parts.values()}
    plugins = {name: about for name, about in model.origin.plugins.items() if name in used}
    return replace(model, origin=replace(model.origin, plugins=plugins))


def _about(records: Records, choice: Choice, request: ExportRequest, registry: Registry) -> dict[str, Any]:
    """Return what is said of a model beside what predicting needs: how it was made, and how good it is."""
    meta, arm = records.meta, records.arms.set_index("arm").loc[choice.arm]
    data, benchmark = meta.data, as_plain(Benchmark.model_validate(meta.benchmark).of_head(choice.head))
    recipe = records.recipes[choice.run_ids[0]]
    compared = records.compared()
    seeds = dict(zip(compared["run_id"], compared["seed"].astype(int), strict=True))
    return {
        "settings": {"precision": benchmark["train"]["precision"]},
        "name": benchmark["name"],
        "optimizer": str(arm["optimizer"]),
        "scheduler": str(arm["scheduler"]),
        "tuned": dict(arm["tuned_params"]),
        "pinned": [name for name, said in meta.spaces[choice.arm].items() if "fixed" in said],
        "recipe": {key: recipe[key] for key in RECIPE if key in recipe},
        "benchmark": {part: benchmark[part] for part in ("train", "search", "compare")},
        "references": meta.references,
        "data": {key: data[key] for key in ("name", "fingerprint", "counts")},
        "runs": [{"run_id": each, "seed": int(seeds[each])} for each in choice.run_ids],
        "run_folder": request.folder.resolve().name,
        "named": request.arm is not None,
        "scores": _scores(records, choice, registry),
        "environment": {key: meta.environment[key] for key in ("versions", "hardware")},
    }


def _in_plain_words(model: Model, frozen: Path | None, registry: Registry, reporter: Reporter) -> dict[str, str]:
    """Return how to build the networks without the harness, as Python text; nothing where a plugin does not say it.

    Nothing too where the frozen backbone's file has other names than the network, for then it needs reading first.
    """
    try:
        with Boundary("backbone", model.backbone, "say how to build it", everything=True):
            return _calls(model, frozen, registry, reporter)
    except PluginFailed as error:  # it may be the file too, that is no safetensors
        reporter.say(f"note: the card does not say how to load the model without the harness: {error.why}")
        return {}


def _calls(model: Model, frozen: Path | None, registry: Registry, reporter: Reporter) -> dict[str, str]:
    """Return the Python text that builds each network."""
    import torch
    from safetensors import safe_open

    parts = [registry.get("backbone", name, Backbone) for name in (model.backbone, model.head) if name]
    if model.task != "classification" or not all(part.plain for part in parts):
        return {}
    shape: tuple[int, ...] = (3, model.cut.size, model.cut.size)
    body, *head = parts
    if not head or not frozen:
        return {"network": body.plain(shape, len(model.classes))} if body.plain else {}
    chosen = device.set_up_device("cpu", "fp32", torch.get_num_threads())
    network, features = load_frozen(model.origin, model.backbone, registry, chosen, shape)
    with safe_open(frozen, "pt") as file:
        if set(network.state_dict()) - set(file.keys()):
            return {}
    texts = [
        part.plain(*of)
        for part, of in zip(parts, ((shape, 0), (features, len(model.classes))), strict=True)
        if part.plain
    ]
    return {"backbone": texts[0], "network": texts[1]}


def _scores(records: Records, choice: Choice, registry: Registry) -> dict[str, Any]:
    """Return the model's own test scores, what is to be expected of the choice that led to it, and the other arms'."""
    import numpy as np

    meta = records.meta
    task = registry.get("task", meta.benchmark["train"]["task"], Task, str(records.folder))
    files = [schema.prediction(records.folder, run_id) for run_id in choice.run_ids]
    stacked = np.stack([load_arrays(file)["predictions"] for file in files])
    predictions: NDArray[np.float32] = np.asarray(stacked.mean(axis=0, dtype=np.float64), np.float32)
    with Boundary("task", task.name, "compute its metrics"):
        own = {name: float(m.compute(predictions, records.targets)) for name, m in task.metrics.items()}
    table = computed(winner_table.ANALYSIS, records)
    arms = [_plain(row) for row in table.to_dict("records")]
    return {"metric": meta.metric, "metrics": meta.metrics, "own": own, "arms": arms}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of a table as JSON takes it: without what is not known."""
    values = {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
    return {key: value for key, value in values.items() if value == value}


def _write(out: Path, copies: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    needed = sum(file.stat().st_size for file in copies.values())
    with new_folder(out, "name another folder with --out", needed) as folder:
        for name, file in copies.items():
            shutil.copyfile(file, folder / name)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def lines(out: Path, about: Mapping[str, Any]) -> list[str]:
    """Return for a person what was exported, and what to expect of it."""
    scores = about["scores"]
    metric, best = scores["metric"], winner(about)
    seeds = ", ".join(str(each["seed"]) for each in about["runs"])
    found = [f"{about['arm']}, seed {seeds}, into {out}"]
    if "expected" in best:
        spread = interval(scores, best)
        covers = f", 95 % interval {spread} over {best['covers']}" if spread else ""
        found.append(
            f"expected test {metric} of the choice: {shown(scores, metric, best['expected'])}{covers}; "
            f"the best test mean of any arm looks better by {shown(scores, metric, best['optimism'], points=True)}"
        )
    found.append(f"test {metric} of this model: {shown(scores, metric, scores['own'][metric])}")
    return [*found, f"harness predict {out} FOLDER_OR_ZIP --out submission.csv"]
