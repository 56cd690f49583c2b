"""The length of the objective's full gradient at the solution, on the un-augmented train split.

At a minimum it is zero; how small is small depends on the network's scale, so it is shown and never judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts


def measure(parts: Parts) -> Mapping[str, float]:
    """Return ``value``: the Euclidean norm of the gradient of ``loss + l2/2 * |parameters|^2``, in float32."""
    return {"value": parts.gradient_norm()}


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer gradient_norm."""
    return [Probe(name="gradient_norm", measure=measure)]
