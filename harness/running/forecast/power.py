"""What the design of a benchmark can show, before anything is spent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.benchmark.plan import Setting
from harness.benchmark.sections import as_plain
from harness.plugin.runs import split_arm_name
from harness.verdict import protocol as protocols
from harness.verdict.power import design_power


def power(setting: Setting, imported: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return for each network with two arms the probability that its claim is supported if its arms are identical.

    It follows from ``[verdict.scatter]``; it is None where the scatter of a facet is not registered. Where each arm may have an
    objective of its own, nothing can be supported, and there are no rows.
    """
    plan = setting.plan
    if plan.benchmark.search.objective != "common":
        return []
    arms = [*(competitor.name for competitor in plan.competitors), *imported]
    classes = len(setting.data.classes)
    protocol = protocols.resolve(as_plain(plan.benchmark), arms, tuple(plan.task.metrics), classes=classes)
    convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
    rows = []
    for network, count in Counter(split_arm_name(arm).network for arm in arms).items():
        if count < 2 or network not in convex:
            continue
        probability = design_power(protocol, count, convex[network], plan.benchmark.compare.probes, plan.roles)
        rows.append(
            {
                "network": network,
                "arms": count,
                "replicates": protocol.most_replicates,
                "supported_if_identical": None if math.isnan(probability) else probability,
                "exploratory": protocols.Protocol.exploratory(probability),
            }
        )
    return rows
