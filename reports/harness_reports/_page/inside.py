"""The inside of the networks: kernels of the first layer, what they see, and what units of later layers look for.

It is drawn from the arrays of the probe ``inside``.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import Records, numbers
from harness_reports._page._section import Page, Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROBE = "inside"
MOST_MAPS = 6  # kernels whose maps are drawn, of those that are kept
MOST_ARMS = 6  # of a network; with more the page would be heavy
LAYERS = {"middle": "A layer in the middle", "late": "The last layer with maps"}

Arrays = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True)
class Inside:
    """The arrays of one run of an arm, and its seed."""

    seed: int
    arrays: Arrays


def inside(page: Page) -> dict[str, Any] | None:
    """Return what the section shows, network by network; None where the benchmark did not ask for it."""
    records = page.records
    if PROBE not in records.meta.benchmark["compare"].get("probes", ()):
        return None
    probed = _one_run_per_arm(records)
    networks: dict[str, list[str]] = {}
    for arm, backbone in zip(records.arms["arm"], records.arms["backbone"], strict=True):
        if arm in probed:
            networks.setdefault(str(backbone), []).append(str(arm))
    shown, not_drawn = [], []
    for name, arms in networks.items():
        shown.append(_of_network(page, name, {arm: probed[arm] for arm in arms[:MOST_ARMS]}))
        not_drawn += [page.looks[arm].label for arm in arms[MOST_ARMS:]]
    return {"networks": shown, "not_drawn": not_drawn}


def _one_run_per_arm(records: Records) -> dict[str, Inside]:
    """Return one probed run for every arm: of the first seed that all arms have, else of the first seed of the arm."""
    runs = records.compared()
    runs = runs[runs["state"] == "done"].sort_values("seed")
    by_arm: dict[str, dict[int, str]] = {}
    for arm, seed, run_id in zip(runs["arm"], runs["seed"], runs["run_id"], strict=True):
        if "kernels" in records.probed(PROBE, run_id):
            by_arm.setdefault(str(arm), {})[int(seed)] = run_id
    common = set.intersection(*(set(seeds) for seeds in by_arm.values())) if by_arm else set()
    probed = {}
    for arm, seeds in by_arm.items():
        seed = min(common or seeds)
        probed[arm] = Inside(seed, records.probed(PROBE, seeds[seed]))
    return probed


def _of_network(page: Page, name: str, probed: Mapping[str, Inside]) -> dict[str, Any]:
    """Return what is shown of one network."""
    arrays = {arm: of_arm.arrays for arm, of_arm in probed.items()}
    seeds = {of_arm.seed for of_arm in probed.values()}
    first_arm, first = next(iter(arrays.items()))
    order = _strongest_first(first["kernels"])
    same_start = len(seeds) == 1
    kernels: list[dict[str, Any]] = []
    if same_start:
        kernels.append({"look": None, "says": "before training", "tiles": _kernel_tiles(first["initial"], order)})
    for arm, of_arm in arrays.items():
        tiles = _kernel_tiles(of_arm["kernels"], order)
        kernels.append({"look": page.looks[arm], "says": _moved_in_words(of_arm), "tiles": tiles})
    return {
        "name": name,
        "seeds": f"seed {min(seeds)} of every arm" if same_start else "the first seed of each arm that ended well",
        "same_start": same_start,
        "order_of": page.looks[first_arm].label,
        "kernels": _kernels_in_words(first["kernels"]),
        "rows": kernels,
        "photo": {
            "src": _png_uri(first["sample"]),
            "name": _photo_name(page.records, int(first["sample_row"][0])),
            "edges": [_png_uri(edge) for edge in first["edges"]],
        },
        "maps": [{"look": page.looks[arm], "cells": _kernel_maps(of_arm, order)} for arm, of_arm in arrays.items()],
        "layers": [_of_layer(page, layer, arrays) for layer in LAYERS if f"{layer}.units" in first],
    }


# --- the first layer -----------------------------------------------------------------------------------------


def _strongest_first(kernels: NDArray[np.float32]) -> list[int]:
    """Return the indices of the kernels, that of the longest kernel first."""
    import numpy as np

    lengths = np.sqrt(np.square(kernels.astype(np.float64)).sum(axis=(1, 2, 3)))
    return [int(index) for index in np.argsort(-lengths, kind="stable")]


def _kernels_in_words(kernels: NDArray[np.float32]) -> str:
    return f"{numbers.counted(len(kernels), 'kernel')} of {kernels.shape[2]} x {kernels.shape[3]} pixels"


def _moved_in_words(arrays: Arrays) -> str:
    """Return how far training moved the kernels, as a part of their length."""
    import numpy as np

    initial = arrays["initial"].astype(np.float64)
    length = np.linalg.norm(initial)
    moved = np.linalg.norm(arrays["kernels"].astype(np.float64) - initial)
    return f"moved by {100 * moved / length:.0f}\u00a0% of their length" if length else ""


def _kernel_tiles(kernels: NDArray[np.float32], order: Sequence[int]) -> list[dict[str, str]]:
    """Return the kernels as small pictures, in which zero is grey and the largest number of a kernel is black or white."""
    import numpy as np

    tiles = []
    for index in order:
        kernel = np.nan_to_num(kernels[index].transpose(1, 2, 0).astype(np.float64))
        shades = 127.5 + 127.5 * kernel / (np.abs(kernel).max() or 1.0)
        tiles.append({"src": _png_uri(shades.round().astype(np.uint8)), "says": f"kernel {index}"})
    return tiles


def _kernel_maps(arrays: Arrays, order: Sequence[int]) -> list[dict[str, Any]]:
    """Return the maps of the strongest kernels, each with its kernel."""
    drawn = [index for index in order if index < len(arrays["maps"])][:MOST_MAPS]
    kernels = _kernel_tiles(arrays["kernels"], drawn)
    return [
        {"kernel": kernel, "src": _png_uri(arrays["maps"][index])} for index, kernel in zip(drawn, kernels, strict=True)
    ]


# --- later layers --------------------------------------------------------------------------------------------


def _of_layer(page: Page, layer: str, arrays: Mapping[str, Arrays]) -> dict[str, Any]:
    """Return the units of a layer and the patches that excite them, arm by arm."""
    arms = []
    for arm, of_arm in arrays.items():
        units = [_unit_row(page.records, layer, of_arm, row) for row in range(len(of_arm[f"{layer}.units"]))]
        arms.append({"look": page.looks[arm], "rows": units})
    return {"title": LAYERS[layer], "says": _layer_in_words(page.records, layer, arrays), "arms": arms}


def _layer_in_words(records: Records, layer: str, arrays: Mapping[str, Arrays]) -> str:
    """Return where a layer is, how many units it has, and how much of the photo a unit sees."""
    import numpy as np

    first = next(iter(arrays.values()))
    place, convolutions, units, height, width = (int(number) for number in first[f"{layer}.layer"])
    fields = np.concatenate([of_arm[f"{layer}.fields"].reshape(-1, 4) for of_arm in arrays.values()])
    tall, wide = (int(side) for side in (fields[:, 2:] - fields[:, :2]).max(axis=0))
    photo = list(records.meta.data["input_shape"][:2])
    sees_all = bool((fields == [0, 0, *photo]).all())
    module = bytes(first[f"{layer}.name"]).decode(errors="replace") or "the network"
    seen = "the whole photo" if sees_all else f"at most {tall} x {wide} pixels of the photo"
    return (
        f"After convolution {place} of {convolutions}, what module {module} passes on: {numbers.counted(units, 'unit')}, "
        f"each looking at {height} x {width} places, and at each seeing {seen}."
    )


def _unit_row(records: Records, layer: str, arrays: Arrays, row: int) -> dict[str, Any]:
    """Return one unit with the patches that excite it most."""
    import numpy as np

    values = arrays[f"{layer}.values"][row]
    return {
        "unit": int(arrays[f"{layer}.units"][row]),
        "own": row == int(arrays[f"{layer}.common"][0]),  # from this row on, the units are the arm's own choice
        "silent": not np.ptp(values) and not values.any(),
        "src": _data_uri("jpeg", bytes(arrays[f"{layer}.strip{row}"])),
        "says": ", ".join(_photo_name(records, int(photo)) for photo in arrays[f"{layer}.rows"][row]),
    }


def _photo_name(records: Records, row: int) -> str:
    """Return the name of a photo of the test split."""
    examples = records.examples
    names = examples[(examples["split"] == "test") & (examples["row"] == row)]["name"]
    return str(names.iloc[0]) if len(names) else f"test photo {row}"


def _png_uri(pixels: NDArray[np.uint8]) -> str:
    """Return an image ``[H, W]`` or ``[H, W, 3]`` for ``src``."""
    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", optimize=True)
    return _data_uri("png", out.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


SECTION = Section(id="inside", title="Inside", place=45, data=inside, template="inside.html.j2")
