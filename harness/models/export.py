"""A run's model as a folder of its own, which ``harness predict`` takes, with a model card: ``harness export``."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmark.sections import Benchmark, as_plain
from harness.console.numbers import joined
from harness.console.progress import Reporter
from harness.console.safe_text import impersonal
from harness.errors import RunFolderError
from harness.models.card import interval_text, model_card, own_interval_text, score_text, winner_row
from harness.models.choice import Choice, build_model, choose_model
from harness.models.exported import check_place, describe_model, network_files, write_model
from harness.models.formats.writing import check_formats, format_line, write_formats
from harness.models.trained import Model, check_weights, load_frozen, registry_for
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Backbone, Task
from harness.plugin.registry import Registry
from harness.records import Records, open_records, schema
from harness.records.checked import load_arrays
from harness.records.files import new_folder
from harness.results.analysis import computed
from harness.results.tables import winner as winner_table
from harness.statistics.proportions import clopper_pearson
from harness.training import device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Parts of a run's recipe that a card shows: they were in force when the model was trained.
RECIPE = (
    "optimizer", "scheduler", "epochs", "batch_size", "l2", "l2_on", "class_weights", "augment", "precision", "head_epochs", "layer_factor", "batch_norm",
)  # fmt: skip


@dataclass(frozen=True)
class ExportRequest:
    """The run whose model is exported, which model it is, and where it goes."""

    folder: Path  # of the run
    out: Path | None = None  # a new folder; RUN-model in the current one where not said
    arm: str | None = None
    ensemble: bool = False
    light: bool = False  # without the frozen backbone's weights
    plugins: tuple[Path, ...] = ()
    formats: tuple[str, ...] = ()  # further ones, of models.formats
    force: bool = False  # replace a model that is there


def export(request: ExportRequest, reporter: Reporter) -> tuple[Path, dict[str, Any]]:
    """Write the model into a new folder, and return the folder and the content of its ``model.json``.

    The folder is written whole or not at all; every further format predicts what ``harness predict`` does.

    Raises RunFolderError for a run without a finished comparison or without its weights, and DataError where the frozen backbone's
    weights are not found or the folder cannot be written, or has a model already.
    """
    records = open_records(request.folder)
    out = request.out or Path(f"{request.folder.resolve().name}-model")
    check_place(out, request.force)
    choice = choose_model(records, request.arm, request.ensemble)
    records.check_files(choice.run_ids, "solutions/", "predictions/")
    model = build_model(records, choice)
    for file in model.files:
        if not file.is_file():
            raise RunFolderError(
                f"{file}: must be the weights of {choice.arm}, got nothing there; they were removed or, of an imported "
                "arm, never here: name another --arm"
            )
    check_formats(request.formats, model)
    reporter.say(f"exporting {model.why}")
    registry = registry_for(model, request.plugins, reporter)
    frozen = check_weights(model.origin, model.backbone, registry) if model.head else None
    backbone_file = f"backbone{frozen.suffix}" if frozen and not request.light else ""
    description = describe_model(_with_own_plugins(model, registry), backbone_file)
    description |= _describe_training(records, choice, request, registry)
    description = impersonal(description) | {"plain": _python_text(model, frozen, registry, reporter)}
    copies = {**network_files(model), **({backbone_file: frozen} if frozen and backbone_file else {})}
    with new_folder(out, "name another folder with --out", _size_of(copies), replaces=request.force) as folder:
        for name, file in copies.items():
            shutil.copyfile(file, folder / name)
        with reporter.during(
            f"writing and checking {joined(request.formats)}" if request.formats else "writing the card"
        ):
            description["formats"] = write_formats(request.formats, model, registry, folder)
        write_model(folder, description)
        (folder / "README.md").write_text(model_card(description), encoding="utf-8")
    return out, description


def _with_own_plugins(model: Model, registry: Registry) -> Model:
    """Return the model without the plugins of the run that it does not need."""
    used = {registry.find(kind, name, str(model.origin.folder)).plugin for kind, name in model.parts.values()}
    plugins = {name: source for name, source in model.origin.plugins.items() if name in used}
    return replace(model, origin=replace(model.origin, plugins=plugins))


def _describe_training(records: Records, choice: Choice, request: ExportRequest, registry: Registry) -> dict[str, Any]:
    """Return the part of ``model.json`` that predicting does not need: how the model was made, and how good it is."""
    meta, arm = records.meta, records.arms.set_index("arm").loc[choice.arm]
    data, benchmark = meta.data, as_plain(Benchmark.model_validate(meta.benchmark).of_head(choice.head))
    recipe = records.recipes[choice.run_ids[0]]
    refit = next((note for note in meta.refits.values() if choice.run_ids == (note["run_id"],)), None)
    return {
        "settings": {"precision": benchmark["train"]["precision"]},
        "name": benchmark["name"],
        "optimizer": str(arm["optimizer"]),
        "scheduler": str(arm["scheduler"]),
        "tuned": dict(arm["tuned_params"]),
        "pinned": [name for name, space in meta.spaces[choice.arm].items() if "fixed" in space],
        "recipe": {key: recipe[key] for key in RECIPE if key in recipe},
        "benchmark": {part: benchmark[part] for part in ("train", "search", "compare")},
        "references": meta.references,
        "data": {key: data[key] for key in ("name", "fingerprint", "counts")},
        "runs": [{"run_id": run_id, "seed": records.recipes[run_id]["init_seed"]} for run_id in choice.run_ids],
        "refit": {**refit, "best": choice.arm == choose_model(records).arm} if refit else None,
        "run_folder": request.folder.resolve().name,
        "named": request.arm is not None,
        "scores": _collect_scores(records, choice, registry),
        "environment": {key: meta.environment[key] for key in ("versions", "hardware")},
    }


def _python_text(model: Model, frozen: Path | None, registry: Registry, reporter: Reporter) -> dict[str, str]:
    """Return how to build the networks without the harness, as Python text; empty where a plugin does not say it.

    It is empty too where the frozen backbone's file has other names than the network: such a file has to be converted first.
    """
    try:
        with Boundary("backbone", model.backbone, "say how to build it", everything=True):
            return _build_calls(model, frozen, registry)
    except PluginFailed as error:  # it may be the file too, that is no safetensors
        reporter.say(f"note: the card does not say how to load the model without the harness: {error.why}")
        return {}


def _build_calls(model: Model, frozen: Path | None, registry: Registry) -> dict[str, str]:
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
    if not body.plain or not head[0].plain:
        return {}
    return {"backbone": body.plain(shape, 0), "network": head[0].plain(features, len(model.classes))}


def _collect_scores(records: Records, choice: Choice, registry: Registry) -> dict[str, Any]:
    """Return the model's own test scores, and for every arm its scores and what to expect of choosing an arm this way."""
    import numpy as np

    meta = records.meta
    task = registry.get("task", meta.benchmark["train"]["task"], Task, str(records.folder))
    files = [schema.prediction(records.folder, run_id) for run_id in choice.run_ids]
    stacked = np.stack([load_arrays(file)["predictions"] for file in files])
    predictions: NDArray[np.float32] = np.asarray(stacked.mean(axis=0, dtype=np.float64), np.float32)
    with Boundary("task", task.name, "compute its metrics"):
        scores = {name: float(metric.compute(predictions, records.targets)) for name, metric in task.metrics.items()}
    table = computed(winner_table.ANALYSIS, records)
    arms = [_plain_row(row) for row in table.to_dict("records")]
    own_scores = {name: score for name, score in scores.items() if math.isfinite(score)}
    undefined = [name for name in scores if name not in own_scores]
    intervals = {name: interval for name, score in own_scores.items() if (interval := _interval(records, name, score))}
    return {
        "metric": meta.metric, "metrics": meta.metrics, "own": own_scores, "own_intervals": intervals,
        "undefined": undefined, "arms": arms,
    }  # fmt: skip


