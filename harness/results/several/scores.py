"""How the arms of a run did: the deciding test metric of every arm over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.console.numbers import joined
from harness.plugin.runs import digest
from harness.records import Records
from harness.results.tables.draws import draw_means, draw_of_seed
from harness.results.tables.leaderboard import arm_progress, ranked_scores
from harness.verdict.finite_runs import finite_runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SeedScore:
    """The deciding metric of one seed of an arm, a hash of what it began with, its draw (None: the seed itself), and its training."""

    value: float
    start: str
    draw: int | None = None
    training: tuple[str, ...] = ()  # what one training alone has: its run_id, when it ended, and how long it took


def list_scores(label: str, records: Records) -> Iterator[dict[str, Any]]:
    """Yield a row per arm: the leaderboard's numbers of the deciding test metric, and what the arm was tuned to.

    ``state`` is the leaderboard's; ``lost`` says of how many seeds there is no score and why, "" for none.
    """
    scores = ranked_scores(records)
    for row in records.arms.to_dict("records"):
        arm = str(row["arm"])
        score, progress = scores[arm], arm_progress(records, arm)
        numbers = {name: score[name] for name in ("mean", "low", "high", "sd")}
        lost = {"failed": progress["failed"], "diverged": progress["diverged"], "not finite": score["unusable"]}
        yield {
            "arm": arm, "run": label, "n": score["n"], "planned": progress["planned"], **numbers, "state": progress["state"],
            "lost": joined([f"{count} {state}" for state, count in lost.items() if count]), "tuned": dict(row["tuned_params"]),
        }  # fmt: skip


def seed_scores(records: Records, arm: str) -> dict[int, SeedScore]:
    """Return an arm's scores by seed, of the runs that ended well with a finite one."""
    compared, draw_of = records.compared(), draw_of_seed(records)
    rows = {str(row["run_id"]): row for row in compared[compared["arm"] == arm].to_dict("records")}
    scores: dict[int, SeedScore] = {}
    for seed, (run_id, value) in finite_runs(records, arm, records.deciding.column).items():
        training = (run_id, str(rows[run_id]["ended"]), str(rows[run_id]["seconds"]))
        scores[seed] = SeedScore(value, _hash_start(records.recipes[run_id]), draw_of[seed], training)
    return scores


def means_of_draws(scores: Mapping[int, SeedScore], seeds: Sequence[int]) -> NDArray[np.float64]:
    """Return the mean score [D] of every draw of these seeds of an arm, in rising order of the draws."""
    import numpy as np

    draws = [seed if scores[seed].draw is None else scores[seed].draw for seed in seeds]
    return draw_means(np.array([scores[seed].value for seed in seeds], dtype=float), np.array(draws, dtype=int))


def _hash_start(recipe: Mapping[str, Any]) -> str:
    """Return a hash of everything that the initial weights and the data come from."""
    sources = {part: sha256 for part, sha256 in recipe["plugins"].items() if part in ("backbone", "head", "task")}
    arm = {part: recipe["arm"].get(part, "") for part in ("backbone", "head")}
    return digest([arm, sources, recipe.get("weights", ""), recipe["init_seed"], recipe["data"]])
