"""What the optimizers' hyperparameters may be at all; what the search chooses from is narrower.

Below or above these nothing is trained: a mean of gradients that remembers everything never begins, a rate of a thousand
leaves the numbers at once, and a denominator that has 1 added to it is no longer one.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Choice, Float, Int

if TYPE_CHECKING:
    from harness import Space

_MEMORY = 0.999999  # of a running mean: it remembers about a million steps
_FLAG = Choice([False, True])
_ALL: Mapping[str, Any] = {
    "lr": Float(1e-12, 1000.0),
    **dict.fromkeys(("beta1", "beta2", "beta3", "momentum", "alpha"), Float(0.0, _MEMORY)),
    "eps": Float(0.0, 1.0),
    **dict.fromkeys(("weight_decay", "weight_decay_1d", "lambd"), Float(0.0, 10.0)),
    "dampening": Float(0.0, 1.0),
    **dict.fromkeys(("nesterov", "amsgrad", "centered", "safeguard_warmup"), _FLAG),
    "initial_accumulator_value": Float(0.0, 1000.0),
    "lr_decay": Float(0.0, 1.0),
    "momentum_decay": Float(0.0, 1.0),
    "max_iter": Int(1, 1000),
    "history_size": Int(1, 1000),
    "warmup_steps": Int(0, 1_000_000),
    "d0": Float(1e-12, 1.0),
    "d_coef": Float(1e-3, 1000.0),
    "rho": Float(1e-6, 10.0),  # of SAM: how far uphill
    "horizon": Float(1.0, 1e9),  # of EMA, in steps
}


def limits(*names: str) -> Space:
    """Return the limits of hyperparameters, by name."""
    return {name: _ALL[name] for name in names}


def limits_of(known: Mapping[str, inspect.Parameter]) -> Space:
    """Return limits for the arguments of a library's class whose defaults are of the right type and within them."""
    limits: dict[str, Any] = {}
    for name, parameter in known.items():
        default, limit = parameter.default, _ALL.get(name)
        if isinstance(default, bool):
            limits[name] = _FLAG
        elif isinstance(limit, Float) and isinstance(default, int | float) and limit.low <= default <= limit.high:
            limits[name] = limit
    if "betas" in known:
        limits |= {name: _ALL[name] for name in ("beta1", "beta2", "beta3")}
    if "lr" in known:
        limits["lr"] = _ALL["lr"]  # some have no default of their own, or none that is a number
    return limits
