"""Draw docs/pictures/augmentation.jpg: six drawings under each kind of augmentation, made by the training's own code.

python docs/pictures/augmentation.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from harness.plugin.contracts import DataRequest, Dataset
from harness.plugin.discovery import discover
from harness.training.augmentation import Mixed
from harness.training.batches import Batches, put_on_device
from harness.training.device import Device

KINDS = ["", "flip", "crop", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix"]
EPOCH = {"mixup": 3}  # an epoch with a visible blend: Beta(0.2, 0.2) mostly leaves images nearly unchanged


def main() -> None:
    dataset = discover().get("dataset", "dogscats", Dataset)
    options = {**dataset.options, "train": 32, "tune": 8, "test": 8}
    data = dataset.open(DataRequest(None, False, 96, 0.2, 0, "error", options))
    split = put_on_device(data.train, Device("cpu", "fp32", 1))
    figure, rows = plt.subplots(len(KINDS), 6, figsize=(6.6, 1.02 * len(KINDS)), layout="constrained")
    for kind, axes in zip(KINDS, rows, strict=True):
        images, targets = next(Batches(split, 6, [kind] if kind else [], 0).of(EPOCH.get(kind, 1)))
        pixels = ((images / split.scale[0] + split.shift[0]) / 255).clamp(0, 1).permute(0, 2, 3, 1)
        part = f"\n{100 * targets.part:.0f} % kept" if isinstance(targets, Mixed) else ""
        axes[0].set_ylabel(f"{kind or 'as stored'}{part}", rotation=0, ha="right", va="center", fontsize=9)
        for axis, image in zip(axes, pixels, strict=True):
            axis.imshow(image.numpy())
            axis.set(xticks=[], yticks=[], frame_on=False)
    figure.savefig(Path(__file__).with_suffix(".jpg"), dpi=90, pil_kwargs={"quality": 82})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
