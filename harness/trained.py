"""The networks of a finished run, ready for use: the frozen backbone it had, and what it trained, out of ``solutions/``.

The backbone's weights must be those of the run, by their hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import Benchmark
from harness.contracts import Backbone, Weights
from harness.device import Device
from harness.errors import DataError, PluginError, RunFolderError, one_line
from harness.pretrained import find_weights
from harness.progress import Reporter
from harness.records import Records
from harness.registry import Registry

if TYPE_CHECKING:
    import torch


def load_frozen(
    records: Records, name: str, benchmark: Benchmark, registry: Registry, chosen: Device, shape: tuple[int, ...],
    reporter: Reporter, named: bool = False,
) -> tuple[torch.nn.Module, tuple[int, ...]]:  # fmt: skip
    """Return the frozen backbone of a run, ready on the device, and the shape of its features.

    Its weights are the file the run used, unless the benchmark's ``pretrained`` was ``named`` anew.
    """
    import torch

    backbone = _backbone(registry, name, records, reporter)
    body = _ready(backbone.build(shape, 0, _weights(records, benchmark, backbone, named)), chosen)
    with torch.no_grad():
        return body, tuple(body(torch.zeros(1, *shape, device=chosen.name)).shape[1:])


def load_trained(
    records: Records, name: str, files: Sequence[Path], registry: Registry, chosen: Device, shape: tuple[int, ...],
    outputs: int, reporter: Reporter,
) -> list[torch.nn.Module]:  # fmt: skip
    """Return a trained network, or head, from each of these files, ready on the device."""
    backbone = _backbone(registry, name, records, reporter)
    networks = []
    for file in files:
        network = backbone.build(shape, outputs)
        _load(network, file)
        networks.append(_ready(network, chosen))
    return networks


def _ready(network: Any, chosen: Device) -> Any:
    import torch

    return network.to(chosen.name).to(memory_format=torch.channels_last).eval()


def _backbone(registry: Registry, name: str, records: Records, reporter: Reporter) -> Backbone:
    found = registry.find("backbone", name, str(records.folder))
    recorded = records.meta.get("plugins", {}).get(found.plugin)
    if recorded and recorded["sha256"] != found.sha256:
        reporter.say(f"warning: plugin {found.plugin} has changed since the run was made", style="yellow")
    assert isinstance(found.offer, Backbone)
    return found.offer


def _weights(records: Records, benchmark: Benchmark, backbone: Backbone, named: bool) -> Weights:
    """Return the weights the backbone was frozen at: the file the run used, or the one found in the same way."""
    recorded = records.meta["weights"][backbone.name]
    file = Path(recorded["file"])
    if backbone.weights and file.is_file() and not named:
        weights = backbone.weights(file)
    else:
        said = benchmark.train.pretrained
        weights = find_weights(backbone, said, Path() if named else records.folder, "train.pretrained")
    if weights.sha256 != recorded["sha256"]:
        raise DataError(
            f"{weights.file}: must be the weights the run was made with (SHA-256 {recorded['sha256'][:12]}...), "
            f"got {weights.sha256[:12]}...; name their file with --set train.pretrained=FILE"
        )
    return weights


def _load(network: torch.nn.Module, file: Path) -> None:
    from safetensors.torch import load_file

    try:
        state = load_file(file)
    except Exception as error:  # safetensors raises its own
        raise RunFolderError(f"{file}: must be the weights of a finished run, got {one_line(error)}") from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise PluginError(
            f"{file}: must fit the network, got {one_line(error):.300}; use the plugins of the run"
        ) from error
