"""How near an optimizer is to the edge of its own stability: the rate times the largest eigenvalue of P^-1 H.

P is what the optimizer divides the gradient by. SGD divides by nothing, and Adam by the root of the mean squared gradient,
so the curvature that limits the one does not limit the other. Networks of different optimizers can therefore differ in
sharpness, and each still be as sharp as its optimizer allows. See ``_curvature/preconditioner.py`` for the sources and the
limits. It describes and never decides.

A run keeps no state of its optimizer, and P cannot be read off the final weights: after most schedules the gradients there
are far smaller than in training, and P with them. So a copy of the network goes on from there, by the optimizer's own steps
at the peak of its rate, and P is made of the gradients that it meets. H is that of the train loss at the solution itself.
The answer is then how stable the optimizer would be there at that rate. At the end of most schedules the rate is nearly
zero, and no network is near any edge.

Only full-batch training ends at the edge. The noise of small batches keeps a network below it.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts
    from harness_plugins.probes._curvature.lanczos import Extremes
    from harness_plugins.probes._curvature.landscape import Landscape
    from harness_plugins.probes._curvature.preconditioner import Moments

SEED = 0  # of the vector that Lanczos begins with


def measure(parts: Parts, images: int = 512, lanczos: int = 30, steps: int = 100) -> Mapping[str, float]:
    """Return the eigenvalue and the limit; nothing for an optimizer whose rule is not known, or that has no rate.

    ``eigenvalue``: the largest one of P^-1 H, where H is the Hessian of the un-regularised train loss on ``images`` train
    examples; where layers have rates of their own, each counts by its rate as a part of the head's. ``residual``: its
    relative residual; above .01 it has not converged, and more ``lanczos`` steps are wanted. ``rate``: the learning rate at
    the schedule's peak. ``times_rate``: their product. ``limit``: what that must stay below for the optimizer to come to
    rest. ``ratio``: ``times_rate / limit``, 1 at the edge of stability. Where the optimizer runs away in these ``steps``,
    nothing is known.

    It takes ``lanczos + 1`` products with the Hessian, each about as much work as four gradients on these images, and,
    where the optimizer divides by something, ``steps`` steps of training. Images are not augmented, and batch norm takes the
    statistics of each batch, as in training.
    """
    import torch

    from harness_plugins.probes._curvature.preconditioner import rule_of

    use = parts.ingredients
    settings: dict[str, Any] = use.optimizer.settings(parts.run.optimizer)
    rule = rule_of(use.optimizer.build([torch.nn.Parameter(torch.zeros(2, 2))], **settings))
    if rule is None or "lr" not in settings:
        return {}
    rows = batches_of(parts)
    fewest = rows[: max(1, images // len(rows[0]))]
    moments = moments_near(parts, rows, settings, steps if rule.divides else 0)
    if not torch.isfinite(moments.mean_square).all():
        return {}
    with train_landscape(parts, fewest) as loss:
        ends = largest(loss, rate_parts(parts) / rule.divisors(moments.mean, moments.mean_square), lanczos)
    rate = float(settings["lr"])
    return {
        "eigenvalue": ends.largest,
        "residual": ends.residual,
        "rate": rate,
        "times_rate": rate * ends.largest,
        "limit": rule.limit,
        "ratio": rate * ends.largest / rule.limit,
        "images": float(sum(map(len, fewest))),
    }


def moments_near(parts: Parts, rows: Sequence[torch.Tensor], settings: Mapping[str, Any], steps: int) -> Moments:
    """Return the moments of the objective's gradient while the optimizer goes on from the network's weights.

    A quarter of the steps fill its state at a rate of 0, because a new one would begin with a jump. The others have the
    peak rate, and the moments are over the last half of all.
    """
    import torch

    from harness_plugins.probes._curvature.landscape import batch_statistics, exact, flat
    from harness_plugins.probes._curvature.preconditioner import Moments, make_unbiased

    network, use = copy.deepcopy(parts.model), parts.ingredients
    weights, penalty = list(network.parameters()), penalties(parts)
    optimizer = use.optimizer.build(_groups(parts, weights, float(settings["lr"])), **settings)
    rates = [group["lr"] for group in optimizer.param_groups]
    moments = Moments(torch.zeros_like(penalty), torch.zeros_like(penalty))
    with exact(network), batch_statistics(network) if parts.run.batch_norm == "train" else contextlib.nullcontext():
        for step in range(steps):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate if step >= steps // 4 else 0.0
            if step == steps // 4:
                make_unbiased(optimizer, step)
            inputs, targets = use.train.batch(rows[step % len(rows)])
            loss = use.task.loss(network(inputs).float(), targets)
            slopes = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
            gradient = torch.cat([slope.reshape(-1) for slope in slopes]) + penalty * flat(network)
            if 2 * step >= steps:
                moments.add(gradient)
            for weight, part in zip(weights, gradient.split([weight.numel() for weight in weights]), strict=True):
                weight.grad = part.view_as(weight)
            optimizer.step()
    return moments


def _groups(parts: Parts, weights: Sequence[torch.nn.Parameter], rate: float) -> list[dict[str, Any]]:
    """Return the trained ones of a copy's weights, as groups with the rates that they have in training."""
    factors = dict(_factors(parts))
    pairs = zip(parts.model.parameters(), weights, strict=True)
    return [{"params": [copied], "lr": rate * factors[id(own)]} for own, copied in pairs if id(own) in factors]


