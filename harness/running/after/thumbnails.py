"""Small copies of the photos that a report shows, kept in the run folder: reports see records, never the data."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import disk
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Analysis, Data
from harness.records import Records, files, schema
from harness.records.pictures import SIDE
from harness.results.analysis import computed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 500  # at 5 to 12 kB each


def write_thumbnails(records: Records, data: Data, analyses: Iterable[Analysis]) -> list[Path]:
    """Write a JPEG of every photo that an analysis with ``thumbnails`` names, and return where they are.

    Those of an earlier comparison go. An analysis that fails is left to the report, which names it.
    """
    needed_rows = _wanted(records, analyses)
    places = {schema.thumbnail(records.folder, split, row): (split, row) for split, row in needed_rows[:MOST]}
    folder = schema.thumbnail(records.folder, "test", 0).parent
    with disk.writing(folder):
        folder.mkdir(exist_ok=True)
        for old in set(folder.glob("*.jpg")) - set(places):
            old.unlink(missing_ok=True)
    for file, (split, row) in places.items():
        pixels = getattr(data, split).inputs[row]
        files.write(file, small(pixels), durable=False)
    return list(places)


def _wanted(records: Records, analyses: Iterable[Analysis]) -> list[tuple[str, int]]:
    """Return (split, row) of the photos, the first of every analysis first; rows that do not exist are left out."""
    existing = set(zip(records.examples["split"], records.examples["row"], strict=True))
    ranks: dict[tuple[str, int], int] = {}  # the best place that any analysis names a photo at
    for analysis in analyses:
        try:
            table = computed(analysis, records)
            with Boundary("analysis", analysis.name, "name photos", everything=True):
                named = [*zip(table["split"].astype(str), table["row"].astype(int), strict=True)]
        except PluginFailed:  # its report will say so
            continue
        for rank, photo in enumerate(dict.fromkeys(named)):
            ranks[photo] = min(rank, ranks.get(photo, rank))
    return sorted(ranks.keys() & existing, key=lambda photo: (ranks[photo], photo))


def small(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image ``[H, W, 3]`` as JPEG, no side longer than ``SIDE``."""
    import numpy as np
    from PIL import Image

    image: Any = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92 if image.width <= SIDE // 2 else 82, optimize=True)
    return out.getvalue()
