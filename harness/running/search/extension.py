"""``harness run --extend``: a wider range or a larger budget for the arms whose search was not good enough, and no others.

- An arm whose best learning rate lies at an end of its range, or whose scores rise towards an end, gets a range that reaches
  further there. It also gets as many trials again as the benchmark gives, for the first ones looked elsewhere.
- An arm with another alarm gets half its budget more. An arm that lost to its own special case, or to its own defaults, also
  gets ranges that include the values that these have.

An arm has as many searches as there are replicates. They share one range and one budget, so all of them are extended alike. What
was tried before stays, and each search builds on its own. Extensions are noted in the run folder, not in the benchmark file: the
same command without ``--extend`` goes on with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from harness.benchmark.arms import Competitor, describe_space
from harness.benchmark.plan import Setting
from harness.benchmark.spaces import SCHEDULE
from harness.records import Records, Store, open_records
from harness.results.analysis import computed
from harness.running.search.samplers import study_name
from harness.verdict import tuning
from harness.verdict.search_alarms import best_is_high
from harness.verdict.trials import arm_trials

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

AnySetting = TypeVar("AnySetting", bound=Setting)
ROUNDS = 3  # at most, in one call: each ends with a comparison, after which the alarms are judged again
FURTHER = 100.0  # times, where the range is logarithmic; else as far again as it is wide
AROUND = 10.0  # times beyond an optimizer's default that lies outside a logarithmic range and did better
MORE = 0.5  # of the budget, where the range is not to blame


def extended(setting: AnySetting, store: Store) -> AnySetting:
    """Return the setting with the extensions noted in this run folder; a control has the range and budget of its arm."""
    noted: list[dict[str, Any]] = store.noted("extensions") or []
    if not noted:
        return setting
    plan = setting.plan
    arms = {competitor.name: _extended_arm(competitor, noted) for competitor in plan.competitors}
    controls = tuple(_with_range_of(control, arms.get(control.of)) for control in plan.controls)
    return replace(setting, plan=replace(plan, competitors=tuple(arms.values()), controls=controls))


def _with_range_of(control: Competitor, arm: Competitor | None) -> Competitor:
    return replace(control, space=arm.space, extra=arm.extra) if arm else control


def _extended_arm(competitor: Competitor, extensions: Iterable[Mapping[str, Any]]) -> Competitor:
    """Return the competitor with those of the extensions that are its own, one after another."""
    for extension in extensions:
        if extension["arm"] == competitor.name:
            ranges = {name: _stretched(range_, competitor.space[name]) for name, range_ in extension["ranges"].items()}
            extra = competitor.extra + extension["extra"]
            competitor = replace(competitor, space={**competitor.space, **ranges}, extra=extra)
    return competitor


def _stretched(range_: Mapping[str, Any], before: Any) -> BaseDistribution:
    """Return a distribution of the same kind over a wider range; one with steps begins and ends at a whole step."""
    low, high = range_["low"], range_["high"]
    if step := before.step if not before.log else None:
        low = before.low - step * math.ceil((before.low - low) / step - 1e-9)
        high = before.high + step * math.ceil((high - before.high) / step - 1e-9)
    distribution: BaseDistribution = type(before)(low, high, log=before.log, step=before.step)
    return distribution


def extend(setting: Setting, store: Store, rounds_left: int) -> tuple[bool, list[str]]:
    """Note an extension for every arm that has an alarm, while rounds are left.

    Returns whether there is more to do now, and lines that say what was extended, or why nothing was.
    """
    records = open_records(store.folder)
    alarms = _raised_alarms(records, [competitor.name for competitor in setting.plan.competitors])
    if not alarms:
        return False, ["nothing to extend: no arm has a tuning alarm"]
    if not rounds_left:
        return False, [f"still with a tuning alarm after {ROUNDS} rounds: {', '.join(alarms)}; --extend again goes on"]
    exhausted: dict[str, int] = store.noted("exhausted") or {}
    extensions, lines = [], []
    for competitor in setting.plan.competitors:
        arm = competitor.name
        if arm not in alarms:
            continue
        extension = _extension(setting, competitor, alarms[arm], records)
        if arm in exhausted and not extension["ranges"]:
            lines.append(f"{arm} is not extended: all {exhausted[arm]} combinations have been tried")
            continue
        extensions.append(extension)
        lines.append(_extension_text(extension, setting.plan.benchmark.search.unit))
    store.note("extensions", [*(store.noted("extensions") or []), *extensions])
    replicates = range(setting.plan.benchmark.compare.looks[-1])
    begun_again = {study_name(extension["arm"], replicate) for extension in extensions for replicate in replicates}
    store.note("exhausted", {study: many for study, many in exhausted.items() if study not in begun_again})
    return bool(extensions), lines


def _raised_alarms(records: Records, arms: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the alarms that went off, by arm, each with the arm or control that it is against."""
    table = computed(tuning.ANALYSIS, records)
    raised: dict[str, dict[str, str]] = {}
    for row in table[table["state"] == "alarm"].to_dict("records"):
        if row["arm"] in arms:
            raised.setdefault(str(row["arm"]), {})[str(row["alarm"])] = str(row["against"])
    return raised


