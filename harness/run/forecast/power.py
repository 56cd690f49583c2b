"""What the design of a benchmark can show, before anything is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.plan import Setting
from harness.benchmark.sections import as_plain
from harness.plugin.runs import split_arm_name
from harness.verdict import protocol as protocols


def pairs_circle(probes: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the largest distance of two seeds whose representations are compared; None where time allows all pairs."""
    circles = {probe["probe"]: probe["groups"] for probe in probes if probe["fits"] < probe["possible"]}
    return circles.get(protocols.PROBES["representation"]) or None


def power(setting: Setting, imported: Sequence[str] = (), circle: int | None = None) -> list[dict[str, Any]]:
    """Return for each network with two arms the probability that its claim is supported if its arms are identical.

    Of the representation only the pairs of seeds up to ``circle`` apart will be measured; all where it is None.
    """
    plan = setting.plan
    arms = [*(competitor.name for competitor in plan.competitors), *imported]
    classes = len(setting.data.classes)
    protocol = protocols.resolve(as_plain(plan.benchmark), arms, tuple(plan.task.metrics), classes=classes)
    convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
    rows = []
    for network, count in Counter(split_arm_name(arm).network for arm in arms).items():
        if count < 2 or network not in convex:
            continue
        probability = protocol.power(count, convex[network], circle)
        rows.append(
            {
                "network": network,
                "arms": count,
                "replicates": protocol.most_replicates,
                "supported_if_identical": probability,
                "exploratory": probability < protocols.EXPLORATORY,
            }
        )
    return rows
