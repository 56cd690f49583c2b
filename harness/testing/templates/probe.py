"""newcomer: how long the trained weights are, a place to start from.

The Euclidean length of all weights together, and the part of its square that the largest tensor has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts


def measure(parts: Parts) -> Mapping[str, float]:
    """Return ``length`` and ``largest`` (in [0, 1]) of the network ``parts.model``.

    The data are there too: ``parts.ingredients.train`` and ``parts.ingredients.tune``, and ``parts.predict`` of either.
    """
    squares = [float(p.detach().double().square().sum()) for p in parts.model.parameters()]
    total = sum(squares)
    return {"length": total**0.5, "largest": max(squares) / total if total else 0.0}


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer newcomer; its numbers stand in the records with its name and a dot in front."""
    return [Probe(name="newcomer", measure=measure)]
