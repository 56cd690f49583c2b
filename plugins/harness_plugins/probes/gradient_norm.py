"""The length of the objective's full gradient at the solution, on the un-augmented train split.

At a minimum it is zero; how small is small depends on the network's scale, so in general it is shown and never judged.
A convex network is the exception, and is judged by two more numbers:

- ``relative``: the length as a part of that at the initial weights.
- ``excess``: how far the objective can be above its minimum. With an L2 of ``m`` the objective f is m-strongly convex, so
  ``f(w) - min f <= |gradient|^2 / (2 m)`` (Polyak 1963; Boyd & Vandenberghe 2004, eq. 9.9). Without L2 there is no bound,
  and on separable data no minimum either: the gradient then shrinks for ever, below any tolerance, while the weights grow
  and different optimizers stop in different places. So a small ``relative`` alone says nothing there.

Elsewhere neither is given: batch norm's statistics at the initial weights are those of no data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts


def measure(parts: Parts) -> Mapping[str, float]:
    """Return ``value``: the Euclidean norm of the gradient of ``loss + l2/2 * |parameters|^2``, in float32.

    For a convex network also ``relative``, in parts of its start, and, with an L2, ``excess`` in the loss's units.
    """
    value = parts.gradient_norm()
    if not parts.ingredients.backbone.convex:
        return {"value": value}
    found = {"value": value, "relative": value / parts.gradient_norm(parts.beginning().to(parts.device.name))}
    if parts.run.l2:
        found["excess"] = value**2 / (2 * parts.run.l2)
    return found


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer gradient_norm."""
    return [Probe(name="gradient_norm", measure=measure)]
