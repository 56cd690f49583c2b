"""What the page shows of the inside of the networks, from the arrays of the probe ``inside``."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import Records
from harness_reports._draw.figures import Look
from harness_reports._words.numbers import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROBE = "inside"
MAPS = 6  # kernels whose maps are drawn, of those kept
MOST = 6  # arms of a network that are drawn; the page would be heavy with more
LAYERS = {"middle": "A layer in the middle", "late": "The last layer with maps"}

Arrays = Mapping[str, "NDArray[Any]"]


def section(records: Records, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return what the section shows, network by network; None where the benchmark did not ask for it."""
    if PROBE not in records.meta.benchmark["compare"].get("probes", ()):
        return None
    chosen = _chosen(records)
    networks: dict[str, list[str]] = {}
    for arm, backbone in zip(records.arms["arm"], records.arms["backbone"], strict=True):
        if arm in chosen:
            networks.setdefault(str(backbone), []).append(str(arm))
    return {
        "networks": [_network(records, name, arms[:MOST], chosen, looks) for name, arms in networks.items()],
        "not_drawn": [looks[arm].label for arms in networks.values() for arm in arms[MOST:]],
    }


def _chosen(records: Records) -> dict[str, tuple[int, Arrays]]:
    """Return a seed and its arrays for every arm that has some: of the first seed that all those arms have, if any."""
    runs = records.compared()
    runs = runs[runs["state"] == "done"].sort_values("seed")
    there: dict[str, dict[int, str]] = {}
    for arm, seed, run_id in zip(runs["arm"], runs["seed"], runs["run_id"], strict=True):
        if "kernels" in records.probed(run_id, PROBE):
            there.setdefault(str(arm), {})[int(seed)] = run_id
    common = set.intersection(*(set(seeds) for seeds in there.values())) if there else set()
    seeds = {arm: min(common or seeds) for arm, seeds in there.items()}
    return {arm: (seed, records.probed(there[arm][seed], PROBE)) for arm, seed in seeds.items()}


def _network(
    records: Records,
    name: str,
    arms: Sequence[str],
    chosen: Mapping[str, tuple[int, Arrays]],
    looks: Mapping[str, Look],
) -> dict[str, Any]:
    arrays = {arm: chosen[arm][1] for arm in arms}
    seeds = {chosen[arm][0] for arm in arms}
    first = arrays[arms[0]]
    order = _order(first["kernels"])
    seen = [k for k in order if k < len(first["maps"])][:MAPS]
    begin = (
        [{"look": None, "says": "before training", "tiles": _tiles(first["initial"], order)}] if len(seeds) == 1 else []
    )
    return {
        "name": name,
        "seeds": f"seed {min(seeds)} of every arm" if len(seeds) == 1 else "the first seed of each arm that ended well",
        "same_start": len(seeds) == 1,
        "order_of": looks[arms[0]].label,
        "kernels": _kernels(first["kernels"]),
        "rows": begin
        + [
            {"look": looks[arm], "says": _moved(each), "tiles": _tiles(each["kernels"], order)}
            for arm, each in arrays.items()
        ],
        "photo": {
            "src": _png(first["sample"]),
            "name": _photo(records, int(first["sample_row"][0])),
            "edges": [_png(edge) for edge in first["edges"]],
        },
        "maps": [
            {
                "look": looks[arm],
                "cells": [
                    {"kernel": tile, "src": _png(each["maps"][k])}
                    for k, tile in zip(seen, _tiles(each["kernels"], seen), strict=True)
                ],
            }
            for arm, each in arrays.items()
        ],
        "layers": [_layer(records, which, arrays, looks) for which in LAYERS if f"{which}.units" in first],
    }


def _order(kernels: NDArray[np.float32]) -> list[int]:
    """Return the kernels' places, the longest first."""
    import numpy as np

    lengths = np.sqrt(np.square(kernels.astype(np.float64)).sum(axis=(1, 2, 3)))
    return [int(place) for place in np.argsort(-lengths, kind="stable")]


def _kernels(kernels: NDArray[np.float32]) -> str:
    return f"{count(len(kernels), 'kernel')} of {kernels.shape[2]} x {kernels.shape[3]} pixels"


def _moved(arrays: Arrays) -> str:
    """Return how far training moved the kernels, as a part of their length."""
    import numpy as np

    begun = np.linalg.norm(arrays["initial"].astype(np.float64))
    moved = np.linalg.norm(arrays["kernels"].astype(np.float64) - arrays["initial"])
    return f"moved by {100 * moved / begun:.0f}\u00a0% of their length" if begun else ""


def _tiles(kernels: NDArray[np.float32], order: Sequence[int]) -> list[dict[str, str]]:
    """Return the kernels as small pictures; grey is zero, and the largest number of each is as far as it goes."""
    import numpy as np

    found = []
    for place in order:
        kernel = np.nan_to_num(kernels[place].transpose(1, 2, 0).astype(np.float64))
        shades = 127.5 + 127.5 * kernel / (np.abs(kernel).max() or 1.0)
        found.append({"src": _png(shades.round().astype(np.uint8)), "says": f"kernel {place}"})
    return found


def _layer(records: Records, which: str, arrays: Mapping[str, Arrays], looks: Mapping[str, Look]) -> dict[str, Any]:
    """Return a layer's units and their patches, arm by arm."""
    import numpy as np

    first = next(iter(arrays.values()))
    place, of, units, height, width = (int(number) for number in first[f"{which}.layer"])
    fields = np.concatenate([each[f"{which}.fields"].reshape(-1, 4) for each in arrays.values()])
    tall, wide = (int(side) for side in (fields[:, 2:] - fields[:, :2]).max(axis=0))
    photo = list(records.meta.data["input_shape"][:2])
    whole = bool((fields == [0, 0, *photo]).all())
    return {
        "title": LAYERS[which],
        "says": f"After convolution {place} of {of}, what module {_text(first[f'{which}.name']) or 'the network'} passes on: "
        f"{count(units, 'unit')}, each looking at {height} x {width} places, and at each seeing "
        f"{'the whole photo' if whole else f'at most {tall} x {wide} pixels of the photo'}.",
        "arms": [
            {
                "look": looks[arm],
                "rows": [
                    {
                        "unit": int(unit),
                        "own": row == int(each[f"{which}.common"][0]),  # the first of the arm's own choice
                        "silent": not np.ptp(each[f"{which}.values"][row]) and not each[f"{which}.values"][row].any(),
                        "src": _uri("jpeg", bytes(each[f"{which}.strip{row}"])),
                        "says": ", ".join(_photo(records, int(one)) for one in each[f"{which}.rows"][row]),
                    }
                    for row, unit in enumerate(each[f"{which}.units"])
                ],
            }
            for arm, each in arrays.items()
        ],
    }


def _text(content: NDArray[np.uint8]) -> str:
    return bytes(content).decode(errors="replace")


def _photo(records: Records, row: int) -> str:
    """Return the name of a photo of the test split."""
    names = records.examples
    found = names[(names["split"] == "test") & (names["row"] == row)]["name"]
    return str(found.iloc[0]) if len(found) else f"test photo {row}"


def _png(pixels: NDArray[np.uint8]) -> str:
    """Return an image ``[H, W]`` or ``[H, W, 3]`` for ``src``."""
    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", optimize=True)
    return _uri("png", out.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
