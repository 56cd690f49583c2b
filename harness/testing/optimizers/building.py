"""Checks that an optimizer builds, from anywhere in its space."""

from __future__ import annotations

from harness.console.numbers import assignments
from harness.errors import PluginError
from harness.plugin.contracts import Optimizer, Scheduler
from harness.testing.driving import (
    finite,
    start,
    step,
    torch_check,
    weights,
)
from harness.testing.outcomes import require
from harness.testing.problems import slope
from harness.testing.spaces import ends, inside
from harness.training.read_defaults import read_defaults


@torch_check
def builds(offer: Optimizer) -> str:
    """It builds from its defaults and from the corners of its space, and takes three steps from each."""
    for name, settings in ends(offer).items():
        try:
            parts = start(offer, slope(offer), settings)
            step(parts, 3)
        except PluginError as error:
            raise AssertionError(f"{error} (at {name} of its space)") from error
        require(
            finite(weights(parts)),
            f"must leave finite weights after three steps at {name} of its space, got others; narrow the space",
        )
    return ""


def defaults_in_space(offer: Optimizer | Scheduler) -> str:
    """What it has as a default and searches too is a value that the search may choose: every search begins with these."""
    begins_with = {name: offer.defaults[name] for name in offer.space if name in offer.defaults}
    for name, chosen in begins_with.items():
        require(
            inside(offer.space[name], chosen),
            f"defaults[{name!r}] must lie in its space, got {chosen!r}; change the default or the space",
        )
    read = read_defaults(offer, offer.space)
    drawn = ", ".join(name for name in offer.space if name not in offer.defaults and name not in read)
    texts = [f"a search begins with {assignments(begins_with)}"] if begins_with else []
    texts += [f"{name} = {default.value!r} is read from {default.source}" for name, default in read.items()]
    texts += [f"without a default, the first trial of a search draws {drawn}"] if drawn else []
    return "; ".join(texts)
