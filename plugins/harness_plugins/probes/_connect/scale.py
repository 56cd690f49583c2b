"""Bring filters to norm 1 whose scale the network does not see, because batch normalisation takes it away again.

A filter times 20 leaves every output as it was, but not the straight line to another network: there it outweighs the other
one's filter. So a barrier says something of two functions only after all such filters have one length. Pittorino et al.
2022, "Deep Networks on Toroids: Removing Symmetries Reveals the Structure of Flat Regions in the Landscape Geometry",
arXiv:2202.03038. The weights and biases of a batch normalisation are brought to one length together where only such filters
come after it, with ReLU or pooling between. The weights of batch normalisation also make up for its ``eps``, so the network
computes the same to rounding.

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
from harness_plugins.probes._connect.known import tensors_in
from harness_plugins.probes._connect.permutation import Weights
from harness_plugins.probes._connect.trial import holds

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


@dataclass(frozen=True)
class ScaleFree:
    """A layer whose units' scale is taken away by a batch normalisation; names in the network's state."""

    weight: str
    bias: str  # "" where there is none
    norm_weight: str
    mean: str
    variance: str
    eps: float


@dataclass(frozen=True)
class Gain:
    """The weights and biases of a batch normalisation whose common scale the layers after it take away."""

    weight: str
    bias: str
    layers: tuple[str, ...]  # the weights of those layers


Step = ScaleFree | Gain


@dataclass
class _Layer:
    """What was seen of a layer: its own tensors, and the batch normalisations of its outputs."""

    weight: int  # ids of tensors
    bias: int | None
    source: (
        int | None
    )  # the weight of the batch normalisation that its inputs come from, through nothing that sees a scale
    norms: dict[tuple[int, int, int], float] = field(default_factory=dict)  # weight, mean and variance; eps
    is_seen: bool = False  # something sees the scale


@dataclass
class _Norm:
    """What was seen of a batch normalisation: its own tensors, and the layers that take its outputs."""

    weight: int
    bias: int
    layers: set[int] = field(default_factory=set)
    uses: int = 0
    is_seen: bool = False


class _Watch(TorchFunctionMode):
    """Follows what layers put out until a batch normalisation takes it, and the other way round, or something else does."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.layers: dict[int, _Layer] = {}  # by the id of their weight
        self.norms: dict[int, _Norm] = {}  # by the id of their weight, in the order of computation
        self.used: set[int] = set()  # tensors of the network's own that are used in any other way
        self._own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._makers: dict[int, _Layer | _Norm] = {}  # by the id of a tensor that they have put out
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
            self._note_norm(args, kwargs, result)
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
        maker = self._makers.get(id(given["input"]))
        source = maker.weight if isinstance(maker, _Norm) else None
        if isinstance(maker, _Norm):
            maker.layers.add(id(weight))
        else:
            self.see([given["input"]])
        units_first = (
            result.ndim == weight.ndim if name != "linear" else result.ndim == 2
        )  # there the norm expects them
        seen = _Layer(id(weight), None if bias is None else id(bias), source)
        layer = self.layers.setdefault(id(weight), seen)
        layer.is_seen |= not units_first or (layer.bias, layer.source) != (seen.bias, seen.source)
        self._makers[id(result)] = layer

    def _note_norm(self, args: Sequence[Any], kwargs: Mapping[str, Any], result: torch.Tensor) -> None:
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        weight, bias, mean, variance = (
            arguments.get(name) for name in ("weight", "bias", "running_mean", "running_var")
        )
        if weight is None or bias is None or mean is None or variance is None:
            self.see([arguments["input"], weight, bias])
            return
        norm = self.norms.setdefault(id(weight), _Norm(id(weight), id(bias)))
        norm.uses += 1
        self._makers[id(result)] = norm
        layer = self._makers.get(id(arguments["input"]))
        if isinstance(layer, _Layer):
            layer.norms[id(weight), id(mean), id(variance)] = float(arguments.get("eps", 1e-5))
        else:
            self.see([arguments["input"]])


