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
from harness_plugins.probes._connect.permutation import Bundle, Place, Symmetry, Weights, by_heads, moved, unmoved

SWEEPS = 100  # over all spaces, at most; it takes about ten
GAIN = 1e-5  # of the largest inner product of two units: a smaller gain is rounding
SPOTS = 16  # of a map, spread over it, at which activations are compared

Orders = dict[int, torch.Tensor]
Version = tuple[bytes, ...]  # orders of units that something depends on


def by_weights(
    one: Weights, other: Weights, symmetry: Symmetry, tries: int = 5, start: Orders | None = None, seed: int = 0
) -> Orders:
    """Return the orders of the other network's units that bring its weights closest to the first one's.

    The best of so many ``tries``, each over the spaces in another random order, from the units as they are; and of one more
    from the orders of ``start``. The same for equal arguments.
    """
    random = np.random.default_rng(seed)
    best, highest = unmoved(symmetry), -np.inf
    with _threads(one) as threads:
        likeness = Likeness(one, other, symmetry, threads)
        for begin in [unmoved(symmetry)] * tries + ([start] if start else []):
            orders = _descend(likeness, symmetry, random, begin)
            value = likeness.inner(orders)
            if value > highest:
                best, highest = orders, value
    return best


def _threads(weights: Weights) -> AbstractContextManager[ThreadPoolExecutor | None]:
    """Return threads for assignments where the weights are on a GPU: the cores have nothing else to do then."""
    on_gpu = any(tensor.is_cuda for tensor in weights.values())
    return ThreadPoolExecutor(usable_cores()) if on_gpu else nullcontext()


def _descend(likeness: Likeness, symmetry: Symmetry, random: np.random.Generator, start: Orders) -> Orders:
    orders, bundles = dict(start), symmetry.bundles
    for _ in range(SWEEPS):
        changed = False
        sequence = [bundles[number] for number in random.permutation(len(bundles))]
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
        self._units = {space: units for space, units, _ in symmetry.spaces}
        self._axes: dict[str, list[tuple[int, Place]]] = {}  # by tensor: the spaces along its axes
        for space, places in self._spaces.items():
            for place in places:
                self._axes.setdefault(place.name, []).append((space, place))
        self._rows: dict[Place, torch.Tensor] = {}  # of the first network
        self._products: dict[Place, tuple[Version, torch.Tensor]] = {}
        self._best: dict[tuple[Bundle, Version], Orders] = {}
        self._map = threads.map if threads else map

    def _places(self, bundle: Bundle) -> list[tuple[int, Place]]:
        """Return the places of the trained tensors of a bundle's spaces, each with its space."""
        return [(space, place) for space in bundle.spaces for place in self._spaces[space]]

    def apart(self, sequence: Sequence[Bundle]) -> Iterator[list[Bundle]]:
        """Cut a sequence where a bundle has a tensor in common with those before it, back to the last cut.

        The orders of those between two cuts do not depend on each other, so they can be sought side by side.
        """
        together: list[Bundle] = []
        tensors: set[str] = set()
        for bundle in sequence:
            names = {place.name for _, place in self._places(bundle)}
            if names & tensors:
                yield together
                together, tensors = [], set()
            together.append(bundle)
            tensors |= names
        yield together

    def better(self, bundles: Sequence[Bundle], orders: Orders) -> Orders:
        """Return the best orders of bundles that have no tensor in common, all others as they are; of those that gain by it."""
        versions = {bundle: self._version_of(bundle, orders) for bundle in bundles if self._places(bundle)}
        likeness = {
            bundle: [self._of_units(space, orders) for space in bundle.spaces]
            for bundle, version in versions.items()
            if (best := self._best.get((bundle, version))) is None or not _are_equal(best, orders)
        }
        unsolved = [bundle for bundle in likeness if (bundle, versions[bundle]) not in self._best]
        solved = self._map(_assign_bundle, unsolved, [likeness[bundle] for bundle in unsolved])
        for bundle, best in zip(unsolved, solved, strict=True):
            self._best[bundle, versions[bundle]] = best
        better: Orders = {}
        for bundle, of_units in likeness.items():
            best = self._best[bundle, versions[bundle]]
            if self._gains(bundle, best, orders, of_units):
                better |= best
        return better

    def _gains(self, bundle: Bundle, best: Orders, orders: Orders, likeness: Sequence[torch.Tensor]) -> bool:
        """Return whether orders of a bundle's units are better than those that they have, by more than rounding."""
        gain, rounding = 0.0, 0.0
        for space, of_units in zip(bundle.spaces, likeness, strict=True):
            units = torch.arange(len(of_units))
            gain += float((of_units[units, best[space]] - of_units[units, orders[space]]).sum())
            rounding = max(rounding, float(GAIN * of_units.abs().max()))
        dims: dict[str, set[int]] = {}
        for _, place in self._places(bundle):
            dims.setdefault(place.name, set()).add(place.dim)
        if gain <= rounding or all(len(along) == 1 for along in dims.values()):
            return gain > rounding
        names = set(dims)  # the gain along one axis may be lost along the other
        return self.inner({**orders, **best}, names) > self.inner(orders, names) + rounding

    def inner(self, orders: Orders, names: set[str] | None = None) -> float:
        """Return the inner product of both networks' weights, or of some tensors of theirs, by name."""
        total = torch.zeros((), dtype=torch.float64)
        for name in sorted(self._axes if names is None else names):
            weights = self._other[name]
            for space, place in self._axes[name]:
                weights = moved(weights, place, orders[space])
            total = total.to(weights.device) + (self._one[name] * weights).sum(dtype=torch.float64)
        return float(total)

    def _of_units(self, space: int, orders: Orders) -> torch.Tensor:
        """Return ``[n, n]``, on the CPU: how alike unit i of the first network and unit j of the second one are.

        Both are numbered as they were at first, whatever the order of this space is.
        """
        total: torch.Tensor | None = None
        for place in self._spaces[space]:
            version = tuple(self._version(place, orders))
            if place not in self._products or self._products[place][0] != version:
                self._products[place] = version, self._product(space, place, orders)
            products = self._products[place][1]
            total = products.clone() if total is None else total.add_(products)
        if total is None:  # heads alone may number nothing
            return torch.zeros(self._units[space], self._units[space])
        return total.cpu()

    def _product(self, space: int, place: Place, orders: Orders) -> torch.Tensor:
        """Return ``[n, n]``: the inner product of every unit's entries in a tensor with every other unit's."""
        if place not in self._rows:
            self._rows[place] = _rows(self._one[place.name], place, self._units[space])
        weights = self._other[place.name]
        for other_space, axis in self._axes[place.name]:
            if axis.dim != place.dim:
                weights = moved(weights, axis, orders[other_space])
        return self._rows[place] @ _rows(weights, place, self._units[space]).T

    def _version_of(self, bundle: Bundle, orders: Orders) -> Version:
        """Return the orders that the best ones of a bundle depend on."""
        return tuple(part for _, place in self._places(bundle) for part in self._version(place, orders))

    def _version(self, place: Place, orders: Orders) -> list[bytes]:
        """Return the orders along the other axes of a tensor."""
        return [
            orders[other_space].numpy().tobytes()
            for other_space, axis in self._axes[place.name]
            if axis.dim != place.dim
        ]


