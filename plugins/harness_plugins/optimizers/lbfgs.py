"""L-BFGS: quasi-Newton steps with a line search.

Quasi-Newton steps along directions from the last gradients, their lengths found by a line search.

Liu & Nocedal 1989, https://doi.org/10.1007/BF01589116; ``torch.optim.LBFGS`` with the line search for the strong Wolfe
conditions (Nocedal & Wright 2006, section 3.5).

It takes the objective for one function, so it is meant for large batches, best ``batch_size`` = the train split, where
it finds a minimum to many digits. On small ones every step fits its own batch, and the curvature that it learns is
noise; the search may then choose few iterations and short first trials, which helps a little. One step is up to
``max_iter`` iterations of one or two gradients each, so an epoch costs that much more: compare seconds too. The line
search undoes what a schedule would do, so it is one arm, without. Dropout and batch-norm see every evaluation.
It compares values that differ in late digits: give it ``precision = "fp32"``.

What differs from PyTorch's defaults: the line search, a history of 10, and weights in any memory layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Int, Optimizer, hookimpl
from harness_plugins.optimizers import _library, _limits

if TYPE_CHECKING:
    import torch


def build(parameters: Any, max_iter: int = 5, **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``torch.optim.LBFGS``, with two evaluations an iteration."""
    return _library.lbfgs(
        parameters, max_iter=max_iter, max_eval=2 * max_iter, line_search_fn="strong_wolfe", **hyperparameters
    )


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer lbfgs; ``lr`` is the length tried first, of which 1 is the full quasi-Newton step."""
    return [
        Optimizer(
            name="lbfgs",
            build=build,
            space={"lr": Float(0.1, 1.0, log=True), "max_iter": Int(2, 20, log=True)},
            defaults={"lr": 1.0, "max_iter": 5, "history_size": 10},
            limits=_limits.limits("lr", "max_iter", "history_size"),
            closure=True,
            scheduled=False,
            known_failures={"several_groups": "it takes one group of parameters, for its step has one length"},
            reference="Liu & Nocedal 1989",
        )
    ]