def _extension(setting: Setting, competitor: Competitor, alarms: Mapping[str, str], records: Records) -> dict[str, Any]:
    """Return what an arm with these alarms gets: ranges that are wider, and more budget."""
    arm, search = competitor.name, setting.plan.benchmark.search
    ranges = _further(competitor, best_is_high(records, arm)) if {"edge", "rising"} & set(alarms) else {}
    if "special case" in alarms:
        ranges |= _including(competitor, setting.plan.competitor(alarms["special case"]).fixed)
    if "defaults" in alarms:
        ranges |= _including(competitor, competitor.optimizer.defaults, AROUND)
    total = search.trials if search.unit == "trials" else search.budget
    extra = total if "lr" in ranges else max(1, -(-total * MORE // 1))
    tried = arm_trials(records, arm).groupby("replicate")["number"].count()
    after = [int(many) for many in tried.sort_index()]  # a search each
    return {"arm": arm, "why": list(alarms), "ranges": ranges, "extra": extra, "after": after}


def _further(competitor: Competitor, upwards: bool) -> dict[str, Any]:
    """Return the range of learning rates, reaching further upwards or downwards."""
    before = describe_space(competitor).get("lr", {})
    if "low" not in before:
        return {}
    low, high, log = float(before["low"]), float(before["high"]), bool(before["log"])
    if upwards:
        high = high * FURTHER if log else high + (high - low)
    else:
        low = low / FURTHER if log else max(min(0.0, low), low - (high - low))
    wider = {**_within_limits(competitor, "lr", before, low, high), "log": log}
    return {"lr": wider} if wider != before else {}


def _including(competitor: Competitor, values: Mapping[str, Any], around: float = 1.0) -> dict[str, Any]:
    """Return the ranges that must be wider to include these values.

    A logarithmic range reaches ``around`` times beyond the value. Choices stay as they are.
    """
    wider = {}
    for name, before in describe_space(competitor).items():
        value = values.get(name)
        if "low" not in before or not isinstance(value, int | float) or (before["log"] and value <= 0):
            continue
        kind, beyond = type(before["low"]), around if before["log"] else 1.0
        low, high = before["low"], before["high"]
        if value < low:
            low = kind(value / beyond) or (1 if before["log"] else kind(0))
        if value > high:
            high = kind(value * beyond)
        if (low, high) != (before["low"], before["high"]):
            wider[name] = {**_within_limits(competitor, name, before, low, high), "log": before["log"]}
    return wider


def _within_limits(competitor: Competitor, name: str, before: Mapping[str, Any], low: Any, high: Any) -> dict[str, Any]:
    """Return a wider range, cut to the limits that the optimizer or the schedule declares, but no narrower than before."""
    plugin = competitor.scheduler if name.startswith(SCHEDULE) else competitor.optimizer
    limit: Any = plugin.limits.get(name.removeprefix(SCHEDULE))
    if limit:
        low, high = max(low, min(limit.low, before["low"])), min(high, max(limit.high, before["high"]))
    return {"low": low, "high": high}


def _extension_text(extension: Mapping[str, Any], unit: str) -> str:
    changes = [f"{name} from {new['low']:.3g} to {new['high']:.3g}" for name, new in extension["ranges"].items()]
    changes.append(f"{extension['extra']:g} more {unit}")
    return f"extended {extension['arm']} ({', '.join(extension['why'])}): {', '.join(changes)}"
