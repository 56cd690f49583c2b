"""Dogs vs Cats: the photos of Kaggle's competition of 2013 where they are found, else drawings.

The photos are taken in fast.ai's layout, ``train/{cats,dogs}`` and ``valid/{cats,dogs}``, which the lesson used, else in
Kaggle's own, ``train.zip`` as it was downloaded or unpacked. Without them a seeded generator draws cats and dogs, so that
everything runs anywhere; whoever reads the result is told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Data, DataError, DataRequest, Dataset, Download, Int, Photo, Split, draw_images, hookimpl
from harness import digest as digest_of
from harness_plugins.datasets import _drawings, _kaggle, folder
from harness_plugins.datasets._layout import place_of, what_is_there
from harness_plugins.datasets._photos import open_photos

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

HELP = "name one with --data DIR, or see 'harness data get dogscats'"
PHOTOS = Download(  # fast.ai's copy of Kaggle's photos, split as in the lesson; nobody has published a SHA-256 of it
    url="https://files.fast.ai/data/examples/dogscats.tgz",
    files={"train/cats": 11_500, "train/dogs": 11_500, "valid/cats": 1_000, "valid/dogs": 1_000},
    size=818_000_000,
    license="no open licence: the rules of Kaggle's competition, photos from Petfinder.com by way of Microsoft Research",
)
MOST = 1_000_000  # drawings in a split
NOTICE = "no photos were found, so these are DRAWINGS of cats and dogs, made by a program; name a folder of photos with --data, or see 'harness data get dogscats'"


def open_dogscats(request: DataRequest) -> Data:
    """Return the photos of ``request.root``, or the drawn sample where no photos were named and none are there."""
    if request.required or (request.root is not None and _has_layout(request.root)):
        with photos_of(request) as (root, photos):
            return open_photos("dogscats", root, photos, request)
    return _open_drawings(request)


@contextmanager
def photos_of(request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
    """Give where the photos are and all of them; raises DataError where there are none."""
    if request.root is None:
        raise DataError(f"data: must have {folder.LAYOUT}, or {_kaggle.LAYOUT}, got no folder; {HELP}")
    root = place_of(request.root, _has_layout) if request.required else request.root
    if folder.has_layout(root):
        yield root, folder.find_photos(root, request)
    elif _kaggle.has_layout(root):
        with _kaggle.find_photos(root, request) as photos:
            yield photos
    else:
        raise DataError(f"{root}: must have {folder.LAYOUT}, or {_kaggle.LAYOUT}, {what_is_there(root)}")


def _has_layout(root: Path) -> bool:
    return folder.has_layout(root) or _kaggle.has_layout(root)


def _open_drawings(request: DataRequest) -> Data:
    """Return drawings: split s, class c and number i have a seed of their own, so no two are alike."""
    counts = {split: request.options[split] for split in ("train", "tune", "test")}
    for name, count in counts.items():
        if not isinstance(count, int) or not 2 <= count <= MOST or count % 2:
            raise DataError(
                f"data.options.{name}: must be an even number of drawings >= 2 and <= {MOST}, got {count!r}"
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
        name="dogscats",
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest_of(["dogscats drawings", request.size, store.sha256, counts, keys]),
        source=f"drawings (generator version {_drawings.VERSION}, seed {request.seed})",
        classes=tuple(f"{kind}s" for kind in _drawings.CLASSES),
        notice=NOTICE,
    )


def _draw(wanted: tuple[tuple[str, int], ...], size: int, i: int) -> Image:
    kind, seed = wanted[i]
    return _drawings.draw(kind, seed, size)


def _split(pixels: NDArray[np.uint8], wanted: list[tuple[str, str, int]]) -> Split:
    import numpy as np

    targets = np.array([_drawings.CLASSES.index(kind) for _, kind, _ in wanted], dtype=np.int64)
    return Split(pixels, targets, tuple(f"{split}/{kind}.{seed}" for split, kind, seed in wanted))


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer dogscats; its options are how many drawings each split has."""
    return [
        Dataset(
            name="dogscats",
            open=open_dogscats,
            options={"train": 1024, "tune": 512, "test": 4096},
            limits=dict.fromkeys(("train", "tune", "test"), Int(2, MOST, step=2)),  # of each class as many
            photos=photos_of,
            download=PHOTOS,
            reference="https://www.kaggle.com/c/dogs-vs-cats",
        )
    ]
