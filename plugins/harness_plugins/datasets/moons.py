"""Two moons: two interleaved half circles in the plane, with noise; a classification whose boundary is not straight.

A point of class 0 is (cos a, sin a), one of class 1 is (1 - cos a, 1/2 - sin a), with a drawn evenly from 0 to pi; normal noise is
added to both coordinates. It is the picture that clustering and semi-supervised learning are often explained with (Zhou et al.
2003, "Learning with local and global consistency"). With noise the best possible accuracy is below 1, so that there is something
to compare. All points are drawn by a seed, and nothing is needed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Data, DataError, DataRequest, Dataset, Float, Int, hookimpl, table_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = ("upper", "lower")
SPLITS = ("train", "tune", "test")
MOST = 1_000_000  # points of a split


def open_moons(request: DataRequest) -> Data:
    """Return as many points in each split as the options say, half of each class, in the order in which they were drawn."""
    import numpy as np

    counts = {name: _count(name, request.options[name]) for name in SPLITS}
    noise = _noise(request.options["noise"])
    drawn = {}
    for number, (name, count) in enumerate(counts.items()):
        drawn[name] = _points(count, noise, np.random.default_rng([request.seed, number]))
    source = f"two moons with noise {noise:g}, drawn with seed {request.seed}"
    return table_data("moons", drawn, request, source=source, classes=CLASSES, example="point")


def _points(count: int, noise: float, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return points ``[N, 2]`` and their classes ``[N]``."""
    import numpy as np

    targets = np.arange(count, dtype=np.int64) % 2
    angles = random.uniform(0, np.pi, count)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lower = np.stack([1 - np.cos(angles), 0.5 - np.sin(angles)], axis=1)
    points = np.where(targets[:, None] == 0, upper, lower) + noise * random.standard_normal((count, 2))
    return points.astype(np.float32), targets


def _count(name: str, count: Any) -> int:
    """Return the number of points of a split; raises DataError for one that is no even number in the limits."""
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST or count % 2:
        raise DataError(f"data.options.{name}: must be an even number of points >= 2 and <= {MOST}, got {count!r}")
    return count


def _noise(noise: Any) -> float:
    """Return the standard deviation of the noise; raises DataError for one that is none."""
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise <= 10:
        raise DataError(f"data.options.noise: must be a number >= 0 and <= 10, got {noise!r}")
    return float(noise)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer moons; its options are how many points each split has, and the standard deviation of the noise."""
    return [
        Dataset(
            name="moons",
            open=open_moons,
            options={"train": 256, "tune": 512, "test": 4096, "noise": 0.25},
            limits={**dict.fromkeys(SPLITS, Int(2, MOST, step=2)), "noise": Float(0.0, 10.0)},
            takes_folder=False,
            reference="Zhou et al. 2003, Learning with local and global consistency, NIPS 16",
        )
    ]