@contextlib.contextmanager
def train_landscape(parts: Parts, rows: Sequence[torch.Tensor]) -> Iterator[Landscape]:
    """Yield the train loss on these rows, batch by batch; batch norm is in the mode that the run trains it in."""
    from harness_plugins.probes._curvature.landscape import Landscape, batch_statistics, exact
    from harness_plugins.probes._images import Images

    network, use = parts.model, parts.ingredients
    in_training = batch_statistics(network) if parts.run.batch_norm == "train" else contextlib.nullcontext()
    with exact(network), in_training:
        yield Landscape(network, Images(use.train, rows), use.task.loss)


def largest(loss: Landscape, rates: torch.Tensor, lanczos: int) -> Extremes:
    """Return the ends of the spectrum of ``diag(rates [d]) H`` at the network's weights.

    It has the eigenvalues of the symmetric matrix with the root of ``rates`` on both sides, and that is what is looked at.
    """
    import torch

    from harness_plugins.probes._curvature.lanczos import extremes, signs, tridiagonalise

    weights, root = loss.weights(), rates.sqrt()
    hessian = loss.hessian(weights)

    def product(vector: torch.Tensor) -> torch.Tensor:
        return root * hessian(root * vector)

    start = signs(len(weights), weights, torch.Generator().manual_seed(SEED))
    return extremes(product, tridiagonalise(product, start, lanczos))


def batches_of(parts: Parts) -> list[torch.Tensor]:
    """Return the rows of the train split in batches of the run's size, in an order that depends on nothing but their number.

    What is left over is left out, as in training.
    """
    import torch

    from harness_plugins.probes._curvature.landscape import SEED as ORDER

    train = parts.ingredients.train
    size = min(parts.run.batch_size, len(train))
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(ORDER)).to(train.device)
    return [batch for batch in order.split(size) if len(batch) == size]


def penalties(parts: Parts) -> torch.Tensor:
    """Return the L2 penalty of each weight ``[d]``; it is 0 for the scale-free ones where the objective leaves them alone."""
    import torch

    free = parts.scale_free.units if parts.run.l2 and parts.run.l2_on == "not_scale_free" else ()
    return torch.cat(
        [
            torch.full_like(p.detach().reshape(-1), 0.0 if name in free else parts.run.l2)
            for name, p in parts.model.named_parameters()
        ]
    )


def rate_parts(parts: Parts) -> torch.Tensor:
    """Return each weight's learning rate as a part of the head's ``[d]``; 0 where it is not trained."""
    import torch

    factors = dict(_factors(parts))
    return torch.cat(
        [torch.full_like(p.detach().reshape(-1), factors.get(id(p), 0.0)) for p in parts.model.parameters()]
    )


def _factors(parts: Parts) -> Iterator[tuple[int, float]]:
    """Yield the id of every trained parameter, and its rate as a part of the head's."""
    groups = parts.ingredients.backbone.groups
    if parts.run.layer_factor == 1 or groups is None:
        yield from ((id(parameter), 1.0) for parameter in parts.model.parameters() if parameter.requires_grad)
        return
    for depth, group in enumerate(reversed(groups(parts.model))):
        yield from ((id(parameter), parts.run.layer_factor**depth) for parameter in group)


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer stability."""
    return [
        Probe(
            name="stability", measure=measure, costly=True, options={"images": 512, "lanczos": 30, "steps": 100},
            limits={"images": Int(1, 1_000_000), "lanczos": Int(1, 10_000), "steps": Int(4, 100_000)}, reference="arXiv:2207.14484",
        )
    ]  # fmt: skip
