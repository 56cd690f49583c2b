"""The objective of a run, ``loss + l2/2 * |penalised|^2``, on a batch: its value and its gradients.

Penalised are all parameters that are trained, and with ``l2_on = "not_scale_free"`` those of them that are not scale-free
(``harness.training.scale_free``).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.plugin.boundary import Boundary
from harness.training.augmentation import Targets, blend_loss

if TYPE_CHECKING:
    from harness.plugin.runs import Run
    from harness.training.device import Device
    from harness.training.ingredients import Ingredients


class Objective:
    """The objective of a network, as a function of the parameters that a stage trains.

    ``free`` are the names of the parameters that are never penalised.
    """

    def __init__(
        self, run: Run, ingredients: Ingredients, device: Device, model: torch.nn.Module, free: Collection[str] = ()
    ) -> None:
        self.run, self.model, self.device = run, model, device
        self.parameters: Sequence[torch.nn.Parameter] = ()  # those that are trained
        self.penalised: Sequence[torch.nn.Parameter] = ()  # those of them that the penalty pulls towards zero
        self._free = {id(parameter) for name, parameter in model.named_parameters() if name in free}
        self.forward = Boundary("backbone", ingredients.backbone.name, "map inputs to outputs")
        self.loss_of = Boundary("task", ingredients.task.name, "have a loss")
        self._task = ingredients.task
        self._offer = ingredients.optimizer
        self._backward = Boundary("backbone", ingredients.backbone.name, "be differentiated")

    def train(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Take the parameters that are trained from here on."""
        self.parameters = parameters
        self.penalised = [p for p in parameters if id(p) not in self._free] if self.run.l2 else []

    def differentiate(self, inputs: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
        """Set the gradients of the objective on a batch, which must be None or zero before.

        Returns the loss ``[]`` without the penalty, and the objective ``[]``. The latter is not
        needed where the optimizer takes no closure, and is the loss there.
        """
        with self.forward, self.autocast():
            outputs = self.model(inputs).float()
        with self.loss_of:
            loss = blend_loss(self._task.loss, outputs, targets)
        with self._backward:
            if self._offer.second_order:
                return loss.detach(), self._differentiate_twice(loss)
            loss.backward()  # type: ignore[no-untyped-call]
        value, penalty = loss.detach(), self._add_penalty()
        return value, value if isinstance(penalty, float) else value + penalty

    def gradient_is_finite(self) -> torch.Tensor:
        """Return whether the last step's gradient is finite, ``[]``.

        Finite weights do not prove it: an optimizer that steps by the gradient's sign stands still where the sign of NaN is 0.

        It is checked once an epoch, so that no step waits for the device. An optimizer that evaluates its closure is not
        checked: the last gradient of a line search may be one that it turned down.
        """
        gradients = [p.grad.detach() for p in self.parameters if p.grad is not None]
        if self._offer.closure or not gradients:
            return torch.ones((), dtype=torch.bool, device=self.device.name)
        return torch.isfinite(torch.stack(torch._foreach_norm(gradients, math.inf))).all()

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of the run's precision."""
        if self.run.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _add_penalty(self) -> torch.Tensor | float:
        """Add the penalty's gradient, ``l2 * parameter``, to the loss's; return its value where a closure needs it.

        Added by hand, as autograd would, but without a graph node per parameter.
        """
        penalised: list[torch.Tensor] = [p for p in self.penalised if p.grad is not None]
        if not penalised:
            return 0.0
        with torch.no_grad():
            torch._foreach_add_([p.grad for p in penalised if p.grad is not None], penalised, alpha=self.run.l2)
            if not self._offer.closure:
                return 0.0
            return self.run.l2 / 2 * torch.stack(torch._foreach_norm(penalised)).square().sum()

    def _differentiate_twice(self, loss: torch.Tensor) -> torch.Tensor:
        """Set the objective's gradients with a graph of their own, to be differentiated again; return its value."""
        trained = [p for p in self.parameters if p.requires_grad]
        if self.penalised:
            loss = loss + self.run.l2 / 2 * torch.stack([p.square().sum() for p in self.penalised]).sum()
        gradients = torch.autograd.grad(loss, trained, create_graph=True, allow_unused=True)
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = gradient
        return loss.detach()
