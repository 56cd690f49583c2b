"""The paths between two trained networks: loss and error along them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness_plugins.probes._connect import repair
from harness_plugins.probes._connect.bending import SHORT, bent, spread
from harness_plugins.probes._connect.curves import POLYGON, barrier, between
from harness_plugins.probes._connect.landscape import Height, Landscape
from harness_plugins.probes._connect.permutation import Weights
from harness_plugins.probes._connect.scale import ScaleFree, Step, normalised, scale_free

if TYPE_CHECKING:
    import torch

    from harness import Parts

BEND_BATCH = 64  # examples of each step that trains a bend
BEND_PLACES = (0.3, 0.7)  # of a bent path where it is trained: near the ends it is low without that

Curve = list[Height]  # one per alpha, the networks themselves at both ends


@dataclass(frozen=True)
class End:
    """A network at the end of a line."""

    weights: Weights  # with scale-free filters at norm 1
    height: Height  # batch normalisation's statistics computed anew
    gap: float  # how far that is from the network as it was trained


class Line:
    """Two networks of one architecture, and what lies between them.

    Filters whose scale the network does not see are at norm 1, so that a line says something of two functions. Batch
    normalisation's statistics are computed anew at every point, ends included. What the ends are worth is kept with each
    network for its next pair; permuted, it computes the same.
    """

    def __init__(self, first: Parts, second: Parts, alphas: Sequence[float], images: int, statistics: int) -> None:
        self.alphas = alphas
        if _shapes(first) != _shapes(second):
            raise ValueError(
                f"networks must be of one architecture to be connected, got '{first.run.arm.network}' and "
                f"'{second.run.arm.network}'"
            )
        self.land = _shared_landscape(first, second, images, statistics)
        steps = _shared_steps(first, second)
        self.filters = [step.weight for step in steps if isinstance(step, ScaleFree)]  # names of those at norm 1
        key = f"connectivity.end.{images}.{statistics}"
        ends = [_end(parts, key, self.land, steps) for parts in (first, second)]
        self.start, self.end = (end.weights for end in ends)
        self.heights = [end.height for end in ends]
        self.gap = max(end.gap for end in ends)

    def middles(self, ends: Iterable[Weights]) -> list[Height]:
        """Return the loss and error of the networks halfway to the second one's weights, permuted in some ways or not."""
        return self.land.along(between(self.start, end, 0.5) for end in ends)

    def curve(self, end: Weights, middle: Height | None = None) -> Curve:
        """Return the loss and error of networks along the line to the second one's weights; the middle may be given."""
        by_place = {0.5: middle} if middle else {}
        unknown = [alpha for alpha in self.alphas[1:-1] if alpha not in by_place]
        heights = self.land.along(between(self.start, end, alpha) for alpha in unknown)
        by_place |= dict(zip(unknown, heights, strict=True))
        inside = [by_place[alpha] for alpha in self.alphas[1:-1]]
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

    def bent(self, end: Weights, steps: int, lr: float) -> Curve:
        """Return the same along two straight lines that meet in a bend, which is trained for so many steps."""
        bend = bent(self.land, self.start, end, POLYGON, spread(steps, *BEND_PLACES), lr, BEND_BATCH, SHORT)
        inside = self.land.along(POLYGON.at(self.start, bend, end, t) for t in self.alphas[1:-1])
        return [self.heights[0], *inside, self.heights[1]]

    def barriers(self, curve: Curve) -> tuple[float | None, float]:
        """Return how far a curve's error rises above the line between its ends, None without classes, and how far its loss."""
        rises = {kind: barrier(heights, self.alphas) for kind, heights in kinds(curve).items()}
        return rises.get("error"), rises["loss"]

    def rank(self, curve: Curve) -> tuple[float, float]:
        """Return a curve's rank among others: the least is the one whose error rises least, then the one whose loss does."""
        error, loss = self.barriers(curve)
        return error or 0.0, loss

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


def _shared_steps(first: Parts, second: Parts) -> tuple[Step, ...]:
    """Return what of two networks of one architecture may be brought to norm 1.

    Either network remembers that for its next pair.
    """
    key = "connectivity.scale_free"
    cache = first.probe_cache if key in first.probe_cache else second.probe_cache
    steps: tuple[Step, ...] | None = cache.get(key)
    if steps is None:
        steps = scale_free(first.model, first.ingredients.train.batch(slice(2))[0])
    first.probe_cache[key] = second.probe_cache[key] = steps
    return steps


def _shapes(parts: Parts) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in parts.model.state_dict().items()}


def _shared_landscape(first: Parts, second: Parts, images: int, statistics: int) -> Landscape:
    """Return the landscape of networks of one architecture, from where either of them keeps it for its next pair."""
    key = f"connectivity.landscape.{images}.{statistics}"
    cache = first.probe_cache if key in first.probe_cache else second.probe_cache
    land: Landscape = cache.get(key) or Landscape(first, images, statistics)
    first.probe_cache[key] = second.probe_cache[key] = land
    return land


def _end(parts: Parts, key: str, land: Landscape, steps: Sequence[Step]) -> End:
    """Return a network as the end of a line; what it is worth, and its new statistics, are kept with it."""
    state = parts.model.state_dict()
    if key not in parts.probe_cache:
        trained = land.at(state, recalibrated=False)
        anew = land.at(state)
        statistics = _statistics_of(land, steps)
        if steps:
            anew = land.at(normalised({**state, **statistics}, steps))
        parts.probe_cache[key] = statistics, anew, _gap(anew, trained)
    statistics, height, gap = parts.probe_cache[key]
    return End(normalised({**state, **statistics}, steps), height, gap)


def _statistics_of(land: Landscape, steps: Sequence[Step]) -> dict[str, torch.Tensor]:
    """Return a copy of the running statistics of the normalisations after these layers."""
    state = land.network.state_dict()
    layers = [step for step in steps if isinstance(step, ScaleFree)]
    return {name: state[name].clone() for layer in layers for name in (layer.mean, layer.variance)}


def _gap(anew: Height, trained: Height) -> float:
    """Return how far a network is from itself: in error, or, without classes, in its loss, relative."""
    if anew.error is not None and trained.error is not None:
        return abs(anew.error - trained.error)
    return abs(anew.loss - trained.loss) / max(abs(trained.loss), 1e-12)
