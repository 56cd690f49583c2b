"""Checks that an optimizer minimises the objective that it is given, without a penalty of its own."""

from __future__ import annotations

from contextlib import suppress

from harness.errors import PluginError
from harness.plugin.contracts import Optimizer
from harness.plugin.validate import is_penalty
from harness.testing.driving import torch_check
from harness.testing.optimizers.parity import plain_rule
from harness.testing.optimizers.rules import words_of
from harness.testing.outcomes import require
from harness.testing.spaces import ends
from harness.training.read_defaults import read_defaults
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
    method = plain_method(offer)
    if searched or named:
        penalties_named = ", ".join(
            [f"{name} in its space" for name in searched] or [f"{k} = {v:g}" for k, v in named.items()]
        )
        steps = f"; without it, it takes the steps of {method}" if method else ""
        return (
            f"{penalties_named}: a benchmark must set it to 0 in [search.space.{offer.name}], or say "
            f'search.objective = "free"{steps}'
        )
    return f"at its defaults it takes the steps of {method}" if method else ""


def plain_method(offer: Optimizer) -> str:
    """Return the plain method whose steps an optimizer takes at its defaults while nothing decays, or ``""``.

    It is looked for among SGD, Adagrad, RMSprop and Adam, by the comparison that ``harness run`` makes of two arms.
    """
    read = {name: default.value for name, default in read_defaults(offer, offer.space).items()}
    settings = offer.settings(read)
    settings |= {name: 0.0 for name in (*offer.space, *settings) if is_penalty(name)}
    if not isinstance(settings.get("lr"), int | float):
        return ""
    rule = None
    with suppress(PluginError):  # one that fails at its defaults is none of them
        rule = plain_rule(offer, settings)
    return words_of(rule) if rule else ""
