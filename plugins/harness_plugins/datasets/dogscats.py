"""Dogs vs Cats: the photos of Kaggle's competition of 2013 where they are found, else drawings.

The photos are taken in fast.ai's layout, ``train/{cats,dogs}`` and ``valid/{cats,dogs}``, which the lesson used, else in
Kaggle's own, ``train.zip`` as it was downloaded or unpacked. A folder that the user names may also have one folder a class,
or a CSV file of labels, as for the dataset ``folder``. Without photos a seeded generator draws cats and dogs, so that
everything runs anywhere; whoever reads the result is told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness import Data, DataError, DataRequest, Dataset, Download, Photo, hookimpl, photo_dataset
from harness_plugins.datasets import _kaggle, drawings, folder
from harness_plugins.datasets._labels import labelled_photos
from harness_plugins.datasets._layout import place_of, what_is_there

HELP = "name one with --data DIR, or see 'harness data get dogscats'"
PHOTOS = Download(  # fast.ai's copy of Kaggle's photos, split as in the lesson; nobody has published a SHA-256 of it
    url="https://files.fast.ai/data/examples/dogscats.tgz",
    files={"train/cats": 11_500, "train/dogs": 11_500, "valid/cats": 1_000, "valid/dogs": 1_000},
    size=818_000_000,
    license="no open licence: the rules of Kaggle's competition, photos from Petfinder.com by way of Microsoft Research",
)
NOTICE = "no photos were found, so these are DRAWINGS of cats and dogs, made by a program; name a folder of photos with --data, or see 'harness data get dogscats'"


@contextmanager
def photos_of(request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
    """Give where the photos are and all of them; raises DataError where there are none."""
    if request.root is None:
        raise DataError(f"data: must have {folder.LAYOUT}, or {_kaggle.LAYOUT}, got no folder; {HELP}")
    if request.labels is not None:
        yield request.root, labelled_photos(request.root, request)
        return
    root = place_of(request.root, _has_layout) if request.required else request.root
    if folder.has_splits(root):
        yield root, folder.find_photos(root, request)
    elif _kaggle.has_layout(root):
        with _kaggle.find_photos(root, request) as photos:
            yield photos
    elif folder.has_layout(root):
        yield root, folder.find_photos(root, request)
    else:
        raise DataError(f"{root}: must have {folder.LAYOUT}, or {_kaggle.LAYOUT}, {what_is_there(root)}")


def _has_layout(root: Path) -> bool:
    return folder.has_layout(root) or _kaggle.has_layout(root)


_DATASET = photo_dataset(
    "dogscats",
    photos_of,
    options=drawings.OPTIONS,
    limits=drawings.limits(),
    labels=True,
    download=PHOTOS,
    reference="https://www.kaggle.com/c/dogs-vs-cats",
)


def open_dogscats(request: DataRequest) -> Data:
    """Return the photos of ``request.root``, or the drawn sample where no photos were named and none are there.

    A folder that nobody named may have any folders in it, so there only the layouts with splits count as these photos.
    """
    root = request.root
    lies_there = root is not None and (folder.has_splits(root) or _kaggle.has_layout(root))
    if request.required or request.labels is not None or lies_there:
        return _DATASET.open(request)
    return drawings.draw_data("dogscats", request, NOTICE)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer dogscats; its options are how many drawings each split has."""
    return [replace(_DATASET, open=open_dogscats)]
