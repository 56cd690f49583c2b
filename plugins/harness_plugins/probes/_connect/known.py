"""What is known while a network is watched: the axes of tensors, and units that lie along several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from harness_plugins.probes._connect.spaces import Axis, Spaces

Axes = tuple[Axis | None, ...]


@dataclass(frozen=True)
class Scattered:
    """Units of one axis that lie along several axes of a tensor, such as those of attention, head by head."""

    axis: Axis
    index: (
        torch.Tensor
    )  # int64, of the tensor's shape, with stride 0 where it does not vary: the number of the unit there
    rigid: bool = False  # the units of a head keep their order

    def varying(self) -> list[int]:
        """Return the axes of the tensor along which there are several units."""
        index = self.index
        return [dim for dim in range(index.ndim) if index.shape[dim] > 1 and index.stride(dim) != 0]

    def along(self, *dims: int) -> torch.Tensor:
        """Return the numbers of the units along some axes, at the beginning of all others."""
        first = self.index.movedim(dims, tuple(range(len(dims))))
        while first.ndim > len(dims):
            first = first[..., 0]
        return first

    def moved(self, index: torch.Tensor) -> Scattered:
        """Return the same units where they lie in a view of the tensor."""
        return replace(self, index=index)


class Known(Protocol):
    """What is known while a network is watched."""

    spaces: Spaces

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes, one per dimension."""

    def scattered(self, tensor: torch.Tensor) -> Scattered | None:
        """Return the units of a tensor that lie along several axes."""

    def scatter(self, tensor: torch.Tensor, units: Scattered) -> None:
        """Note that units lie along several axes of a tensor."""


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
        units = known.scattered(tensor)
        for axis in (*known.axes(tensor), units.axis if units else None):
            known.spaces.fix(axis)
    return without_axes(result)


def without_axes(result: Any) -> Any:
    """Return no axis for each dimension of a result."""
    if isinstance(result, torch.Tensor):
        return (None,) * result.ndim
    return [without_axes(part) for part in result] if isinstance(result, list | tuple) else None
