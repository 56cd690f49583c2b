"""The third wave, as far as it needs nothing but the open data: what the file asks of data that cannot give it."""

from __future__ import annotations

from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source
from harness.errors import shown
from harness.plugin.contracts import Data

NAMED = 5  # classes that a line names


def check_data(benchmark: Benchmark, data: Data, source: Source) -> None:
    """Refuse settings that are for photos where the data are others, and augmentation of features."""
    train, compare = benchmark.train, benchmark.compare
    are_images = data.train.inputs.ndim == 4
    if train.regime == "features" and not are_images:
        raise source.refusal(("train", "regime"), "be 'scratch' for data that are not images", "'features'")
    if train.regime == "features" and train.augment:
        must = "be empty in the regime 'features', where the images are seen once"
        raise source.refusal(("train", "augment"), must, shown(train.augment))
    if train.augment and not are_images:
        raise source.refusal(("train", "augment"), "be empty for data that are not images", shown(train.augment))
    if isinstance(train.class_weights, list) and len(train.class_weights) != len(data.classes):
        must = f"be {len(data.classes)} weights, one for each of {', '.join(data.classes[:NAMED])}{' ...' * (len(data.classes) > NAMED)}"
        raise source.refusal(("train", "class_weights"), must, f"{len(train.class_weights)}")
    if compare.tta and not are_images:
        raise source.refusal(("compare", "tta"), "be false for data that are not images", "true")
    if compare.folds and not data.are_photos:
        raise source.refusal(("compare", "folds"), "be 0 for data that are not photos of classes", str(compare.folds))
