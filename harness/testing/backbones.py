"""What a backbone must do: map images to outputs, learn with all of its weights, and be saved."""

from __future__ import annotations

import json
from typing import Any

import torch

from harness.errors import DataError, PluginError, one_line
from harness.plugin.contracts import Backbone
from harness.records.files import temporary_folder, write
from harness.testing.driving import finite, same, torch_check
from harness.testing.outcomes import NotApplicable, require
from harness.training.pretrained import check_fit
from harness.training.state import flatten, restore

SIZES = (32, 64, 96, 224)  # pixels; not every network works on small images
K = 5


@torch_check
def builds(offer: Backbone) -> str:
    """It builds for images of some usual size, and for another number of outputs."""
    size = _size(offer)
    for outputs in (2, K):
        result = _outputs(_network(offer, size, outputs), size)
        require(
            tuple(result.shape) == (4, outputs) and result.is_floating_point(),
            f"must give floating-point outputs [4, {outputs}] for 4 images of {size} px and {outputs} outputs, got "
            f"{result.dtype} {list(result.shape)}",
        )
    return f"images of {size} px and more"


@torch_check
def other_size(offer: Backbone) -> str:
    """Built for images half as large again, it takes those."""
    size = _size(offer) * 3 // 2 // 32 * 32 + 32
    result = _outputs(_network(offer, size), size)
    require(
        tuple(result.shape) == (4, K), f"must give outputs [4, {K}] for images of {size} px, got {list(result.shape)}"
    )
    return f"{size} px"


@torch_check
def finite_outputs(offer: Backbone) -> str:
    """Its first outputs are finite numbers, in training and in evaluation, for ordinary and for black images."""
    size = _size(offer)
    network = _network(offer, size)
    for mode in (True, False):
        network.train(mode)
        for name, images in (("ordinary", _images(size)), ("black", torch.full((4, 3, size, size), -2.0))):
            result = network(images)
            occasion = f"{'training' if mode else 'evaluating'} on {name} images"
            require(
                finite([result]), f"must give finite outputs when {occasion}, got others; check its initial weights"
            )
    return ""


@torch_check
def learns_everywhere(offer: Backbone) -> str:
    """The loss has a finite gradient for every trainable weight."""
    size = _size(offer)
    network = _network(offer, size).train()
    torch.nn.functional.cross_entropy(network(_images(size)), torch.arange(4) % K).backward()  # type: ignore[no-untyped-call]
    weights = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
    require(weights, "must have trainable parameters, got none")
    for name, gradient in weights.items():
        require(
            gradient is not None, f"must use all of its weights, got no gradient for '{name}'; leave it out or use it"
        )
        require(gradient is not None and finite([gradient]), f"must have finite gradients, got others for '{name}'")
    return f"{sum(p.numel() for p in network.parameters() if p.requires_grad):,} weights"


@torch_check
def seeded(offer: Backbone) -> str:
    """The same seed gives the same initial weights, and another seed others."""
    size = _size(offer)
    first, repeated, reseeded = (_weights(_network(offer, size, seed=seed)) for seed in (0, 0, 1))
    require(
        same(first, repeated), "must have the same weights under the same seed, got others; draw from torch's generator"
    )
    require(not same(first, reseeded), "must have other weights under another seed, got the same; draw them at random")
    return ""


@torch_check
def state_round_trip(offer: Backbone) -> str:
    """Its state is tensors, and a network that loads it gives the same outputs, to the last bit."""
    size = _size(offer)
    network = _network(offer, size).train()
    network(_images(size))  # moves the statistics of normalisation layers
    tensors: dict[str, torch.Tensor] = {}
    try:
        plain = json.loads(json.dumps(flatten(dict(network.state_dict()), "state_dict", tensors)))
    except PluginError as error:
        raise AssertionError(str(error)) from error
    loaded = _network(offer, size, seed=1)
    loaded.load_state_dict(restore(plain, tensors))
    outputs, outputs_loaded = (_outputs(model, size) for model in (network, loaded))
    require(
        torch.equal(outputs, outputs_loaded),
        "must give the same outputs from the same state_dict(), got others; register its buffers",
    )
    return ""


