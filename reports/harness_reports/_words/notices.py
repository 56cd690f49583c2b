"""What a reader must be told: everything that went wrong, is missing, or may mislead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness import Records, numbers
from harness_reports._words import alarms
from harness_reports._words.benchmark import exclusion, search_budget
from harness_reports._words.names import metric_title
from harness_reports._words.outcome import Outcome
from harness_reports._words.ranges import at_edge

LEVELS = ("bad", "warn", "note")  # the gravest first


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know: ``bad`` cost results, ``warn`` may mislead, ``note`` is good to know."""

    level: Literal["bad", "warn", "note"]
    text: str
    kind: str = "note"  # what it is about, one of ``doubts.ORDER``
    arm: str = ""  # the label of the arm that it is about, "" for none


def notices(outcome: Outcome) -> list[Notice]:
    """Return everything that went wrong, is missing or may mislead, the gravest first."""
    records = outcome.records
    unsorted = [
        *_about_grave_alarms(outcome),
        *(Notice("bad", problem, "problem") for problem in outcome.results.problems),
        *(Notice("note", line) for line in outcome.results.left_out),
        *_about_comparison(outcome),
        *_about_fairness(records),
        *(Notice("note", f"{line}.") for line in records.meta.penalty_lines()),
        *_about_values(outcome),
        *_about_tuning(outcome),
        *_about_searches(outcome),
        *_about_data(records),
        *_about_environment(records),
        *_about_baseline(records),
        *_about_confirmations(outcome),
    ]
    return sorted(unsorted, key=lambda notice: LEVELS.index(notice.level))


def _about_grave_alarms(outcome: Outcome) -> list[Notice]:
    """Return the arms that lie below their own defaults or are no better than a constant answer."""
    at_chance = alarms.alarmed_arms(outcome, "chance")
    return [
        Notice("bad", text, "chance" if arm in at_chance else "defaults", outcome.labels.get(arm, arm))
        for arm, text in alarms.grave_doubts(outcome).items()
    ]


def fairness_notes(records: Records) -> list[str]:
    """Return what a check of the optimizers and schedules showed before anything was trained, a line each."""
    return [str(note) for note in records.meta.fairness.get("notes", [])]


def _about_fairness(records: Records) -> list[Notice]:
    """Return what the check showed; its first lines are those on optimizers that are one algorithm."""
    equal = len(records.meta.fairness.get("equal", ()))
    kinds = ["equal" if place < equal else "setup" for place, _ in enumerate(fairness_notes(records))]
    return [Notice("warn", f"{note}.", kind) for note, kind in zip(fairness_notes(records), kinds, strict=True)]


def _about_comparison(outcome: Outcome) -> list[Notice]:
    """Return what happened to the seeds of each arm."""
    runs, seeds = outcome.records.compared(), outcome.records.meta.planned_seeds
    if runs.empty:
        return [Notice("warn", "The comparison has not been run: no arm has been retrained yet.", "unfinished")]
    planned, notices = numbers.counted(seeds, "seed"), []
    for arm, label in outcome.labels.items():
        arm_runs = runs[runs["arm"] == arm]
        for state in ("failed", "diverged"):
            lost = arm_runs[arm_runs["state"] == state]
            if len(lost):
                text = f"{label}: {len(lost)} of {planned} {state}: {lost['reason'].iloc[0]}"
                notices.append(Notice("bad", text, "lost", label))
        missing = seeds - int(arm_runs["state"].isin(["done", "failed", "diverged"]).sum())
        if missing and not _cannot_be_tuned(outcome.records, arm):
            notices.append(Notice("warn", f"{label}: {missing} of {planned} not run yet.", "unfinished", label))
    if outcome.records.meta.planned_replicates == 1:
        text = "One replicate, so one search of each arm: nothing is known about how another search would come out."
        notices.append(Notice("warn", text, "replicates"))
    return notices


