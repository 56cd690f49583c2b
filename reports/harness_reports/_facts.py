"""What the records say, in words: names of the arms, the headline, and everything a reader must be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness import Records, Results
from harness_reports._numbers import count, interval, joined, measure, setting

if TYPE_CHECKING:
    from pandas import DataFrame

PARTS = ("backbone", "optimizer", "scheduler")
LONGEST = 40  # characters of a label; the full name stands in the table of arms
EDGE = 0.1  # nearer than this part of its range, a tuned learning rate lies at the edge
NOT_TESTED = (
    "Not tested yet: whether the arms reached the same minimum. This release ranks the arms and shows how sure the "
    "means are; equal scores would not mean equal solutions."
)


# --- names ---------------------------------------------------------------------------------------------------


def labels(records: Records) -> dict[str, str]:
    """Return a short, unique label per arm: only the parts in which the arms differ."""
    arms = records.arms
    differing = [part for part in PARTS if arms[part].nunique() > 1] or ["optimizer"]
    found: dict[str, str] = {}
    for row in arms.to_dict("records"):
        label = shortened("/".join(str(row[part]) for part in differing))
        same = sum(other == label or other.startswith(f"{label} (") for other in found.values())
        found[str(row["arm"])] = f"{label} ({same + 1})" if same else label
    return found


def shared(records: Records) -> str:
    """Return in words what all arms have in common; "" where that is nothing."""
    arms = records.arms
    if not len(arms):
        return ""
    found = [(part, arms[part].iloc[0]) for part in ("backbone", "scheduler") if arms[part].nunique() == 1]
    return joined([f"{part} {name}" for part, name in found])


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
    said = records.meta["spaces"].get(arm, {}).get("lr")
    place = read_range(said).position(params.get("lr")) if said else None
    return place is not None and not EDGE <= place <= 1 - EDGE


# --- the headline --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    """The first screen in sentences."""

    question: str
    answer: str
    detail: str
    caveat: str = NOT_TESTED


def headline(results: Results) -> Headline:
    """Return the question, and as much of an answer as the leaderboard supports."""
    records = results.records
    names = labels(records)
    asked = _question(records, names)
    rows = deciding_rows(results)
    if rows is None:
        return Headline(asked, "No leaderboard.", "The leaderboard was not computed; the notices say why.")
    there = [row for row in rows if row["n"]]
    if not there:
        return Headline(asked, "No result yet.", "No comparison run has ended well, so there is nothing to rank.")
    best = there[0]
    what = f"{'highest' if best['goal'] == 'max' else 'lowest'} mean {title_of(best['metric'])}"
    value = _value(best)
    if len(there) == 1:
        return Headline(
            asked,
            f"{names[best['arm']]}: {title_of(best['metric'])} {value}",
            _sure(best) + (" No other arm has a result to compare it with." if len(names) > 1 else ""),
        )
    near = [names[row["arm"]] for row in there[1:] if overlap(best, row)]
    who = joined(near) if len(near) <= 3 else f"{len(near)} others"
    but = f", but {who} {'is' if len(near) == 1 else 'are'} too close to call" if near else ""
    answer = f"{names[best['arm']]} has the {what}, {value}{', on one seed' if best['n'] == 1 else but}"
    return Headline(asked, answer, f"{_sure(best)} {_against(there, names)}")


def deciding_rows(results: Results) -> list[dict[str, Any]] | None:
    """Return the leaderboard's rows of the deciding test metric, best first; None where there is no leaderboard."""
    board = results.tables.get("leaderboard")
    if board is None:
        return None
    rows = board[board["metric"] == f"test_{results.records.meta['metric']}"].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Return whether two intervals overlap; None where one of the two has none."""
    ends = [one["low"], one["high"], other["low"], other["high"]]
    return None if any(end != end for end in ends) else ends[0] <= ends[3] and ends[2] <= ends[1]


def _question(records: Records, names: Mapping[str, str]) -> str:
    differing = [part for part in PARTS if records.arms[part].nunique() > 1]
    if len(names) < 2:
        return f"How well does {joined(list(names.values())) or 'it'} do?"
    words = {"scheduler": "schedule"}
    which = joined([words.get(part, part) for part in differing])
    whom = joined(list(names.values())) if len(names) <= 6 else f"{len(names)} arms"
    return f"Does it matter which {which} is used? {whom}, tuned alike and compared."


def _value(row: Mapping[str, Any]) -> str:
    return measure(row["mean"], row["unit"], row["high"] - row["low"])


def _sure(row: Mapping[str, Any]) -> str:
    """Return a sentence on how sure a mean is."""
    if math.isnan(row["low"]):
        return "That is one seed, so there is no interval: another seed may turn the order round."
    lost = f" of {row['planned']}; the others have no result" if row["n"] < row["planned"] else ""
    return f"95 % interval {interval(row['low'], row['high'], row['unit'])} over {count(row['n'], 'seed')}{lost}."


def _against(rows: list[dict[str, Any]], names: Mapping[str, str]) -> str:
    """Return how the best compares with the others, judged by intervals alone."""
    best, second = rows[0], rows[1]
    said = f"Next is {names[second['arm']]} with {_value(second)}"
    if (apart := overlap(best, second)) is None:
        return f"{said}; without intervals for both, nothing can be said about the difference."
    ends = interval(second["low"], second["high"], second["unit"])
    if not apart:
        return f"{said} ({ends}); the two intervals do not overlap."
    return f"{said} ({ends}); the two intervals overlap, so their order may be chance."


# --- what a reader must be told ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know: ``bad`` cost results, ``warn`` may mislead, ``note`` is good to know."""

    level: Literal["bad", "warn", "note"]
    text: str