@torch_check
def evaluates_one_by_one(offer: Backbone) -> str:
    """In evaluation an example's output does not depend on the others of its batch, nor on chance."""
    size = _size(offer)
    network = _network(offer, size)
    batched, repeated, images = _outputs(network, size), _outputs(network, size), _images(size)
    require(
        torch.equal(batched, repeated), "must give the same outputs twice in evaluation, got others; heed self.training"
    )
    with torch.no_grad():
        single = torch.cat([network(images[i : i + 1]) for i in range(len(images))])
    off = float((single - batched).abs().max() / batched.abs().max().clamp_min(1e-6))
    require(
        off <= 1e-3, f"must give an example the same output alone as in a batch, differs by {off:.2g} of the largest"
    )
    return ""


@torch_check
def bf16(offer: Backbone) -> str:
    """In mixed precision outputs stay finite, and near those of float32."""
    size = _size(offer)
    network = _network(offer, size).train()
    with torch.no_grad():
        exact = network(_images(size)).float()
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(_images(size)).float()
    require(finite([rough]), "must give finite outputs in bf16 autocast, got others")
    off = float((rough - exact).norm() / exact.norm().clamp_min(1e-6))
    return f"outputs {100 * off:.1f} % from float32's"


@torch_check
def groups(offer: Backbone) -> str:
    """``groups`` has every trainable parameter exactly once."""
    if offer.groups is None:
        raise NotApplicable("it says nothing of layer groups")
    network = _network(offer, _size(offer))
    names = {id(p): name for name, p in network.named_parameters() if p.requires_grad}
    listed = [id(p) for group in offer.groups(network) for p in group]
    missing = [name for key, name in names.items() if key not in listed]
    require(not missing, f"groups() must hold every trainable parameter, '{missing[0] if missing else ''}' is missing")
    twice = [names.get(key, "an unknown one") for key in listed if listed.count(key) > 1 or key not in names]
    require(
        not twice, f"groups() must hold trainable parameters once, got '{twice[0] if twice else ''}' more or wrongly"
    )
    return ""


@torch_check
def pretrained(offer: Backbone) -> str:
    """Built from a file with a network's tensors, it has all of them but the head's, and gives features."""
    if offer.weights is None:
        raise NotApplicable("it starts from no pretrained weights")
    from safetensors.torch import save

    size = _size(offer)
    with temporary_folder() as folder:
        file = folder / "weights.safetensors"
        # Away from where it begins, so that a tensor that is not read can be told from one that is.
        state = {
            name: t + 0.5 if t.is_floating_point() else t for name, t in _network(offer, size).state_dict().items()
        }
        write(file, save({name: tensor.contiguous() for name, tensor in state.items()}), durable=False)
        weights = offer.weights(file)
        try:
            fit = check_fit(offer, weights, (3, size, size), "weights")
        except DataError as error:
            raise AssertionError(str(error)) from error
        features = _outputs(offer.build((3, size, size), 0, weights), size)
    require(
        features.ndim == 2, f"must give pooled features [B, F] for no outputs, got {list(features.shape)} for 4 images"
    )
    return f"{fit.loaded if fit else 0} tensors, {features.shape[1]} features"


def _size(offer: Backbone) -> int:
    """Return the smallest usual image size that it works on; AssertionError where there is none."""
    trouble = ""
    for size in SIZES:
        try:
            _outputs(_network(offer, size), size)
        except Exception as error:  # a plugin may raise anything
            trouble = one_line(error)
        else:
            return size
    raise AssertionError(f"must build for images [3, {SIZES[-1]}, {SIZES[-1]}] and take them, got {trouble:.200}")


def _network(offer: Backbone, size: int, outputs: int = K, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return offer.build((3, size, size), outputs)


def _images(size: int) -> torch.Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _outputs(network: torch.nn.Module, size: int) -> torch.Tensor:
    outputs: torch.Tensor = network.eval()(_images(size))
    return outputs


def _weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in network.parameters()]


QUICK = [
    builds, other_size, finite_outputs, learns_everywhere, seeded, state_round_trip, evaluates_one_by_one, bf16, groups,
    pretrained,
]  # fmt: skip
FULL: list[Any] = []
