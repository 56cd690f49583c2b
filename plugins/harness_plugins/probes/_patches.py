"""Patches of photos that excite some units of a layer most."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness_plugins.probes._layers import Layer, Strongest, fields, strongest

PHOTOS = 512  # of a split, evenly spread over it, in which patches are looked for
COMMON, OWN = 3, 3  # units a layer: chosen before training, so the same in every arm that began alike; and after it
PATCHES = 6  # a unit
SIDE = 48  # pixels of a patch
BATCH = 64

Arrays = dict[str, NDArray[Any]]


def patches(
    network: torch.nn.Module,
    beginning: torch.nn.Module,
    photos: torch.Tensor,
    as_input: Callable[[torch.Tensor], torch.Tensor],
    found: Sequence[Layer],
    places: Sequence[int],
) -> list[Arrays]:
    """Return, for each of the layers at these places of all ``found``, the arrays that ``inside.measure`` names.

    ``beginning`` is the network before training, by which the units are chosen that all arms have in common. ``photos``
    are ``uint8 [N, H, W, 3]``, and ``as_input`` makes some of them what the network takes.
    """
    rows = torch.arange(0, len(photos), -(-len(photos) // PHOTOS))
    layers = [found[place] for place in places]

    def batches() -> Iterator[torch.Tensor]:
        for chunk in torch.split(rows, BATCH):
            yield as_input(photos[chunk.to(photos.device)])

    trained, initial = strongest(network, batches(), layers), strongest(beginning, batches(), layers)
    result = []
    for place, after, before in zip(places, trained, initial, strict=True):
        common = _varying(before)[:COMMON]
        distinct = [unit for unit in _varying(after) if unit not in common][:OWN]
        arrays = _of_units(network, photos, found[place], after, torch.tensor([*common, *distinct]), rows)
        sizes = [place + 1, len(found), after.values.shape[1], *after.sides]
        name = _bytes(found[place].passed.encode())
        result.append({**arrays, "common": np.array([len(common)]), "layer": np.array(sizes), "name": name})
    return result


def _varying(said: Strongest) -> list[int]:
    """Return all units, the one whose activation varies most first."""
    units: list[int] = said.variance.argsort(descending=True, stable=True).tolist()
    return units


def _of_units(
    network: torch.nn.Module,
    photos: torch.Tensor,
    layer: Layer,
    said: Strongest,
    units: torch.Tensor,
    rows: torch.Tensor,
) -> Arrays:
    """Return the arrays to keep of these units; ``rows`` are those of the measured photos."""
    order = said.values[:, units].argsort(dim=0, descending=True, stable=True)
    top = order[:PATCHES].T  # [U, 6]
    places = said.places[top, units[:, None]]  # [U, 6, 2]
    boxes = fields(network, layer, places.flatten(0, 1), (3, *photos.shape[1:3])).reshape(*top.shape, 4)
    side = int((boxes[..., 2:] - boxes[..., :2]).max())
    strips = {}
    for number, (row, box) in enumerate(zip(rows[top], boxes, strict=True)):
        strips[f"strip{number}"] = strip(photos[row.to(photos.device)].cpu().numpy(), box.numpy(), side)
    return {
        **strips,
        "units": units.numpy(),
        "rows": rows[top].numpy(),
        "values": said.values[top, units[:, None]].numpy(),
        "fields": boxes.numpy(),
    }


def strip(photos: NDArray[np.uint8], boxes: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """Return the bytes of a JPEG: a box of each photo side by side, ``SIDE`` pixels wide.

    ``photos [N, H, W, 3]``, ``boxes [N, 4]``: top, left, bottom, right. A box that is smaller than a square of ``side``
    hangs over its photo's border, and is grey there.
    """
    drawn: Any = Image.new("RGB", (SIDE * len(boxes), SIDE))
    for place, (photo, (top, left, bottom, right)) in enumerate(zip(photos, boxes, strict=True)):
        square = np.full((side, side, 3), 128, np.uint8)
        down = side - (bottom - top) if top == 0 else 0  # it hangs over at the top, or at the bottom
        across = side - (right - left) if left == 0 else 0
        square[down : down + bottom - top, across : across + right - left] = photo[top:bottom, left:right]
        image: Any = Image.fromarray(square)
        drawn.paste(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (SIDE * place, 0))
    out = io.BytesIO()
    drawn.save(out, "JPEG", quality=85, subsampling=0, optimize=True)
    return _bytes(out.getvalue())


def _bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, dtype=np.uint8)
