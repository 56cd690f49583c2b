"""Every class of ``torch.optim`` by its name: torch:RAdam, torch:LBFGS. Paszke et al. 2019, arXiv:1912.01703.

https://docs.pytorch.org/docs/stable/optim.html. Only the learning rate is searched, in the range that a
measurement on a small network gave (``_ranges``); ``[search.space."torch:RAdam"]`` fixes or searches more, with ``beta1`` and ``beta2`` for its ``betas``.
What differs from PyTorch's defaults: weight decay is 0, for the L2 is part of the common objective, so AdamW is Adam.
So is ASGD's, which it calls ``lambd``; the average that ASGD keeps is not evaluated, as PyTorch leaves it to the caller,
and without both it is plain SGD. Muon moves matrices and has an AdamW for the rest, as ``muon`` here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from harness import Catalogue, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _companion, _library, _ranges

EXCLUDED = {"SparseAdam": "it takes sparse gradients only; use 'torch:Adam'"}
SIZE = "match_rms_adamw"  # of Muon's steps: as AdamW's, so that one rate serves both halves
RPROP = {"obeys_schedule": "the rate is where its steps begin, and each weight's step then finds its own size"}


def find(name: str) -> Optimizer | None:
    """Return the class of that name, or None; raises PluginError for one that cannot train here."""
    if name in EXCLUDED:
        raise PluginError(EXCLUDED[name])
    class_ = _classes().get(name)
    if class_ is None:
        return None
    rates = _ranges.of(f"torch:{name}")
    if name == "LBFGS":
        one_group = {"several_groups": "it takes one group of parameters, for its step has one length"}
        return _library.offer(f"torch:{name}", _library.lbfgs, class_, rates, closure=True, known_failures=one_group)
    if name == "Muon":
        return _library.offer(f"torch:{name}", _companion.with_companion(class_, adjust_lr_fn=SIZE), class_, rates)
    failures = RPROP if name == "Rprop" else {}
    captured = _captured(name, class_)
    return _library.offer(f"torch:{name}", class_, class_, rates, known_failures=failures, captured=captured)


def _captured(name: str, class_: Any) -> dict[str, bool] | None:
    """Return the arguments by which a class takes steps that a CUDA graph can have, None where it cannot.

    The step is ``capturable``, or, SGD's, has no counter and reads its rate on the GPU when it is ``fused``. The fused form of
    Adagrad is for processors only.
    """
    takes = inspect.signature(class_).parameters
    names = {"SGD": ("fused",), "Adagrad": ()}.get(name, ("capturable", "fused"))
    if name != "SGD" and "capturable" not in takes:
        return None
    return dict.fromkeys((argument for argument in names if argument in takes), True)


def names() -> Sequence[str]:
    """Return every class that can train here."""
    return sorted(set(_classes()) - set(EXCLUDED))


def refused() -> Mapping[str, str]:
    """Return every class that cannot train here, with the reason."""
    return EXCLUDED


def _classes() -> dict[str, Any]:
    import torch

    return _library.optimizer_classes(torch.optim)


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer torch's optimizers, as torch:NAME."""
    return [Catalogue("optimizer", "torch", find, names, qualified=True, reference="arXiv:1912.01703", refused=refused)]
