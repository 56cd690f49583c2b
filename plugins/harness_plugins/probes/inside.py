"""What a network looks for: its first kernels, what they see of a photo, and the patches that excite later units most.

Source: the first lesson of Practical Deep Learning for Coders (fast.ai, 2017), which shows edge detectors made by hand
and then the pictures of Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks",
arXiv:1311.2901. What differs from the paper: no deconvolution, the patches themselves.

It keeps arrays and no numbers; none for a network that has no convolution over the image (a head on features).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Probe, hookimpl

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from harness import Parts
    from harness_plugins.probes._layers import Layer

KERNELS, NUMBERS = 32, 12_288  # of the first convolution, the first so many, fewer where they have many numbers
SEEN = 8  # of those, the first so many, whose maps of the sample photo are kept
MAP = 64  # pixels, the longest side of such a map
SAMPLE = 96  # pixels, the longest side of the sample photo


def measure(parts: Parts) -> Mapping[str, Any]:
    """Return the arrays of the probe; empty where inputs are no images or no convolution has the image as its input.

    Of the first convolution, K kernels in its own order: ``kernels`` and ``initial`` (before training)
    ``float32 [K, 3, h, w]``, and ``maps`` ``uint8 [SEEN, h, w]``, its output on the sample photo, 128 is zero.
    Of the sample photo: ``sample`` ``uint8 [H, W, 3]``, ``sample_row`` ``int64 [1]`` of the test split, and ``edges``
    ``uint8 [2, h, w]``, what the hand-made detectors see of it in grey, top edges first.
    Of a ``middle`` and the last (``late``) layer with maps: ``middle.units`` ``int64 [U]``, the first
    ``middle.common`` ``[1]`` of which are those of any arm that began alike; ``middle.rows``, ``middle.values``
    ``[U, 6]``, the test photos that excite them most and how much; ``middle.fields`` ``int64 [U, 6, 4]``, the patches
    (top, left, bottom, right); ``middle.strip0``, ``strip1``, ..., the bytes of a JPEG with a unit's patches;
    ``middle.layer`` ``int64 [5]``: after which convolution, of how many, its channels, height, width; and
    ``middle.name``, in UTF-8, the module that returns the maps.
    """
    import torch

    split = parts.ingredients.test
    if split is None or not split.images:
        return {}
    modes = {module: module.training for module in parts.model.modules()}
    parts.model.eval()
    try:
        with torch.no_grad():
            return _look(parts)
    finally:
        for module, training in modes.items():
            module.training = training


def _look(parts: Parts) -> dict[str, Any]:
    import numpy as np

    from harness_plugins.probes._edges import edges, shades, shrink
    from harness_plugins.probes._layers import layers
    from harness_plugins.probes._patches import patches

    split = parts.ingredients.test
    assert split is not None
    photos = split.inputs
    row = sample(photos)
    photo = photos[row]
    inputs = split.as_input(photo[None])
    layer_outputs = layers(parts.model, inputs)
    if not layer_outputs or layer_outputs[0].convolution.weight.shape[1] != 3:
        return {}
    first = layer_outputs[0]
    weights = first.convolution.weight
    kernels = min(KERNELS, NUMBERS // weights[0].numel() or 1)
    beginning = parts.beginning().to(photo.device).eval()
    begun: Any = beginning.get_submodule(first.name)
    small = shrink(photo.permute(2, 0, 1).float(), SAMPLE).round().byte().permute(1, 2, 0)
    arrays = {
        "kernels": weights[:kernels].float(),
        "initial": begun.weight[:kernels].float(),
        "maps": shades(_output(parts.model, first, inputs)[:SEEN], MAP),
        "sample": small,
        "edges": shades(edges(photo), MAP),
    }
    result = {name: _numpy(tensor) for name, tensor in arrays.items()}
    result["sample_row"] = np.array([row])
    chosen = {"middle": len(layer_outputs) // 2, "late": len(layer_outputs) - 1}
    chosen = {depth: place for depth, place in chosen.items() if depth == "late" or place != chosen["late"]}
    patches_of_layers = patches(parts.model, beginning, photos, split.as_input, layer_outputs, list(chosen.values()))
    return result | {
        f"{depth}.{name}": array
        for depth, arrays_of_layer in zip(chosen, patches_of_layers, strict=True)
        for name, array in arrays_of_layer.items()
    }


def sample(photos: torch.Tensor) -> int:
    """Return the row, of the first 64 of ``uint8 [N, H, W, 3]``, of the photo with the strongest contrast."""
    return int(photos[:64].float().mean(3).flatten(1).var(1).argmax())


def _output(network: torch.nn.Module, layer: Layer, inputs: torch.Tensor) -> torch.Tensor:
    """Return a convolution's own output ``[C, h, w]`` on the first of the inputs."""
    from harness_plugins.probes._layers import watching

    seen: list[torch.Tensor] = []
    with watching(
        network, lambda call, module, output: seen.append(output[0].clone()) if call == layer.first else None
    ):
        network(inputs)
    return seen[0].float()


def _numpy(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer inside."""
    return [Probe(name="inside", measure=measure, reference="arXiv:1311.2901")]
