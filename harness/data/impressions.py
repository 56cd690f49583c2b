"""A look at a photo without keeping its pixels: size, format, mode, and a small grey impression to find similar photos."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.data.images import ImageSource, Progress, explain_unreadable, quiet_photos, read_in_order
from harness.data.squares import open_upright
from harness.plugin.boundary import Boundary, PluginFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True)
class Impression:
    """Facts about one photo, without its pixels; ``broken`` is the reason where it cannot be decoded.

    Of a photo that is broken, and of a row of a table, only ``sha256`` is set.
    """

    sha256: str  # of its bytes; empty where they cannot be read
    broken: str = ""
    size: tuple[int, int] = (0, 0)  # width and height as in the file, pixels
    format: str = ""
    mode: str = ""
    grey: NDArray[np.uint8] | None = None  # [32, 32], all of the photo squeezed into it
    hash: int = 0  # 64 bits: of 8 rows of 9 grey pixels, is each brighter than the one before it?


def look_at_photos(photos: Sequence[ImageSource], progress: Progress) -> list[Impression]:
    """Return a look at each photo; what ``decode_photos`` cannot read or decode is broken here too."""

    def look_at_rows(rows: range) -> list[Impression]:
        return [_look_at_photo(photos[i]) for i in rows]

    impressions: list[Impression] = []
    progress("looking at photos", 0, len(photos))
    with quiet_photos():
        for batch_impressions in read_in_order(look_at_rows, len(photos)):
            impressions += batch_impressions
            progress("looking at photos", len(impressions), len(photos))
    return impressions


def _look_at_photo(photo: ImageSource) -> Impression:
    sha256 = ""
    try:
        with Boundary(everything=True):
            content = photo.read()
            sha256 = hashlib.sha256(content).hexdigest()
            with open_upright(content, 64) as (upright, facts):
                grey, bits = _impress(upright)
    except PluginFailed as error:
        return Impression(sha256, broken=explain_unreadable(error.raised))
    return Impression(sha256, grey=grey, hash=bits, **facts)


def look_at_pixels(pixels: NDArray[np.uint8]) -> Impression:
    """Return a look at a decoded image ``[H, W, 3]``, by its pixels: the SHA-256 is theirs."""
    import numpy as np
    from PIL import Image

    grey, bits = _impress(Image.fromarray(np.ascontiguousarray(pixels)))
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Impression(sha256, size=(pixels.shape[1], pixels.shape[0]), grey=grey, hash=bits)


def look_at_row(row: NDArray[np.float32]) -> Impression:
    """Return a look at a row of a table, which has no picture: rows are the same where their numbers are."""
    return Impression(hashlib.sha256(row.tobytes()).hexdigest())


def _impress(image: Image) -> tuple[NDArray[np.uint8], int]:
    """Return an image's 32 x 32 grey pixels and its difference hash."""
    import numpy as np
    from PIL import Image

    grey = image.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    squeezed = np.asarray(grey.resize((32, 32), Image.Resampling.BOX))
    brighter = np.packbits(small[:, 1:] > small[:, :-1])
    return squeezed, int.from_bytes(brighter.tobytes(), "big")
