"""What optimizers around another one share: its groups, and a state in which the inner one's lies whole."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def around() -> Any:
    """Return the base class ``Around(inner)``; torch is imported with the first one, not when plugins are looked for."""
    import torch

    class Around(torch.optim.Optimizer):
        """An optimizer around ``inner``. The groups are the inner one's own, so a schedule of either is one of both."""

        def __init__(self, inner: torch.optim.Optimizer) -> None:
            self.inner = inner
            super().__init__(inner.param_groups, inner.defaults)

        def __getattr__(self, name: str) -> Any:
            """Return the inner one's switch, where it has one."""
            if name in ("train", "eval"):
                return getattr(self.inner, name)
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

        def state_dict(self) -> dict[str, Any]:
            """Return the inner one's state under ``inner``, and ``own`` beside it."""
            return {"inner": self.inner.state_dict(), "own": self.own_state()}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            """Go on from there; the inner one makes its groups anew, and they are shared again."""
            self.inner.load_state_dict(state_dict["inner"])
            self.param_groups = self.inner.param_groups
            self.load_own_state(state_dict["own"])

        def own_state(self) -> dict[str, Any]:
            """Return the state of its own that is saved beside the inner optimizer's."""
            return {}

        def load_own_state(self, state: dict[str, Any]) -> None:
            """Take back what ``own_state`` returned."""

        def weights(self) -> list[torch.Tensor]:
            """Return every parameter, group by group."""
            return [weight for group in self.param_groups for weight in group["params"]]

    return Around
