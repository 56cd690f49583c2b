"""Curves through weights, and how far loss or error rises along them above the line between the ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from harness_plugins.probes._connect.permutation import Weights


def points(count: int) -> list[float]:
    """Return so many numbers, evenly spread from 0 to 1, ends included."""
    if count < 3:
        raise ValueError(f"a curve must have 3 points or more, got {count}")
    return [number / (count - 1) for number in range(count)]


def between(one: Weights, other: Weights, alpha: float) -> dict[str, torch.Tensor]:
    """Return ``(1 - alpha) * one + alpha * other``; whole numbers, such as counters, are the first one's."""
    names = [name for name, tensor in one.items() if tensor.is_floating_point()]
    lerped = torch._foreach_lerp([one[name] for name in names], [other[name] for name in names], alpha)
    return {**one, **dict(zip(names, lerped, strict=True))}


def bezier(one: Weights, bend: Weights, other: Weights, t: float) -> dict[str, torch.Tensor]:
    """Return ``(1 - t)^2 * one + 2 t (1 - t) * bend + t^2 * other``; whole numbers are the first one's."""
    return {
        name: (1 - t) ** 2 * tensor + 2 * t * (1 - t) * bend[name] + t**2 * other[name]
        if tensor.is_floating_point()
        else tensor
        for name, tensor in one.items()
    }


def polygon(one: Weights, bend: Weights, other: Weights, t: float) -> dict[str, torch.Tensor]:
    """Return the weights at t of two straight lines, to the bend at 1/2 and on from there; whole numbers are the first one's."""
    return between(one, bend, 2 * t) if t <= 0.5 else between(bend, other, 2 * t - 1)


@dataclass(frozen=True)
class Shape:
    """A kind of bent path: its weights at t in [0, 1], and how much of them is the bend there."""

    at: Callable[[Weights, Weights, Weights, float], dict[str, torch.Tensor]]
    share: Callable[[float], float]


BEZIER = Shape(bezier, lambda t: 2 * t * (1 - t))
POLYGON = Shape(polygon, lambda t: 1 - abs(2 * t - 1))


def barrier(heights: Sequence[float], alphas: Sequence[float]) -> float:
    """Return the largest height above the line between both ends; 0 where nothing is above it.

    Entezari et al. 2022, arXiv:2110.06296; Frankle et al. 2020, arXiv:1912.05671, take the mean of the ends instead.
    """
    values, positions = np.asarray(heights, np.float64), np.asarray(alphas, np.float64)
    above: NDArray[np.float64] = values - ((1 - positions) * values[0] + positions * values[-1])
    return max(0.0, float(above[1:-1].max()))