def _interval(records: Records, metric: str, score: float) -> dict[str, float]:
    """Return the exact 95 % interval of a model's test score over test examples; empty where it is no proportion of them."""
    examples = records.examples_of(f"test_{metric}")
    if not examples:
        return {}
    low, high = clopper_pearson(score, examples)
    return {"low": float(low), "high": float(high), "examples": examples}


def _plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of a table as JSON takes it; unknown values are left out."""
    values = {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
    return {key: value for key, value in values.items() if value == value}  # false for NaN


def _size_of(copies: Mapping[str, Path]) -> int:
    return sum(file.stat().st_size for file in copies.values())


def lines(out: Path, description: Mapping[str, Any]) -> list[str]:
    """Return, for a person, which model was exported and what to expect of it."""
    scores = description["scores"]
    metric, best = scores["metric"], winner_row(description)
    seeds = ", ".join(str(run["seed"]) for run in description["runs"])
    out_lines = [f"{description['arm']}, seed {seeds}, into {out}"]
    if "expected" in best:
        spread = interval_text(scores, best)
        covers = f", 95 % interval {spread} over {best['covers']}" if spread else ""
        out_lines.append(
            f"expected test {metric} of the choice: {score_text(scores, metric, best['expected'])}{covers}; "
            f"the best test mean of any arm looks better by {score_text(scores, metric, best['optimism'], points=True)}"
        )
    own_interval = own_interval_text(scores, metric)
    over = f", 95 % interval {own_interval} over test examples" if own_interval else ""
    out_lines.append(f"test {metric} of this model: {score_text(scores, metric, scores['own'][metric])}{over}")
    out_lines += map(format_line, description["formats"])
    return [*out_lines, f"harness predict {out} FOLDER_OR_ZIP --out submission.csv"]
