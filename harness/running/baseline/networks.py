"""Imported networks, as far as probes can look at them: their weights came along, and their plugins are here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from harness.benchmark.plan import Setting
from harness.errors import PluginError
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm
from harness.running.baseline.match import Imported


def with_networks(
    setting: Setting, imported: Imported | None, registry: Registry, say: Callable[[str], object]
) -> Setting:
    """Return the setting with the names of the imported arms, and with those whose networks can be measured here.

    The latter have their weights in the baseline, a network that the benchmark trains too, and plugins that are found here.
    A baseline brings no code: an arm whose plugin is missing is named, and is compared by its recorded scores alone.
    """
    if imported is None:
        return setting
    plan = replace(setting.plan, baseline_arms=imported.arms)
    if not imported.baseline.solutions:
        return replace(setting, plan=plan)
    trained = {competitor.arm.network: competitor for competitor in setting.plan.competitors}
    recipes = {row["arm"]: json.loads(row["recipe"]) for row in imported.baseline.tables["runs"]}
    measurable = []
    for recipe in (recipes[name] for name in imported.arms):
        arm = Arm(**recipe["arm"])
        like = trained.get(arm.network)
        if like is None:
            continue
        try:
            optimizer = registry.get("optimizer", arm.optimizer, Optimizer)
            scheduler = registry.get("scheduler", arm.scheduler, Scheduler)
        except PluginError as error:
            say(
                f"note: the networks of {arm.name} from the baseline are not measured, for its plugin is not here; "
                f"name its file with --plugin FILE ({error})"
            )
            continue
        parts = {"optimizer": optimizer, "scheduler": scheduler, "plugins": recipe["plugins"]}
        measurable.append(replace(like, arm=arm, space={}, fixed={}, **parts))
    return replace(setting, plan=replace(plan, imported=tuple(measurable)))
