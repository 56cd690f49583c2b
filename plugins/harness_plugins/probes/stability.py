"""How near an optimizer is to its edge of stability.

How near an optimizer is to the edge of its own stability: the rate times the largest eigenvalue of P^-1 H.

P is what the optimizer divides the gradient by. SGD divides by nothing, and Adam by the root of the mean squared gradient,
so the curvature that limits the one does not limit the other. Networks of different optimizers can therefore differ in
sharpness, and each still be as sharp as its optimizer allows. See ``_curvature/preconditioner.py`` for the sources and the
limits. It describes and never decides.

A run keeps no state of its optimizer, so where that divides by something the run is trained once more, and P is what the
optimizer divides by at its end. P cannot be guessed from the final weights: on a full batch, where the answer is known, the
gradients there gave 20 to 800 times of it. The rate is the peak of the schedule. At the end of most schedules it is nearly
zero, and no network is near any edge.

Only full-batch training ends at the edge. The noise of small batches keeps a network below it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts
    from harness_plugins.probes._curvature.lanczos import Extremes
    from harness_plugins.probes._curvature.landscape import Landscape

SEED = 0  # of the vector that Lanczos begins with


def measure(parts: Parts, images: int = 512, lanczos: int = 30) -> Mapping[str, float]:
    """Return the eigenvalue and the limit; nothing for an optimizer whose rule is not known, or that has no rate.

    ``eigenvalue``: the largest one of P^-1 H, where H is the Hessian of the un-regularised train loss on ``images`` train
    examples; where layers have rates of their own, each counts by its rate as a part of the head's. ``residual``: its
    relative residual; above .01 it has not converged, and more ``lanczos`` steps are wanted. ``rate``: the learning rate at
    the schedule's peak. ``times_rate``: their product. ``limit``: what that must stay below for the optimizer to come to
    rest. ``ratio``: ``times_rate / limit``, 1 at the edge of stability. ``gap``: how far the weights of the run that was
    trained again are from these, as a part of their length; 0 on the machine that trained them.

    It takes ``lanczos + 1`` products with the Hessian, each about as much work as four gradients on these images, and,
    where the optimizer divides by something, as long as the run took. Images are not augmented, and batch norm takes the
    statistics of each batch, as in training.
    """
    import torch

    from harness_plugins.probes._curvature.landscape import flat
    from harness_plugins.probes._curvature.preconditioner import rule_of

    use = parts.ingredients
    if use.optimizer.needs:  # no such rule is known, and on one small tensor it cannot be built
        return {}
    settings: dict[str, Any] = use.optimizer.settings(parts.run.optimizer)
    built = use.optimizer.build([torch.nn.Parameter(torch.zeros(2, 2))], **settings)
    rule = rule_of(built)
    if rule is None or "lr" not in settings:
        return {}
    network, optimizer = parts.model, built
    if rule.divides:
        retrained = parts.trained_again()
        network, optimizer = retrained.model, retrained.optimizer
    weights, divisors = flat(parts.model), rule.divisors(optimizer, network)
    rows = batches_of(parts)
    fewest = rows[: max(1, images // len(rows[0]))]
    with train_landscape(parts, fewest) as loss:
        ends = largest(loss, rate_parts(parts) / divisors, lanczos)
    rate = float(settings["lr"])
    return {
        "eigenvalue": ends.largest,
        "residual": ends.residual,
        "rate": rate,
        "times_rate": rate * ends.largest,
        "limit": rule.limit,
        "ratio": rate * ends.largest / rule.limit,
        "gap": float((flat(network) - weights).norm() / weights.norm()),
        "images": float(sum(map(len, fewest))),
    }


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
    return [batch for batch in torch.split(order, size) if len(batch) == size]


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
            name="stability", measure=measure, costly=True, options={"images": 512, "lanczos": 30},
            limits={"images": Int(1, 1_000_000), "lanczos": Int(1, 10_000)}, reference="arXiv:2207.14484",
        )
    ]  # fmt: skip
