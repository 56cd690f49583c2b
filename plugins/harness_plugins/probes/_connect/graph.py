"""Which axes of a network's tensors number the same units, found by watching it compute.

One forward pass is watched, function by function, so any network will do that computes with torch's functions, whatever
its Python looks like. Whether what was seen is right is then tried: with random weights, and random permutations of
them, the network must compute the same.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from harness_plugins.probes._connect.axes import RULES, by_name
from harness_plugins.probes._connect.heads import follow
from harness_plugins.probes._connect.known import Axes, Scattered, tensors_in, unknown
from harness_plugins.probes._connect.permutation import Bundle, Place, Symmetry, permuted, randomly
from harness_plugins.probes._connect.spaces import SAME, Axis, Spaces
from harness_plugins.probes._connect.trial import Change, holds

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
        self._scattered: dict[int, Scattered] = {}
        self._alive: list[torch.Tensor] = [inputs]

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes; those of the network's own tensors begin as spaces of their own."""
        if id(tensor) not in self._axes and id(tensor) in self._own:
            self._axes[id(tensor)] = tuple(self.spaces.new(length) for length in tensor.shape)
        return self._axes.get(id(tensor), (None,) * tensor.ndim)

    def scattered(self, tensor: torch.Tensor) -> Scattered | None:
        """Return the units of a tensor that lie along several axes."""
        return self._scattered.get(id(tensor))

    def scatter(self, tensor: torch.Tensor, units: Scattered) -> None:
        """Note that units lie along several axes of a tensor."""
        self._scattered[id(tensor)] = units

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
        rule = RULES.get(name, unknown)
        if any(id(tensor) in self._scattered for tensor in tensors_in(arguments)):
            spaces = follow(self, func, name, args, kwargs, arguments, result, rule)
        else:
            spaces = rule(self, arguments, result)
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
            if axis is not None and axis is not SAME:
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
        units = seen.scattered(tensor)
        for axis in filter(None, (*seen.axes(tensor), units.axis if units else None)):
            seen.shown.add(seen.spaces.root(axis).space)
            seen.spaces.fix(axis)
    seen.spaces.settle()
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
        _fix_constants(network, seen)
        for is_whole in (False, True):  # where what was seen of heads and pieces is wrong, the rest may be right
            seen.spaces.settle(is_whole)
            seen_symmetry = _seen_symmetry(network, seen)
            if holds(copy.deepcopy(network), inputs, shuffle(seen_symmetry)):
                return seen_symmetry
    except Exception:  # a network may do anything
        return None
    return None


def _tensors(network: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]


def _fix_constants(network: torch.nn.Module, seen: Watch) -> None:
    """Fix the axes of constants that are not saved, for they cannot be moved."""
    saved = network.state_dict().keys()
    for name, tensor in _tensors(network):
        for axis in seen.axes(tensor) if name not in saved else ():
            seen.spaces.fix(axis)


def _seen_symmetry(network: torch.nn.Module, seen: Watch) -> Symmetry:
    weights = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    spaces, places = seen.spaces, dict[int, list[Place]]()
    for name, tensor in _tensors(network):
        for dim, axis in enumerate(seen.axes(tensor)):
            root = spaces.free(axis)
            if root is None:
                continue
            for space, entries in spaces.leaves(root.space):
                place = Place(name, dim, root.block, name in weights, root.outer, entries, spaces.sizes[root.space])
                places.setdefault(space, []).append(place)
    nested = _bundles(seen, places)
    for bundle in nested:
        places.setdefault(bundle.spaces[0], [])  # heads alone may number nothing
    all_spaces = tuple((space, spaces.sizes[space], tuple(in_space)) for space, in_space in places.items())
    return Symmetry(all_spaces, _movable_part(seen, places.keys()), nested)


def _bundles(seen: Watch, places: Collection[int]) -> tuple[Bundle, ...]:
    """Return the heads, each with the spaces whose units belong to them."""
    by_heads: dict[int, dict[int, bool]] = {}
    for nested in seen.spaces.nested:
        units, heads = seen.spaces.free(nested.units), seen.spaces.free(nested.heads)
        if units and heads and units.space in places:
            inside = by_heads.setdefault(heads.space, {})
            inside[units.space] = nested.rigid or inside.get(units.space, False)
    return tuple(Bundle((heads, *inside), tuple(inside.values())) for heads, inside in by_heads.items())


def _movable_part(seen: Watch, movable: Collection[int]) -> float:
    """Return the part in [0, 1] of the units of hidden layers that are on spaces which may be permuted."""
    spaces = seen.spaces
    hidden = {spaces.root(axis).space for axis in seen.units} - seen.shown
    moving = 0
    for space in hidden:
        for leaf, entries in spaces.leaves(space):
            moving += (len(entries) or spaces.sizes[space]) if leaf in movable else 0
    return moving / sum(spaces.sizes[space] for space in hidden) if hidden else 1.0


def shuffle(symmetry: Symmetry) -> Change:
    """Return the change that puts the units which a network is said to permute into a random order."""
    return lambda state, random: permuted(state, symmetry, randomly(symmetry, random))
