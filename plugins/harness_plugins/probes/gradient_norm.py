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
    import torch

    from harness import Parts

BATCH = 512  # examples of which the gradients are added up


def measure(parts: Parts) -> Mapping[str, float]:
    """Return ``value``: the Euclidean norm of the gradient of ``loss + l2/2 * |parameters|^2``, in float32.

    For a convex network also ``relative``, in parts of its start, and, with an L2, ``excess`` in the loss's units.
    """
    value = gradient_norm(parts, parts.model)
    if not parts.ingredients.backbone.convex:
        return {"value": value}
    beginning = parts.beginning().to(parts.device.name)
    numbers = {"value": value, "relative": value / gradient_norm(parts, beginning)}
    if parts.run.l2:
        numbers["excess"] = value**2 / (2 * parts.run.l2)
    return numbers


def gradient_norm(parts: Parts, network: torch.nn.Module) -> float:
    """Return the norm of the objective's gradient at a network's weights, over the whole un-augmented train split."""
    import torch

    train, l2 = parts.ingredients.train, parts.run.l2
    network.eval()
    network.zero_grad(set_to_none=True)
    for start in range(0, len(train), BATCH):
        inputs, targets = train.batch(slice(start, start + BATCH))
        loss = parts.ingredients.task.loss(network(inputs).float(), targets)
        (loss * len(inputs) / len(train)).backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
    norms = [torch.norm(parameter.grad + l2 * parameter.detach()) for parameter in trained]  # type: ignore[operator]
    network.zero_grad(set_to_none=True)
    return float(torch.stack(norms).norm())


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer gradient_norm."""
    return [Probe(name="gradient_norm", measure=measure)]
