"""What a dashboard of Optuna's shows of a search, also while it goes on: the curves of its trials, their runs and their times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.plugin.runs import Run
from harness.records import Store


@dataclass(frozen=True)
class Shown:
    """What stands of a trial in Optuna's tables for a person. No sampler and no pruner ever sees it."""

    curve: Mapping[int, float]  # the mean score over its seeds after each epoch; NaN where that is not finite
    notes: Mapping[str, Any]  # its user attributes: the ids of its runs, how it ended, and its confirmation
    started: datetime | None  # when its first run began, in local time as Optuna notes it; None where none has begun
    ended: datetime | None  # when its last run ended; None where it goes on


def shown_of(
    runs_of: Callable[[Mapping[str, Any]], Sequence[Run]], store: Store, metric: str, ask: Mapping[str, Any]
) -> Shown:
    """Return what is shown of a trial, from the records of those of its runs that were trained."""
    rows = {run.id: row for run in runs_of(ask) if (row := store.run(run.id)) is not None}
    values: dict[int, list[float]] = {}
    for run_id in rows:
        for epoch in store.epochs(run_id):
            value = epoch["metrics"].get(metric)
            values.setdefault(epoch["epoch"], []).append(math.nan if value is None else float(value))
    curve = {epoch: sum(scores) / len(scores) for epoch, scores in sorted(values.items())}
    notes = {"runs": [*rows], "state": ask["state"], "reason": ask["reason"], "confirmation": ask["confirmation"]}
    started, ended = ([row[name] for row in rows.values() if row[name]] for name in ("started", "ended"))
    return Shown(
        curve,
        {name: note for name, note in notes.items() if note},
        _local_time(min(started)) if started else None,
        _local_time(max(ended)) if ended and ask["ended"] else None,
    )


def _local_time(text: str) -> datetime:
    """Return a recorded time as Optuna has its times: local, and without a zone."""
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
