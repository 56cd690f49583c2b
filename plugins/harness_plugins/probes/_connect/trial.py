"""Try a change of weights that is to leave a network's outputs as they are, with random weights."""

from __future__ import annotations

from collections.abc import Callable

import torch

from harness_plugins.probes._connect.permutation import Weights

CLOSE = 1e-6  # of the largest output: so far outputs may differ, in double precision

Change = Callable[[Weights, torch.Generator], Weights]  # a network's state, changed


@torch.no_grad()
def holds(network: torch.nn.Module, inputs: torch.Tensor, change: Change, seed: int = 0) -> bool:
    """Return whether a network computes the same for inputs ``[B, ...]`` after a change of its weights.

    Its weights are drawn anew for this, so that nothing small or zero in them hides a mistake. The network is changed.
    """
    random = torch.Generator().manual_seed(seed)
    network, inputs = network.double(), inputs.double()
    state = {name: drawn(tensor, random) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    before = network(inputs)
    network.load_state_dict(change(state, random))
    after = network(inputs)
    size = before.abs().max()
    return bool(torch.isfinite(size) and size > 0 and (after - before).abs().max() <= CLOSE * size)


def drawn(tensor: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return random weights of a size that keeps outputs near one, positive where a variance could be."""
    if not tensor.is_floating_point():
        return tensor
    if tensor.ndim < 2:
        return (0.5 + torch.rand(tensor.shape, generator=random)).to(tensor)
    drawn: torch.Tensor = torch.randn(tensor.shape, generator=random) / tensor[0].numel() ** 0.5
    return drawn.to(tensor)
