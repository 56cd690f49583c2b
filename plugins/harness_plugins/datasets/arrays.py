"""Images as arrays in a folder, ``.npz`` or ``.npy`` files, with a class for each (the files are those of ``_arrays``).

Images are ``uint8 [N, H, W]`` or ``[N, H, W, C]``; they are treated as photos, each read as if it were a PNG file.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import DataError, DataRequest, Dataset, Photo, hookimpl, image_bytes, photo_dataset
from harness_plugins.datasets._arrays import OPTIONS, Part, read_parts, texts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHANNELS = (1, 3, 4)


def photos_of(request: DataRequest) -> Iterator[Photo]:
    """Yield every image with its class."""
    for name, part in read_parts("arrays", request).items():
        if part.targets.dtype.kind == "f":
            raise DataError(
                f"{request.root}: must have classes for its images, whole numbers or texts, got {part.targets.dtype} "
                f"targets for '{part.name}'"
            )
        images = _images(part, request.root)
        for row, label in enumerate(texts_of(part.targets)):
            yield Photo(f"{part.name} {row}", label, partial(_bytes, images, row), name)


def _bytes(images: NDArray[np.uint8], row: int) -> bytes:
    return image_bytes(images[row])


def _images(part: Part, root: Path | None) -> NDArray[np.uint8]:
    """Return images with their channels last; raises DataError for what are none."""
    images = part.inputs
    if images.ndim == 4 and images.shape[3] not in CHANNELS and images.shape[1] in CHANNELS:
        images = images.transpose(0, 2, 3, 1)
    good = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in CHANNELS)
    if images.dtype.name != "uint8" or not good:
        raise DataError(
            f"{root}: array '{part.name}' must be images uint8 [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels, got "
            f'{images.dtype} {list(images.shape)}; save values from 0 to 255 as uint8, or take data.dataset = "table" for a table'
        )
    return images


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer arrays; its options are words that the names of inputs and targets have instead of x and y."""
    return [photo_dataset("arrays", photos_of, options=OPTIONS)]
