"""Draw docs/pictures/predict.jpg: unlabelled drawings with the probability that `harness predict` wrote for each.

python docs/pictures/predict.py
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from harness import Dataset
from harness.plugin.contracts import DataRequest
from harness.plugin.discovery import discover

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "dogscats.toml"
SMALL = ["search.trials=2", "compare.looks=[1]", "compare.epochs=12", 'train.optimizers=["adam"]', "train.threads=1"]


def draw(folder: Path) -> None:
    """Draw 16 cats and dogs as photos without labels, with a seed that the benchmark does not use."""
    dataset = discover().get("dataset", "dogscats", Dataset)
    options = {**dataset.options, "train": 32, "tune": 8, "test": 16}
    data = dataset.open(DataRequest(None, False, 128, 0.2, 7, "error", options))
    for number, image in enumerate(data.test.inputs, 1):
        Image.fromarray(image).save(folder / f"{number}.png")


def harness(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "harness", *map(str, arguments)], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos, table = folder / "photos", folder / "submission.csv"
        photos.mkdir()
        draw(photos)
        harness("run", BENCHMARK, "--out", folder / "runs", *(word for value in SMALL for word in ("--set", value)))
        (run,) = (folder / "runs").iterdir()
        harness("predict", run, photos, "--out", table, "--ensemble", "--tta")
        rows = list(csv.DictReader(table.open()))
        figure, grid = plt.subplots(2, 8, figsize=(8.4, 2.7), layout="constrained")
        for axes, row in zip(grid.flat, rows, strict=True):
            axes.imshow(Image.open(photos / f"{row['id']}.png"))
            axes.set_title(f"{row['id']}: {float(row['label']):.2f}", fontsize=9)
            axes.set_axis_off()
        figure.savefig(Path(__file__).with_suffix(".jpg"), dpi=90, pil_kwargs={"quality": 82})


if __name__ == "__main__":
    main()
