"""The straight line between two trained networks: loss and error along it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness_plugins.probes._connect import repair
from harness_plugins.probes._connect.curves import barrier, between
from harness_plugins.probes._connect.landscape import Height, Landscape
from harness_plugins.probes._connect.permutation import Weights

if TYPE_CHECKING:
    from harness import Parts

Curve = list[Height]  # one per alpha, the networks themselves at both ends


class Line:
    """Two networks of one architecture, and what lies between them.

    Batch normalisation's statistics are computed anew at every point, ends included. What the ends are worth is kept
    with each network for its next pair; permuted, it computes the same.
    """

    def __init__(self, first: Parts, second: Parts, alphas: Sequence[float], images: int, statistics: int) -> None:
        self.alphas = alphas
        self.start: Weights = first.model.state_dict()
        self.end: Weights = second.model.state_dict()
        if _shapes(self.start) != _shapes(self.end):
            raise ValueError(
                f"networks must be of one architecture to be connected, got '{first.run.arm.network}' and "
                f"'{second.run.arm.network}'"
            )
        self.land = _shared_landscape(first, second, images, statistics)
        key = f"connectivity.end.{images}.{statistics}"
        ends = [_kept(parts, key, weights, self.land) for parts, weights in ((first, self.start), (second, self.end))]
        self.heights = [end[0] for end in ends]
        self.gap = max(_gap(*end) for end in ends)

    def middles(self, ends: Iterable[Weights]) -> list[Height]:
        """Return the loss and error of the networks halfway to the second one's weights, permuted in some ways or not."""
        return self.land.along(between(self.start, end, 0.5) for end in ends)

    def curve(self, end: Weights, middle: Height | None = None) -> Curve:
        """Return the loss and error of networks along the line to the second one's weights; the middle may be given."""
        known = {0.5: middle} if middle else {}
        unknown = [alpha for alpha in self.alphas[1:-1] if alpha not in known]
        heights = self.land.along(between(self.start, end, alpha) for alpha in unknown)
        known |= dict(zip(unknown, heights, strict=True))
        inside = [known[alpha] for alpha in self.alphas[1:-1]]
        return [self.heights[0], *inside, self.heights[1]]

    def repaired(self, end: Weights) -> Curve:
        """Return the same for a network without batch normalisation, with its activations repaired at every point."""
        batches = list(self.land.calibrating())
        ends = []
        for weights in (self.start, end):
            self.land.load(weights)
            ends.append(repair.statistics(self.land.network, batches))
        scores = []
        for alpha in self.alphas[1:-1]:
            self.land.load(between(self.start, end, alpha))
            target = repair.between(ends[0], ends[1], alpha)
            scores.append(self.land.here(repair.repaired(self.land.network, target, batches)))
        return [self.heights[0], *self.land.heights(scores), self.heights[1]]

    def numbers(self, name: str, curve: Curve, turned: bool) -> dict[str, Any]:
        """Return barriers and arrays of a curve by name; ``turned``, its beginning is the second network."""
        import numpy as np

        numbers: dict[str, Any] = {}
        for kind, heights in kinds(curve).items():
            numbers[f"{name}_{kind}"] = barrier(heights, self.alphas)
            numbers[f"{name}_curve_{kind}"] = np.array(heights[::-1] if turned else heights)
        return numbers


def kinds(curve: Curve) -> dict[str, list[float]]:
    """Return a curve's losses, and its errors where there are classes."""
    errors = [height.error for height in curve if height.error is not None]
    return {"loss": [height.loss for height in curve], **({"error": errors} if errors else {})}


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _shared_landscape(first: Parts, second: Parts, images: int, statistics: int) -> Landscape:
    """Return the landscape of networks of one architecture, from where either of them keeps it for its next pair."""
    key = f"connectivity.landscape.{images}.{statistics}"
    cache = first.probe_cache if key in first.probe_cache else second.probe_cache
    land: Landscape = cache.get(key) or Landscape(first, images, statistics)
    first.probe_cache[key] = second.probe_cache[key] = land
    return land


def _kept(parts: Parts, about: str, weights: Weights, land: Landscape) -> tuple[Height, Height]:
    """Return the loss and error of a network with its batch-norm statistics computed anew, and as it was trained."""
    if about not in parts.probe_cache:
        parts.probe_cache[about] = (land.at(weights), land.at(weights, recalibrated=False))
    heights: tuple[Height, Height] = parts.probe_cache[about]
    return heights


def _gap(anew: Height, trained: Height) -> float:
    """Return how far a network is from itself: in error, or, without classes, in its loss, relative."""
    if anew.error is not None and trained.error is not None:
        return abs(anew.error - trained.error)
    return abs(anew.loss - trained.loss) / max(abs(trained.loss), 1e-12)
