"""Draw docs/pictures/data.jpg: the nearly equal photos that `harness data inspect` finds among drawings, three of them planted.

python docs/pictures/data.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image, ImageEnhance

from harness import Dataset
from harness.plugin.contracts import DataRequest
from harness.plugin.discovery import discover

PLANTED = {  # a photo of train, and how its copy in valid is changed
    0: lambda image: image.resize((96, 96)),
    3: lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    8: lambda image: image.convert("L").convert("RGB"),
}


def lay_out(folder: Path) -> None:
    """Write drawings in fast.ai's layout, with changed copies of three photos of train in valid."""
    dataset = discover().get("dataset", "dogscats", Dataset)
    data = dataset.open(
        DataRequest(None, False, 128, 0.2, 3, "error", {**dataset.options, "train": 40, "tune": 8, "test": 20})
    )
    for split_name, split in (("train", data.train), ("valid", data.test)):
        for number, (pixels, target) in enumerate(zip(split.inputs, split.targets, strict=True)):
            class_folder = folder / split_name / data.classes[target]
            class_folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(pixels)
            image.save(class_folder / f"{number}.jpg", quality=90)
            if split_name == "train" and number in PLANTED:
                copy = folder / "valid" / data.classes[target] / f"copy{number}.jpg"
                copy.parent.mkdir(parents=True, exist_ok=True)
                PLANTED[number](image).save(copy, quality=60)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        lay_out(root)
        command = [sys.executable, "-m", "harness", "data", "inspect", "--data", name, "--json"]
        inspection = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        pairs = [[photo["name"] for photo in leak] for leak in inspection["leaks"]]
        figure, grid = plt.subplots(2, len(pairs), figsize=(1.7 * len(pairs), 3.9), layout="constrained", squeeze=False)
        for column, pair in zip(grid.T, pairs, strict=True):
            for axes, photo in zip(column, pair, strict=True):
                axes.imshow(Image.open(root / photo))
                axes.set_title(photo, fontsize=8)
                axes.set_axis_off()
        figure.savefig(Path(__file__).with_suffix(".jpg"), dpi=90, pil_kwargs={"quality": 82})


if __name__ == "__main__":
    main()
