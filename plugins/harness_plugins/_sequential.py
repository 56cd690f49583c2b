"""A chain of torch's own layers, as the Python text that builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def as_text(network: nn.Module) -> str:
    """Return ``torch.nn.Sequential(torch.nn.Flatten(...), ...)``: torch writes its layers as the calls that make them."""
    return f"torch.nn.Sequential({', '.join(f'torch.nn.{layer}' for layer in network.children())})"
