"""The defaults of the arms: those that a plugin does not declare are read, and a line says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.first_trial import drawn_first, with_read_defaults
from harness.benchmark.plan import Setting
from harness.console.numbers import assignments
from harness.plugin.process_settings import kept
from harness.records.attempts import Attempts
from harness.running.fairness import rehearsal


def complete_defaults(setting: Setting, attempts: Attempts) -> Setting:
    """Return the setting whose arms, and their controls, have the defaults that can be read."""
    arms: dict[str, Competitor] = {}
    for competitor in setting.plan.competitors:
        arms[competitor.name] = competitor
        work = f"defaults {competitor.name}"
        if drawn_first(competitor) and not (attempts.given_up(work) or attempts.given_up(rehearsal(competitor.arm))):
            with (
                attempts.during(work, f"the reading of the defaults of {competitor.name}"),
                kept(f"arm {competitor.name}, whose defaults were read,"),
            ):
                arms[competitor.name] = with_read_defaults(competitor)
    controls = [replace(control, read_defaults=arms[control.of].read_defaults) for control in setting.plan.controls]
    plan = replace(setting.plan, competitors=tuple(arms.values()), controls=tuple(controls))
    return replace(setting, plan=plan)


def default_lines(setting: Setting) -> list[str]:
    """Return a line for each arm some of whose defaults were read, and for each whose first trial draws what has none."""
    lines = []
    for competitor in setting.plan.competitors:
        by_source: dict[str, dict[str, Any]] = {}
        for name, read in competitor.read_defaults.items():
            by_source.setdefault(read.source, {})[name] = read.value
        texts = [f"{assignments(values)}, read from {source}" for source, values in by_source.items()]
        lines += [f"{competitor.name}: its plugin does not declare all defaults: {'; '.join(texts)}"] if texts else []
    drawn = {competitor.name: ", ".join(drawn_first(competitor)) for competitor in setting.plan.competitors}
    return lines + [
        f"{arm}: no default is given of {names}, so the first trial of each search draws it"
        for arm, names in drawn.items()
        if names
    ]