@torch.no_grad()
def scale_free(network: torch.nn.Module, inputs: torch.Tensor) -> tuple[Step, ...]:
    """Return what of a network can be brought to norm 1, in the order of computation; nothing where it cannot be told.

    ``inputs [B, ...]`` are some of those it takes. The network is left as it was.
    """
    network = copy.deepcopy(network).eval()
    try:
        seen = _Watch(network)
        with seen:
            outputs = network(inputs)
        seen.see(outputs)
        steps = _steps(network, seen)
        passes = steps and holds(network, inputs, lambda state, random: normalised(state, steps), seed=1)
        return steps if passes else ()
    except Exception:  # a network may do anything
        return ()


def _steps(network: torch.nn.Module, seen: _Watch) -> tuple[Step, ...]:
    names = {id(tensor): name for name, tensor in network.state_dict(keep_vars=True).items()}
    by_norm = {
        weight: layer for layer in seen.layers.values() for weight, _, _ in layer.norms if _is_free(layer, seen, names)
    }
    free = {layer.weight for layer in by_norm.values()}
    steps: list[Step] = []
    for norm in seen.norms.values():
        if norm.weight in by_norm:
            layer = by_norm[norm.weight]
            (((_, mean, variance), eps),) = layer.norms.items()
            bias = "" if layer.bias is None else names[layer.bias]
            steps.append(ScaleFree(names[layer.weight], bias, names[norm.weight], names[mean], names[variance], eps))
        tensors = {norm.weight, norm.bias}
        if norm.layers and norm.layers <= free and norm.uses == 1 and not norm.is_seen and not tensors & seen.used:
            after = tuple(names[weight] for weight in sorted(norm.layers, key=list(seen.layers).index))
            steps.append(Gain(names[norm.weight], names[norm.bias], after))
    return tuple(steps)


def _is_free(layer: _Layer, seen: _Watch, names: Mapping[int, str]) -> bool:
    """Return whether nothing but one batch normalisation sees the scale of a layer, and that one of no other layer."""
    if layer.is_seen or len(layer.norms) != 1:
        return False
    tensors = {layer.weight, *([] if layer.bias is None else [layer.bias]), *next(iter(layer.norms))}
    norm = seen.norms[next(iter(layer.norms))[0]]
    return tensors <= names.keys() and norm.uses == 1 and not tensors & seen.used


def normalised(state: Weights, steps: Sequence[Step]) -> dict[str, torch.Tensor]:
    """Return a network's state with filters and gains at one length; with its statistics it computes the same.

    A filter has norm 1 then, and the weights and biases of a batch normalisation of n channels together sqrt(n).
    """
    result = dict(state)
    by_inputs: dict[str, torch.Tensor] = {}  # by a layer's weight, what its inputs have been multiplied by
    for step in steps:
        if isinstance(step, ScaleFree):
            _shorten_filters(result, step, by_inputs.get(step.weight))
            continue
        weight, bias = result[step.weight], result[step.bias]
        factor = weight.new_ones(()) * len(weight) ** 0.5 / torch.cat([weight, bias]).norm().clamp_min(LEAST)
        result[step.weight], result[step.bias] = weight * factor, bias * factor
        by_inputs |= dict.fromkeys(step.layers, factor)
    return result


def _shorten_filters(state: dict[str, torch.Tensor], layer: ScaleFree, by_inputs: torch.Tensor | None) -> None:
    """Bring a layer's filters to norm 1, whose inputs were multiplied by a number before."""
    weight, variance, mean = state[layer.weight], state[layer.variance], state[layer.mean]
    length = weight.flatten(1).norm(dim=1)
    factor = torch.where(length > LEAST, 1 / length.clamp_min(LEAST), 1.0)
    inputs = torch.ones_like(factor) if by_inputs is None else by_inputs.expand(factor.shape)
    outputs = (
        factor.double() * inputs.double()
    )  # what is left of the outputs' scale; in float32 its square may overflow
    bias = state[layer.bias] if layer.bias else torch.zeros_like(mean)
    before, now = variance.double() + layer.eps, outputs.square() * variance.double() + layer.eps
    state[layer.weight] = weight * factor.view(-1, *[1] * (weight.ndim - 1))
    state[layer.norm_weight] = (state[layer.norm_weight] * (now / before).sqrt() / outputs).to(weight)
    state[layer.mean] = ((mean - bias) * inputs + bias) * factor
    state[layer.variance] = (variance.double() * outputs.square()).to(variance)
    if layer.bias:
        state[layer.bias] = bias * factor
