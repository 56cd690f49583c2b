"""How long the gradient is at the solution.

How long the gradient of the objective is at the solution: at a minimum it is zero.

- ``value``: the length of the gradient of the whole objective, ``loss + l2/2 * |penalised parameters|^2``, over one epoch of
  batches as training sees them.
- ``relative``: the same as a part of the length at the initial weights. The verdict's gate judges this.
- ``excess``, for a convex network with an L2 on all its parameters: how far the objective can be above its minimum. With an
  L2 of ``m`` the objective f is m-strongly convex, so ``f(w) - min f <= |gradient|^2 / (2 m)`` (Polyak 1963; Boyd &
  Vandenberghe 2004, eq. 9.9). Without L2 there is no bound, and on separable data no minimum either: the gradient then
  shrinks for ever, below any tolerance, while the weights grow and different optimizers stop in different places.

A scale-free tensor, such as a convolution before batch norm, can have any length, and its gradient is the longer the shorter
it is. So it is measured at length 1: its gradient is multiplied by the tensor's length. The part of the gradient along the
tensor itself is left out, because it changes the length and no output. Where each filter is scale-free by itself, this is
done filter by filter, and tensors that are so together are taken for one. What is left does not depend on the lengths at
which an optimizer has left them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts


def measure(parts: Parts) -> Mapping[str, float]:
    """Return ``value``, ``relative`` (in parts of its start) and, where there is that bound, ``excess`` in the loss's units."""
    value = gradient_norm(parts, parts.model)
    start = gradient_norm(parts, parts.beginning().to(parts.device.name))
    numbers = {"value": value, "relative": value / start if start else float(value > 0)}
    if parts.ingredients.backbone.convex and parts.run.l2 and not parts.scale_free.units:
        numbers["excess"] = value**2 / (2 * parts.run.l2)
    return numbers


def gradient_norm(parts: Parts, network: torch.nn.Module) -> float:
    """Return the length of the objective's gradient at a network's weights, with scale-free tensors at length 1."""
    import torch

    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    gradients, free = dict(parts.objective_gradient(network)), parts.scale_free
    lengths = []
    for group in free.groups:
        names = [name for name in group if name in gradients]
        gradient = torch.cat([gradients[name].flatten() for name in names])
        lengths.append(on_sphere(gradient, torch.cat([weights[name].flatten() for name in names]), 1).norm())
    for name, gradient in gradients.items():
        weight, unit = weights[name], free.units.get(name)
        if unit is None:
            lengths.append(gradient.double().norm())
        elif unit != "group":
            lengths.append(on_sphere(gradient, weight, len(weight) if unit == "filter" and weight.ndim else 1).norm())
    return float(torch.stack(lengths).norm())


def on_sphere(gradient: torch.Tensor, weight: torch.Tensor, units: int) -> torch.Tensor:
    """Return the gradient ``[units, n]`` by a weight's direction, where each of its ``units`` has length 1."""
    import torch

    gradient, weight = gradient.double().reshape(units, -1), weight.double().reshape(units, -1)
    length: torch.Tensor = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    direction = torch.where(length > 0, weight / length, 0.0)
    return length * (gradient - (gradient * direction).sum(dim=1, keepdim=True) * direction)


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer gradient_norm."""
    return [Probe(name="gradient_norm", measure=measure)]
