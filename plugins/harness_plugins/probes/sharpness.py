"""How much the train loss rises at worst, when every weight moves by at most a thousandth of itself.

Source: adaptive worst-case l-infinity sharpness with normalised logits, Andriushchenko et al. 2023, "A modern look at the
relationship between sharpness and generalization", arXiv:2302.07011; its code: github.com/tml-epfl/sharpness-vs-generalization.

    max over |d_j| <= rho |w_j| of L(w + d) - L(w)

It does not change when a layer is scaled up and the next one down, nor with the common scale of the logits, as the
eigenvalues of the Hessian do. What differs from the paper: one maximum over all the images, where theirs is the mean of
maxima over batches of 128; the update of the ascent (see ``_curvature/ascent.py``); and, for two classes, what logits are
divided by (see ``_curvature/logits.py``). Outputs of a regression, and a single output, have no scale that is free: they
are left as they are, and the value then does depend on it.

It tracks the learning rate more than how well a network generalises: no value is better than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from harness import Float, Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts
    from harness_plugins.probes._curvature.ascent import Ascent
    from harness_plugins.probes._curvature.landscape import Landscape, Visit
    from harness_plugins.probes._curvature.logits import Scale


def measure(parts: Parts, images: int = 2048, steps: int = 20, rho: float = 0.001) -> Mapping[str, float]:
    """Return the sharpness of the un-regularised train loss, with the numbers that explain it; losses in the task's units.

    ``value``: the sharpness, never negative. ``first_order``: ``rho * sum |w_j g_j|``, what it would be were the loss
    linear. ``normalised_loss``: the loss of normalised outputs at the solution, ``loss``: of the outputs as they are.
    ``weight_norm``: ``|w|``. ``logit_norm``: the mean length of the logits less their mean, where outputs are logits.
    ``grad_norm_train``: the norm of the gradient of ``loss``. ``scale``: what outputs were divided by: 0 nothing, 1 the
    mean length, 2 each its own. ``images``: how many train examples took part.

    In passes over the images: ``steps + 1`` backward and ``steps + 1`` forward; ``2 * steps + 2`` forward where what a
    gradient needs is too much to be kept.
    """
    from harness_plugins.probes._curvature.landscape import exact, landscape
    from harness_plugins.probes._curvature.logits import lengths, scale_of

    with exact(parts.model):
        loss = landscape(parts, images)
        weights, targets = loss.weights(), loss.targets()
        start = loss.visit(weights)
        outputs = start.outputs.detach()
        scale = scale_of(outputs, targets)
        raw_loss = loss.loss(start.outputs, targets)
        raw, slope = raw_loss.item(), start.pull(raw_loss, again=True)
        worst = worst_case(loss, start, scale, rho, steps)
        numbers = {
            "value": worst.best - worst.start,
            "first_order": float(rho * (weights * worst.slope).abs().sum()),
            "normalised_loss": worst.start,
            "loss": raw,
            "weight_norm": float(weights.norm()),
            "grad_norm_train": float(slope.norm()),
            "scale": float(scale),
            "images": float(len(targets)),
        }
        return numbers | ({"logit_norm": float(lengths(outputs).mean())} if scale else {})


def worst_case(loss: Landscape, start: Visit, scale: Scale, rho: float, steps: int) -> Ascent:
    """Return the ascent of the loss of normalised outputs over the box ``weights [d] +- rho * |weights|`` around a start."""
    from harness_plugins.probes._curvature.ascent import ascend
    from harness_plugins.probes._curvature.logits import normalise

    targets, weights = loss.targets(), start.point.detach()

    def evaluate(point: torch.Tensor) -> tuple[float, Callable[[], torch.Tensor]]:
        visit = start if point is weights else loss.visit(point)
        value = loss.loss(normalise(visit.outputs, scale), targets)
        return value.item(), lambda: visit.pull(value)

    return ascend(evaluate, weights, rho * weights.abs(), steps)


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer sharpness."""
    options = {"images": 2048, "steps": 20, "rho": 0.001}
    limits = {"images": Int(1, 1_000_000), "steps": Int(1, 10_000), "rho": Float(1e-9, 1.0)}
    return [
        Probe(
            name="sharpness", measure=measure, costly=True, options=options, limits=limits, reference="arXiv:2302.07011"
        )
    ]
