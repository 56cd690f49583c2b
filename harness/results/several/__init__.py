"""Several runs side by side: what differs between them, and what that did to every arm they share.

The later runs are compared with the first. Begin with ``open_several``; ``facts`` lists what differs between the runs,
``scores`` how their arms did, and ``changes`` which of them became better or worse: a regression is a difference for the
worse that is larger than the margin and whose p-value, adjusted for all differences shown, is below .05.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.console.numbers import first_of, joined
from harness.console.safe_text import impersonal, impersonal_table
from harness.errors import HarnessError, arguments
from harness.plugin.contracts import Several
from harness.plugin.meta import Deciding
from harness.records import Records, open_records
from harness.results.analysis import analyse
from harness.results.several.changes import list_changes
from harness.results.several.facts import list_differences
from harness.results.several.scores import list_scores
from harness.verdict.protocol import FACETS
from harness.verdict.reading import read_verdicts
from harness.verdict.tables import verdict

SCORE = ("arm", "run", "n", "planned", "mean", "low", "high", "sd", "state", "lost", "tuned")
CHANGE = (
    "arm", "run", "how", "seeds", "shared", "before", "after", "change", "low", "high", "p", "adjusted", "margin", "state",
)  # fmt: skip
MOST_ARMS = 3  # of a run, in an error
PARTS = {
    "backbone": "train.backbones",
    "head": "train.heads",
    "optimizer": "train.optimizers",
    "scheduler": "train.schedulers",
}
VERDICT = ("run", "network", "regime", "facet", "label")


def open_several(folders: Sequence[Path], margin: float | None = None) -> Several:
    """Return runs side by side; the first is what the others are compared with.

    ``margin`` is how large a difference in the deciding metric may be and still not matter, in points for one in "%".
    Raises HarnessError for fewer than two runs, for a folder that is none, for runs that are decided by
    different metrics, and for runs without an arm in common.
    """
    import pandas as pd

    folders = _check_folders(folders)
    margin = None if margin is None else arguments.number("margin", margin, 0)
    records = tuple(_for_readers(open_records(folder)) for folder in folders)
    labels = _label_folders(folders)
    deciding = _common_metric(records, labels)
    shared = _shared_arms(records, labels)
    if margin is not None and deciding.is_share:
        margin /= 100
    scores = []
    for label, run in zip(labels, records, strict=True):
        scores += list(list_scores(label, run))
    return Several(
        labels,
        records,
        deciding.name,
        deciding.goal,
        deciding.unit,
        pd.DataFrame(list_differences(records, labels, shared), columns=["group", "what", *labels]),
        pd.DataFrame(scores, columns=list(SCORE)),
        pd.DataFrame(list_changes(records, labels, margin), columns=list(CHANGE)),
        pd.DataFrame(_list_verdicts(records, labels), columns=list(VERDICT)),
    )


def _check_folders(folders: Sequence[Path]) -> list[Path]:
    """Return the folders as paths; raises HarnessError where they are fewer than two or not all different."""
    paths = [arguments.path("folders", folder) for folder in arguments.items("folders", folders, "run folders")]
    if len(paths) < 2:
        raise HarnessError(
            f"compare: must be two runs or more, got {len(paths)}; name the run folders one after another"
        )
    if len({path.resolve() for path in paths}) < len(paths):
        raise HarnessError("compare: must be different run folders, got one of them twice; name each once")
    return paths


def _for_readers(records: Records) -> Records:
    """Return records as they may be given away: no home folder, user name or host name is in what they say of the run."""
    return replace(
        records,
        meta=records.meta.mapped(impersonal),
        runs=impersonal_table(records.runs),
        comparison=impersonal_table(records.comparison),
    )


def _label_folders(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the folders' names; with as many folders above them as it takes to tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return tuple(names)


def _common_metric(records: Sequence[Records], labels: Sequence[str]) -> Deciding:
    """Return the deciding metric of the first run; its name and its goal must be the same in all runs."""
    metrics = [run.deciding for run in records]
    if len({(metric.name, metric.goal) for metric in metrics}) > 1:
        pairs = ", ".join(f"{metric.name} in {label}" for metric, label in zip(metrics, labels, strict=True))
        raise HarnessError(
            f"compare: must be runs decided by one metric, got {pairs}; compare runs of one compare.metric"
        )
    return metrics[0]


def _shared_arms(records: Sequence[Records], labels: Sequence[str]) -> set[str]:
    """Return the arms that all runs have; raises HarnessError where there is none."""
    shared = set(map(str, records[0].arms["arm"]))
    for run in records[1:]:
        shared &= set(map(str, run.arms["arm"]))
    if not shared:
        has = ", ".join(f"{label} with {_arm_names(run)}" for label, run in zip(labels, records, strict=True))
        raise HarnessError(
            f"compare: must be runs with an arm in common, got {has}; run one again with {_apart(records)} of the other"
        )
    return shared


def _arm_names(records: Records) -> str:
    """Return the arms of a run as a list, many of them as a number."""
    arms = list(map(str, records.arms["arm"]))
    return (first_of(arms, MOST_ARMS) if len(arms) > MOST_ARMS else joined(arms)) or "no arm"


def _apart(records: Sequence[Records]) -> str:
    """Return the keys in which the runs have nothing in common; all keys of an arm where each has something."""

    def shared(part: str) -> set[str]:
        return set.intersection(*(set(map(str, run.arms[part])) for run in records))

    return joined([key for part, key in PARTS.items() if not shared(part)] or list(PARTS.values()))


def _list_verdicts(records: Sequence[Records], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the statement and the facets' labels of every run and network, by its standing protocol."""
    rows: list[dict[str, Any]] = []
    for label, run in zip(labels, records, strict=True):
        verdicts = read_verdicts(run.meta, analyse(run, [verdict.ANALYSIS]).tables)
        for network in verdicts[0].networks if verdicts else ():
            place = {"run": label, "network": network.network, "regime": network.row["regime"]}
            rows += [{**place, "facet": facet, "label": network.row[facet]} for facet in ("statement", *FACETS)]
    return rows
