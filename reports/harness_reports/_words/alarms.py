"""The tuning alarms in words. An arm with an alarm is never called worse; it is "inconclusive (tuning)"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import numbers
from harness.verdict import in_doubt as weighed
from harness.verdict.alarm_words import ALARMS, GRAVE
from harness_reports._words import constant

if TYPE_CHECKING:
    from harness_reports._words.outcome import Outcome

LABEL = weighed.LABEL


def tuning_doubts(outcome: Outcome) -> dict[str, list[str]]:
    """Return, for each arm with an alarm, why its tuning is in doubt; a reason reads on from the name of the arm."""
    doubts: dict[str, list[str]] = {}
    at_edge = alarmed_arms(outcome, "edge")
    for row in outcome.rows("alarms"):
        told_already = row["alarm"] == "rising" and row["arm"] in at_edge
        if row["state"] == "alarm" and not told_already:
            doubts.setdefault(str(row["arm"]), []).append(_reason_of_alarm(outcome, row))
    return doubts


def arms_in_doubt(outcome: Outcome) -> set[str]:
    """Return the arms that are "inconclusive (tuning)": those with an alarm that the verdict has not weighed."""
    return weighed.arms_in_doubt(outcome.records.meta, outcome.results.tables)


def grave_doubts(outcome: Outcome) -> dict[str, str]:
    """Return a sentence for each arm that lies below its own defaults or is no better than a constant answer."""
    grave = alarmed_arms(outcome, *GRAVE)
    sentences = {}
    for arm, reasons in tuning_doubts(outcome).items():
        if arm in grave:
            sentences[arm] = in_doubt(outcome, arm, reasons)
    return sentences


def in_doubt(outcome: Outcome, arm: str, reasons: list[str]) -> str:
    """Return in a sentence or two that the search of an arm is in doubt, and why."""
    label, why = outcome.labels.get(arm, arm), numbers.joined(reasons)
    if verdict_stands(outcome, arm):
        return f"The search of {label} is in doubt, because {why}. The verdict does not depend on it."
    return f"{label} is {LABEL}. Its search is in doubt, because {why}."


def verdict_stands(outcome: Outcome, arm: str) -> bool:
    """Return whether the verdict does not depend on an arm's alarms."""
    return weighed.verdict_stands(outcome.records.meta, outcome.results.tables, arm)


def alarmed_arms(outcome: Outcome, *kinds: str) -> set[str]:
    """Return the arms that have an alarm of one of these kinds."""
    rows = outcome.rows("alarms")
    return {str(row["arm"]) for row in rows if row["alarm"] in kinds and row["state"] == "alarm"}


def judged_arms(outcome: Outcome, kind: str) -> set[str]:
    """Return the arms of which the records tell whether an alarm of this kind goes off."""
    return {str(row["arm"]) for row in outcome.rows("alarms") if row["alarm"] == kind and row["state"] != "not judged"}


def _reason_of_alarm(outcome: Outcome, row: dict[str, Any]) -> str:
    """Return why one alarm puts the tuning in doubt."""
    rival = outcome.labels.get(row["against"], row["against"])
    score = f"tune {outcome.deciding.name.replace('_', ' ')}"
    if row["alarm"] == "chance":
        return _no_better_than_constant(outcome, row, score)
    if row["alarm"] == "defaults":
        below = numbers.difference(row["value"], outcome.deciding.unit)
        half_margin = numbers.difference(row["limit"], outcome.deciding.unit)
        return f"its {score} lies {below} behind that of its optimizer's defaults, untuned (half the margin is {half_margin})"
    of_values = {
        "diverged": f"{100 * row['value']:.0f} % of its trials diverged",
        "budget": f"fewer of its trials ended well than of {rival}",
        "special case": f"it lost to its special case {rival}",
    }
    alarm = str(row["alarm"])
    return of_values.get(alarm, ALARMS[alarm].clause)


def _no_better_than_constant(outcome: Outcome, row: dict[str, Any], score: str) -> str:
    """Return that an arm is no better than a constant answer; where it leads, that chance may explain the lead."""
    answer = constant.answer(outcome.records)
    if row["value"] >= 0:
        return f"its {score} is not better than {answer}"
    lead = numbers.difference(-row["value"], outcome.deciding.unit)
    chance = numbers.difference(-row["limit"], outcome.deciding.unit)
    return f"its {score} is not shown to be better than {answer} (it leads by {lead}; another draw of examples may make {chance})"