def _about_values(outcome: Outcome) -> list[Notice]:
    """Return which metrics have values that are missing or not finite; their means leave these out."""
    board = outcome.table("leaderboard")
    if board is None:
        return []
    probe_without_value = board["metric"].str.contains(".", regex=False) & (board["n"] == 0)
    incomplete = board[(board["unusable"] > 0) & ~probe_without_value]
    notices = []
    for arm in dict.fromkeys(incomplete["arm"]):
        rows = incomplete[incomplete["arm"] == arm]
        seeds = f"{rows['unusable'].max()} of {numbers.counted(int(rows['planned'].max()), 'seed')}"
        metrics = numbers.joined([metric_title(metric) for metric in rows["metric"]])
        text = f"{outcome.labels[arm]}: {seeds} without a finite value of {metrics}, left out of the mean."
        notices.append(Notice("warn", text, "values", outcome.labels[arm]))
    return notices


def _about_tuning(outcome: Outcome) -> list[Notice]:
    """Return the arms that cannot be judged because of how they were tuned; the gravest doubts are told before."""
    grave, notices = alarms.grave_doubts(outcome), []
    for arm, reasons in alarms.tuning_doubts(outcome).items():
        if arm not in grave:
            text, label = alarms.in_doubt(outcome, arm, reasons), outcome.labels[arm]
            stands = alarms.verdict_stands(outcome, arm)
            notices.append(Notice("note", text, "weighed", label) if stands else Notice("warn", text, "tuning", label))
    return notices


def _about_searches(outcome: Outcome) -> list[Notice]:
    """Return what happened to the trials of each arm."""
    records, notices, diverged = outcome.records, list[Notice](), []
    judged = alarms.judged_arms(
        outcome, "edge"
    )  # of these an alarm tells of the edge, or that inner trials are as good
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    for arm, label in outcome.labels.items():
        notices += _about_trials(records, arm, label)
        many = int((records.trials.loc[records.trials["arm"] == arm, "state"] == "diverged").sum())
        if many:
            diverged.append(f"{label} {many} of {records.trials_wanted(arm)}")
        if arm not in judged and at_edge(records, arm, tuned[arm]):
            text = f"{label}: the tuned learning rate lies in the outer tenth of the searched range"
            notices.append(Notice("warn", f"{text}; the best one may lie outside.", "trials", label))
    if diverged:
        notices.append(Notice("note", f"Trials that diverged: {numbers.joined(diverged)}."))
    return notices


def _about_trials(records: Records, arm: str, label: str) -> list[Notice]:
    """Return which trials of an arm failed or are missing."""
    trials, planned_trials = records.trials[records.trials["arm"] == arm], records.trials_wanted(arm)
    by_state, planned = trials["state"].value_counts(), numbers.counted(planned_trials, "trial")
    notices = []
    if _cannot_be_tuned(records, arm):
        text = f"{label}: no trial ended well, so it could not be compared."
        notices.append(Notice("bad", text, "lost", label))
    if failed := int(by_state.get("failed", 0)):
        reason = trials.loc[trials["state"] == "failed", "reason"].iloc[0]
        notices.append(Notice("bad", f"{label}: {failed} of {planned} failed: {reason}", "trials", label))
    if missing := planned_trials - len(trials) + int(by_state.get("waiting", 0)):
        notices.append(Notice("warn", f"{label}: {missing} of {planned} not run yet.", "unfinished", label))
    if combinations := records.exhausted(arm):
        trials_asked = numbers.counted(len(trials), "trial")
        budget = search_budget(records.meta.benchmark["search"])
        text = f"{label}: its grid of {combinations} combinations was exhausted after {trials_asked}; the budget was {budget}."
        notices.append(Notice("note", text))
    return notices


def _cannot_be_tuned(records: Records, arm: str) -> bool:
    """Return whether the search of an arm is over and no trial of it ended well."""
    states = records.trials.loc[records.trials["arm"] == arm, "state"]
    return records.search_over(arm) and "done" not in set(states)


def _about_confirmations(outcome: Outcome) -> list[Notice]:
    """Return the arms whose whole network predicts otherwise than the cached features did."""
    notices = []
    for arm, confirmation in outcome.records.meta.confirmations.items():
        if arm in outcome.labels and not confirmation["agrees"]:
            text = (
                f"{outcome.labels[arm]}: the whole network disagrees with the cached features, by up to "
                f"{confirmation['largest']:.2g} in a probability: what the cache holds is wrong, or from other weights. "
                "Do not trust these scores."
            )
            notices.append(Notice("bad", text, "problem", outcome.labels[arm]))
    return notices