def _of_weights(places: Sequence[Place]) -> list[Place]:
    """Return the places whose tensors are trained."""
    return [place for place in places if place.weight]


def _rows(tensor: torch.Tensor, place: Place, units: int) -> torch.Tensor:
    """Return ``[n, M]``: the entries of every unit along one axis of a tensor."""
    if place.is_plain:
        return tensor.movedim(place.dim, 0).reshape(units, -1).float()
    positions = place.positions(units).movedim(1, 0).flatten().to(tensor.device)
    return tensor.index_select(place.dim, positions).movedim(place.dim, 0).reshape(units, -1).float()


def _are_equal(best: Orders, orders: Orders) -> bool:
    return all(torch.equal(order, orders[space]) for space, order in best.items())


def _assign(likeness: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1])


def _assign_bundle(bundle: Bundle, likeness: Sequence[torch.Tensor]) -> Orders:
    """Return the orders of a bundle's spaces that make the sum of the likeness of paired units largest."""
    if len(bundle.spaces) == 1:
        return {bundle.spaces[0]: _assign(likeness[0])}
    of_heads = likeness[0].clone()
    count = len(of_heads)
    inside: list[list[list[torch.Tensor]]] = []  # by space: for each pair of heads the order of the other one's units
    for of_units, rigid in zip(likeness[1:], bundle.rigid, strict=True):
        units_each = len(of_units) // count
        units, tiles = torch.arange(units_each), of_units.view(count, units_each, count, units_each).transpose(1, 2)
        orders = [[units if rigid else _assign(tile) for tile in row] for row in tiles]
        inside.append(orders)
        for i, row in enumerate(orders):
            for j, order in enumerate(row):
                of_heads[i, j] += tiles[i, j][units, order].sum()
    heads = _assign(of_heads)
    best = {bundle.spaces[0]: heads}
    for space, orders in zip(bundle.spaces[1:], inside, strict=True):
        best[space] = by_heads(heads, [orders[i][j] for i, j in enumerate(heads.tolist())])
    return best


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
    for bundle in symmetry.bundles:
        likeness = []
        for space in bundle.spaces:
            pairs = _paired(one[space], other[space]) if space in one and space in other else []
            products = [a @ b.T for a, b in pairs] or [torch.zeros(len(orders[space]), len(orders[space]))]
            likeness.append(torch.stack(products).sum(0).cpu())
        if any(bool(of_units.any()) for of_units in likeness):
            orders |= _assign_bundle(bundle, likeness)
    return orders


def _paired(one: Activations, other: Activations) -> list[tuple[torch.Tensor, torch.Tensor]]:
    ours, theirs = (one.norms, other.norms) if one.norms else (one.layers, other.layers)
    return list(zip(ours, theirs, strict=True))


def features(network: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> Features:
    """Return what the units of a network put out on batches ``[B, ...]``, to be compared with those of other networks."""
    batches: dict[tuple[int, int], tuple[int, bool, list[torch.Tensor]]] = {}  # by the output and the units of it
    for rows in inputs:
        seen = watch(network, rows)
        for number, output in enumerate(seen.made):
            axis = seen.spaces.free(output.axis)
            if axis is None or axis.block > 1 or axis.outer > 1:
                continue
            for part, (space, entries) in enumerate(seen.spaces.leaves(axis.space)):
                units = output.tensor.movedim(output.dim, 0)
                units = units[list(entries)] if entries else units
                batches.setdefault((number, part), (space, output.norm, []))[2].append(_spots(units))
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
