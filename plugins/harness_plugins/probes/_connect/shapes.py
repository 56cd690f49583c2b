"""How functions carry axes along that compute nothing: views, slices, pieces, axes side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from harness_plugins.probes._connect.known import Arguments, Axes, Known, Rule, Scattered, unknown
from harness_plugins.probes._connect.spaces import SAME, Axis


def _same_length(known: Known, given: Arguments, result: Any) -> Axes:
    """Padding, resizing: axes that keep their length are kept, the others lose their units."""
    maps, axes = given["0"], list[Axis | None]()
    for place, axis in enumerate(known.axes(maps)):
        is_same = maps.shape[place] == result.shape[place]
        if not is_same:
            known.spaces.fix(axis)
        axes.append(axis if is_same else None)
    return tuple(axes)


def _expand(known: Known, given: Arguments, result: Any) -> Axes:
    """Along new axes, and along those that had one entry, all entries are the same."""
    small = given["0"]
    extra = result.ndim - small.ndim
    old = (
        axis if small.shape[place] == result.shape[place + extra] else SAME
        for place, axis in enumerate(known.axes(small))
    )  # fmt: skip
    return (*[SAME] * extra, *old)


def _reshape(known: Known, given: Arguments, result: Any) -> Axes:
    """Axes are kept that stay whole, that are flattened with others, or come out of that again."""
    tensor = given["0"]
    before, shape = tensor.shape, result.shape
    axes, new_axes = known.axes(tensor), list[Axis | None]([None] * len(shape))
    if 0 in before:
        return tuple(new_axes)
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
        group, into = [k for k in group if before[k] > 1], [k for k in into if shape[k] > 1]
        if len(group) == len(into) == 1:
            new_axes[into[0]] = axes[group[0]]
        else:
            _regroup(known, tensor, result, group, into, new_axes)
    return tuple(new_axes)


def _regroup(
    known: Known,
    tensor: torch.Tensor,
    result: torch.Tensor,
    group: Sequence[int],
    into: Sequence[int],
    target: list[Axis | None],
) -> None:
    """Carry the axis of some dimensions of a tensor over to others, of the result, that have the same entries."""
    axes = known.axes(tensor)
    numbered = [(k, root) for k in group if (root := known.spaces.free(axes[k]))]
    if len(numbered) != 1:
        for _, root in numbered:
            known.spaces.fix(root)
        return
    ((dim, root),) = numbered
    before, behind = (math.prod(tensor.shape[k] for k in group if (k - dim) * side > 0) for side in (-1, 1))
    axis = Axis(root.space, root.block * behind, root.outer * before)
    for place in into:
        outer, block = (math.prod(result.shape[k] for k in into if (k - place) * side > 0) for side in (-1, 1))
        if axis.outer % outer == 0 and axis.block % block == 0:
            target[place] = Axis(axis.space, axis.block // block, axis.outer // outer)
            return
    if len(group) == 1 and root.block == root.outer == 1:
        known.scatter(result, Scattered(root, _numbers(tensor, dim).reshape(result.shape)))
    else:
        known.spaces.fix(root)


def _numbers(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    """Return numbers of the shape of a tensor that count its entries along one dimension."""
    numbers = torch.arange(tensor.shape[dim]).view([-1 if k == dim else 1 for k in range(tensor.ndim)])
    return numbers.expand(tensor.shape)


def _permute(known: Known, given: Arguments, result: Any) -> Axes:
    axes = known.axes(given["0"])
    order = given["1"] if isinstance(given["1"], list | tuple) else [given[str(k + 1)] for k in range(len(axes))]
    return tuple(axes[place] for place in order)


def _transpose(known: Known, given: Arguments, result: Any) -> Axes:
    axes = list(known.axes(given["0"]))
    first, second = given["1"], given["2"]
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def _roll(known: Known, given: Arguments, result: Any) -> Axes:
    """What is rolled loses its units."""
    dims = given.get("dims", given.get("2"))
    if dims is None:
        axes: Axes = unknown(known, given, result)
        return axes
    rolled = {dim % result.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    old = known.axes(given["0"])
    for place in rolled:
        known.spaces.fix(old[place])
    return tuple(None if place in rolled else axis for place, axis in enumerate(old))


def _concatenate(known: Known, given: Arguments, result: Any) -> Axes:
    """Units side by side make an axis that is divided into theirs."""
    along = given.get("dim", given.get("1", 0)) % result.ndim
    parts, axes = given["0"], list[Axis | None]()
    for place in range(result.ndim):
        axes_of_parts = [known.axes(tensor)[place] for tensor in parts]
        if place == along:
            axes.append(known.spaces.side_by_side(axes_of_parts, [tensor.shape[place] for tensor in parts]))
            continue
        joined, *rest = axes_of_parts
        for axis in rest:
            joined = known.spaces.join(joined, axis)
        axes.append(joined)
    return tuple(axes)


def _take(known: Known, given: Arguments, result: Any) -> Any:
    """Indices and slices: of an axis that is not taken whole, a slice has units, and a single entry has none."""
    rows, index = given["0"], given["1"]
    index = index if isinstance(index, tuple) else (index,)
    if not _is_plain(index):
        return unknown(known, given, result)
    if any(item is Ellipsis for item in index):
        position = next(place for place, item in enumerate(index) if item is Ellipsis)
        count = rows.ndim + 1 - sum(item is not None for item in index)
        index = (*index[:position], *[slice(None)] * count, *index[position + 1 :])
    axes, result_axes, place = known.axes(rows), list[Axis | None](), 0
    for item in index:
        if item is None:
            result_axes.append(None)
            continue
        if isinstance(item, slice):
            result_axes.append(_piece(known, axes[place], range(rows.shape[place]), range(rows.shape[place])[item]))
        else:
            known.spaces.fix(axes[place])
            if isinstance(item, torch.Tensor):
                unknown(known, {"0": item}, item)
                result_axes += [None] * item.ndim
        place += 1
    return (*result_axes, *axes[place:])


def _piece(known: Known, axis: Axis | None, all_entries: range, entries: range) -> Axis | None:
    """Return the axis of some entries of an axis."""
    return axis if axis is None or entries == all_entries else known.spaces.piece(axis, tuple(entries))


def _is_plain(index: Sequence[Any]) -> bool:
    """Return whether a rule is known for an index: numbers, slices, new axes, and at most one tensor of numbers."""
    tensors = [item for item in index if isinstance(item, torch.Tensor)]
    plain_items = [item for item in index if not isinstance(item, torch.Tensor)]
    if any(isinstance(item, bool) or not (item is None or item is Ellipsis or isinstance(item, int | slice))
           for item in plain_items):  # fmt: skip
        return False
    if not tensors:
        return True
    return (
        len(tensors) == 1 and tensors[0].dtype == torch.int64 and not any(isinstance(item, int) for item in plain_items)
    )


def _unbind(known: Known, given: Arguments, result: Any) -> Any:
    along = given.get("dim", given.get("1", 0))
    axes = list(known.axes(given["0"]))
    known.spaces.fix(axes.pop(along))
    return [tuple(axes) for _ in result]


def _split(known: Known, given: Arguments, result: Any) -> Any:
    """The pieces of an axis have its units, one piece after the other."""
    along = given.get("dim", given.get("2", 0)) % given["0"].ndim
    axes, pieces, start = known.axes(given["0"]), list[Axes](), 0
    for part in result:
        stop = start + part.shape[along]
        piece = _piece(known, axes[along], range(given["0"].shape[along]), range(start, stop))
        pieces.append((*axes[:along], piece, *axes[along + 1 :]))
        start = stop
    return pieces


RULES: dict[str, Rule] = {
    **dict.fromkeys(("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"), _reshape),
    **dict.fromkeys(("pad", "interpolate"), _same_length),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenate),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    **dict.fromkeys(("chunk", "split"), _split),
    "permute": _permute,
    "roll": _roll,
    "getitem": _take,
    "unbind": _unbind,
}  # fmt: skip
