"""Photos found, whatever the layout, become data: decoded once, split, and every unreadable one named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import Data, DataError, DataRequest, Photo, Split, decode_photos, digest, stratified


def set_aside(photos: Sequence[Photo], split: str, part: float, seed: int) -> tuple[list[Photo], list[Photo]]:
    """Return (kept, set aside): ``part`` of every class, drawn by the seed, moved to the split of that name."""
    remaining, aside = stratified([photo.label for photo in photos], part, seed)
    return [photos[i] for i in remaining], [replace(photos[i], split=split) for i in aside]


def open_photos(name: str, where: Path, photos: Sequence[Photo], request: DataRequest) -> Data:
    """Return the photos decoded and split; raises DataError for an unreadable one unless they are to be skipped.

    Photos of one split that follow each other are a view of the store on disk, others are copied into memory.
    """
    import numpy as np

    store = decode_photos(
        photos, request.size, request.progress, interpolation=request.interpolation, crop=request.crop
    )
    broken = {i: f"{photos[i].name}: {reason}" for i, reason in store.broken.items()}
    if broken and request.on_bad_image == "error":
        shown = "; ".join(list(broken.values())[:3])
        raise DataError(
            f"{where}: must have readable photos, got {len(broken)} of {len(photos)} unreadable: {shown}"
            f'{" ..." if len(broken) > 3 else ""}; remove them, or set data.on_bad_image = "skip"'
        )
    labels = sorted({photo.label for photo in photos})
    number = {label: i for i, label in enumerate(labels)}

    def split(which: str) -> Split:
        rows = [i for i, photo in enumerate(photos) if photo.split == which and i not in broken]
        missing = sorted(set(labels) - {photos[i].label for i in rows})
        if missing:
            raise DataError(
                f"{where}: must have readable photos of every class in every split, got none of '{missing[0]}' in {which}"
            )
        first, last = rows[0], rows[-1] + 1
        is_range = len(rows) == last - first  # then a view of the memory-mapped store serves
        inputs = store.pixels[first:last] if is_range else store.pixels[rows]
        targets = np.array([number[photos[i].label] for i in rows], dtype=np.int64)
        return Split(inputs, targets, tuple(photos[i].name for i in rows))

    described = [[photo.label, photo.split, key] for photo, key in zip(photos, store.keys, strict=True)]
    shown_as = [request.size, request.interpolation, float(request.crop)]
    return Data(
        name=name,
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest([name, shown_as, store.sha256, sorted(broken), described]),
        source=f"photos in {where.resolve()}",
        classes=tuple(labels),
        left_out=tuple(broken.values()),
    )
