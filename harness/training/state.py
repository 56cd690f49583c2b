"""State as tensors and plain JSON: the same tree with every tensor taken out and named.

JSON has no tuples and only string keys, and optimizers have both, so these are marked: ``{"$tuple": [...]}`` and
``{"$dict": [[key, value], ...]}``; a tensor is ``{"$tensor": name}``. One that does not lie row by row, as eigenvectors do, has the
order of its dimensions beside it: ``{"$tensor": name, "$order": [1, 0]}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.errors import PluginError
from harness.plugin.boundary import Boundary
from harness.plugin.runs import State

if TYPE_CHECKING:
    from harness.training.at_work import AtWork

_PLAIN = (str, int, float, bool, type(None))


def flatten(tree: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the tree as plain JSON, its tensors copied into ``tensors`` under names that begin with ``name``.

    Raises PluginError for a value that is neither a tensor, a number, a string nor a list, tuple or dict of those.
    """
    if isinstance(tree, torch.Tensor):
        tensors[name] = tree.detach().clone().contiguous()
        order = _order_of(tree)
        return {"$tensor": name, "$order": order} if order else {"$tensor": name}
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Mapping):
        pairs = [(key, flatten(value, f"{name}.{key}", tensors)) for key, value in tree.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        return {"$dict": [[flatten(key, name, tensors), value] for key, value in pairs]}
    if isinstance(tree, list | tuple):
        items = [flatten(value, f"{name}.{i}", tensors) for i, value in enumerate(tree)]
        return items if isinstance(tree, list) else {"$tuple": items}
    raise PluginError(
        f"{name}: must be tensors, numbers, strings, lists, tuples or dicts to be saved, got {type(tree).__name__}"
    )


def restore(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the tree that ``flatten`` was given.

    Tensors are copied: those that come from a file lie anywhere in memory, and on some processors the last bit of a dot
    product depends on that. A copy lies where every new tensor does, and its dimensions in the order that they had. So a run
    goes on bit-equal.
    """
    if isinstance(tree, list):
        return [restore(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "$tensor" in tree:
        return _laid_out(tensors[tree["$tensor"]], tree.get("$order", ()))
    if "$tuple" in tree:
        return tuple(restore(value, tensors) for value in tree["$tuple"])
    if "$dict" in tree:
        return {restore(key, tensors): restore(value, tensors) for key, value in tree["$dict"]}
    return {key: restore(value, tensors) for key, value in tree.items()}


def _order_of(tensor: torch.Tensor) -> list[int]:
    """Return the dimensions of a tensor as they lie in memory, the outermost first; nothing where that is row by row."""
    strides = tensor.stride()
    order = sorted(range(tensor.dim()), key=lambda dim: -strides[dim])
    return [] if tensor.is_contiguous() or not tensor.permute(order).is_contiguous() else order


def _laid_out(tensor: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """Return a copy of a tensor whose dimensions lie in this order in memory."""
    if not order:
        return tensor.clone()
    places = [order.index(dim) for dim in range(len(order))]
    return tensor.permute(*order).clone(memory_format=torch.contiguous_format).permute(places)


def state_of(parts: AtWork, epoch: int) -> State:
    """Return a copy of everything from which a training goes on after an epoch."""
    tensors: dict[str, torch.Tensor] = {}
    plain = {
        "epoch": epoch,
        "seconds": parts.clock.seconds,
        "gradients": parts.gradients,
        "metrics": dict(parts.metrics),
        "snapshots": flatten(parts.snapshots.predictions, "snapshots", tensors),
        "moved": list(parts.moved),
    }
    for part, boundary, at_work in _parts_with_state(parts, "have a state that can be saved"):
        with boundary:
            plain[part] = flatten(dict(at_work.state_dict()), part, tensors)
    return State(tensors, plain)


def load_state(parts: AtWork, state: State) -> None:
    """Put a training back to where a state was made of it; it must be in that state's stage."""
    plain, tensors = state.plain, state.tensors
    for part, boundary, at_work in _parts_with_state(parts, "go on from its saved state"):
        with boundary:
            at_work.load_state_dict(restore(plain[part], tensors))
    parts.clock.seconds = plain["seconds"]
    parts.gradients = plain["gradients"]
    parts.metrics = dict(plain["metrics"])
    parts.snapshots.predictions = restore(plain["snapshots"], tensors)
    parts.moved = dict.fromkeys(plain["moved"])


def _parts_with_state(parts: AtWork, must: str) -> Iterator[tuple[str, Boundary, Any]]:
    """Yield the parts that have a state of their own, each with the boundary around it."""
    use = parts.ingredients
    yield "model", Boundary("backbone", use.backbone.name, must), parts.model
    yield "optimizer", Boundary("optimizer", use.optimizer.name, must), parts.optimizer
    yield "schedule", Boundary("scheduler", use.scheduler.name, must), parts.schedule
