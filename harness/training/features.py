"""Features of a frozen backbone, extracted once and kept on disk by content.

The key covers data, weights, network and precision, so the second benchmark on the same photos extracts nothing. What
comes back is ordinary data: ``float32 [N, F]`` where the images were.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.data.cache import check_whole, read_or_make, replacing_cached, say_not_kept
from harness.data.places import cache_folder
from harness.errors import DiskError, PluginError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Backbone, Data, Split, Weights
from harness.plugin.runs import digest
from harness.training.device import Device, environment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 64  # images at a time; more is no faster, and takes memory
VERSION = 1  # raised whenever the same network and photos give other features

Progress = Callable[[str, int, int], None]


def extract(
    backbone: Backbone, weights: Weights, data: Data, device: Device, progress: Progress, source: str = ""
) -> Data:
    """Return the data with its images replaced by the backbone's pooled features.

    ``source`` is the hash of the backbone's plugin: a corrected one gives other features.
    """
    network = _describe_network(backbone, weights, device, source)
    rows = _read_or_compute(
        backbone, weights, [data.train, data.tune, data.test], [data.fingerprint, network], device, progress
    )
    splits, start = {}, 0
    for name in ("train", "tune", "test"):
        split: Split = getattr(data, name)
        splits[name] = replace(split, inputs=rows[start : start + len(split)])
        start += len(split)
    return replace(data, fingerprint=digest([data.fingerprint, network]), **splits)  # type: ignore[arg-type]


def extract_mirrored(
    backbone: Backbone, weights: Weights, data: Data, device: Device, progress: Progress, source: str = ""
) -> Split:
    """Return the test split with its images replaced by the features of their mirror images."""
    key = [data.fingerprint, _describe_network(backbone, weights, device, source)]
    rows = _read_or_compute(backbone, weights, [data.test], key, device, progress, mirrored=True)
    return replace(data.test, inputs=rows)


def _describe_network(backbone: Backbone, weights: Weights, device: Device, source: str) -> list[Any]:
    """Return everything that the features of an image depend on."""
    versions = environment(device)["versions"]
    looks = [weights.sha256, list(weights.mean), list(weights.std)]
    return [backbone.name, source, versions["timm"], versions["torch"], *looks, device.precision, device.type]


def _read_or_compute(
    backbone: Backbone, weights: Weights, splits: Sequence[Split], of: list[Any], device: Device,
    progress: Progress, mirrored: bool = False,
) -> NDArray[np.float32]:  # fmt: skip
    """Return the features ``[N, F]`` of these splits, one after the other, from the cache or computed."""
    import numpy as np

    key = ["features", VERSION, *of, *(["mirrored"] if mirrored else [])]
    file = cache_folder() / "features" / f"{digest(key)[:32]}.npy"
    notes = file.with_suffix(".json")
    rows: NDArray[np.float32]

    def read() -> NDArray[np.float32]:
        check_whole(file, json.loads(notes.read_text(encoding="utf-8"))["sha256"])
        stored: NDArray[np.float32] = np.load(file, mmap_mode="c")
        return stored

    def make() -> None:
        nonlocal rows
        rows, content = _compute_features(backbone, weights, splits, device, progress, mirrored), io.BytesIO()
        with replacing_cached(file) as out:
            np.save(content, rows)
            with replacing_cached(notes) as text:  # there before the features are
                text.write(json.dumps({"sha256": hashlib.sha256(content.getbuffer()).hexdigest()}).encode())
            out.write(content.getbuffer())

    try:
        rows = read_or_make(read, make)
    except DiskError as error:
        say_not_kept("features", error)
    return rows


def _compute_features(
    backbone: Backbone, weights: Weights, stored: Sequence[Split], device: Device, progress: Progress, mirrored: bool
) -> NDArray[np.float32]:
    import numpy as np
    import torch

    from harness.training.batches import put_on_device

    splits = [replace(put_on_device(s, device, weights.mean, weights.std), mirrored=mirrored) for s in stored]
    total = sum(len(split) for split in splits)
    model = _call_backbone(backbone, lambda: backbone.build(splits[0].input_shape, 0, weights).to(device.name).eval())
    model = model.to(memory_format=torch.channels_last)  # nothing is trained here, so no optimizer flattens the weights
    batches_of_features = []
    done, phase = 0, f"extracting features of {backbone.name}"
    progress(phase, done, total)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bf16"):
        for split in splits:
            for start in range(0, len(split), BATCH):
                inputs, _ = split.batch(slice(start, start + BATCH))
                features = _call_backbone(backbone, partial(model, inputs))
                batches_of_features.append(features.float().cpu().numpy())
                done += len(features)
                progress(phase, done, total)
    return np.concatenate(batches_of_features).astype(np.float32, copy=False)


def _call_backbone(backbone: Backbone, call: Callable[[], Any]) -> Any:
    """Return the result of calling the backbone; raises PluginError, naming it, for any exception of its code."""
    try:
        with Boundary("backbone", backbone.name, "give features of these images"):
            return call()
    except PluginFailed as error:
        raise PluginError(f"{error}; try another data.size, or leave it out") from error
