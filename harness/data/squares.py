"""How a photo becomes a square: opened, turned upright, scaled, and cut out of the middle or a corner."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.data.kinds import HEAD, NOT_READ, image_format
from harness.data.pixels import upright_rgb
from harness.errors import DataError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("bicubic", "bilinear", "lanczos")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")  # whatever the file's name says; no EPS, which is a program
MOST_PIXELS = 2**30 // 12  # of one photo, 89 million, as in Pillow: beyond it a small file may fill the memory
LARGEST = 65_535  # pixels along a side; Pillow and JPEG go no further

Position = tuple[int, int]  # of a square, across and down: -1, 0 or 1
CENTRE: Position = (0, 0)
CORNERS: tuple[Position, ...] = ((-1, -1), (1, -1), (-1, 1), (1, 1))


@dataclass(frozen=True)
class Cut:
    """How a photo becomes a square: its short side scaled to ``size / crop`` pixels, ``[size, size]`` cut out.

    Raises DataError for what no photo can be cut to.
    """

    size: int
    interpolation: str = "lanczos"
    crop: float = 1.0

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            interpolations = ", ".join(INTERPOLATIONS)
            raise DataError(f"data.interpolation: must be one of {interpolations}, got {shown(self.interpolation)}")
        if not (0 < self.crop <= 1 and self.size / self.crop <= LARGEST):
            raise DataError(f"data.crop: must be a number above 0 and at most 1, got {shown(self.crop)}")

    @property
    def scaled(self) -> int:
        """Pixels of the short side; ``size`` of them are kept."""
        return math.floor(self.size / self.crop)


def cut_squares(content: bytes, cut: Cut, places: Sequence[Position] = (CENTRE,)) -> Iterator[Image]:
    """Yield the photo's squares, each ``[size, size]`` RGB; raises what Pillow raises on a damaged one."""
    from PIL import Image

    size, scaled = cut.size, cut.scaled
    way = Image.Resampling[cut.interpolation.upper()]
    with open_upright(content, 2 * scaled) as (upright, _):  # still twice what is kept
        for across, down in places:
            left, right = _find_span(upright.width, min(upright.size), scaled, size, across)
            top, bottom = _find_span(upright.height, min(upright.size), scaled, size, down)
            # Resizing all of it and cutting then, as timm does, gives the same but for rounding and for overshoot that
            # is clipped in another order; it takes longer, and a photo 1 pixel wide would fill the memory.
            yield upright.resize((size, size), way, box=(left, top, right, bottom))


@contextmanager
def open_upright(content: bytes, least: int) -> Iterator[tuple[Image, dict[str, Any]]]:
    """Give the photo upright, in RGB, its sides at least ``least`` pixels or its own; and what its file says of it."""
    from PIL import Image

    if (kind := image_format(content[:HEAD])) in NOT_READ:
        raise ValueError(f"{kind} images are not read; save it as JPEG or PNG")
    with Image.open(io.BytesIO(content), formats=FORMATS) as photo:
        if photo.width * photo.height > MOST_PIXELS:
            raise ValueError(f"{photo.width} x {photo.height} pixels are more than {MOST_PIXELS / 1e6:.0f} million")
        facts = {"size": photo.size, "format": photo.format or "", "mode": photo.mode}
        photo.draft("RGB", (least, least))  # JPEG only: decode at a reduced size
        yield upright_rgb(photo), facts


def _find_span(side: int, short: int, scaled: int, size: int, place: int) -> tuple[float, float]:
    """Return the begin and the end of the square along one side of the photo, in pixels of the photo.

    ``place`` 0 is the middle; -1 and 1 are the ends of the central ``scaled`` pixels.
    """
    length = int(scaled * side / short)  # of this side once resized, rounded down as torchvision does
    first = round((length - size) / 2) if not place else round((length - scaled) / 2) + (place > 0) * (scaled - size)
    return first * side / length, min((first + size) * side / length, side)
