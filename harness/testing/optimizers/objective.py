"""Checks that an optimizer minimises the objective that it is given, without a penalty of its own."""

from __future__ import annotations

from harness.plugin.contracts import Optimizer
from harness.plugin.validate import is_penalty
from harness.testing.driving import torch_check
from harness.testing.outcomes import require
from harness.testing.spaces import ends
from harness.training.rehearsal import Rehearsal, own_penalties, shrinks_weights


@torch_check
def common_objective(offer: Optimizer) -> str:
    """It has no weight decay of its own, or one with a name, which a benchmark can set to 0."""
    searched = [name for name in offer.space if is_penalty(name)]
    named: dict[str, object] = {}
    hidden = False
    for settings in ends(offer).values():
        penalties = own_penalties(Rehearsal(offer, settings).optimizer)
        named |= penalties
        hidden |= not penalties and shrinks_weights(offer, settings)
    require(
        not hidden,
        "must not pull weights towards zero by itself, got ones that shrink; make this weight decay a "
        "hyperparameter called weight_decay, which a benchmark can set to 0",
    )
    if searched or named:
        penalties_named = ", ".join(
            [f"{name} in its space" for name in searched] or [f"{k} = {v:g}" for k, v in named.items()]
        )
        return f'{penalties_named}: a benchmark must set it to 0 in [search.space.{offer.name}], or say search.objective = "free"'
    return ""
