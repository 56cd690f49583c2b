"""How much the train loss rises at worst, when every weight moves by at most a small part of itself.

Source: adaptive worst-case l-infinity sharpness with normalised logits, Andriushchenko et al. 2023, "A modern look at the
relationship between sharpness and generalization", arXiv:2302.07011; its code: github.com/tml-epfl/sharpness-vs-generalization.

    max over |d_j| <= rho |w_j| of L(w + d) - L(w)

It does not change when a layer is scaled up and the next one down, nor with the common scale of the logits, as the
eigenvalues of the Hessian do. What differs from the paper: one maximum over all the images, where theirs is the mean of
maxima over batches of 128; the update of the ascent (see ``_curvature/ascent.py``); and, for two classes, what logits are
divided by (see ``_curvature/logits.py``). Outputs of a regression, and a single output, have no scale that is free: they
are left as they are, and the value then does depend on it.

It is measured at three rho, a thousandth, two and five thousandths of each weight, because two arms can be equally sharp
at one and not at another: at a small rho the slope at the solution decides, at a large one the curvature.

It tracks the learning rate more than how well a network generalises: no value is better than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness import Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts
    from harness_plugins.probes._curvature.ascent import Ascent
    from harness_plugins.probes._curvature.landscape import Landscape, Visit
    from harness_plugins.probes._curvature.logits import Scale

RHOS = (0.001, 0.002, 0.005)  # of each weight; the verdict's protocol has them too


def measure(parts: Parts, images: int = 2048, steps: int = 20) -> Mapping[str, float]:
    """Return the sharpness of the un-regularised train loss, with the numbers that explain it; losses in the task's units.

    ``value_0.001``, ``value_0.002`` and ``value_0.005``: the sharpness at that rho, never negative. ``first_order_0.001``
    and so on: ``rho * sum |w_j g_j|``, what it would be were the loss linear. ``normalised_loss``: the loss of normalised
    outputs at the solution, ``loss``: of the outputs as they are. ``weight_norm``: ``|w|``. ``logit_norm``: the mean length
    of the logits less their mean, where outputs are logits. ``grad_norm_train``: the norm of the gradient of ``loss``.
    ``scale``: what outputs were divided by: 0 nothing, 1 the mean length, 2 each its own. ``images``: how many train
    examples took part.

    In passes over the images: ``3 * steps + 1`` forward and ``3 * steps - 1`` backward, for the loss at the solution and
    both gradients there are computed once; as many forward again as backward where what a gradient needs is too much to
    be kept. One rho would take ``steps + 1`` of each.
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
        ascents = worst_cases(loss, start, scale, RHOS, steps)
        steepness = float((weights * ascents[0].slope).abs().sum())
        numbers = {
            **{f"value_{rho:g}": worst.best - worst.start for rho, worst in zip(RHOS, ascents, strict=True)},
            **{f"first_order_{rho:g}": rho * steepness for rho in RHOS},
            "normalised_loss": ascents[0].start,
            "loss": raw,
            "weight_norm": float(weights.norm()),
            "grad_norm_train": float(slope.norm()),
            "scale": float(scale),
            "images": float(len(targets)),
        }
        return numbers | ({"logit_norm": float(lengths(outputs).mean())} if scale else {})


def worst_cases(loss: Landscape, start: Visit, scale: Scale, rhos: Sequence[float], steps: int) -> list[Ascent]:
    """Return by rho the ascent of the loss of normalised outputs over the box ``weights [d] +- rho * |weights|``.

    All ascents begin at ``start``, whose value and gradient are computed once.
    """
    from harness_plugins.probes._curvature.ascent import ascend
    from harness_plugins.probes._curvature.logits import normalise

    targets, weights = loss.targets(), start.point.detach()

    def value_of(visit: Visit) -> torch.Tensor:
        return loss.loss(normalise(visit.outputs, scale), targets)

    first = value_of(start)
    value, slope = first.item(), start.pull(first)

    def evaluate(point: torch.Tensor) -> tuple[float, Callable[[], torch.Tensor]]:
        if point is weights:
            return value, lambda: slope
        visit = loss.visit(point)
        now = value_of(visit)
        return now.item(), lambda: visit.pull(now)

    return [ascend(evaluate, weights, rho * weights.abs(), steps) for rho in rhos]


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer sharpness."""
    return [
        Probe(
            name="sharpness", measure=measure, costly=True, options={"images": 2048, "steps": 20},
            limits={"images": Int(1, 1_000_000), "steps": Int(1, 10_000)}, reference="arXiv:2302.07011",
        )
    ]  # fmt: skip
