"""How the arms of a run did: the deciding test metric of every arm over its seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugin.runs import digest
from harness.records import Records, schema
from harness.statistics.intervals import mean_interval, standard_deviation

if TYPE_CHECKING:
    from pandas import Series

NOT_FINITE = "not finite"  # the state of an arm with a run that ended well and has no number to show for it


@dataclass(frozen=True)
class SeedScore:
    """The deciding metric of one seed of an arm, and a hash of what the seed began with."""

    value: float
    start: str


def list_scores(label: str, records: Records) -> Iterator[dict[str, Any]]:
    """Yield a row per arm: the deciding test metric over the seeds that ended well, and what the arm was tuned to."""
    import numpy as np

    planned = records.meta.planned_seeds
    column, compared = records.deciding.column, records.compared()
    limits = (records.bounds_of(column), records.examples_of(column))
    for arm in records.arms.to_dict("records"):
        scores = seed_scores(records, arm["arm"])
        values = np.array([score.value for score in scores.values()], dtype=float)
        n = len(values)
        mean, sd = (float(values.mean()), float(standard_deviation(values))) if n else (math.nan, math.nan)
        low, high = map(float, mean_interval(mean, sd, n, *limits))
        states = compared.loc[compared["arm"] == arm["arm"], "state"]
        yield {
            "arm": arm["arm"], "run": label, "n": n, "planned": planned, "mean": mean, "low": low,
            "high": high, "sd": sd, "tuned": dict(arm["tuned_params"]), "state": _arm_state(states, n, planned),
        }  # fmt: skip


def _arm_state(states: Series, n: int, planned: int) -> str:
    """Return "done" for an arm with a score for every planned seed, else the worst thing that befell its runs."""
    if n == planned:
        return "done"
    for state in (schema.FAILED, schema.DIVERGED):
        if (states == state).any():
            return state
    return NOT_FINITE if int((states == schema.DONE).sum()) > n else "unfinished"


def seed_scores(records: Records, arm: str) -> dict[int, SeedScore]:
    """Return an arm's scores by seed, of the runs that ended well with a finite one."""
    runs, column = records.compared(), records.deciding.column
    if column not in runs:
        return {}
    done = runs[(runs["arm"] == arm) & (runs["state"] == schema.DONE)]
    scores = {}
    for seed, run_id, value in zip(done["seed"], done["run_id"], done[column], strict=True):
        if math.isfinite(value):
            scores[int(seed)] = SeedScore(float(value), _hash_start(records.recipes[run_id]))
    return scores


def _hash_start(recipe: Mapping[str, Any]) -> str:
    """Return a hash of everything that the initial weights and the data come from."""
    sources = {part: sha256 for part, sha256 in recipe["plugins"].items() if part in ("backbone", "head", "task")}
    arm = {part: recipe["arm"].get(part, "") for part in ("backbone", "head")}
    return digest([arm, sources, recipe.get("weights", ""), recipe["init_seed"], recipe["data"]])
