"""What a dashboard of Optuna's shows of a trial beside what its sampler and its pruner know: its curve, and its runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.plugin.runs import Run
from harness.records import Store


@dataclass(frozen=True)
class Shown:
    """What stands of a trial in Optuna's tables for a person. No sampler and no pruner ever sees it."""

    curve: Mapping[int, float]  # the mean score over its seeds after each epoch; NaN where that is not finite
    notes: Mapping[str, Any]  # its user attributes: the ids of its runs, how it ended, and its confirmation


def shown_of(
    runs_of: Callable[[Mapping[str, Any]], Sequence[Run]], store: Store, metric: str, ask: Mapping[str, Any]
) -> Shown:
    """Return what is shown of a trial, from the records of those of its runs that were trained."""
    trained = [run.id for run in runs_of(ask) if store.run(run.id) is not None]
    values: dict[int, list[float]] = {}
    for run_id in trained:
        for epoch in store.epochs(run_id):
            value = epoch["metrics"].get(metric)
            values.setdefault(epoch["epoch"], []).append(math.nan if value is None else float(value))
    curve = {epoch: sum(scores) / len(scores) for epoch, scores in sorted(values.items())}
    notes = {"runs": trained, "state": ask["state"], "reason": ask["reason"], "confirmation": ask["confirmation"]}
    return Shown(curve, {name: note for name, note in notes.items() if note})
