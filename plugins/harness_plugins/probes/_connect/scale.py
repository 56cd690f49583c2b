"""Bring filters to norm 1 whose scale the network does not see, because batch normalisation takes it away again.

A filter times 20 leaves every output as it was, but not the straight line to another network: there it outweighs the other
one's filter. So a barrier says something of two functions only after all such filters have one length. Pittorino et al.
2022, "Deep Networks on Toroids: Removing Symmetries Reveals the Structure of Flat Regions in the Landscape Geometry",
arXiv:2202.03038. Here batch normalisation's weights make up for its ``eps``, so the network computes the same to rounding.

Which layers these are is found by watching the network compute, and then tried with random weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from harness_plugins.probes._connect.axes import by_name
from harness_plugins.probes._connect.graph import drawn
from harness_plugins.probes._connect.known import tensors_in
from harness_plugins.probes._connect.permutation import Weights

LEAST = 1e-12  # a filter that is shorter is as good as zero, and stays
_LAYERS = {"linear", "conv1d", "conv2d", "conv3d"}
_POOLS = {f"{name}_pool{sides}d" for name in ("max", "avg", "adaptive_avg", "adaptive_max") for sides in (1, 2, 3)}
_CARRYING = _POOLS | {
    "relu",
    "leaky_relu",
    "dropout",
    "dropout2d",
    "contiguous",
    "clone",
    "detach",
}  # twice in, twice out
_SHAPES = {"get", "size", "dim", "numel", "stride", "is_contiguous", "is_floating_point", "len"}
_RUNNING = ("running_mean", "running_var")


@dataclass(frozen=True)
class ScaleFree:
    """A layer whose units' scale is taken away by a batch normalisation; names in the network's state."""

    weight: str
    bias: str  # "" where there is none
    norm_weight: str
    mean: str
    variance: str
    eps: float


@dataclass
class _Layer:
    """What was seen of a layer: its own tensors, and the batch normalisations of its outputs."""

    weight: int  # ids of tensors
    bias: int | None
    norms: dict[tuple[int, int, int], float] = field(default_factory=dict)  # weight, mean and variance; eps
    is_seen: bool = False  # something sees the scale


class _Watch(TorchFunctionMode):
    """Follows what layers put out until a batch normalisation takes it, or something else does."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.layers: dict[int, _Layer] = {}  # by the id of their weight
        self.norms: dict[int, set[int]] = {}  # by the id of a normalisation's weight, the layers it was used for
        self.used: set[int] = set()  # tensors of the network's own that are used in any other way
        self._own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._makers: dict[int, _Layer] = {}  # by the id of a tensor that the layer has put out
        self._alive: list[Any] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute what was asked for, and note who has seen what."""
        kwargs = kwargs or {}
        name = func.__name__.strip("_")
        result = func(*args, **kwargs)
        self._alive.append(result)
        if name in _SHAPES and not isinstance(result, torch.Tensor):
            return result
        if name in _LAYERS:
            self._note_layer(by_name(name, args, kwargs), name, result)
        elif func is torch.nn.functional.batch_norm:
            self._note_norm(args, kwargs)
        elif name in _CARRYING and isinstance(result, torch.Tensor) and args and id(args[0]) in self._makers:
            self._makers[id(result)] = self._makers[id(args[0])]
        else:
            self.see((args, kwargs))
        return result

    def see(self, values: Any) -> None:
        """Note that something sees the scale of all tensors among these values."""
        for tensor in tensors_in(values):
            if id(tensor) in self._makers:
                self._makers[id(tensor)].is_seen = True
            if id(tensor) in self._own:
                self.used.add(id(tensor))

    def _note_layer(self, given: Mapping[str, Any], name: str, result: torch.Tensor) -> None:
        weight, bias = given["weight"], given.get("bias")
        self.see([given["input"]])
        units_first = (
            result.ndim == weight.ndim if name != "linear" else result.ndim == 2
        )  # there the norm expects them
        layer = self.layers.setdefault(id(weight), _Layer(id(weight), None if bias is None else id(bias)))
        layer.is_seen |= not units_first or layer.bias != (None if bias is None else id(bias))
        self._makers[id(result)] = layer

    def _note_norm(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        weight, mean, variance = (given.get(name) for name in ("weight", *_RUNNING))
        self.see([given.get("bias")])
        layer = self._makers.get(id(given["input"]))
        if layer is None or weight is None or mean is None or variance is None:
            self.see([given["input"], weight])
            return
        layer.norms[id(weight), id(mean), id(variance)] = float(given.get("eps", 1e-5))
        self.norms.setdefault(id(weight), set()).add(layer.weight)


@torch.no_grad()
def scale_free(network: torch.nn.Module, inputs: torch.Tensor) -> tuple[ScaleFree, ...]:
    """Return the layers of a network whose filters can be brought to norm 1; none where it cannot be told.

    ``inputs [B, ...]`` are some of those it takes. The network is left as it was.
    """
    network = copy.deepcopy(network).eval()
    try:
        seen = _Watch(network)
        with seen:
            outputs = network(inputs)
        seen.see(outputs)
        found = _found(network, seen)
        return found if found and holds(network, inputs, found) else ()
    except Exception:  # a network may do anything
        return ()


def _found(network: torch.nn.Module, seen: _Watch) -> tuple[ScaleFree, ...]:
    names = {id(tensor): name for name, tensor in network.state_dict(keep_vars=True).items()}
    found = []
    for layer in seen.layers.values():
        own = {layer.weight, *([] if layer.bias is None else [layer.bias])}
        if layer.is_seen or own & seen.used or len(layer.norms) != 1 or not own <= names.keys():
            continue
        (((weight, mean, variance), eps),) = layer.norms.items()
        if (
            seen.norms[weight] == {layer.weight}
            and weight not in seen.used
            and {weight, mean, variance} <= names.keys()
        ):
            bias = "" if layer.bias is None else names[layer.bias]
            found.append(ScaleFree(names[layer.weight], bias, names[weight], names[mean], names[variance], eps))
    return tuple(found)


def normalised(state: Weights, layers: Sequence[ScaleFree]) -> dict[str, torch.Tensor]:
    """Return a network's state with these layers' filters at norm 1; with its statistics it computes the same."""
    result = dict(state)
    for layer in layers:
        weight = result[layer.weight]
        length = weight.flatten(1).norm(dim=1)
        factor = torch.where(length > LEAST, 1 / length.clamp_min(LEAST), 1.0)
        variance = result[layer.variance]
        # In double precision: factors can be far from one.
        before, now = variance.double() + layer.eps, factor.double().square() * variance.double() + layer.eps
        result[layer.weight] = weight * factor.view(-1, *[1] * (weight.ndim - 1))
        result[layer.norm_weight] = (result[layer.norm_weight] * (now / before).sqrt() / factor).to(weight)
        result[layer.mean] = result[layer.mean] * factor
        result[layer.variance] = (variance.double() * factor.double().square()).to(variance)
        if layer.bias:
            result[layer.bias] = result[layer.bias] * factor
    return result


def holds(network: torch.nn.Module, inputs: torch.Tensor, layers: Sequence[ScaleFree]) -> bool:
    """Return whether a network with random weights computes the same when these layers are normalised.

    In double precision. The network is changed.
    """
    random = torch.Generator().manual_seed(1)
    network, inputs = network.double(), inputs.double()
    state = {name: drawn(tensor, random) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    before = network(inputs)
    network.load_state_dict(normalised(state, layers))
    after = network(inputs)
    size = before.abs().max()
    return bool(torch.isfinite(size) and size > 0 and (after - before).abs().max() <= 1e-6 * size)
