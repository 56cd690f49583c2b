"""The train loss and error on the plane through three solutions.

Sources: planes through solutions: Garipov et al. 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs",
arXiv:1802.10026; filter normalisation: Li et al. 2018, "Visualizing the loss landscape of neural nets", arXiv:1712.09913.

Filter normalisation makes *random* directions comparable, by giving them the scale of the weights they start from. Here
both directions run from one solution to another and have the scale of what separates them; what must be read with the
picture is how long they are, which is returned. The solutions themselves are taken with their filters at norm 1 where the
network does not see the scale of these (Pittorino et al. 2022, arXiv:2202.03038). The plane says nothing about what
lies off it: a ridge between two solutions does not show that there is no way around, nor after units are permuted
(``connectivity`` does that).

It describes and never decides. Batch norm is recomputed at every point on un-augmented train images, as it must be:
statistics of one network are senseless for the weights of another. (Those that a fine-tuning froze belong to none of
the three and stay.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any

from harness import Float, Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts

FLAT = 1e-6  # of the longest side: three solutions whose triangle is lower than this lie on a line


def measure(
    one: Parts, other: Parts, third: Parts, points: int = 21, margin: float = 0.3, images: int = 512
) -> Mapping[str, Any]:
    """Return the plane's measures, and the surface on it.

    Numbers: ``one_other``, ``one_third``, ``other_third``, the Euclidean distances of the solutions in weight space, with
    filters at norm 1 whose scale batch norm takes away.
    Arrays: ``solutions [3, 2]``, where they are in the plane, the first one at 0, the second one on the axis x, in the
    same units as the distances; ``x`` and ``y`` ``[points]``, a grid that goes ``margin`` of their extent beyond them;
    ``loss [points (y), points (x)]``, the un-regularised train loss, in the task's units, and ``error``, where the task
    has that metric; ``solution_loss [3]`` and ``solution_error [3]``, the same at the solutions themselves.

    No arrays where the three lie on a line. ``images`` train examples are evaluated, and for networks with batch norm
    as many others, where there are, recompute it: ``2 * images * (points ** 2 + 3)`` forward.
    """
    import numpy as np

    from harness_plugins.probes._curvature.landscape import exact
    from harness_plugins.probes._curvature.plane import Plane

    solutions = _solutions(one, other, third)
    if len({len(solution) for solution in solutions}) > 1:
        raise ValueError(f"the three networks must have the same parameters, got {[len(s) for s in solutions]} numbers")
    plane = Plane.through(*solutions)
    numbers = dict(zip(("one_other", "one_third", "other_third"), plane.sides, strict=True))
    if plane.places[2, 1] <= FLAT * max(plane.sides):
        return numbers
    x, y = plane.axis(0, points, margin), plane.axis(1, points, margin)
    result = {"x": x, "y": y, "solutions": plane.places}
    with exact(one.model, other.model, third.model):
        grid = (plane.at(float(across), float(up)) for up in y for across in x)
        every = scores_of(one, images, chain(solutions, grid))
    at_solutions, scores = every[: len(solutions)], every[len(solutions) :]
    for name in scores[0]:
        result[name] = np.array([values[name] for values in scores]).reshape(points, points)
        result[f"solution_{name}"] = np.array([values[name] for values in at_solutions])
    return {**numbers, **result}


def _solutions(*networks: Parts) -> list[torch.Tensor]:
    """Return the parameters ``[d]`` of networks of one architecture, with scale-free filters at norm 1.

    Where batch norm's statistics were frozen in training, no filter is scale-free.
    """
    import torch

    from harness_plugins.probes._connect.scale import normalised, scale_free

    first = networks[0]
    trains_statistics = first.run.batch_norm == "train"
    steps = scale_free(first.model, first.ingredients.train.batch(slice(2))[0]) if trains_statistics else ()
    solutions = []
    for parts in networks:
        state = parts.model.state_dict()
        weights = normalised(state, steps) if {step.weight for step in steps} <= state.keys() else state
        solutions.append(torch.cat([weights[name].reshape(-1) for name, _ in parts.model.named_parameters()]))
    return solutions


def scores_of(parts: Parts, images: int, points: Iterable[torch.Tensor]) -> list[dict[str, float]]:
    """Return the loss, and the error where the task has one, of a copy of the network at each of these weights ``[d]``.

    Where the network has batch norm, its statistics are recomputed for the weights on other train examples than those
    that are evaluated; on the same where there are not twice as many. Statistics that were frozen in training stay. The
    device is waited for once, at the end.
    """
    import torch

    from harness_plugins.probes._connect.batch_norm import recalibrate
    from harness_plugins.probes._curvature.landscape import chosen_batches, named

    network, task = deepcopy(parts.model), parts.ingredients.task
    evaluated = chosen_batches(parts, images)
    many = len(parts.ingredients.train) >= 2 * images
    rest = chosen_batches(parts, images, skip=images) if many else evaluated
    targets = torch.cat([right for _, right in evaluated])
    losses: list[torch.Tensor] = []
    predictions: list[torch.Tensor] = []
    with torch.no_grad():
        for weights in points:
            network.load_state_dict(named(network, weights), strict=False)  # its buffers stay
            if parts.run.batch_norm == "train":
                recalibrate(network, _whole(rest.inputs()))
            outputs = torch.cat([network(inputs) for inputs in evaluated.inputs()])
            losses.append(task.loss(outputs, targets))
            predictions.append(task.predict(outputs))
    scores = [{"loss": loss} for loss in torch.stack(losses).tolist()]
    if "error" in task.metrics:
        right = targets.cpu().numpy()
        for score, predicted in zip(scores, predictions, strict=True):
            score["error"] = float(task.metrics["error"].compute(predicted.cpu().numpy(), right))
    return scores


def _whole(batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield batches as large as the first one: the last, if smaller, would count as much, and may be a single row."""
    size = 0
    for inputs in batches:
        size = size or len(inputs)
        if len(inputs) == size:
            yield inputs


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer surface."""
    options = {"points": 21, "margin": 0.3, "images": 512}
    limits = {"points": Int(2, 1001), "margin": Float(1e-6, 10.0), "images": Int(1, 1_000_000)}
    return [
        Probe(
            name="surface",
            measure=measure,
            networks=3,
            options=options,
            limits=limits,
            reference="arXiv:1802.10026",
        )
    ]
