"""``harness run --extend``: a wider range or a larger budget for the arms whose search was not good enough, and no others.

An arm whose best learning rate lies at an end of its range, or whose scores rise towards it, gets a range that reaches
further there, and as many trials again as the benchmark gives, for the first ones looked elsewhere. An arm with another
alarm gets half its budget more; one that lost to its own special case, or to its own defaults, also gets the values that
these have. What was tried before stays and is built upon.

Extensions are noted in the run folder, not in the benchmark file: the same command without ``--extend`` goes on with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from harness.benchmark.arms import Competitor, describe_space
from harness.benchmark.plan import Setting
from harness.benchmark.spaces import SCHEDULE
from harness.records import Store, open_records
from harness.results.analysis import computed
from harness.verdict import tuning

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

AnySetting = TypeVar("AnySetting", bound=Setting)
ROUNDS = 3  # of one call, at the most: each ends with a comparison, and with a look at the alarms
FURTHER = 100.0  # times, where the range is logarithmic; else as far again as it is wide
AROUND = 10.0  # times beyond an optimizer's default, which lies outside a logarithmic range and did better
MORE = 0.5  # of the budget, where the range is not the trouble


def extended(setting: AnySetting, store: Store) -> AnySetting:
    """Return the setting with what was noted in this run folder; a control has the range and budget of its arm."""
    noted: list[dict[str, Any]] = store.noted("extensions") or []
    if not noted:
        return setting
    plan = setting.plan
    arms = {c.arm.name: _applied(c, [e for e in noted if e["arm"] == c.arm.name]) for c in plan.competitors}
    controls = tuple(
        replace(c, space=arms[c.of].space, extra=arms[c.of].extra) if c.of in arms else c for c in plan.controls
    )
    return replace(setting, plan=replace(plan, competitors=tuple(arms.values()), controls=controls))


def _applied(competitor: Competitor, extensions: Iterable[Mapping[str, Any]]) -> Competitor:
    for extension in extensions:
        ranges = {name: _range(said, competitor.space[name]) for name, said in extension["ranges"].items()}
        competitor = replace(
            competitor, space={**competitor.space, **ranges}, extra=competitor.extra + extension["extra"]
        )
    return competitor


def _range(said: Mapping[str, Any], before: Any) -> BaseDistribution:
    """Return a range of the kind it was; one of steps ends at the last of them, as it began at the first."""
    low, high = said["low"], said["high"]
    if step := before.step if not before.log else None:
        low = before.low - step * math.ceil((before.low - low) / step - 1e-9)
        high = before.high + step * math.ceil((high - before.high) / step - 1e-9)
    kind: BaseDistribution = type(before)(low, high, log=before.log, step=before.step)
    return kind


def extend(setting: Setting, store: Store, rounds_left: int) -> tuple[bool, list[str]]:
    """Note an extension for every arm that has an alarm, while rounds are left.

    Returns whether there is more to do now, and lines that say what was extended, or why nothing was.
    """
    records = open_records(store.folder)
    table = computed(tuning.ANALYSIS, records)
    raised = table[table["state"] == "alarm"]
    raised = raised[raised["arm"].isin([competitor.arm.name for competitor in setting.plan.competitors])]
    if not len(raised):
        return False, ["nothing to extend: no arm has a tuning alarm"]
    if not rounds_left:
        arms = ", ".join(dict.fromkeys(map(str, raised["arm"])))
        return False, [f"still with a tuning alarm after {ROUNDS} rounds: {arms}; --extend again goes on"]
    noted: list[dict[str, Any]] = store.noted("extensions") or []
    exhausted: dict[str, int] = store.noted("exhausted") or {}
    extensions, lines = [], []
    for competitor in setting.plan.competitors:
        mine = raised[raised["arm"] == competitor.arm.name]
        if not len(mine):
            continue
        why = [str(alarm) for alarm in mine["alarm"]]
        against = {str(row["alarm"]): str(row["against"]) for row in mine.to_dict("records")}
        tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))[competitor.arm.name]
        ranges = _further(competitor, tuned) if {"edge", "rising"} & set(why) else {}
        if "special case" in against:
            ranges |= _including(competitor, setting.plan.competitor(against["special case"]).fixed)
        if "defaults" in against:
            ranges |= _including(competitor, competitor.optimizer.defaults, AROUND)
        if competitor.arm.name in exhausted and not ranges:
            lines.append(
                f"{competitor.arm.name} is not extended: all {exhausted[competitor.arm.name]} combinations have been tried"
            )
            continue
        search = setting.plan.benchmark.search
        total = search.trials if search.unit == "trials" else search.budget
        moved = "lr" in ranges
        extra = total if moved else max(1, -(-total * MORE // 1))
        tried = int((records.trials["arm"] == competitor.arm.name).sum())
        about = {"arm": competitor.arm.name, "why": why, "ranges": ranges, "extra": extra, "after": tried}
        extensions.append(about)
        lines.append(_line(about, search.unit))
    store.note("extensions", [*noted, *extensions])
    extended_arms = {extension["arm"] for extension in extensions}
    store.note("exhausted", {study: many for study, many in exhausted.items() if study not in extended_arms})
    return bool(extensions), lines


def _further(competitor: Competitor, tuned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the range of learning rates, reaching further at the end that the tuned one is near to."""
    said = describe_space(competitor).get("lr", {})
    if "low" not in said or "lr" not in tuned:
        return {}
    low, high, log = float(said["low"]), float(said["high"]), bool(said["log"])
    middle = (low * high) ** 0.5 if log else (low + high) / 2
    if float(tuned["lr"]) > middle:
        high = high * FURTHER if log else high + (high - low)
    else:
        low = low / FURTHER if log else max(min(0.0, low), low - (high - low))
    found = {**_within(competitor, "lr", said, low, high), "log": log}
    return {"lr": found} if found != said else {}


def _including(competitor: Competitor, values: Mapping[str, Any], around: float = 1.0) -> dict[str, Any]:
    """Return the ranges stretched to values outside them, a logarithmic one beyond; choices stay as they are."""
    found = {}
    for name, said in describe_space(competitor).items():
        value = values.get(name)
        if "low" not in said or not isinstance(value, int | float) or (said["log"] and value <= 0):
            continue
        kind, beyond = type(said["low"]), around if said["log"] else 1.0
        low = said["low"] if value >= said["low"] else kind(value / beyond) or (1 if said["log"] else kind(0))
        high = said["high"] if value <= said["high"] else kind(value * beyond)
        if (low, high) != (said["low"], said["high"]):
            found[name] = {**_within(competitor, name, said, low, high), "log": said["log"]}
    return found


def _within(competitor: Competitor, name: str, said: Mapping[str, Any], low: Any, high: Any) -> dict[str, Any]:
    """Return a range as it was and further, no wider than the limits that the optimizer or the schedule declares."""
    plugin = competitor.scheduler if name.startswith(SCHEDULE) else competitor.optimizer
    limit: Any = plugin.limits.get(name.removeprefix(SCHEDULE))
    if limit:
        low, high = max(low, min(limit.low, said["low"])), min(high, max(limit.high, said["high"]))
    return {"low": low, "high": high}


def _line(about: Mapping[str, Any], unit: str) -> str:
    ranges = [f"{name} from {said['low']:.3g} to {said['high']:.3g}" for name, said in about["ranges"].items()]
    more = f"{about['extra']:g} more {unit}"
    return f"extended {about['arm']} ({', '.join(about['why'])}): {', '.join([*ranges, more])}"
