"""Find the alignment of two networks that makes the line between them lowest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness_plugins.probes._connect import matching
from harness_plugins.probes._connect.graph import symmetry
from harness_plugins.probes._connect.landscape import Height, Landscape
from harness_plugins.probes._connect.line import Line
from harness_plugins.probes._connect.permutation import Symmetry, Weights, permuted

if TYPE_CHECKING:
    from harness import Parts

IDENTITY, BY_WEIGHTS, BY_ACTIVATIONS = 0, 1, 2


def shared_symmetry(first: Parts, second: Parts) -> Symmetry | None:
    """Return which units of two networks of one architecture may be permuted; None where that cannot be said.

    Either network remembers it for its next pair.
    """
    key = "connectivity.symmetry"
    cache = first.probe_cache if key in first.probe_cache else second.probe_cache
    if key not in cache:
        train = first.ingredients.train
        cache[key] = symmetry(first.model, train.batch(slice(2))[0])
    first.probe_cache[key] = second.probe_cache[key] = cache[key]
    shared: Symmetry | None = cache[key]
    return shared


@dataclass(frozen=True)
class Alignment:
    """Two networks, the second one's units in line with the first one's, as far as that is possible."""

    method: int
    movable: float  # the part of hidden units that alignment may move; 0 where it is impossible
    end: Weights  # of the second network
    middle: Height | None = None  # halfway to it, where that is known


def align(line: Line, first: Parts, second: Parts, orders: int, activations: int) -> Alignment:
    """Return the best alignment of the two networks at the ends of a line.

    It is the one with the lowest error in the middle, or loss where errors are equal or there are no classes. To leave the
    units where they are is one of them: networks that began alike may need no other. Matching weights is exact for a
    permuted copy; between narrow networks trained apart, matching activations gives the lower middle.
    """
    if first.ingredients.backbone.convex:  # it has no hidden units, so it is aligned as it is
        return Alignment(IDENTITY, 1.0, line.end)
    units = shared_symmetry(first, second)
    if units is None or not units.spaces:
        return Alignment(IDENTITY, units.part if units else 0.0, line.end)
    ours, theirs = (_features(parts, line.land, activations) for parts in (first, second))
    by_activations = matching.by_activations(ours, theirs, units)
    aligned = {
        IDENTITY: line.end,
        BY_WEIGHTS: permuted(line.end, units, matching.by_weights(line.start, line.end, units, orders, by_activations)),
        BY_ACTIVATIONS: permuted(line.end, units, by_activations),
    }
    middles = dict(zip(aligned, line.middles(aligned.values()), strict=True))
    best = min(middles, key=lambda method: (middles[method].error or 0.0, middles[method].loss))
    return Alignment(best, units.part, aligned[best], middles[best])


def _features(parts: Parts, land: Landscape, activations: int) -> matching.Features:
    """Return what a network's units put out on some examples, from where that is kept for its next pair."""
    key = f"connectivity.features.{activations}"
    if key not in parts.probe_cache:
        parts.probe_cache[key] = matching.features(parts.model, list(land.watched(activations)))
    features: matching.Features = parts.probe_cache[key]
    return features
