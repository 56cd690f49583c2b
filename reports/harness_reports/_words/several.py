"""A comparison of several runs in words, for its page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import Several, numbers
from harness_reports._words.names import metric_title, shortened, title_with_unit

LEVELS = {"regression": "bad", "improvement": "note", "not comparable": "warn"}
GRAVITY = {"regression": 0, "not comparable": 2}  # the order of changes; any other state is 1
COVERS = (
    "Intervals are over replicates, or over the seeds of a run of one replicate, and where all of these are equal, over test "
    "examples. They do not cover other training data, nor, with one replicate, another search, and both runs are scored on the "
    "same test examples. A change is called one where its p-value, adjusted for all changes shown (Holm), is below .05 and it is "
    "larger than the margin."
)


@dataclass(frozen=True)
class Score:
    """The mean of one arm in one run."""

    mean: str
    interval: str
    state: str


@dataclass(frozen=True)
class ScoreRow:
    """The means of one arm in every run."""

    arm: str
    label: str  # the arm's name, shortened
    scores: list[Score]


@dataclass(frozen=True)
class Change:
    """The change of one arm from the first run to a later one."""

    arm: str
    label: str  # the arm's name, shortened
    runs: str  # "later run less first run"
    size: str
    interval: str
    p: str
    margin: str
    how: str
    state: str
    level: str  # how grave it is: "bad", "warn", "note" or ""


@dataclass(frozen=True)
class FacetRow:
    """The label of one facet of a network's verdict in every run."""

    network: str
    facet: str
    labels: list[str]


def metric_with_unit(several: Several) -> str:
    """Return the deciding test metric in words, with its unit."""
    return title_with_unit(metric_title(f"test_{several.metric}"), several.unit)


def question(several: Several) -> str:
    """Return what is asked."""
    first, *later = map(shortened, several.labels)
    return f"What changed from {first} to {numbers.joined(later)}?"


def answer(several: Several) -> str:
    """Return the regressions by name; else that none is shown; else why nothing can be said."""
    changes, regressions = several.changes, several.regressions
    if len(regressions):
        return _worst_regression(several)
    lost, same = (int((changes["state"] == state).sum()) for state in ("not comparable", Several.ONE_TRAINING))
    if same and same + lost == len(changes):
        return f"Nothing was measured twice: {numbers.counted(same, 'arm')} {'has' if same == 1 else 'have'} the same trainings in both"
    if lost == len(changes):
        reasons = numbers.joined(sorted(set(changes["how"]))) if len(changes) else "no arm in common"
        return f"Side by side only: no difference can be put down to the arms ({reasons})"
    better = int((changes["state"] == "improvement").sum())
    improved = f"; {numbers.counted(better, 'improvement')}" if better else ""
    unsure = f"; {numbers.counted(lost, 'change')} not comparable" if lost else ""
    taken = f"; {numbers.counted(same, 'arm')} with the same trainings in both" if same else ""
    compared = numbers.counted(len(changes) - lost - same, "comparison")
    return f"No regression shown in {compared}{improved}{unsure}{taken}"


def _worst_regression(several: Several) -> str:
    """Return the largest regression, and how many others there are."""
    regressions = several.regressions
    sizes = regressions["change"].abs()
    worst = regressions.assign(size=sizes).sort_values("size", ascending=False).to_dict("records")[0]
    further = len(regressions) - 1
    more = f" and {numbers.counted(further, 'more regression')}" if further else ""
    size = numbers.difference(abs(worst["change"]), several.unit)
    return f"Regression: {shortened(worst['arm'])} is {size} worse in {shortened(worst['run'])}{more}"


def score_rows(several: Several) -> list[ScoreRow]:
    """Return a row per arm with its mean in every run, the arms of the first run first."""
    by_arm_and_run = {(row["arm"], row["run"]): row for row in several.scores.to_dict("records")}
    rows = []
    for arm in dict.fromkeys(several.scores["arm"]):
        scores = [_score_of_arm(by_arm_and_run.get((arm, label)), several.unit) for label in several.labels]
        rows.append(ScoreRow(arm, shortened(arm), scores))
    return rows


def _score_of_arm(row: Mapping[Any, Any] | None, unit: str) -> Score:
    if row is None:
        return Score(numbers.NOTHING, "not in this run", "")
    if not row["n"]:
        return Score(numbers.NOTHING, "", row["lost"] or row["state"])
    seeds = numbers.counted(row["planned"], "seed")
    seeds = seeds if row["n"] == row["planned"] else f"{row['n']} of {seeds}"
    ends = numbers.span(row["low"], row["high"], unit)
    mean = numbers.plain(row["mean"], unit, row["high"] - row["low"])
    return Score(
        mean, f"{ends}, {seeds}" if ends else seeds, row["lost"] or ("" if row["state"] == "done" else row["state"])
    )


def changes(several: Several) -> list[Change]:
    """Return a change per arm and later run, the regressions first."""
    rows = sorted(several.changes.to_dict("records"), key=lambda row: GRAVITY.get(row["state"], 1))
    first, unit = shortened(several.labels[0]), several.unit
    return [
        Change(
            arm=row["arm"],
            label=shortened(row["arm"]),
            runs=f"{shortened(row['run'])} less {first}",
            size=numbers.difference(row["change"], unit),
            interval=numbers.difference_interval(row["low"], row["high"], unit) or numbers.NOTHING,
            p=numbers.p_value(row["adjusted"]),
            margin=numbers.difference(row["margin"], unit),
            how=_how(row),
            state=row["state"],
            level=LEVELS.get(row["state"], ""),
        )
        for row in rows
    ]


def _how(row: Mapping[Any, Any]) -> str:
    """Return how a change was computed, over how many seeds, and how many of these come from one training."""
    if not row["seeds"]:
        return str(row["how"])
    some_shared = row["shared"] and row["how"] != Several.ONE_TRAINING
    shared = f", {row['shared']} of them the same trainings" if some_shared else ""
    return f"{row['how']}, {numbers.counted(row['seeds'], 'seed')}{shared}"


def facets(several: Several) -> list[FacetRow]:
    """Return a row per network and facet with its label in every run; none where no run has a verdict."""
    labels: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in several.verdicts.to_dict("records"):
        labels.setdefault((row["network"], row["regime"], row["facet"]), {})[row["run"]] = str(row["label"])
    rows = []
    for (network, regime, facet), by_run in labels.items():
        by_label = [by_run.get(run, numbers.NOTHING) for run in several.labels]
        rows.append(FacetRow(f"{network} ({regime})", facet, by_label))
    return rows
