"""Bring the units of one network into line with another's.

Weight matching: Ainsworth et al. 2022, "Git Re-Basin", arXiv:2209.04836, algorithm 1: space by space, the order of its
units that makes the inner product of both networks' weights largest, which is a linear assignment. What differs: the
spaces are found by watching the network, several random orders of the spaces are tried, and where a space numbers two
axes of one tensor a step that makes the inner product smaller is not taken. Activation matching: Li et al. 2015,
arXiv:1511.07543, the order that makes the sum of the correlations of paired units largest.

Inner products are computed where the weights are, and kept until something that they depend on moves; the assignments
are solved on the CPU, each once; beside a GPU those of spaces that have no tensor in common are solved side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from harness import usable_cores
from harness_plugins.probes._connect.graph import watch
from harness_plugins.probes._connect.permutation import Place, Symmetry, Weights, moved, unmoved

SWEEPS = 100  # over all spaces, at most; it takes about ten
GAIN = 1e-5  # of the largest inner product of two units: a smaller gain is rounding
SPOTS = 16  # of a map, spread over it, at which activations are compared

Orders = dict[int, torch.Tensor]
Version = tuple[bytes, ...]  # orders of units that something depends on


def by_weights(one: Weights, other: Weights, symmetry: Symmetry, tries: int = 5, seed: int = 0) -> Orders:
    """Return the orders of the other network's units that bring its weights closest to the first one's.

    The best of so many ``tries``, each over the spaces in another random order; the same for equal arguments.
    """
    random = np.random.default_rng(seed)
    best, highest = unmoved(symmetry), -np.inf
    with _threads(one) as threads:
        likeness = Likeness(one, other, symmetry, threads)
        for _ in range(tries):
            orders = _descend(likeness, symmetry, random)
            value = likeness.inner(orders)
            if value > highest:
                best, highest = orders, value
    return best


def _threads(weights: Weights) -> AbstractContextManager[ThreadPoolExecutor | None]:
    """Return threads for assignments where the weights are on a GPU: the cores have nothing else to do then."""
    on_gpu = any(tensor.is_cuda for tensor in weights.values())
    return ThreadPoolExecutor(usable_cores()) if on_gpu else nullcontext()


def _descend(likeness: Likeness, symmetry: Symmetry, random: np.random.Generator) -> Orders:
    orders = unmoved(symmetry)
    for _ in range(SWEEPS):
        changed = False
        sequence = [symmetry.spaces[number][0] for number in random.permutation(len(symmetry.spaces))]
        for together in likeness.apart(sequence):
            better = likeness.better(together, orders)
            orders |= better
            changed = changed or bool(better)
        if not changed:
            break
    return orders


class Likeness:
    """How alike the units of two networks are, for any orders of the second one's units.

    The units of a space are compared by their weights, in the orders that the other spaces have. So what is known of a
    space holds as long as those do not move: the inner products of a tensor, which are kept until they do, and the best
    order, which is kept for good.
    """

    def __init__(
        self, one: Weights, other: Weights, symmetry: Symmetry, threads: ThreadPoolExecutor | None = None
    ) -> None:
        """Compare two networks; ``threads`` solve assignments side by side, which changes nothing else."""
        self._one, self._other = one, other
        self._spaces = {space: _of_weights(places) for space, _, places in symmetry.spaces}
        self._axes: dict[str, list[tuple[int, Place]]] = {}  # by tensor: the spaces along its axes
        for space, places in self._spaces.items():
            for place in places:
                self._axes.setdefault(place.name, []).append((space, place))
        self._twice = {space for space, _, places in symmetry.spaces if len({p.name for p in places}) < len(places)}
        self._rows: dict[tuple[str, int], torch.Tensor] = {}  # of the first network, by tensor and axis
        self._products: dict[tuple[str, int], tuple[Version, torch.Tensor]] = {}
        self._best: dict[tuple[int, Version], torch.Tensor] = {}
        self._map = threads.map if threads else map

    def apart(self, sequence: Sequence[int]) -> Iterator[list[int]]:
        """Cut a sequence of spaces where one has a tensor in common with those before it, back to the last cut.

        The orders of those between two cuts do not depend on each other, so they can be sought side by side.
        """
        together: list[int] = []
        tensors: set[str] = set()
        for space in sequence:
            names = {place.name for place in self._spaces[space]}
            if names & tensors:
                yield together
                together, tensors = [], set()
            together.append(space)
            tensors |= names
        yield together

    def better(self, spaces: Sequence[int], orders: Orders) -> Orders:
        """Return the best orders of spaces that have no tensor in common, all others as they are; of those that gain by it."""
        versions = {space: self._version_of(space, orders) for space in spaces if self._spaces[space]}
        likeness = {
            space: self._of_units(space, orders)
            for space, version in versions.items()
            if (best := self._best.get((space, version))) is None or not torch.equal(best, orders[space])
        }
        unsolved = [space for space in likeness if (space, versions[space]) not in self._best]
        for space, best in zip(unsolved, self._map(_assign, [likeness[space] for space in unsolved]), strict=True):
            self._best[space, versions[space]] = best
        better = {space: self._best[space, versions[space]] for space in likeness}
        return {space: best for space, best in better.items() if self._gains(space, best, orders, likeness[space])}

    def _gains(self, space: int, best: torch.Tensor, orders: Orders, likeness: torch.Tensor) -> bool:
        """Return whether an order of a space's units is better than the one that they have, by more than rounding."""
        units = torch.arange(len(best))
        gain, rounding = (likeness[units, best] - likeness[units, orders[space]]).sum(), GAIN * likeness.abs().max()
        if gain <= rounding or space not in self._twice:
            return bool(gain > rounding)
        names = {place.name for place in self._spaces[space]}  # the gain along one axis may be lost along the other
        return self.inner({**orders, space: best}, names) > self.inner(orders, names) + float(rounding)

    def inner(self, orders: Orders, names: set[str] | None = None) -> float:
        """Return the inner product of both networks' weights, or of some tensors of theirs, by name."""
        total = torch.zeros((), dtype=torch.float64)
        for name in sorted(self._axes if names is None else names):
            other = self._other[name]
            for space, place in self._axes[name]:
                other = moved(other, place, orders[space])
            total = total.to(other.device) + (self._one[name] * other).sum(dtype=torch.float64)
        return float(total)

    def _of_units(self, space: int, orders: Orders) -> torch.Tensor:
        """Return ``[n, n]``, on the CPU: how alike unit i of the first network and unit j of the second one are.

        Both are numbered as they were at first, whatever the order of this space is.
        """
        total: torch.Tensor | None = None
        for place in self._spaces[space]:
            key, version = (place.name, place.dim), tuple(self._version(space, place, orders))
            if key not in self._products or self._products[key][0] != version:
                self._products[key] = version, self._product(space, place, orders)
            products = self._products[key][1]
            total = products.clone() if total is None else total.add_(products)
        assert total is not None
        return total.cpu()

    def _product(self, space: int, place: Place, orders: Orders) -> torch.Tensor:
        """Return ``[n, n]``: the inner product of every unit's entries in a tensor with every other unit's."""
        key = place.name, place.dim
        if key not in self._rows:
            self._rows[key] = _rows(self._one[place.name], place)
        other = self._other[place.name]
        for another, axis in self._axes[place.name]:
            if axis.dim != place.dim:
                other = moved(other, axis, orders[another])
        return self._rows[key] @ _rows(other, place).T

    def _version_of(self, space: int, orders: Orders) -> Version:
        """Return the orders that the best one of a space depends on."""
        return tuple(part for place in self._spaces[space] for part in self._version(space, place, orders))

    def _version(self, space: int, place: Place, orders: Orders) -> list[bytes]:
        """Return the orders along the other axes of a tensor."""
        return [orders[another].numpy().tobytes() for another, axis in self._axes[place.name] if axis.dim != place.dim]


