"""What of a run an optimizer can ask for, beside its parameters and hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.plugin.contracts import Optimizer

TRIED_STEPS = 100  # of an optimizer that is tried on a few parameters
TRIED_EXAMPLES = 1000


@dataclass(frozen=True)
class Surroundings:
    """What of a run ``build`` gets, where an optimizer ``needs`` it."""

    network: torch.nn.Module
    total_steps: int  # of the stage
    examples: int  # in the train split

    def keywords(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return what the optimizer needs, by argument name."""
        return {name: getattr(self, name) for name in optimizer.needs}


def surround(
    parameters: Sequence[torch.nn.Parameter], total_steps: int = TRIED_STEPS, examples: int = TRIED_EXAMPLES
) -> Surroundings:
    """Return the surroundings of an optimizer that is tried on these parameters alone: they are the whole network."""
    return Surroundings(torch.nn.ParameterList(parameters), total_steps, examples)