def notices(results: Results) -> list[Notice]:
    """Return everything that went wrong, is missing or may mislead, the gravest first."""
    found = [
        *(Notice("bad", problem) for problem in results.problems),
        *_of_comparison(results.records),
        *_of_values(results),
        *_of_search(results.records),
        *_of_surroundings(results.records),
    ]
    return sorted(found, key=lambda notice: ("bad", "warn", "note").index(notice.level))


def _of_comparison(records: Records) -> list[Notice]:
    """Return what happened to the seeds of each arm."""
    names, runs, found = labels(records), records.compared(), []
    seeds = int(records.meta["benchmark"]["compare"]["seeds"])
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
    names, lost = labels(results.records), board[board["unusable"] > 0]
    found = []
    for arm in dict.fromkeys(lost["arm"]):
        mine = lost[lost["arm"] == arm]
        seeds = f"{mine['unusable'].max()} of {count(int(mine['planned'].max()), 'seed')}"
        what = joined([title_of(metric) for metric in mine["metric"]])
        found.append(Notice("warn", f"{names[arm]}: {seeds} without a finite value of {what}, left out of the mean."))
    return found


def _of_search(records: Records) -> list[Notice]:
    """Return what happened to the trials of each arm."""
    found, diverged = [], []
    wanted = int(records.meta["benchmark"]["search"]["trials"])
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    for arm, label in labels(records).items():
        trials = records.trials[records.trials["arm"] == arm]
        many = trials["state"].value_counts()
        if _untunable(records, arm):
            found.append(Notice("bad", f"{label}: no trial ended well, so it could not be compared."))
        if failed := int(many.get("failed", 0)):
            why = trials.loc[trials["state"] == "failed", "reason"].iloc[0]
            found.append(Notice("bad", f"{label}: {failed} of {count(wanted, 'trial')} failed: {why}"))
        if missing := wanted - len(trials) + int(many.get("waiting", 0)):
            found.append(Notice("warn", f"{label}: {missing} of {count(wanted, 'trial')} not run yet."))
        if many.get("diverged", 0):
            diverged.append(f"{label} {many['diverged']}")
        if at_edge(records, arm, tuned[arm]):
            where = f"{label}: the tuned learning rate lies in the outer tenth of the searched range"
            found.append(Notice("warn", f"{where}; the best one may lie outside."))
    if diverged:
        found.append(Notice("note", f"Trials that diverged, of {wanted} per arm: {joined(diverged)}."))
    return found


def _untunable(records: Records, arm: str) -> bool:
    """Return whether the arm's search is over and not one trial ended well."""
    states = records.trials.loc[records.trials["arm"] == arm, "state"]
    over = len(states) >= records.meta["benchmark"]["search"]["trials"] and "waiting" not in set(states)
    return over and "done" not in set(states)


def _of_surroundings(records: Records) -> list[Notice]:
    """Return what is to be said about data, plugins and machines."""
    found = []
    if left_out := records.meta["data"]["left_out"]:
        some = "; ".join(left_out[:3]) + ("; …" if len(left_out) > 3 else "")
        found.append(Notice("warn", f"{count(len(left_out), 'unreadable example')} left out: {some}"))
    for plugin, why in records.meta["broken_plugins"].items():
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
