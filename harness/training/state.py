"""State as tensors and plain JSON: the same tree with every tensor taken out and named.

JSON has no tuples and only string keys, and optimizers have both, so these are marked: ``{"$tuple": [...]}`` and
``{"$dict": [[key, value], ...]}``; a tensor is ``{"$tensor": name}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from harness.errors import PluginError

_PLAIN = (str, int, float, bool, type(None))


def flatten(tree: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the tree as plain JSON, its tensors copied into ``tensors`` under names that begin with ``name``.

    Raises PluginError for a value that is neither a tensor, a number, a string nor a list, tuple or dict of those.
    """
    if isinstance(tree, torch.Tensor):
        tensors[name] = tree.detach().clone().contiguous()
        return {"$tensor": name}
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Mapping):
        pairs = [(key, flatten(value, f"{name}.{key}", tensors)) for key, value in tree.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        return {"$dict": [[key, value] for key, value in pairs]}
    if isinstance(tree, list | tuple):
        items = [flatten(value, f"{name}.{i}", tensors) for i, value in enumerate(tree)]
        return items if isinstance(tree, list) else {"$tuple": items}
    raise PluginError(
        f"{name}: must be tensors, numbers, strings, lists, tuples or dicts to be saved, got {type(tree).__name__}"
    )


def restore(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the tree that ``flatten`` was given.

    Tensors are copied: those that come from a file lie anywhere in memory, and on some processors the last bit of a dot
    product depends on that. A copy lies where every new tensor does, so a run goes on bit-equal.
    """
    if isinstance(tree, list):
        return [restore(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "$tensor" in tree:
        return tensors[tree["$tensor"]].clone()
    if "$tuple" in tree:
        return tuple(restore(value, tensors) for value in tree["$tuple"])
    if "$dict" in tree:
        return {key: restore(value, tensors) for key, value in tree["$dict"]}
    return {key: restore(value, tensors) for key, value in tree.items()}
