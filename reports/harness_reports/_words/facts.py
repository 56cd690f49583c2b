"""What the records say, in words: names of the arms, what was searched, and everything a reader must be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness import Records, Results
from harness_reports._words import alarms
from harness_reports._words.numbers import count, joined, setting

if TYPE_CHECKING:
    from pandas import DataFrame

PARTS = ("network", "optimizer", "scheduler")
LONGEST = 40  # characters of a label; the full name stands in the table of arms
EDGE = 0.1  # nearer than this part of its range, a tuned learning rate lies at the edge


def budget(search: Mapping[str, Any]) -> str:
    """Return what each arm's search may spend, in words: "12 trials", "96 epochs"."""
    if search["unit"] == "trials":
        return count(search["trials"], "trial")
    return f"{search['budget']:g} {search['unit']}{' of training' if search['unit'] == 'seconds' else ''}"


def compared_epochs(benchmark: Mapping[str, Any]) -> str:
    """Return how long the comparison trains, in words, with the heads for which it is otherwise."""
    own = {head: said.get("compare", {}).get("epochs") for head, said in benchmark.get("heads", {}).items()}
    others = [f"{head} {epochs}" for head, epochs in own.items() if epochs]
    return f"{count(benchmark['compare']['epochs'], 'epoch')}{f' ({joined(others)})' if others else ''}"


# --- names ---------------------------------------------------------------------------------------------------


def parts_of(records: Records) -> list[dict[str, str]]:
    """Return each arm's parts by name; its network is the backbone, with the head where one is trained on it."""
    return [
        {
            "arm": str(row["arm"]),
            "network": str(row["arm"]).removesuffix(f"/{row['optimizer']}/{row['scheduler']}"),
            "optimizer": str(row["optimizer"]),
            "scheduler": str(row["scheduler"]),
        }
        for row in records.arms.to_dict("records")
    ]


def differing(records: Records) -> list[str]:
    """Return the parts in which the arms differ."""
    arms = parts_of(records)
    return [part for part in PARTS if len({arm[part] for arm in arms}) > 1]


def labels(records: Records) -> dict[str, str]:
    """Return a short, unique label per arm: only the parts in which the arms differ."""
    parts = differing(records) or ["optimizer"]
    found: dict[str, str] = {}
    backbone = _one_backbone(records)
    for arm in parts_of(records):
        arm["network"] = arm["network"].removeprefix(f"{backbone}+") if backbone else arm["network"]
        label = shortened("/".join(arm[part] for part in parts))
        same = sum(other == label or other.startswith(f"{label} (") for other in found.values())
        found[arm["arm"]] = f"{label} ({same + 1})" if same else label
    return found


def _one_backbone(records: Records) -> str:
    """Return the backbone that several heads share, "" where there are not several heads, or several backbones."""
    networks = {arm["network"] for arm in parts_of(records)}
    backbones = {network.partition("+")[0] for network in networks}
    return backbones.pop() if len(networks) > 1 and len(backbones) == 1 else ""


def shared(records: Records) -> str:
    """Return in words what all arms have in common; "" where that is nothing."""
    arms, apart = parts_of(records), differing(records)
    if backbone := _one_backbone(records):
        return joined(
            [f"backbone {backbone}", *([] if "scheduler" in apart else [f"scheduler {arms[0]['scheduler']}"])]
        )
    return joined([f"{part} {arms[0][part]}" for part in ("network", "scheduler") if part not in apart]) if arms else ""


def precision(records: Records) -> str:
    """Return the precision that the runs were trained in, "bf16 and fp32" where they differ."""
    said = sorted({str(each) for each in records.runs["precision"]})
    return joined(said or [str(records.meta.environment["hardware"]["precision"])])


