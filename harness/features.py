"""Features of a frozen backbone, extracted once and kept on disk by content.

The key covers data, weights, network and precision, so the second benchmark on the same photos extracts nothing. What
comes back is ordinary data: ``float32 [N, F]`` where the images were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.contracts import Backbone, Data, Split, Weights
from harness.device import Device, environment
from harness.images import cache_folder, kept, written
from harness.runs import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 64  # images at a time; more is no faster, and takes memory
VERSION = 1  # raised whenever the same network and photos give other features

Progress = Callable[[str, int, int], None]


def extract(backbone: Backbone, weights: Weights, data: Data, device: Device, progress: Progress) -> Data:
    """Return the data with its images replaced by the backbone's pooled features.

    Raises DataError where they cannot be kept in the cache.
    """
    import numpy as np

    versions = environment(device)["versions"]
    network = [backbone.name, versions["timm"], versions["torch"], weights.sha256, device.precision, device.type]
    key = digest(["features", VERSION, network, data.fingerprint])
    file = cache_folder() / "features" / f"{key[:32]}.npy"

    def make() -> None:
        rows = _compute(backbone, weights, data, device, progress)
        with written(file) as out:
            np.save(out, rows)

    rows = kept(lambda: np.load(file, mmap_mode="c"), make)
    splits, start = {}, 0
    for name in ("train", "tune", "test"):
        split: Split = getattr(data, name)
        splits[name] = replace(split, inputs=rows[start : start + len(split)])
        start += len(split)
    return replace(data, fingerprint=digest([data.fingerprint, network]), **splits)  # type: ignore[arg-type]


def _compute(
    backbone: Backbone, weights: Weights, data: Data, device: Device, progress: Progress
) -> NDArray[np.float32]:
    """Return the features ``[N, F]`` of all splits, one after the other."""
    import numpy as np
    import torch

    from harness.training.batches import resident

    splits = [resident(s, device, weights.mean, weights.std) for s in (data.train, data.tune, data.test)]
    total = sum(len(split) for split in splits)
    model: Any = backbone.build(splits[0].input_shape, 0, weights).to(device.name).eval()
    model = model.to(memory_format=torch.channels_last)  # nothing is trained here, so nobody flattens the weights
    found = []
    done = 0
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bf16"):
        for split in splits:
            for start in range(0, len(split), BATCH):
                features = model(split.as_input(split.inputs[start : start + BATCH]))
                found.append(features.float().cpu().numpy())
                done += len(features)
                progress(f"extracting features of {backbone.name}", done, total)
    return np.concatenate(found).astype(np.float32, copy=False)
