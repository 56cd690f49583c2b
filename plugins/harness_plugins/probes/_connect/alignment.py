"""Find the alignment of two networks that makes the line between them lowest."""

from __future__ import annotations

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


def align(
    line: Line, first: Parts, second: Parts, units: Symmetry, orders: int, activations: int
) -> tuple[int, Weights, Height]:
    """Return the best method, the second network's weights aligned by it, and the loss at the middle of the line.

    It is the method with the lowest error in the middle, or loss where errors are equal or there are no classes. To
    leave the units where they are is one of them: networks that began alike may need no other. Matching weights is
    exact for a permuted copy; between narrow networks trained apart, matching activations gives the lower middle.
    """
    ours, theirs = (_features(parts, line.land, activations) for parts in (first, second))
    aligned = {
        IDENTITY: line.end,
        BY_WEIGHTS: permuted(line.end, units, matching.by_weights(line.start, line.end, units, orders)),
        BY_ACTIVATIONS: permuted(line.end, units, matching.by_activations(ours, theirs, units)),
    }
    middles = dict(zip(aligned, line.middles(aligned.values()), strict=True))
    best = min(middles, key=lambda method: (middles[method].error or 0.0, middles[method].loss))
    return best, aligned[best], middles[best]


def _features(parts: Parts, land: Landscape, activations: int) -> matching.Features:
    """Return what a network's units put out on some examples, from where that is kept for its next pair."""
    key = f"connectivity.features.{activations}"
    if key not in parts.probe_cache:
        parts.probe_cache[key] = matching.features(parts.model, list(land.watched(activations)))
    features: matching.Features = parts.probe_cache[key]
    return features
