"""Drawings of cats and dogs, at any size: the same ones that ``dogscats`` stands in for photos with, whatever photos are there.

A workload that must be the same on every machine asks for these. A seeded program draws them, and nothing is needed for it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from harness import Data, DataError, DataRequest, Dataset, Int, Split, digest, draw_images, hookimpl
from harness_plugins.datasets import _drawings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MOST = 1_000_000  # drawings in a split
OPTIONS = {"train": 1024, "tune": 512, "test": 4096}  # how many drawings each split has


def open_drawings(request: DataRequest) -> Data:
    """Return the drawings."""
    return draw_data("drawings", request)


def draw_data(name: str, request: DataRequest, notice: str = "") -> Data:
    """Return drawings under a name: split s, class c and number i have a seed of their own, so no two are alike."""
    counts = {split: request.options[split] for split in OPTIONS}
    for part, count in counts.items():
        if not isinstance(count, int) or not 2 <= count <= MOST or count % 2:
            raise DataError(
                f"data.options.{part}: must be an even number of drawings >= 2 and <= {MOST}, got {count!r}"
            )
    drawings = [
        (split, _drawings.CLASSES[i % 2], request.seed * 3 * MOST + MOST * block + i // 2)
        for block, (split, count) in enumerate(counts.items())
        for i in range(count)
    ]
    keys = [f"drawing {_drawings.VERSION} {kind} {seed}" for _, kind, seed in drawings]
    store = draw_images(
        partial(_draw, tuple((kind, seed) for _, kind, seed in drawings), request.size),
        keys,
        request.size,
        request.progress,
    )

    def split(which: str) -> Split:
        rows = [i for i, (part, _, _) in enumerate(drawings) if part == which]
        return _split(store.pixels[rows[0] : rows[-1] + 1], drawings[rows[0] : rows[-1] + 1])

    return Data(
        name=name,
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest(["dogscats drawings", request.size, store.sha256, counts, keys]),
        source=f"drawings (generator version {_drawings.VERSION}, seed {request.seed})",
        classes=tuple(f"{kind}s" for kind in _drawings.CLASSES),
        notice=notice,
    )


def _draw(wanted: tuple[tuple[str, int], ...], size: int, i: int) -> Image:
    kind, seed = wanted[i]
    return _drawings.draw(kind, seed, size)


def _split(pixels: NDArray[np.uint8], wanted: list[tuple[str, str, int]]) -> Split:
    import numpy as np

    targets = np.array([_drawings.CLASSES.index(kind) for _, kind, _ in wanted], dtype=np.int64)
    return Split(pixels, targets, tuple(f"{split}/{kind}.{seed}" for split, kind, seed in wanted))


def limits() -> dict[str, Any]:
    """Return what the options may be: of each class there are as many."""
    return dict.fromkeys(OPTIONS, Int(2, MOST, step=2))


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer drawings; its options are how many each split has."""
    return [Dataset(name="drawings", open=open_drawings, options=OPTIONS, limits=limits(), takes_folder=False)]