def _of_weights(places: Sequence[Place]) -> list[Place]:
    """Return the places whose tensors are trained."""
    return [place for place in places if place.weight]


def _rows(tensor: torch.Tensor, place: Place) -> torch.Tensor:
    """Return ``[n, M]``: the entries of every unit along one axis of a tensor."""
    units = tensor.movedim(place.dim, 0)
    return units.reshape(units.shape[0] // place.block, -1).float()


def _assign(likeness: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1])


@dataclass(frozen=True)
class Activations:
    """What the layers, or the normalisations, of a space put out, ``[n, M]`` each: without their mean, at length 1.

    The normalisations speak for a space that has any.
    """

    norms: Sequence[torch.Tensor]
    layers: Sequence[torch.Tensor]


Features = Mapping[int, Activations]  # by space


def by_activations(one: Features, other: Features, symmetry: Symmetry) -> Orders:
    """Return the orders of the other network's units that correlate most with the first one's.

    Units that are on the same space in several layers are judged by all of them. A unit that never varies correlates with
    none.
    """
    orders = unmoved(symmetry)
    for space, _, _ in symmetry.spaces:
        if space in one and space in other:
            first, second = one[space], other[space]
            ours, theirs = (first.norms, second.norms) if first.norms else (first.layers, second.layers)
            orders[space] = _assign(torch.stack([a @ b.T for a, b in zip(ours, theirs, strict=True)]).sum(0).cpu())
    return orders


def features(network: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> Features:
    """Return what the units of a network put out on batches ``[B, ...]``, to be compared with those of other networks."""
    batches: dict[int, tuple[int, bool, list[torch.Tensor]]] = {}  # by the number of the output
    for rows in inputs:
        seen = watch(network, rows)
        for number, output in enumerate(seen.made):
            axis = seen.spaces.free(output.axis)
            if axis is not None and axis.block == 1:
                units = output.tensor.movedim(output.dim, 0)
                batches.setdefault(number, (axis.space, output.norm, []))[2].append(_spots(units))
    normalised = {space for space, norm, _ in batches.values() if norm}
    by_space: dict[int, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
    for space, norm, parts in batches.values():
        if norm or space not in normalised:
            norms, layers = by_space.setdefault(space, ([], []))
            (norms if norm else layers).append(_standardised(torch.cat(parts, dim=1)))
    return {space: Activations(*outputs) for space, outputs in by_space.items()}


def _spots(units: torch.Tensor) -> torch.Tensor:
    """Return ``[n, M]``, a copy: what units ``[n, B, ...]`` put out for each example, at a few places of a map."""
    if units.ndim == 2:
        return units.float().clone()
    maps = units.flatten(2)
    return maps[:, :, :: max(1, maps.shape[2] // SPOTS)].flatten(1).float().clone()


def _standardised(values: torch.Tensor) -> torch.Tensor:
    """Return rows ``[n, M]`` without their means, at length 1; one that never varies stays zero."""
    centred = values - values.mean(1, keepdim=True)
    return torch.div(centred, centred.norm(dim=1, keepdim=True).clamp_min(1e-12))
