"""The limits in seconds that a user has set for probes, in words, and those that are proposed."""

from __future__ import annotations

import math

from harness.benchmark.plan import Setting
from harness.plugin.contracts import Probe

ROOM = 1.5  # a limit that is proposed leaves so much more room than the measurements are expected to need


def limit_of(setting: Setting, probe: Probe) -> tuple[float | None, str]:
    """Return the limit in seconds that the user has set for a costly probe, None for none, and the key that sets it."""
    compare = setting.plan.benchmark.compare
    if probe.name in compare.probe_budgets:
        return compare.probe_budgets[probe.name], f"compare.probe_budgets.{probe.name}"
    return compare.probe_budget if probe.costly else None, "compare.probe_budget"


def more_seconds(probe: Probe, needed: float) -> tuple[str, int]:
    """Return the key and the value of a limit under which a probe that needs so many seconds is measured whole."""
    seconds = max(ROOM * needed, 10.0)
    tens = 10 ** (math.floor(math.log10(seconds)) - 1)  # two digits are enough
    return f"compare.probe_budgets.{probe.name}", math.ceil(seconds / tens) * tens


def seconds_needed(seconds: float) -> str:
    """Return seconds in words, rounded up, so that what needs more than a limit never reads like the limit."""
    return f"{math.ceil(seconds):,} s" if seconds >= 10 else f"{math.ceil(10 * seconds) / 10:g} s"


def seconds_allowed(seconds: float) -> str:
    """Return a limit in seconds as the user has set it."""
    return f"{seconds:,.10g} s"
