"""How torch's functions carry axes along: one rule a kind of function.

A rule is given what is known of the arguments' axes, joins what must be permuted together, and returns the axes of the
result. What no rule is known for leaves its arguments' axes fixed, which is always right, only less than could be.
Slices of an axis, concatenation along it and the heads of attention are such cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from harness_plugins.probes._connect.spaces import Axis, Spaces

Axes = tuple[Axis | None, ...]


class Known(Protocol):
    """What is known while a network is watched."""

    spaces: Spaces

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes, one per dimension."""


Arguments = Mapping[str, Any]
Rule = Callable[[Known, Arguments, Any], Any]  # (known, arguments by name, result) -> axes, a list of them for a list


def tensors_in(values: Any) -> list[torch.Tensor]:
    """Return all tensors of a nest of arguments."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, Mapping):
        return tensors_in(list(values.values()))
    return [tensor for value in values for tensor in tensors_in(value)] if isinstance(values, list | tuple) else []


def unknown(known: Known, given: Arguments, result: Any) -> Any:
    """Fix every axis of the arguments; the results have none."""
    for tensor in tensors_in(given):
        for axis in known.axes(tensor):
            known.spaces.fix(axis)
    if isinstance(result, torch.Tensor):
        return (None,) * result.ndim
    return [unknown(known, {}, part) for part in result] if isinstance(result, list | tuple) else None


def _pointwise(known: Known, given: Arguments, result: Any) -> Axes:
    """Entry by entry, with broadcasting: axes that meet are joined."""
    shape, axes = result.shape, dict[int, Axis | None]()
    for tensor in tensors_in(given):
        for place, axis in enumerate(known.axes(tensor), start=len(shape) - tensor.ndim):
            if tensor.shape[place - len(shape)] == shape[place]:
                axes[place] = known.spaces.join(axes[place], axis) if place in axes else axis
    return tuple(axes.get(place) for place in range(len(shape)))


def _unary(known: Known, given: Arguments, result: Any) -> Axes:
    """Entry by entry of the first argument, whatever the others are; or along whole axes, such as softmax."""
    return known.axes(given["0"])


def _linear(known: Known, given: Arguments, result: Any) -> Axes:
    rows, weight, bias = (given.get(name) for name in ("input", "weight", "bias"))
    assert isinstance(rows, torch.Tensor)
    assert isinstance(weight, torch.Tensor)
    units, entries = known.axes(weight)
    known.spaces.join(known.axes(rows)[-1], entries)
    if bias is not None:
        known.spaces.join(units, known.axes(bias)[0])
    return (*known.axes(rows)[:-1], units)


def _convolution(known: Known, given: Arguments, result: Any) -> Axes:
    maps, weight, bias, groups = given["input"], given["weight"], given.get("bias"), given.get("groups", 1)
    (units, entries, *kernel), spaces = known.axes(weight), known.spaces
    channels = maps.ndim - weight.ndim + 1
    before, incoming, sides = known.axes(maps)[:channels], known.axes(maps)[channels], known.axes(maps)[channels + 1 :]
    for axis in (*kernel, *sides):
        spaces.fix(axis)
    if groups == 1:
        spaces.join(incoming, entries)
    elif groups == len(weight) == maps.shape[channels]:  # each channel has a kernel of its own
        units = spaces.join(incoming, units)
    else:
        for axis in (incoming, units, entries):
            spaces.fix(axis)
    if bias is not None:
        spaces.join(units, known.axes(bias)[0])
    return (*before, units, *(None for _ in sides))


def _per_channel(known: Known, given: Arguments, result: Any) -> Axes:
    """Batch and instance normalisation, PReLU: vectors of one entry per channel, or of one for all."""
    maps, *vectors = tensors_in(given)
    axes = list(known.axes(maps))
    for vector in vectors:
        if vector.numel() > 1:
            axes[1] = known.spaces.join(axes[1], known.axes(vector)[0])
    return tuple(axes)


def _layer_norm(known: Known, given: Arguments, result: Any) -> Axes:
    rows, *vectors = tensors_in(given)
    axes = list(known.axes(rows))
    for vector in vectors:
        for place, axis in enumerate(known.axes(vector), start=rows.ndim - vector.ndim):
            axes[place] = known.spaces.join(axes[place], axis)
    return tuple(axes)


def _group_norm(known: Known, given: Arguments, result: Any) -> Axes:
    if given["num_groups"] != 1:
        known.spaces.fix(known.axes(given["input"])[1])
    return _per_channel(known, given, result)


def _pool(known: Known, given: Arguments, result: Any, sides: int) -> Axes:
    axes = known.axes(given["0"])
    for axis in axes[-sides:]:
        known.spaces.fix(axis)
    return (*axes[:-sides], *(None for _ in range(sides)))


def _same_length(known: Known, given: Arguments, result: Any) -> Axes:
    """Padding, resizing, expanding: axes that keep their length are kept, the others lose their units."""
    maps = given["0"]
    extra = result.ndim - maps.ndim
    axes: list[Axis | None] = [None] * extra
    for place, axis in enumerate(known.axes(maps)):
        is_same = maps.shape[place] == result.shape[place + extra]
        if not is_same:
            known.spaces.fix(axis)
        axes.append(axis if is_same else None)
    return tuple(axes)


def _reshape(known: Known, given: Arguments, result: Any) -> Axes:
    """Axes are kept that stay whole, that are flattened with what follows, or come out of that again."""
    before, shape = given["0"].shape, result.shape
    axes, out = known.axes(given["0"]), [None] * len(shape)
    if 0 in before:
        return tuple(out)
    axes_of_out: list[Axis | None] = list(out)
    i = j = 0
    while i < len(before) and j < len(shape):
        group, into = [i], [j]
        left, right = before[i], shape[j]
        while left != right:
            if left < right:
                i += 1
                left *= before[i]
                group.append(i)
            else:
                j += 1
                right *= shape[j]
                into.append(j)
        i, j = i + 1, j + 1
        _regroup(known, [(before[k], axes[k]) for k in group], [(shape[k], k) for k in into], axes_of_out)
    return tuple(axes_of_out)


def _regroup(
    known: Known,
    group: Sequence[tuple[int, Axis | None]],
    into: Sequence[tuple[int, int]],
    target: list[Axis | None],
) -> None:
    """Carry the axes of some dimensions (length, axis) over to others (length, place) of the same entries."""
    group, into = [entry for entry in group if entry[0] > 1], [entry for entry in into if entry[0] > 1]
    roots = [known.spaces.free(axis) for _, axis in group]
    if not group or not any(roots):
        return
    first, behind = roots[0], 1
    for length, _ in group[1:]:
        behind *= length
    if first is not None and not any(roots[1:]):
        axis = Axis(first.space, first.block * behind)
        if len(into) == 1:
            target[into[0][1]] = axis
            return
        if axis.block % (block := _length(into[1:])) == 0:
            target[into[0][1]] = Axis(axis.space, axis.block // block)
            return
    for root in roots:
        known.spaces.fix(root)


def _length(into: Sequence[tuple[int, int]]) -> int:
    length = 1
    for axis, _ in into:
        length *= axis
    return length


def _permute(known: Known, given: Arguments, result: Any) -> Axes:
    axes = known.axes(given["0"])
    order = given["1"] if isinstance(given["1"], list | tuple) else [given[str(k + 1)] for k in range(len(axes))]
    return tuple(axes[place] for place in order)


def _transpose(known: Known, given: Arguments, result: Any) -> Axes:
    axes = list(known.axes(given["0"]))
    first, second = given["1"], given["2"]
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def _reduce(known: Known, given: Arguments, result: Any, dim: str = "1") -> Any:
    """A mean, a sum or a norm: along a whole axis it does not ask in which order."""
    rows, along = given["0"], given.get("dim", given.get(dim))
    if not isinstance(result, torch.Tensor):
        return unknown(known, given, result)
    axes = list(known.axes(rows))
    along = range(rows.ndim) if along is None else [along] if isinstance(along, int) else along
    gone = {place % rows.ndim for place in along}
    if result.ndim == rows.ndim:
        return tuple(None if place in gone else axis for place, axis in enumerate(axes))
    return tuple(axis for place, axis in enumerate(axes) if place not in gone)


def _concatenate(known: Known, given: Arguments, result: Any) -> Axes:
    """Units side by side have no space of their own: only the other axes are kept."""
    along = given.get("dim", given.get("1", 0)) % result.ndim
    axes: list[Axis | None] = []
    for place in range(result.ndim):
        joined, *rest = [known.axes(tensor)[place] for tensor in given["0"]]
        for axes_of_part in rest:
            if place != along:
                joined = known.spaces.join(joined, axes_of_part)
        if place == along:
            for axis in (joined, *rest):
                known.spaces.fix(axis)
        axes.append(None if place == along else joined)
    return tuple(axes)


def _take(known: Known, given: Arguments, result: Any) -> Any:
    """Indices and slices: an axis that is not taken whole loses its units."""
    rows, index = given["0"], given["1"]
    index = index if isinstance(index, tuple) else (index,)
    if not all(item is None or item is Ellipsis or isinstance(item, int | slice) for item in index):
        return unknown(known, given, result)
    if Ellipsis in index:
        position = index.index(Ellipsis)
        count = rows.ndim + 1 - sum(item is not None for item in index)
        index = (*index[:position], *[slice(None)] * count, *index[position + 1 :])
    axes, result_axes, place = known.axes(rows), list[Axis | None](), 0
    for item in index:
        if item is None:
            result_axes.append(None)
            continue
        if item == slice(None):
            result_axes.append(axes[place])
        else:
            known.spaces.fix(axes[place])
            result_axes += [] if isinstance(item, int) else [None]
        place += 1
    return (*result_axes, *axes[place:])


def _unbind(known: Known, given: Arguments, result: Any) -> Any:
    along = given.get("dim", given.get("1", 0))
    axes = list(known.axes(given["0"]))
    known.spaces.fix(axes.pop(along))
    return [tuple(axes) for _ in result]


def _split(known: Known, given: Arguments, result: Any) -> Any:
    along = given.get("dim", given.get("2", 0))
    axes = list(known.axes(given["0"]))
    known.spaces.fix(axes[along])
    axes[along] = None
    return [tuple(axes) for _ in result]


def _norm(known: Known, given: Arguments, result: Any) -> Any:
    return _reduce(known, given, result, dim="2")


_POINTWISE = (
    "add radd iadd sub rsub isub mul rmul imul div rdiv idiv truediv rtruediv itruediv true_divide maximum minimum where lerp "
    "addcmul pow rpow"
)
_UNARY = (
    "relu relu6 gelu silu mish elu selu celu leaky_relu hardtanh hardswish hardsigmoid sigmoid logsigmoid tanh softplus "
    "softsign tanhshrink hardshrink softshrink threshold exp log sqrt rsqrt abs neg square clamp clamp_min erf sin cos "
    "reciprocal sign round floor nan_to_num dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout "
    "softmax log_softmax normalize clone contiguous detach float half double bfloat16 to type_as type positive"
)
_FIRST = {  # the arguments of functions whose rules want them by name
    "linear": ("input", "weight", "bias"),
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv3d"), ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    ),
    "group_norm": ("input", "num_groups", "weight", "bias"),
}


def _pools() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for sides in (1, 2, 3):

        def rule(known: Known, given: Arguments, result: Any, sides: int = sides) -> Any:
            return (
                _pool(known, given, result, sides)
                if isinstance(result, torch.Tensor)
                else unknown(known, given, result)
            )

        for name in ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool"):
            rules[f"{name}{sides}d"] = rule
    return rules


RULES: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE.split(), _pointwise),
    **dict.fromkeys(_UNARY.split(), _unary),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "logsumexp"), _reduce),
    **dict.fromkeys(("norm", "vector_norm", "linalg_vector_norm"), _norm),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("batch_norm", "instance_norm", "prelu"), _per_channel),
    **dict.fromkeys(("layer_norm", "rms_norm"), _layer_norm),
    **dict.fromkeys(("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"), _reshape),
    **dict.fromkeys(("pad", "interpolate", "expand", "expand_as"), _same_length),
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenate),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    **dict.fromkeys(("chunk", "split"), _split),
    "linear": _linear,
    "group_norm": _group_norm,
    "permute": _permute,
    "getitem": _take,
    "unbind": _unbind,
    **_pools(),
}  # fmt: skip


def by_name(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """Return a call's arguments by the names that the function's rule knows them by: numbers where it has none."""
    names = _FIRST.get(function, ())
    named = {names[k] if k < len(names) else str(k): value for k, value in enumerate(args)}
    if not args and kwargs:  # the first argument may be given by name, as torch's "input"
        named["0"] = kwargs.get("input", kwargs.get("tensors"))
    return {**named, **kwargs}