def _about_data(records: Records) -> list[Notice]:
    """Return which examples were left out, passed over or excluded."""
    notices = []
    if left_out := records.meta.data["left_out"]:
        first = "; ".join(left_out[:3]) + ("; …" if len(left_out) > 3 else "")
        text = f"{numbers.counted(len(left_out), 'unreadable example')} left out: {first}"
        notices.append(Notice("warn", text, "data"))
    if skipped := records.meta.data["skipped"]:
        reasons = ", ".join(f"{many} {reason}" for reason, many in skipped.items())
        text = f"{numbers.counted(sum(skipped.values()), 'file')} of the data passed over: {reasons}."
        notices.append(Notice("note", text))
    if sentence := exclusion(records):
        notices.append(Notice("note", sentence))
    return notices


def _about_environment(records: Records) -> list[Notice]:
    """Return which plugins could not be loaded, and whether the runs come from several environments."""
    notices = [
        Notice("warn", f"Plugin {plugin} could not be loaded and was left out: {reason}", "setup")
        for plugin, reason in records.meta.broken_plugins.items()
    ]
    ended = records.runs[records.runs["state"] != "waiting"]
    if (environments := ended["environment"].nunique()) > 1:
        text = f"The runs come from {environments} environments (machine or versions); the versions shown are the driver's."
        notices.append(Notice("warn", text, "setup"))
    if sentence := _unrepeatable(records):
        notices.append(Notice("note", sentence))
    return notices + _about_taken_runs(records)


def _unrepeatable(records: Records) -> str:
    """Return which runs would not give the same numbers to the last bit again; "" for none."""
    runs = records.meta.unrepeatable
    operations = sorted({operation for names in runs.values() for operation in names})
    if not operations:
        return ""
    have = "has" if len(operations) == 1 else "have"
    return (
        f"{numbers.counted(len(runs), 'run')} cannot be repeated to the last bit: on this GPU, {numbers.joined(operations)} "
        f"{have} no deterministic form."
    )


def _about_taken_runs(records: Records) -> list[Notice]:
    """Return from which other run folders runs were taken, and when they were trained there."""
    days_by_folder: dict[str, dict[str, str]] = {}  # by run
    for table in (records.runs, records.comparison):
        if "taken_from" not in table:  # a comparison that has not begun has no columns of runs
            continue
        taken = table[table["taken_from"] != ""]
        for run_id, folder, ended in zip(taken["run_id"], taken["taken_from"], taken["ended"], strict=True):
            days_by_folder.setdefault(folder, {})[run_id] = ended[:10]
    return [
        Notice("note", _taken_sentence(folder, sorted(days.values())))
        for folder, days in sorted(days_by_folder.items())
    ]


def _taken_sentence(folder: str, days: Sequence[str]) -> str:
    when = f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
    were, they = ("was", "it was") if len(days) == 1 else ("were", "they were")
    return f"{numbers.counted(len(days), 'run')} {were} taken from {folder}, where {they} trained {when}."


def _about_baseline(records: Records) -> list[Notice]:
    """Return what a reader must know of arms that were trained elsewhere and imported."""
    baseline = records.meta.baseline
    if not baseline:
        return []
    text = _where_baseline_is_from(baseline)
    if baseline["warnings"]:
        text += f" Environments differ: {'; '.join(baseline['warnings'])}."
    if baseline["environment"]["hash"] != records.meta.environment["hash"]:
        text += " Their seconds are of that machine and are no measure against the seconds of this one."
    imported, measured = set(baseline["compare_runs"]), records.measured
    if len(measured) and not any(set(measured[column]) & imported for column in ("one", "other", "third")):
        text += " What needs their weights was not measured."
    return [Notice("warn" if baseline["warnings"] else "note", text, "setup")]


def _where_baseline_is_from(baseline: Mapping[str, Any]) -> str:
    """Return which arms were imported, and from which file, run and machine."""
    arms, device = baseline["arms"], baseline["environment"]["hardware"]["device"]
    return (
        f"{numbers.counted(len(arms), 'arm')} imported from the baseline {baseline['file']} (SHA-256 "
        f"{baseline['sha256'][:12]}, run {baseline['run']}, made on {baseline['made'][:10]} on {device}), not trained here: "
        f"{', '.join(arms)}."
    )
