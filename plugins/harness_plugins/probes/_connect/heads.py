"""How the heads of attention carry units along: queries, keys and values lie along two axes, head by head.

The heads may change places, and so may the units within a head: those of queries and keys together, those of values with
the inputs of the projection (Verma and Elbayad 2024, "Merging Text Transformer Models from Different Initializations").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from harness_plugins.probes._connect.known import Arguments, Axes, Known, Rule, Scattered, unknown, without_axes
from harness_plugins.probes._connect.spaces import Axis

_VIEWS = {
    "reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "swapaxes", "swapdims",
    "contiguous", "clone", "detach", "chunk", "split", "unbind", "getitem",
}  # fmt: skip
_ALIKE = {
    "mul", "rmul", "imul", "div", "idiv", "truediv", "itruediv", "neg", "relu", "gelu", "silu", "tanh", "sigmoid", "elu",
    "softplus", "dropout", "float", "half", "double", "bfloat16", "to",
}  # they compute the same of every entry, if only one tensor is among their arguments  # fmt: skip


def follow(
    known: Known, function: Any, name: str, args: Any, kwargs: Any, given: Arguments, result: Any, rule: Rule
) -> Any:
    """Return the axes of a result of which an argument has units along several axes, and note where they lie in it."""
    tensor = args[0] if args else None
    units = known.scattered(tensor) if isinstance(tensor, torch.Tensor) else None
    tensors = [argument for argument in (*args[1:], *kwargs.values()) if isinstance(argument, torch.Tensor)]
    if name in RULES:
        return rule(known, given, result)
    if units is None or not isinstance(tensor, torch.Tensor):
        return unknown(known, given, result)
    if name in _VIEWS and not tensors:
        axes = rule(known, given, result)
        views = function(units.index, *args[1:], **kwargs)
        if isinstance(result, torch.Tensor):
            return _settled(known, result, units.moved(views), axes)
        parts = zip(result, views, axes, strict=True)
        return [_settled(known, part, units.moved(view), part_axes) for part, view, part_axes in parts]
    along = given.get("dim", given.get("2", 1))
    shape = given.get("1", given.get("normalized_shape", ()))
    if (name in _ALIKE and not tensors) or (name == "normalize" and along in (-1, tensor.ndim - 1)):
        known.scatter(result, units)
        return known.axes(tensor)
    if name in ("layer_norm", "rms_norm") and len(shape) == 1:
        for other in tensors:  # its weights are shared by the heads
            unknown(known, {"0": other}, other)
        known.scatter(result, replace(units, rigid=True))
        return known.axes(tensor)
    return unknown(known, given, result)


def _settled(known: Known, result: torch.Tensor, units: Scattered, axes: Axes) -> Axes:
    """Return the axes of a tensor; its units get one where they lie along a single axis by now."""
    dims = units.varying()
    if len(dims) > 1:
        known.scatter(result, units)
        return axes
    if not dims or units.rigid:
        known.spaces.fix(units.axis)
        return axes
    (dim,) = dims
    axis = known.spaces.piece(units.axis, tuple(units.along(dim).tolist()))
    return (*axes[:dim], axis, *axes[dim + 1 :])


def _matmul(known: Known, given: Arguments, result: Any) -> Any:
    first, second = given.get("0"), given.get("1")
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor) or min(first.ndim, second.ndim) < 2:
        return unknown(known, given, result)
    ours, theirs = known.scattered(first), known.scattered(second)
    if ours is not None and theirs is not None:
        return _scores(known, (ours, -1), (theirs, -2), result.ndim) or unknown(known, given, result)
    if theirs is not None:
        return _mixed(known, known.axes(first), (second, theirs), result) or unknown(known, given, result)
    if ours is not None:
        return unknown(known, given, result)
    (*before, rows, inner), (*before_too, outer, columns) = known.axes(first), known.axes(second)
    known.spaces.join(inner, outer)
    batch: list[Axis | None] = [None] * (result.ndim - 2)
    for axes, shape in ((before, first.shape), (before_too, second.shape)):
        for place, axis in enumerate(axes, start=len(batch) - len(axes)):
            if shape[place - len(batch) - 2] == result.shape[place]:
                batch[place] = _met(known, batch[place], axis, first=axes is before)
    return (*batch, rows, columns)


def _met(known: Known, there: Axis | None, axis: Axis | None, first: bool) -> Axis | None:
    return axis if first else known.spaces.join(there, axis)


def _attention(known: Known, given: Arguments, result: Any) -> Any:
    """softmax(query key^T + mask) value, head by head."""
    query, key, value, mask = (given.get(name) for name in ("query", "key", "value", "attn_mask"))
    units = [known.scattered(tensor) for tensor in (query, key, value) if isinstance(tensor, torch.Tensor)]
    if len(units) != 3 or given.get("enable_gqa") or not isinstance(value, torch.Tensor):
        return unknown(known, given, result)
    if units[0] is None or units[1] is None or units[2] is None:
        return unknown(known, given, result)
    scores = _scores(known, (units[0], -1), (units[1], -1), result.ndim)
    if scores is None:
        return unknown(known, given, result)
    if isinstance(mask, torch.Tensor):
        axes = known.axes(mask)
        head = next(dim for dim in range(-3, -result.ndim - 1, -1) if scores[dim] is not None)
        for dim in range(-1, -mask.ndim - 1, -1):
            if dim == head and mask.shape[dim] > 1:
                known.spaces.join(scores[dim], axes[dim])
            elif dim != head:
                known.spaces.fix(axes[dim])
    return _mixed(known, scores, (value, units[2]), result) or unknown(known, given, result)


def _scores(known: Known, query: tuple[Scattered, int], key: tuple[Scattered, int], ndim: int) -> Axes | None:
    """Return the axes of the products of queries and keys, whose units lie along these axes; None where none lie so."""
    ours, theirs = _grid(*query), _grid(*key)
    if ours is None or theirs is None or ours[0] != theirs[0] or ours[1].shape != theirs[1].shape or -ours[0] > ndim:
        return None
    spaces, head = known.spaces, ours[0]
    heads = spaces.new(len(ours[1]))
    first, second = (
        spaces.piece(units.axis, tuple(grid.flatten().tolist()))
        for (units, _), (_, grid) in ((query, ours), (key, theirs))
    )
    spaces.nest(spaces.join(first, second), heads, query[0].rigid or key[0].rigid)
    return tuple(heads if dim - ndim == head else None for dim in range(ndim))


def _mixed(known: Known, weights: Axes, value: tuple[torch.Tensor, Scattered], result: torch.Tensor) -> Axes | None:
    """Return the axes of values that are mixed by weights with these axes, and note where their units lie."""
    tensor, units = value
    grid = _grid(units, -1)
    if grid is None or -grid[0] > min(len(weights), result.ndim):
        return None
    spaces, (head, numbers) = known.spaces, grid
    heads = spaces.join(spaces.new(len(numbers)), weights[head])
    mixed = spaces.piece(units.axis, tuple(numbers.flatten().tolist()))
    spaces.nest(mixed, heads, units.rigid)
    axes = without_axes(result)
    spaces.fix(weights[-1])
    spaces.fix(known.axes(tensor)[-2])
    if mixed is not None:
        lengths = [numbers.shape[0] if dim - result.ndim == head else 1 for dim in range(result.ndim - 1)]
        index = torch.arange(numbers.numel()).view(*lengths, numbers.shape[1]).expand(result.shape)
        known.scatter(result, Scattered(mixed, index))
    return tuple(weights[dim - result.ndim] if dim - result.ndim not in (head, -1) and result.ndim - dim <= len(weights)
                 else axis for dim, axis in enumerate(axes))  # fmt: skip


def _grid(units: Scattered, inner: int) -> tuple[int, torch.Tensor] | None:
    """Return the axis of the heads, counted from the end, and the numbers ``[heads, D]`` of the units of each.

    None where the units do not lie along ``inner`` and one axis before the last two.
    """
    ndim = units.index.ndim
    dims = [dim - ndim for dim in units.varying()]
    heads = [dim for dim in dims if dim < -2]
    if len(dims) != 2 or inner not in dims or len(heads) != 1:
        return None
    return heads[0], units.along(heads[0], inner)


RULES: dict[str, Rule] = {"matmul": _matmul, "scaled_dot_product_attention": _attention}