def shortened(text: str) -> str:
    """Return one printable line of at most ``LONGEST`` characters."""
    text = "".join(c if c.isprintable() else " " for c in text)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def sentence(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def title_of(metric: str) -> str:
    """Return a metric's column as words: ``test_accuracy`` is "test accuracy"."""
    if metric == "seconds":
        return "time per run"
    if metric.startswith("tta_"):
        return f"{title_of(metric.removeprefix('tta_'))} with TTA"
    return metric.replace("_", " ").replace(".value", "").replace(".", " ")


# --- the search spaces ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """A searched range: in words, and where it ends if it is one of numbers."""

    text: str
    low: float | None = None
    high: float | None = None
    log: bool = False

    def position(self, value: Any) -> float | None:
        """Return where a value lies, 0 at the low end and 1 at the high; None where there is no such thing."""
        if self.low is None or self.high is None or self.low >= self.high or not isinstance(value, int | float):
            return None
        numbers = [float(value), self.low, self.high]
        if self.log and min(numbers) > 0:
            numbers = [math.log(n) for n in numbers]
        return min(1.0, max(0.0, (numbers[0] - numbers[1]) / (numbers[2] - numbers[1])))


def read_range(said: Mapping[str, Any]) -> Range:
    """Return the range that the records describe as {low, high, log}, {choices} or {fixed}."""
    if "fixed" in said:
        return Range("fixed by the benchmark")
    if "choices" in said:
        return Range(f"one of {', '.join(setting(choice) for choice in said['choices'])}")
    low, high, log = float(said["low"]), float(said["high"]), bool(said["log"])
    return Range(f"{setting(said['low'])} to {setting(said['high'])}{', log' if log else ''}", low, high, log)


def at_edge(records: Records, arm: str, params: Mapping[str, Any]) -> bool:
    """Return whether the tuned learning rate lies in the outer tenth of its range.

    Of the learning rate alone: among three to five other parameters some best value is nearly always near an edge.
    """
    said = records.meta.spaces.get(arm, {}).get("lr")
    place = read_range(said).position(params.get("lr")) if said else None
    return place is not None and not EDGE <= place <= 1 - EDGE


# --- what a reader must be told ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know: ``bad`` cost results, ``warn`` may mislead, ``note`` is good to know."""

    level: Literal["bad", "warn", "note"]
    text: str


def notices(results: Results) -> list[Notice]:
    """Return everything that went wrong, is missing or may mislead, the gravest first."""
    found = [
        *(Notice("bad", text) for text in alarms.grave(results, labels(results.records)).values()),
        *(Notice("bad", problem) for problem in results.problems),
        *_of_comparison(results.records),
        *(Notice("warn", f"{note}.") for note in fairness_notes(results.records)),
        *_of_values(results),
        *_of_tuning(results),
        *_of_search(results.records, alarms.edges(results)),
        *_of_surroundings(results.records),
        *_of_baseline(results.records),
        *_of_confirmations(results.records),
    ]
    return sorted(found, key=lambda notice: ("bad", "warn", "note").index(notice.level))


def fairness_notes(records: Records) -> list[str]:
    """Return what was found out of the optimizers and schedules before anything was trained, a line each."""
    return [str(note) for note in records.meta.fairness.get("notes", [])]


def _of_comparison(records: Records) -> list[Notice]:
    """Return what happened to the seeds of each arm."""
    names, runs, found = labels(records), records.compared(), []
    seeds = int(records.meta.benchmark["compare"]["seeds"])
    if runs.empty:
        return [Notice("warn", "The comparison has not been run: no arm has been retrained yet.")]
    for arm, label in names.items():
        mine = runs[runs["arm"] == arm]
        for state in ("failed", "diverged"):
            lost = mine[mine["state"] == state]
            if len(lost):
                found.append(
                    Notice("bad", f"{label}: {len(lost)} of {count(seeds, 'seed')} {state}: {lost['reason'].iloc[0]}")
                )
        missing = seeds - int(mine["state"].isin(["done", "failed", "diverged"]).sum())
        if missing and not _untunable(records, arm):
            found.append(Notice("warn", f"{label}: {missing} of {count(seeds, 'seed')} not run yet."))
    if seeds == 1:
        found.append(Notice("warn", "One seed per arm: nothing is known about the spread between seeds."))
    return found


def _of_values(results: Results) -> list[Notice]:
    """Return which metrics have values that are missing or not finite, and so are left out of their means."""
    board = results.tables.get("leaderboard")
    if board is None:
        return []
    says_nothing = board["metric"].str.contains(".", regex=False) & (board["n"] == 0)  # a probe, of this arm
    names, lost = labels(results.records), board[(board["unusable"] > 0) & ~says_nothing]
    found = []
    for arm in dict.fromkeys(lost["arm"]):
        mine = lost[lost["arm"] == arm]
        seeds = f"{mine['unusable'].max()} of {count(int(mine['planned'].max()), 'seed')}"
        what = joined([title_of(metric) for metric in mine["metric"]])
        found.append(Notice("warn", f"{names[arm]}: {seeds} without a finite value of {what}, left out of the mean."))
    return found


def _of_tuning(results: Results) -> list[Notice]:
    """Return the arms that cannot be judged because of how they were tuned."""
    names = labels(results.records)
    return [
        Notice("warn", f"{names[arm]} is {alarms.LABEL}, not worse: {joined(why)}.")
        for arm, why in alarms.alarmed(results, names).items()
        if arm not in alarms.grave(results, names)
    ]


def _of_search(records: Records, edges: set[str]) -> list[Notice]:
    """Return what happened to the trials of each arm; of those in ``edges`` their learning rate has been spoken of."""
    found, diverged = [], []
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    for arm, label in labels(records).items():
        trials, wanted = records.trials[records.trials["arm"] == arm], records.trials_wanted(arm)
        many = trials["state"].value_counts()
        if _untunable(records, arm):
            found.append(Notice("bad", f"{label}: no trial ended well, so it could not be compared."))
        if failed := int(many.get("failed", 0)):
            why = trials.loc[trials["state"] == "failed", "reason"].iloc[0]
            found.append(Notice("bad", f"{label}: {failed} of {count(wanted, 'trial')} failed: {why}"))
        if missing := wanted - len(trials) + int(many.get("waiting", 0)):
            found.append(Notice("warn", f"{label}: {missing} of {count(wanted, 'trial')} not run yet."))
        if combinations := records.exhausted(arm):
            said = f"{label}: its grid of {combinations} combinations was exhausted after {count(len(trials), 'trial')}"
            found.append(Notice("note", f"{said}; the budget was {budget(records.meta.benchmark['search'])}."))
        if many.get("diverged", 0):
            diverged.append(f"{label} {many['diverged']} of {wanted}")
        if arm not in edges and at_edge(records, arm, tuned[arm]):
            where = f"{label}: the tuned learning rate lies in the outer tenth of the searched range"
            found.append(Notice("warn", f"{where}; the best one may lie outside."))
    if diverged:
        found.append(Notice("note", f"Trials that diverged: {joined(diverged)}."))
    return found


def _of_confirmations(records: Records) -> list[Notice]:
    """Return the arms whose whole network does not give what the cached features gave."""
    names, found = labels(records), records.meta.confirmations
    return [
        Notice(
            "bad",
            f"{names[arm]}: the whole network disagrees with the cached features, by up to {each['largest']:.2g} in a "
            "probability: what the cache holds is wrong, or from other weights. Do not trust these scores.",
        )
        for arm, each in found.items()
        if arm in names and not each["agrees"]
    ]


def _untunable(records: Records, arm: str) -> bool:
    """Return whether the arm's search is over and not one trial ended well."""
    states = records.trials.loc[records.trials["arm"] == arm, "state"]
    return records.search_over(arm) and "done" not in set(states)


def _of_surroundings(records: Records) -> list[Notice]:
    """Return what is to be said about data, plugins and machines."""
    found = []
    if left_out := records.meta.data["left_out"]:
        some = "; ".join(left_out[:3]) + ("; …" if len(left_out) > 3 else "")
        found.append(Notice("warn", f"{count(len(left_out), 'unreadable example')} left out: {some}"))
    if skipped := records.meta.data["skipped"]:
        reasons = ", ".join(f"{number} {reason}" for reason, number in skipped.items())
        found.append(Notice("note", f"{count(sum(skipped.values()), 'file')} of the data passed over: {reasons}."))
    if said := exclusion(records):
        found.append(Notice("note", said))
    for plugin, why in records.meta.broken_plugins.items():
        found.append(Notice("warn", f"Plugin {plugin} could not be loaded and was left out: {why}"))
    ended: DataFrame = records.runs[records.runs["state"] != "waiting"]
    if (environments := ended["environment"].nunique()) > 1:
        found.append(
            Notice(
                "warn",
                f"The runs come from {environments} environments (machine or versions); the one shown is the last.",
            )
        )
    return found


def _of_baseline(records: Records) -> list[Notice]:
    """Return what is to be said of arms that were trained elsewhere and imported."""
    about = records.meta.baseline
    if not about:
        return []
    arms, machine = about["arms"], about["environment"]
    text = (
        f"{count(len(arms), 'arm')} imported from the baseline {about['file']} (SHA-256 {about['sha256'][:12]}, run "
        f"{about['run']}, made on {about['made'][:10]} on {machine['hardware']['device']}), not trained here: "
        f"{', '.join(arms)}."
    )
    if about["warnings"]:
        text += f" Environments differ: {'; '.join(about['warnings'])}."
    if machine["hash"] != records.meta.environment["hash"]:
        text += " Their seconds are of that machine and are no measure against the seconds of this one."
    runs, looked = set(about["compare_runs"]), records.measured
    if len(looked) and not any(set(looked[column]) & runs for column in ("one", "other", "third")):
        text += " What needs their weights was not measured."
    return [Notice("warn" if about["warnings"] else "note", text)]


def exclusion(records: Records) -> str:
    """Return in a sentence what the benchmark excludes; "" where that is nothing."""
    found = {split: names for split, names in excluded(records).items() if names}
    if not found:
        return ""
    where = joined([f"{len(names)} of {split}" for split, names in found.items()])
    total = count(sum(len(names) for names in found.values()), "example")
    tested = "; every test score is still over the whole test split" if found.get("test") else ""
    return f"{total} excluded by {records.meta.data['excluded']['file']}: {where}{tested}."


def excluded(records: Records) -> dict[str, list[str]]:
    """Return the names that the benchmark excludes, by split."""
    said = records.meta.data.get("excluded", {})  # older folders do not say
    return {split: said.get(split, []) for split in ("train", "tune", "test")}
