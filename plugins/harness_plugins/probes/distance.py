"""How far the weights have gone from where they began, and how far apart those of two solutions are.

These numbers describe and never decide: networks that compute the same can lie far apart (units permuted, layers scaled),
and the common beginning outweighs what training adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts


def measure(parts: Parts) -> Mapping[str, float]:
    """Return Euclidean lengths over all parameters, buffers apart.

    ``moved``: from the weights that the run began with; ``relative``: that over ``initial_norm``, the length of those;
    ``weight_norm``: the length of the weights of the solution.
    """
    solution, beginning = _weights(parts), _beginning(parts)
    moved, initial = float((solution - beginning).norm()), float(beginning.norm())
    return {
        "moved": moved,
        "relative": moved / initial if initial else 0.0,
        "initial_norm": initial,
        "weight_norm": float(solution.norm()),
    }


def between(one: Parts, other: Parts) -> Mapping[str, float]:
    """Return how far apart two solutions are, weight by weight.

    ``l2``: the Euclidean distance; ``cosine``: of the angle between them as vectors; ``relative``: the distance over the
    mean of how far each has moved from its own beginning.
    """
    a, b = _weights(one), _weights(other)
    if len(a) != len(b):
        raise ValueError(f"the two networks must have the same parameters, got {len(a)} and {len(b)} numbers")
    distance, moved = float((a - b).norm()), (_moved(one) + _moved(other)) / 2
    lengths = float(a.norm() * b.norm())
    return {
        "l2": distance,
        "cosine": float(a @ b) / lengths if lengths else 0.0,
        "relative": distance / moved if moved else 0.0,
    }


def _weights(parts: Parts) -> torch.Tensor:
    """Return the weights of the solution ``[d]``, in float64 on the CPU."""
    from harness_plugins.probes._curvature.landscape import flat

    return flat(parts.model).cpu().double()


def _beginning(parts: Parts) -> torch.Tensor:
    from harness_plugins.probes._curvature.landscape import flat

    return flat(parts.beginning()).cpu().double()


def _moved(parts: Parts) -> float:
    """Return how far a network has moved, which the next pair that it is in need not compute again."""
    if "distance.moved" not in parts.probe_cache:
        parts.probe_cache["distance.moved"] = measure(parts)["moved"]
    return float(parts.probe_cache["distance.moved"])


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer distance, of every solution, and distance_between, of two."""
    return [
        Probe(name="distance", measure=measure),
        Probe(name="distance_between", measure=between, networks=2),
    ]
