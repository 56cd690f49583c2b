"""Tuning alarms that follow from an arm's tune scores in the comparison: special case, defaults and chance.

They go by the metric that ranks the arms, for they guard that ranking; the verdict's margins are of it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.plugin.runs import digest
from harness.records import Records
from harness.statistics.intervals import standard_deviation
from harness.verdict.arms import arms_alike, network_of
from harness.verdict.constant_answer import constant_score
from harness.verdict.seed_noise import final_scores, scores_by_replicate

if TYPE_CHECKING:
    from harness.verdict.protocol import Registered

SETTINGS = ("optimizer", "scheduler", "batch_size", "epochs")  # of a run's recipe: what a search chooses
LOSS_LEVEL = 0.01  # the level of the test against a special case
HALF = 0.5  # of the verdict's margin: an arm may lie so far below its defaults


@dataclass(frozen=True)
class Loss:
    """By how much an arm lost to something that it should not lose to, how much would not matter, and to what it lost."""

    value: float = math.nan
    limit: float = math.nan
    against: str = ""


def loss_to_special_case(records: Records, arm: str) -> Loss:
    """Return the t statistic of an arm's loss to a special case of it, and its limit; the worst of several.

    It is over the means of replicates, or over seeds where there is one replicate. NaN for a convex arm, and where the two
    have fewer than two of these in common.
    """
    from scipy.stats import t

    losses: list[Loss] = []
    for special in () if is_convex(records, arm) else special_cases(records, arm):
        general_scores, special_scores = (_by_unit(records, name) for name in (arm, special))
        units = sorted(general_scores.keys() & special_scores.keys())
        if len(units) > 1:
            differences = [special_scores[unit] - general_scores[unit] for unit in units]
            losses.append(Loss(t_statistic(differences), float(t.ppf(1 - LOSS_LEVEL, len(units) - 1)), special))
    return max(losses, key=lambda loss: loss.value - loss.limit, default=Loss())


def _by_unit(records: Records, arm: str) -> dict[int, float]:
    """Return the mean score of each replicate, or the score of each seed where there is one replicate."""
    by_replicate = scores_by_replicate(records, arm, records.deciding)
    if len(by_replicate) == 1:
        return next(iter(by_replicate.values()))
    return {number: sum(scores.values()) / len(scores) for number, scores in by_replicate.items()}


def loss_to_defaults(records: Records, arm: str, registered: Registered | None) -> Loss:
    """Return by how much an arm's own defaults are better, half the margin, and the control that has the defaults.

    The arm's mean is over all of its replicates. NaN for a convex arm, and where the control, the arm's scores or a protocol
    is missing.
    """
    import numpy as np

    rows, name = records.comparison, records.deciding.name
    untuned = rows[(rows["role"] == "untuned") & rows["of"].isin(arms_alike(records, arm)) & (rows["state"] == "done")]
    values = zip(untuned["init_seed"], untuned.get(f"tune_{name}", ()), strict=False)
    defaults = {int(seed): records.deciding.sign * float(value) for seed, value in values}
    defaults = {seed: value for seed, value in defaults.items() if math.isfinite(value)}
    tuned = final_scores(records, arm, records.deciding)
    if not tuned or not defaults or registered is None or is_convex(records, arm):
        return Loss()
    mean = float(np.mean(list(defaults.values())))
    lead = mean - float(np.mean(list(tuned.values())))
    if _chose_defaults(records, arm, tuned, defaults):
        lead = 0.0  # it only has other seeds
    limit = registered.protocol.margin_in(records.meta.metrics[name]["unit"], mean, HALF)
    return Loss(lead, limit, str(untuned["arm"].iloc[0]))


def _chose_defaults(records: Records, arm: str, tuned: Mapping[int, float], defaults: Mapping[int, float]) -> bool:
    """Return whether all searches of an arm chose the defaults, from tune scores by seed of the arm and of the defaults.

    Equal scores under the seeds of the control say so of the searches that share these. The others must have chosen the same
    settings. Records that do not tell settings say nothing of them.
    """
    if any(tuned.get(seed) != value for seed, value in defaults.items()):
        return False
    try:
        recipes = records.recipes
    except HarnessError:
        return True
    runs = records.compared()
    recipes_of_arm = [recipes.get(str(run_id), {}) for run_id in runs.loc[runs["arm"] == arm, "run_id"]]
    settings = [digest([recipe[part] for part in SETTINGS]) for recipe in recipes_of_arm if recipe]
    return len(set(settings)) <= 1


def loss_to_constant(records: Records, arm: str) -> Loss:
    """Return by how much a constant answer is better than an arm, and the class that it answers.

    The limit is below zero by what another draw of the examples may do: the arm's mean over all of its replicates must be
    better by that much.
    """
    import numpy as np

    constant = constant_score(records, "tune", records.deciding.name)
    tuned = final_scores(records, arm, records.deciding)
    if constant is None or not tuned:
        return Loss()
    lead = records.deciding.sign * constant.score - float(np.mean(list(tuned.values())))
    return Loss(lead, -constant.allowance, str(records.meta.constant["answer"]))


def is_convex(records: Records, arm: str) -> bool:
    """Return whether an arm's network makes a convex objective."""
    return bool(records.meta.convex.get(network_of(arm)))


def special_cases(records: Records, arm: str) -> list[str]:
    """Return the arms of the same optimizer, schedule and network whose space is a special case of this one's."""
    spaces = records.meta.spaces
    rivals = [rival for rival in arms_alike(records, arm) if rival != arm]
    return [rival for rival in rivals if is_special_case(spaces.get(arm, {}), spaces.get(rival, {}))]


def is_special_case(general: Mapping[str, Any], special: Mapping[str, Any]) -> bool:
    """Return whether a search space pins or narrows some parameters of a general one, and changes no other.

    Spaces are as in the records: {low, high, log}, {choices} or {fixed}. A pinned parameter may lie outside the general
    range, as a momentum of zero does: the optimizer has it, and a range without it is one way to lose.
    """
    if not special or general.keys() != special.keys():
        return False
    return general != special and all(_is_within(special[name], range_) for name, range_ in general.items())


def _is_within(special: Mapping[str, Any], general: Mapping[str, Any]) -> bool:
    if "fixed" in general:
        return special == general
    if "fixed" in special:
        return True
    if "choices" in general:
        return "choices" in special and all(choice in general["choices"] for choice in special["choices"])
    return "low" in special and special["low"] >= general["low"] and special["high"] <= general["high"]


def t_statistic(differences: list[float]) -> float:
    """Return the mean over its standard error; infinite, with the mean's sign, where all are equal, 0 where all are 0."""
    import numpy as np

    mean = float(np.mean(differences))
    se = float(standard_deviation(differences)) / math.sqrt(len(differences))
    if math.isnan(mean) or math.isnan(se):
        return math.nan
    if se > 0:
        return mean / se
    return math.copysign(math.inf, mean) if mean else 0.0
