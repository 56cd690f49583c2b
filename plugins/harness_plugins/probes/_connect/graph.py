"""Which axes of a network's tensors number the same units, found by watching it compute.

One forward pass is watched, function by function, so any network will do that computes with torch's functions, whatever
its Python looks like. Whether what was seen is right is then tried: with random weights, and random permutations of
them, the network must compute the same.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from harness_plugins.probes._connect.axes import RULES, Axes, by_name, tensors_in, unknown
from harness_plugins.probes._connect.permutation import Place, Symmetry, permuted, randomly
from harness_plugins.probes._connect.spaces import Axis, Spaces

_ASKING = ("get", "size", "dim", "ndimension", "numel", "nelement", "stride", "is_contiguous", "is_floating_point", "len",
           "get_device", "element_size", "assert", "is_complex", "data_ptr")  # fmt: skip
_NORMS = ("batch_norm", "instance_norm", "layer_norm", "rms_norm", "group_norm")
_LAYERS = ("linear", "conv1d", "conv2d", "conv3d")


@dataclass(frozen=True)
class Made:
    """What a layer or a normalisation put out: ``tensor``, with the units of ``axis`` along ``dim``."""

    norm: bool
    tensor: torch.Tensor
    dim: int
    axis: Axis


class Watch(TorchFunctionMode):
    """Follows the units through everything that a network computes while the mode is on.

    Tensors are known by their identity, so all of them are kept alive until the watch is over.
    """

    def __init__(self, network: torch.nn.Module, inputs: torch.Tensor) -> None:
        super().__init__()
        self.spaces = Spaces()
        self.made: list[Made] = []
        self.units: list[Axis] = []  # of every layer's output
        self.shown: set[int] = set()  # spaces of the network's own outputs
        self._own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._axes: dict[int, Axes] = {id(inputs): (None,) * inputs.ndim}
        self._alive: list[torch.Tensor] = [inputs]

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes; those of the network's own tensors begin as spaces of their own."""
        if id(tensor) not in self._axes and id(tensor) in self._own:
            self._axes[id(tensor)] = tuple(self.spaces.new(length) for length in tensor.shape)
        return self._axes.get(id(tensor), (None,) * tensor.ndim)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute what was asked for, and note the axes of the result."""
        kwargs = kwargs or {}
        name = func.__name__.strip("_")
        arguments = by_name(name, args, kwargs)
        result = func(*args, **kwargs)
        if not tensors_in(result):
            if name not in _ASKING:  # it looked at values
                unknown(self, arguments, result)
            return result
        spaces = RULES.get(name, unknown)(self, arguments, result)
        for tensor, axes in (
            zip([result], [spaces], strict=True)
            if isinstance(result, torch.Tensor)
            else zip(result, spaces, strict=True)
        ):
            if isinstance(tensor, torch.Tensor):
                self._axes[id(tensor)] = axes
                self._alive.append(tensor)
        self._note(name, result)
        return result

    def _note(self, name: str, result: Any) -> None:
        if name not in _NORMS + _LAYERS or not isinstance(result, torch.Tensor):
            return
        for dim, axis in enumerate(self._axes[id(result)]):
            if axis is not None:
                self.made.append(Made(name in _NORMS, result, dim, axis))
                if name in _LAYERS:
                    self.units.append(axis)


@torch.no_grad()
def watch(network: torch.nn.Module, inputs: torch.Tensor) -> Watch:
    """Return the axes that were seen while the network computed the outputs of inputs ``[B, ...]``."""
    seen = Watch(network, inputs)
    with seen:
        outputs = network(inputs)
    for tensor in tensors_in(outputs):
        for axis in filter(None, seen.axes(tensor)):
            seen.shown.add(seen.spaces.root(axis).space)
            seen.spaces.fix(axis)
    return seen


def symmetry(network: torch.nn.Module, inputs: torch.Tensor) -> Symmetry | None:
    """Return which units of a network may be permuted, and which of its tensors move with them.

    ``inputs [B, ...]`` are some of those it takes. None where that cannot be said: it computes in ways that were not
    seen, or what was seen does not pass its test. The network is left as it was.
    """
    network = copy.deepcopy(network).eval()
    if any(parametrize.is_parametrized(module) for module in network.modules()):
        return None
    try:
        seen = watch(network, inputs)
        seen_symmetry = _seen_symmetry(network, seen)
        return seen_symmetry if holds(network, inputs, seen_symmetry) else None
    except Exception:  # a network may do anything
        return None


def _seen_symmetry(network: torch.nn.Module, seen: Watch) -> Symmetry:
    tensors = (*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False))
    weights = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    saved = network.state_dict().keys()
    for name, tensor in tensors:
        for axis in seen.axes(tensor) if name not in saved else ():
            seen.spaces.fix(axis)  # a constant that is not saved cannot be moved
    places: dict[int, list[Place]] = {}
    for name, tensor in tensors:
        for dim, axis in enumerate(seen.axes(tensor)):
            root = seen.spaces.free(axis)
            if root is not None:
                places.setdefault(root.space, []).append(Place(name, dim, root.block, name in weights))
    sizes = seen.spaces.sizes
    hidden = {seen.spaces.root(axis).space for axis in seen.units} - seen.shown
    movable = sum(sizes[space] for space in hidden & places.keys())
    part = movable / sum(sizes[space] for space in hidden) if hidden else 1.0
    spaces = tuple((space, sizes[space], tuple(in_space)) for space, in_space in places.items())
    return Symmetry(spaces, part)


def holds(network: torch.nn.Module, inputs: torch.Tensor, found: Symmetry) -> bool:
    """Return whether the network computes the same after random permutations, in double precision.

    Its weights are drawn anew for this, so that nothing small or zero in them hides a mistake. The network is changed.
    """
    random = torch.Generator().manual_seed(0)
    network, inputs = network.double(), inputs.double()
    state = {name: _drawn(tensor, random) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    with torch.no_grad():
        before = network(inputs)
        network.load_state_dict(permuted(state, found, randomly(found, random)))
        after = network(inputs)
    size = before.abs().max()
    return bool(torch.isfinite(size) and size > 0 and (after - before).abs().max() <= 1e-6 * size)


def _drawn(tensor: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return random weights of a size that keeps outputs near one, positive where a variance could be."""
    if not tensor.is_floating_point():
        return tensor
    if tensor.ndim < 2:
        return (0.5 + torch.rand(tensor.shape, generator=random)).to(tensor)
    drawn: torch.Tensor = torch.randn(tensor.shape, generator=random) / tensor[0].numel() ** 0.5
    return drawn.to(tensor)
