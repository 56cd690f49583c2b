"""A training kept at one moment, so that steps which are tried can be undone: in place, because graphs know places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from harness.training import group_entries
from harness.training.device import Device
from harness.training.turns import host_generators, set_host_generators

PLAIN = (bool, int, float, str)


class Kept:
    """Tensors, what Python counts in a network, an optimizer's state and the random generators, as they are now."""

    def __init__(
        self, tensors: Sequence[torch.Tensor], model: torch.nn.Module, device: Device,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:  # fmt: skip
        self._optimizer, self._device = optimizer, device
        self._state: dict[Any, Any] = {}
        if optimizer is not None:
            self._state = {parameter: _branches(state) for parameter, state in optimizer.state.items()}
            self._groups = group_entries.copy_groups(optimizer)
        self._tensors = [*tensors, *(t for state in self._state.values() for t in tensors_in(state))]
        self._values = [tensor.detach().clone() for tensor in self._tensors]
        self._plain = [(module, _plain_attributes(module)) for module in model.modules()]
        self._host = host_generators()
        self._cuda = torch.cuda.get_rng_state(device.name) if device.type == "cuda" else None

    @torch.no_grad()
    def put_back(self) -> None:
        """Put everything back, the numbers of tensors into the tensors that they were in."""
        for tensor, value in zip(self._tensors, self._values, strict=True):
            tensor.copy_(value)
        for module, attributes in self._plain:
            vars(module).update(attributes)
        set_host_generators(self._host)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device.name)
        if self._optimizer is not None:
            self._put_optimizer_back(self._optimizer)

    def _put_optimizer_back(self, optimizer: torch.optim.Optimizer) -> None:
        for parameter in [p for p in optimizer.state if p not in self._state]:
            del optimizer.state[parameter]
        for parameter, state in self._state.items():
            optimizer.state[parameter] = _branches(state)
        for group, entries in zip(optimizer.param_groups, self._groups, strict=True):
            group.update(entries)


def _branches(tree: Any) -> Any:
    """Return dictionaries and lists anew, with the same leaves."""
    if isinstance(tree, Mapping):
        return {key: _branches(value) for key, value in tree.items()}
    return [_branches(value) for value in tree] if isinstance(tree, list) else tree


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in dictionaries, lists and tuples."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping | list | tuple):
        for branch in tree.values() if isinstance(tree, Mapping) else tree:
            yield from tensors_in(branch)


def same_tensors(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    """Return whether tensors are equal to the last bit; a number that is none equals itself."""
    return len(one) == len(other) and all(
        torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all()) for a, b in zip(one, other, strict=True)
    )


def _plain_leaves(state: Any) -> list[Any]:
    return [value for value in state.values() if isinstance(value, PLAIN)] if isinstance(state, Mapping) else []


def host_state(model: torch.nn.Module, optimizer: torch.optim.Optimizer, device: Device) -> object:
    """Return what Python keeps of a training: plain attributes, plain entries of the state, the generators that are not the device's."""
    attributes = [_plain_attributes(owner) for owner in (*model.modules(), optimizer)]
    entries = [_plain_leaves(state) for state in (*optimizer.state.values(), *optimizer.param_groups)]
    torchs, numpys, pythons = host_generators()
    generators = repr((numpys, pythons)), torchs.tolist() if device.type == "cuda" else ()
    return attributes, entries, generators


def _plain_attributes(owner: Any) -> dict[str, Any]:
    return {name: v for name, v in vars(owner).items() if isinstance(v, PLAIN) and not name.startswith("_")}
