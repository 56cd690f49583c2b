"""newcomer: two spirals that wind about each other, a place to start from.

Lang & Witbrock 1988, "Learning to tell two spirals apart". What differs: points are drawn at random along the spirals,
with Gaussian noise, so that the splits are different points and may have any size.
"""

from __future__ import annotations

from harness import Data, DataError, DataRequest, Dataset, Split, digest, hookimpl


def open_spirals(request: DataRequest) -> Data:
    """Return points of the plane, ``float32 [N, 2]``, and the spiral each is on, ``int64 [N]``.

    Raises DataError for an option that is no number of points.
    """
    counts = {name: request.options[name] for name in ("train", "tune", "test")}
    for name, count in counts.items():
        if not isinstance(count, int) or count < 2:
            raise DataError(f"data.options.{name}: must be a whole number >= 2, got {count!r}")
    noise = float(request.options["noise"])
    return Data(
        name="newcomer",
        train=draw(counts["train"], noise, [request.seed, 0]),
        tune=draw(counts["tune"], noise, [request.seed, 1]),
        test=draw(counts["test"], noise, [request.seed, 2]),
        fingerprint=digest(["newcomer", request.seed, counts, noise]),
        source=f"two spirals, drawn with seed {request.seed}",
        classes=("one", "other"),
    )


def draw(count: int, noise: float, seed: list[int]) -> Split:
    """Return ``count`` points, half of them on each spiral, moved by Gaussian noise of that standard deviation."""
    import numpy as np

    random = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    radius = np.sqrt(random.uniform(size=count))
    angle = 3 * np.pi * radius + np.pi * targets
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + noise * random.normal(size=(count, 2))
    return Split(points.astype(np.float32), targets, tuple(f"point {seed[-1]}.{i}" for i in range(count)))


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer newcomer; its options are the keys of [data.options], with their defaults."""
    options = {"train": 400, "tune": 400, "test": 1000, "noise": 0.02}
    return [
        Dataset(
            name="newcomer",
            open=open_spirals,
            options=options,
            reference="Lang & Witbrock 1988",
        )
    ]
