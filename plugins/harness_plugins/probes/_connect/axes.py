"""How torch's functions carry axes along: one rule a kind of function.

A rule is given what is known of the arguments' axes, joins what must be permuted together, and returns the axes of the
result. What no rule is known for leaves its arguments' axes fixed, which is always right, only less than could be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness_plugins.probes._connect import heads, shapes
from harness_plugins.probes._connect.known import Arguments, Axes, Known, Rule, tensors_in, unknown
from harness_plugins.probes._connect.spaces import Axis


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


def _norm(known: Known, given: Arguments, result: Any) -> Any:
    return _reduce(known, given, result, dim="2")


_POINTWISE = (
    "add radd iadd sub rsub isub mul rmul imul div rdiv idiv truediv rtruediv itruediv true_divide maximum minimum where lerp "
    "addcmul pow rpow masked_fill"
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
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask"),
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
    "linear": _linear,
    "group_norm": _group_norm,
    **_pools(),
    **shapes.RULES,
    **heads.RULES,
}  # fmt: skip


def by_name(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """Return a call's arguments by the names that the function's rule knows them by: numbers where it has none."""
    names = _FIRST.get(function, ())
    named = {names[k] if k < len(names) else str(k): value for k, value in enumerate(args)}
    if not args and kwargs:  # the first argument may be given by name, as torch's "input"
        named["0"] = kwargs.get("input", kwargs.get("tensors"))
    return {**named, **kwargs}
