"""Bring the units of one network into line with another's.

Weight matching: Ainsworth et al. 2022, "Git Re-Basin", arXiv:2209.04836, algorithm 1: space by space, the order of its
units that makes the inner product of both networks' weights largest, which is a linear assignment. What differs: the
spaces are found by watching the network, several random orders of the spaces are tried, and where a space numbers two
axes of one tensor a step that makes the inner product smaller is not taken. Activation matching: Li et al. 2015,
arXiv:1511.07543, the order that makes the sum of the correlations of paired units largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from harness_plugins.probes._connect.graph import watch
from harness_plugins.probes._connect.permutation import Place, Symmetry, Weights, moved, permuted, unmoved

SWEEPS = 100  # over all spaces, at most; it takes about ten
GAIN = 1e-5  # of the largest inner product of two units: a smaller gain is rounding
SPOTS = 16  # of a map, spread over it, at which activations are compared

Orders = dict[int, torch.Tensor]


def by_weights(one: Weights, other: Weights, symmetry: Symmetry, tries: int = 5, seed: int = 0) -> Orders:
    """Return the orders of the other network's units that bring its weights closest to the first one's.

    The best of so many ``tries``, each over the spaces in another random order; the same for equal arguments.
    """
    random = np.random.default_rng(seed)
    best, highest = unmoved(symmetry), -np.inf
    for _ in range(tries):
        orders = _descend(one, other, symmetry, random)
        value = _likeness(one, other, symmetry, orders)
        if value > highest:
            best, highest = orders, value
    return best


def _descend(one: Weights, other: Weights, symmetry: Symmetry, random: np.random.Generator) -> Orders:
    orders, state = unmoved(symmetry), dict(other)
    for _ in range(SWEEPS):
        changed = False
        for number in random.permutation(len(symmetry.spaces)):
            space, _, places = symmetry.spaces[number]
            step, after = _step(one, state, places)
            if step is not None:
                state |= after
                orders[space] = orders[space][step]
                changed = True
        if not changed:
            break
    return orders


def _step(
    one: Weights, state: Weights, places: Sequence[Place]
) -> tuple[torch.Tensor | None, Mapping[str, torch.Tensor]]:
    """Return the best order of one space's units, all others as they are, and the weights then; None if it gains nothing."""
    weights = [place for place in places if place.weight]
    if not weights:
        return None, state
    likeness = torch.stack([_products(one[weight.name], state[weight.name], weight) for weight in weights]).sum(0).cpu()
    step = _assign(likeness)
    units = torch.arange(len(step))
    gain, rounding = float((likeness[units, step] - likeness[units, units]).sum()), GAIN * float(likeness.abs().max())
    if gain <= rounding:
        return None, state
    after = {place.name: state[place.name] for place in places}
    for place in places:
        after[place.name] = moved(after[place.name], place, step)
    if len(after) < len(places) and _inner(one, after, weights) <= _inner(one, state, weights) + rounding:
        return None, state  # two axes of one tensor move: what is gained along one may be lost along the other
    return step, after


def _products(one: torch.Tensor, other: torch.Tensor, place: Place) -> torch.Tensor:
    """Return ``[n, n]``: the inner product of every unit's entries with every other unit's."""
    rows = []
    for tensor in (one, other):
        units = tensor.movedim(place.dim, 0)
        rows.append(units.reshape(units.shape[0] // place.block, -1).float())
    products: torch.Tensor = rows[0] @ rows[1].T
    return products


def _assign(likeness: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1])


def _inner(one: Weights, other: Weights, places: Sequence[Place]) -> float:
    names = {place.name for place in places}
    return float(sum((one[name] * other[name]).sum(dtype=torch.float64) for name in sorted(names)))


def _likeness(one: Weights, other: Weights, symmetry: Symmetry, orders: Orders) -> float:
    places = [place for _, _, places in symmetry.spaces for place in places if place.weight]
    return _inner(one, permuted(other, symmetry, orders), places)


@dataclass
class _Activations:
    """Of one space: what each of its layers, or normalisations, put out, ``[n, M]`` each."""

    norms: list[torch.Tensor]
    layers: list[torch.Tensor]


def by_activations(
    one: torch.nn.Module, other: torch.nn.Module, inputs: Sequence[torch.Tensor], symmetry: Symmetry
) -> Orders:
    """Return the orders of the other network's units that correlate most with the first one's on these inputs.

    ``inputs`` are batches ``[B, ...]``. Units that are on the same space in several layers are judged by all of them.
    """
    ours, theirs = _activations(one, inputs), _activations(other, inputs)
    orders = unmoved(symmetry)
    for space, _, _ in symmetry.spaces:
        if space in ours and space in theirs:
            first, second = ours[space], theirs[space]
            pairs = (
                zip(first.norms, second.norms, strict=True)
                if first.norms
                else zip(first.layers, second.layers, strict=True)
            )
            orders[space] = _assign(torch.stack([_correlations(a, b) for a, b in pairs]).sum(0).cpu())
    return orders


def _activations(network: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> dict[int, _Activations]:
    batches: dict[int, tuple[int, bool, list[torch.Tensor]]] = {}  # by the number of the output
    for rows in inputs:
        seen = watch(network, rows)
        for number, space_of_output in enumerate(seen.made):
            axis = seen.spaces.free(space_of_output.axis)
            if axis is None or axis.block > 1:
                continue
            maps = space_of_output.tensor.movedim(space_of_output.dim, 0).flatten(
                2 if space_of_output.tensor.ndim > 2 else 1
            )  # [n, B, spots]
            step = max(1, maps.shape[2] // SPOTS) if maps.ndim == 3 else 1
            spots = maps[:, :, ::step].flatten(1) if maps.ndim == 3 else maps
            batches.setdefault(number, (axis.space, space_of_output.norm, []))[2].append(spots.float().clone())
    by_space: dict[int, _Activations] = {}
    for space, norm, parts in batches.values():
        activations = by_space.setdefault(space, _Activations([], []))
        (activations.norms if norm else activations.layers).append(torch.cat(parts, dim=1))
    return by_space


def _correlations(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``[n, n]``, the correlation of every unit with every other's; one that never varies has none."""
    rows = []
    for values in (one, other):
        centred = values - values.mean(1, keepdim=True)
        rows.append(centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12))
    products: torch.Tensor = rows[0] @ rows[1].T
    return products
