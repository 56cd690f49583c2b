"""The checks of each kind of plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from harness.errors import arguments, did_you_mean
from harness.plugin.contracts import OFFERS, DataRequest, Dataset, Kind, Offer, Optimizer
from harness.testing.likeness import Like
from harness.testing.outcomes import Check, require

MODULES: Mapping[Kind, str] = {
    "optimizer": "optimizers", "scheduler": "schedulers", "backbone": "backbones", "task": "tasks",
    "dataset": "datasets", "probe": "probes", "executor": "executors", "analysis": "tables", "report": "tables",
    "listener": "listeners",
}  # fmt: skip


def checks(
    offer: Offer, quick: bool | None = None, like: Like | None = None, request: DataRequest | None = None
) -> list[Check]:
    """Return the checks of an offer, in a fixed order: all, the quick ones (True) or the others (False).

    With ``like`` a last one compares the steps of an optimizer with those of a reference. With a ``request`` a dataset is
    opened with it; without one, it is checked as far as it opens without a folder.
    """
    arguments.instance("offer", offer, tuple(OFFERS.values()), "an Optimizer, a Backbone or another value of a plugin")
    if quick is not None:
        arguments.flag("quick", quick)
    if like is not None:
        arguments.instance("like", like, (Like,), "a Like, which has a reference and settings")
        arguments.instance("offer", offer, (Optimizer,), "an Optimizer, where there is a reference")
    if request is not None:
        arguments.instance("request", request, (DataRequest,), "a DataRequest")
        arguments.instance("offer", offer, (Dataset,), "a Dataset, where there is a request")
    suite = _suite(offer, request)
    reasons: Mapping[str, str] = getattr(offer, "known_failures", {})
    checks_of_offer = [Check(name, offer, test, fast, reasons.get(name, "")) for name, (test, fast) in suite.items()]
    if reasons:
        checks_of_offer.append(Check("known_failures", offer, lambda _: _names_are_checks(reasons, suite)))
    if like is not None:
        parity = import_module("harness.testing.optimizers.parity").parity
        checks_of_offer.append(Check("parity", offer, partial(parity, like=like), True, reasons.get("parity", "")))
    return [check for check in checks_of_offer if quick is None or check.quick == quick]


def _suite(offer: Offer, request: DataRequest | None) -> dict[str, tuple[Callable[[Any], str], bool]]:
    """Return test and whether it is quick, by the name of the check."""
    kind = next(kind for kind, type_ in OFFERS.items() if isinstance(offer, type_))
    module = import_module(f"harness.testing.{MODULES[kind]}")
    more = {"request": request} if request is not None else {}
    return {
        **{test.__name__: (partial(test, **more), True) for test in module.QUICK},
        **{test.__name__: (partial(test, **more), False) for test in module.FULL},
    }


def _names_are_checks(reasons: Mapping[str, str], suite: Mapping[str, Any]) -> str:
    for name in reasons:
        require(name in suite, f"known_failures must name checks, got '{name}'{did_you_mean(name, suite)}")
    return ""
