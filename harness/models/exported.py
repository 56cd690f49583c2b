"""The exported folder: a model of a run, with everything that predicting needs and nothing else of the run.

    model.json              what a photo goes through, the networks and their hashes, how they were trained and scored
    network*.safetensors    trained weights, one file per network
    backbone.*              the frozen backbone's pretrained weights, where there is one and the export is not light
    README.md               a model card

Every file that it names lies in the folder itself. It brings no code: the user has to name a loose plugin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.squares import Cut
from harness.errors import DataError, HarnessError, RunFolderError, arguments, one_line, shown
from harness.models.trained import Model, Origin
from harness.records.files import check_out_folder, checksum

FILE = "model.json"
FORMAT, VERSION = "optimizer-harness model", 1
MOST_BYTES = 2**24  # of model.json


def is_export(folder: Path) -> bool:
    """Return whether a folder is an exported model."""
    return (arguments.path("folder", folder) / FILE).is_file()


def check_place(out: Path, force: bool) -> None:
    """Raise DataError for a place that no model can be written to; one with a model is replaced with ``force`` alone."""
    if not _has_model(out):
        check_out_folder(out, new=True)
        return
    check_out_folder(out)
    if not force:
        raise DataError(
            f"--out: must be a new folder, got '{out}', which has an exported model; name another, or replace it with --force"
        )


def _has_model(folder: Path) -> bool:
    """Return whether a folder has a model that was exported, of whatever version."""
    try:
        content = json.loads((folder / FILE).read_bytes()) if (folder / FILE).stat().st_size <= MOST_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT and not folder.is_symlink()


def describe_model(model: Model, frozen: str) -> dict[str, Any]:
    """Return the values from which ``read_model`` builds the model; ``frozen`` is the backbone's file there, or ""."""
    weights = model.origin.weights.get(model.backbone)
    used = {"sha256": weights["sha256"], "file": frozen} if weights else None
    return {
        "format": FORMAT,
        "version": VERSION,
        "arm": model.arm,
        "task": model.task,
        "classes": list(model.classes),
        "input": {
            "size": model.cut.size, "scaled": model.cut.scaled, "interpolation": model.cut.interpolation,
            "crop": model.cut.crop, "mean": list(model.mean), "std": list(model.std),
        },
        "backbone": model.backbone,
        "head": model.head,
        "pretrained": used,
        "networks": [{"file": name, "sha256": checksum(file)} for name, file in network_files(model).items()],
        "plugins": {name: {"origin": source["origin"], "sha256": source["sha256"]} for name, source in model.origin.plugins.items()},
        "notice": model.notice,
    }  # fmt: skip


def write_model(folder: Path, description: Mapping[str, Any]) -> None:
    """Write the ``model.json`` of an exported folder."""
    text = json.dumps(description, indent=2, allow_nan=False) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")


def network_files(model: Model) -> dict[str, Path]:
    """Return the files of the model's trained weights, by the names that they have in an exported folder."""
    if len(model.files) == 1:
        return {"network.safetensors": model.files[0]}
    return {f"network-{number}.safetensors": file for number, file in enumerate(model.files)}


def read_model(folder: Path) -> tuple[Model, Mapping[str, Any]]:
    """Return an exported model, its weights checked against their hashes, and the content of its ``model.json``.

    Raises RunFolderError where the folder is no exported model of this version, or is damaged.
    """
    folder = arguments.path("folder", folder)
    file = folder / FILE
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
        description = json.loads(file.read_text(encoding="utf-8"))
        kind = (description["format"], description["version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{file}: must be an exported model, got {one_line(error)}; export it again") from error
    if kind != (FORMAT, VERSION):
        raise RunFolderError(
            f"{file}: must be of format '{FORMAT}' and version {VERSION}, got {kind[0]!r} and {kind[1]!r}; "
            "use the release that wrote it"
        )
    try:
        return _build_model(folder, description), description
    except HarnessError:
        raise
    except Exception as error:  # anything may stand in a damaged file
        raise RunFolderError(f"{file}: must be whole, got {one_line(error)}; export it again") from error


def _build_model(folder: Path, description: Mapping[str, Any]) -> Model:
    looks, used, networks = description["input"], description["pretrained"], description["networks"]
    if not networks:
        raise ValueError("no networks")
    plugins = {
        name: {"origin": str(source.get("origin", "")), "sha256": str(source["sha256"])}
        for name, source in description["plugins"].items()
    }  # for a person: it brings no code
    weights = {}
    if used:
        frozen = str(_file_inside(folder, used["file"])) if used["file"] else ""
        weights[description["backbone"]] = {"sha256": used["sha256"], "file": frozen}
    return Model(
        origin=Origin(folder, plugins, weights),
        arm=description["arm"],
        backbone=description["backbone"],
        head=description["head"],
        task=description["task"],
        classes=tuple(description["classes"]),
        cut=Cut(int(looks["size"]), looks["interpolation"], float(looks["crop"])),
        mean=tuple(map(float, looks["mean"])),
        std=tuple(map(float, looks["std"])),
        files=tuple(_check_file(_file_inside(folder, network["file"]), network["sha256"]) for network in networks),
        why=f"{description['arm']}, exported ({len(networks)} network{'s' if len(networks) > 1 else ''})",
        notice=description["notice"],
    )


def _file_inside(folder: Path, name: str) -> Path:
    """Return a file of the folder; raises RunFolderError for a name that leads out of it."""
    if Path(name).name != name:
        raise RunFolderError(f"{folder / FILE}: must name files of its own folder, got {shown(name)}")
    return folder / name


def _check_file(file: Path, sha256: str) -> Path:
    if not file.is_file():
        raise RunFolderError(f"{file}: must be there, as {FILE} says, got nothing; export the model again")
    if (actual := checksum(file)) != sha256:
        raise RunFolderError(
            f"{file}: must be the exported weights (SHA-256 {sha256[:12]}...), got {actual[:12]}...; export the model again"
        )
    return file
