"""Trained networks, ready for use: the frozen backbone, if there is one, and the networks that were trained.

They come from a run folder or from an exported one; a ``Model`` describes both alike. The backbone's weights must have the
hash of those that the networks were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from harness.console.progress import Reporter
from harness.data.squares import Cut
from harness.errors import DataError, PluginError, UnknownName, one_line
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Backbone, Kind, Weights
from harness.plugin.discovery import discover
from harness.plugin.registry import Registry
from harness.records import Records
from harness.records.checked import load_tensors
from harness.training.device import Device
from harness.training.pretrained import find_weights

if TYPE_CHECKING:
    import torch

SHOWN = 3  # plugins that are named as missing


@dataclass(frozen=True)
class Origin:
    """Where networks come from, a run folder or an exported one, and the plugins and weights they were made with."""

    folder: Path
    plugins: Mapping[str, Mapping[str, str]]  # by plugin: its origin, its file if it is a loose one, and its SHA-256
    weights: Mapping[str, Mapping[str, Any]]  # by backbone: file, sha256, mean and std of its pretrained weights
    pretrained: bool | str = True  # train.pretrained: how weights are found where their file is gone
    named: bool = False  # the user has just set train.pretrained, which then goes before the file
    sources: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of each part's plugin; none of an exported model


@dataclass(frozen=True)
class Model:
    """One trained network that predicts, or several whose predictions are averaged."""

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

    @property
    def parts(self) -> dict[str, tuple[Kind, str]]:
        """The kind and the name of the plugin for each part that predicting needs, by part as a recipe calls it."""
        parts: dict[str, tuple[Kind, str]] = {"task": ("task", self.task), "backbone": ("backbone", self.backbone)}
        return parts | ({"head": ("backbone", self.head)} if self.head else {})


def origin_of(records: Records, pretrained: bool | str | None = None, run_id: str | None = None) -> Origin:
    """Return where a run's networks come from; ``pretrained`` replaces the benchmark's train.pretrained.

    With ``run_id`` it includes the hashes of the plugins that this run was made with, by part.
    """
    meta = records.meta
    setting = meta.benchmark["train"].get("pretrained", True) if pretrained is None else pretrained
    sources = records.recipes[run_id].get("plugins", {}) if run_id else {}
    weights, named = meta.weights, pretrained is not None
    return Origin(records.folder, meta.plugins, weights, setting, named, sources)


def registry_for(model: Model, plugins: Sequence[Path], reporter: Reporter) -> Registry:
    """Return the installed plugins and those of these files; raises PluginError for a plugin of the model that is missing.

    Nothing that a run folder or a model names is imported: the user has to name a loose plugin.
    """
    registry = discover(plugins, model.block, check_block=False)
    for part, (kind, name) in model.parts.items():
        try:
            plugin = registry.find(kind, name, str(model.origin.folder))
        except UnknownName as error:
            if missing := _list_missing(model.origin, part, registry):
                raise PluginError(
                    f"{model.origin.folder}: must have the plugin of the {part} '{name}', got none of that name; "
                    f"nothing that a run or a model names is imported by itself: name its file with --plugin FILE ({missing})"
                ) from error
            raise
        sha256 = model.origin.sources.get(part) or model.origin.plugins.get(plugin.plugin, {}).get("sha256")
        if sha256 and sha256 != plugin.sha256:
            reporter.say(
                f"warning: plugin {plugin.plugin} has changed since the run was made "
                f"(SHA-256 {sha256[:12]}... then, {plugin.sha256[:12]}... now)",
                style="yellow",
            )
    return registry


def _list_missing(origin: Origin, part: str, registry: Registry) -> str:
    """Return in words the recorded plugins that are not here and may be the one of a part; "" for none."""
    absent = {name: source for name, source in origin.plugins.items() if name not in registry.origins}
    sha256 = origin.sources.get(part)
    exact = {name: source for name, source in absent.items() if source.get("sha256") == sha256}
    shown = [
        f"{_file_name(name, str(source.get('origin', '')))}, SHA-256 {str(source.get('sha256'))[:12]}..."
        for name, source in (exact or absent).items()
    ]
    return "; ".join(shown[:SHOWN])


def _file_name(name: str, origin: str) -> str:
    """Return the name of a loose plugin's file, or an installed plugin's name and its distribution."""
    if origin.endswith(".py"):
        return PurePath(origin.replace("\\", "/")).name
    return f"{name} of {origin}" if origin else name


def load_networks(
    model: Model, registry: Registry, chosen: Device
) -> tuple[torch.nn.Module | None, list[torch.nn.Module]]:
    """Return the frozen backbone, if the model has one, and the trained networks, ready on the device."""
    shape: tuple[int, ...] = (3, model.cut.size, model.cut.size)
    body = None
    if model.head:
        body, shape = load_frozen(model.origin, model.backbone, registry, chosen, shape)
    trained = model.head or model.backbone
    return body, load_trained(model.origin, trained, model.files, registry, chosen, shape, len(model.classes))


def load_frozen(
    origin: Origin, name: str, registry: Registry, chosen: Device, shape: tuple[int, ...]
) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """Return a frozen backbone, ready on the device, and the shape of its features.

    Its weights are the file that was used, unless the user has named another place anew.
    """
    import torch

    backbone = registry.get("backbone", name, Backbone, str(origin.folder))
    weights = _find_frozen_weights(origin, backbone)
    with Boundary("backbone", name, "build"):
        body = _put_on_device(backbone.build(shape, 0, weights), chosen)
    with torch.no_grad(), Boundary("backbone", name, "map inputs to outputs"):
        return body, tuple(body(torch.zeros(1, *shape, device=chosen.name)).shape[1:])


def load_trained(
    origin: Origin, name: str, files: Sequence[Path], registry: Registry, chosen: Device, shape: tuple[int, ...],
    outputs: int,
) -> list[torch.nn.Module]:  # fmt: skip
    """Return a trained network, or head, from each of these files, ready on the device."""
    backbone = registry.get("backbone", name, Backbone, str(origin.folder))
    networks = []
    for file in files:
        with Boundary("backbone", name, "build"):
            network = backbone.build(shape, outputs)
            _load_state(network, file)
        networks.append(_put_on_device(network, chosen))
    return networks


def check_weights(origin: Origin, name: str, registry: Registry) -> Path:
    """Return the file with a frozen backbone's weights; raises DataError where they are not those that were used."""
    return _find_frozen_weights(origin, registry.get("backbone", name, Backbone, str(origin.folder))).file


def _put_on_device(network: Any, chosen: Device) -> Any:
    import torch

    return network.to(chosen.name).to(memory_format=torch.channels_last).eval()


def _find_frozen_weights(origin: Origin, backbone: Backbone) -> Weights:
    """Return the weights the backbone was frozen at: the file that was used, or the one found in the same way."""
    recorded = origin.weights[backbone.name]
    file = Path(recorded["file"])
    if backbone.weights and file.is_file() and not origin.named:
        with Boundary("backbone", backbone.name, "have weights"):
            weights = backbone.weights(file)
    else:
        folder = Path() if origin.named else origin.folder
        weights = find_weights(backbone, origin.pretrained, folder, "train.pretrained")
    if weights.sha256 != recorded["sha256"]:
        raise DataError(
            f"{weights.file}: must be the weights the run was made with (SHA-256 {recorded['sha256'][:12]}...), "
            f"got {weights.sha256[:12]}...; name their file with --set train.pretrained=FILE"
        )
    return weights


def _load_state(network: torch.nn.Module, file: Path) -> None:
    state, _ = load_tensors(file)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise PluginError(
            f"{file}: must fit the network, got {one_line(error):.300}; use the plugins of the run"
        ) from error
