"""Registering the protocol: the rules of the verdict, and how many results there were when they were written down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from harness.benchmark.plan import Setting
from harness.benchmark.sections import as_plain
from harness.console.progress import Reporter
from harness.plugin.runs import split_arm_name
from harness.records import Store
from harness.verdict import protocol as protocols
from harness.verdict.power import design_power


def register_protocol(
    setting: Setting, store: Store, reporter: Reporter, ended_elsewhere: Callable[[], int] = int
) -> str:
    """Write the protocol down, where it is new, say how likely the design is to support a claim, and return its hash.

    ``ended_elsewhere`` counts the runs of the comparison that can be taken from other run folders: their results were there
    before.
    """
    plan, registered = setting.plan, store.noted(protocols.KEY) or []
    imported = store.noted("baseline") or {}  # what was trained elsewhere is compared too
    arms = [str(arm) for arm in (*(store.noted("arms") or ()), *imported.get("arms", ()))]
    protocol = protocols.resolve(
        as_plain(plan.benchmark), arms, tuple(plan.task.metrics), plan.probe_versions, store.noted("extensions") or (),
        len(setting.data.classes), (store.noted("budget") or {}).get("units"),
    )  # fmt: skip
    if protocol.hash in {entry["hash"] for entry in registered}:
        return protocol.hash
    protocols.register(store, protocol, store.compared(imported.get("names", ())), ended_elsewhere())
    arms_of_network = Counter(split_arm_name(arm).network for arm in arms)
    convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
    compared = {network: count for network, count in arms_of_network.items() if count > 1 and network in convex}
    with reporter.during("working out the power of the design"):
        probes = plan.benchmark.compare.probes
        powers = [
            design_power(protocol, count, convex[network], probes, plan.roles) for network, count in compared.items()
        ]
    if plan.benchmark.search.objective != "common":
        reporter.say(
            f"protocol {protocol.hash[:12]} registered: each arm may have an objective of its own, so minima are not compared"
        )
    elif powers:
        reporter.say(f"protocol {protocol.hash[:12]} registered: {_power_text(powers)}")
    return protocol.hash


def _power_text(powers: Sequence[float]) -> str:
    """Return how likely identical arms are to come out similar, in the network in which they are least likely to."""
    if any(map(math.isnan, powers)):
        return protocols.POWER_UNKNOWN
    lowest = min(powers)
    exploratory = "; exploratory: more replicates would show more" if lowest < protocols.EXPLORATORY else ""
    return f"identical arms would come out similar with probability {lowest:.2f}{exploratory}"
