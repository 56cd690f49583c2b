"""What ``harness check --like`` compares an optimizer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.plugin.contracts import Optimizer


@dataclass(frozen=True)
class Like:
    """A reference that an optimizer is compared with, step by step.

    >>> import torch
    >>> from harness import Optimizer
    >>> Like(Optimizer("adam", torch.optim.Adam, {}, {"lr": 1e-3}), {"lr": 0.01}).settings["lr"]
    0.01
    """

    reference: Optimizer
    settings: Mapping[str, Any] = field(default_factory=dict)  # of both, by name; the others are the optimizer's own
