"""Trained networks, ready for use: a frozen backbone, if there was one, and what was trained, from its files.

They come from a run folder or from an exported one, and a ``Model`` says all of what predicts, whichever it was. The
backbone's weights must be those it was made with, by their hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.boundary import Boundary
from harness.contracts import Backbone, Weights
from harness.data.images import Cut
from harness.device import Device
from harness.errors import DataError, PluginError, RunFolderError, one_line
from harness.pretrained import find_weights
from harness.progress import Reporter
from harness.records import Records
from harness.records.checked import AGAIN, load_tensors
from harness.registry import Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Origin:
    """Where networks come from, a run folder or an exported one, and what they were made with."""

    folder: Path
    plugins: Mapping[str, Mapping[str, str]]  # by plugin: its origin, its file if it is a loose one, and its SHA-256
    weights: Mapping[str, Mapping[str, Any]]  # by backbone: file, sha256, mean and std of its pretrained weights
    pretrained: bool | str = True  # as in a benchmark: how they are found where that file is not there
    named: bool = False  # the user has just said ``pretrained``: it goes before the file


@dataclass(frozen=True)
class Model:
    """What predicts: one trained network, or several whose predictions are averaged."""

    origin: Origin
    arm: str
    backbone: str
    head: str  # what was trained on the frozen backbone's features; empty where the backbone itself was trained
    task: str
    classes: tuple[str, ...]
    cut: Cut  # how a photo becomes the square that a network sees
    mean: tuple[float, ...]  # of pixels in [0, 1], one per channel or one for all
    std: tuple[float, ...]
    files: tuple[Path, ...]  # of trained weights, one per network
    why: str  # for a person: which model, and who chose it
    notice: str = ""  # of the data it was trained on
    block: tuple[str, ...] = ()  # plugins left out


def origin_of(records: Records, pretrained: bool | str | None = None) -> Origin:
    """Return where a run's networks come from; ``pretrained`` where the user has just said another."""
    meta = records.meta
    said = meta["benchmark"]["train"].get("pretrained", True) if pretrained is None else pretrained
    weights = meta.get("weights", {})
    return Origin(records.folder, meta.get("plugins", {}), weights, said, named=pretrained is not None)


def load(
    model: Model, registry: Registry, chosen: Device, reporter: Reporter
) -> tuple[torch.nn.Module | None, list[torch.nn.Module]]:
    """Return the frozen backbone, if the model has one, and the trained networks, ready on the device."""
    shape: tuple[int, ...] = (3, model.cut.size, model.cut.size)
    body = None
    if model.head:
        body, shape = load_frozen(model.origin, model.backbone, registry, chosen, shape, reporter)
    trained = model.head or model.backbone
    return body, load_trained(model.origin, trained, model.files, registry, chosen, shape, len(model.classes), reporter)


def load_frozen(
    origin: Origin, name: str, registry: Registry, chosen: Device, shape: tuple[int, ...], reporter: Reporter
) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """Return a frozen backbone, ready on the device, and the shape of its features.

    Its weights are the file that was used, unless the user has named another place anew.
    """
    import torch

    backbone = _backbone(registry, name, origin, reporter)
    weights = _weights(origin, backbone)
    with Boundary("backbone", name, "build"):
        body = _ready(backbone.build(shape, 0, weights), chosen)
    with torch.no_grad(), Boundary("backbone", name, "map inputs to outputs"):
        return body, tuple(body(torch.zeros(1, *shape, device=chosen.name)).shape[1:])


def load_trained(
    origin: Origin, name: str, files: Sequence[Path], registry: Registry, chosen: Device, shape: tuple[int, ...],
    outputs: int, reporter: Reporter,
) -> list[torch.nn.Module]:  # fmt: skip
    """Return a trained network, or head, from each of these files, ready on the device."""
    backbone = _backbone(registry, name, origin, reporter)
    networks = []
    for file in files:
        with Boundary("backbone", name, "build"):
            network = backbone.build(shape, outputs)
            _load(network, file)
        networks.append(_ready(network, chosen))
    return networks


def check_weights(origin: Origin, name: str, registry: Registry) -> Path:
    """Return the file with a frozen backbone's weights; raises DataError where they are not those that were used."""
    return _weights(origin, registry.get("backbone", name, Backbone, str(origin.folder))).file


def _ready(network: Any, chosen: Device) -> Any:
    import torch

    return network.to(chosen.name).to(memory_format=torch.channels_last).eval()


def _backbone(registry: Registry, name: str, origin: Origin, reporter: Reporter) -> Backbone:
    found = registry.find("backbone", name, str(origin.folder))
    recorded = origin.plugins.get(found.plugin)
    if recorded and recorded["sha256"] != found.sha256:
        reporter.say(f"warning: plugin {found.plugin} has changed since the run was made", style="yellow")
    assert isinstance(found.offer, Backbone)
    return found.offer


def _weights(origin: Origin, backbone: Backbone) -> Weights:
    """Return the weights the backbone was frozen at: the file that was used, or the one found in the same way."""
    recorded = origin.weights[backbone.name]
    file = Path(recorded["file"])
    if backbone.weights and file.is_file() and not origin.named:
        with Boundary("backbone", backbone.name, "have weights"):
            weights = backbone.weights(file)
    else:
        beside = Path() if origin.named else origin.folder
        weights = find_weights(backbone, origin.pretrained, beside, "train.pretrained")
    if weights.sha256 != recorded["sha256"]:
        raise DataError(
            f"{weights.file}: must be the weights the run was made with (SHA-256 {recorded['sha256'][:12]}...), "
            f"got {weights.sha256[:12]}...; name their file with --set train.pretrained=FILE"
        )
    return weights


def _load(network: torch.nn.Module, file: Path) -> None:
    try:
        state, _ = load_tensors(file)
    except Exception as error:  # safetensors raises its own
        raise RunFolderError(
            f"{file}: must be the weights of a finished run, got {one_line(error)}; {AGAIN}"
        ) from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise PluginError(
            f"{file}: must fit the network, got {one_line(error):.300}; use the plugins of the run"
        ) from error
