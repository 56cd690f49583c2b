"""Differences between the first run and a later one, with interval and p-value, for every arm that they share.

A difference is paired by seed where the same seeds began with the same initial weights, else it is Welch's. P-values are adjusted for all differences shown (Holm 1979).

A run that takes over runs of another has the same trainings, not equal ones. Where an arm has nothing else in common, nothing was
measured twice, so nothing is tested. A run that was trained twice has two times at which it ended, and is compared as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.plugin.contracts import Several
from harness.records import Records
from harness.results.several.scores import SeedScore, means_of_draws, seed_scores
from harness.statistics.labels import ALPHA, holm
from harness.statistics.two_means import by_pairs, welch
from harness.verdict.protocol import standing_protocol

POINTS = 0.005  # the margin of a metric in "%", where the first run has no protocol
PART = 0.1  # the margin of any other metric there: so much of the first run's mean
PAIRED, WELCH = "paired by seed", "Welch"


def list_changes(records: Sequence[Records], labels: Sequence[str], margin: float | None) -> list[dict[str, Any]]:
    """Return a row per shared arm and later run."""
    first, column = records[0], records[0].deciding.column
    rows = []
    for label, later in zip(labels[1:], records[1:], strict=True):
        reason = _why_incomparable(first, later)
        limits = (later.bounds_of(column), later.examples_of(column))
        later_arms = set(map(str, later.arms["arm"]))
        for arm in map(str, first.arms["arm"]):
            if arm not in later_arms:
                continue
            before, after = seed_scores(first, arm), seed_scores(later, arm)
            allowed = _default_margin(first, before) if margin is None else margin
            rows.append({"arm": arm, "run": label, "margin": allowed, **_compare(before, after, reason, *limits)})
    tested = [row for row in rows if math.isfinite(row["p"])]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["adjusted"] = adjusted
    for row in rows:
        row["state"] = _state(row, first.deciding.sign)
    return rows


def _why_incomparable(first: Records, later: Records) -> str:
    """Return why a difference between these runs does not come from the arms; "" where it does."""
    if first.meta.data["fingerprint"] != later.meta.data["fingerprint"]:
        return "other data"
    trains = [records.meta.benchmark["train"] for records in (first, later)]
    return next((f"another {key}" for key in ("regime", "task") if trains[0].get(key) != trains[1].get(key)), "")


def _default_margin(records: Records, scores: Mapping[int, SeedScore]) -> float:
    """Return how large a difference may be and still not matter: by the standing protocol, else by the constants above."""
    deciding = records.deciding
    mean = sum(score.value for score in scores.values()) / len(scores) if scores else math.nan
    if standing := standing_protocol(records.meta):
        return standing.protocol.margin_in(deciding.unit, mean)
    return POINTS if deciding.is_share else PART * abs(mean)


def _compare(
    before: Mapping[int, SeedScore],
    after: Mapping[int, SeedScore],
    reason: str,
    bounds: tuple[float, float],
    examples: int,
) -> dict[str, Any]:
    """Return the difference of the means; paired where every seed of the smaller run has a partner with an equal start."""
    unknown: dict[str, Any] = dict.fromkeys(("before", "after", "change", "low", "high", "p", "adjusted"), math.nan)
    shared = [seed for seed in before if seed in after and _is_one_training(before[seed], after[seed])]
    unknown |= {"shared": len(shared), "same": False}
    if reason or not before or not after:
        return {**unknown, "how": reason or "no result", "seeds": 0}
    if len(shared) == min(len(before), len(after)):
        mean = float(means_of_draws(before, shared).mean())
        return {**unknown, "before": mean, "after": mean, "how": Several.ONE_TRAINING, "seeds": len(shared)}
    pairs = [seed for seed in sorted(before) if seed in after and before[seed].start == after[seed].start]
    paired = len(pairs) >= 2 and len(pairs) == min(len(before), len(after))
    earlier = means_of_draws(before, pairs if paired else sorted(before))
    later = means_of_draws(after, pairs if paired else sorted(after))
    seeds = len(pairs) if paired else min(len(before), len(after))
    test = by_pairs if paired else welch
    change = test(earlier, later, bounds, examples)
    return {
        **unknown, "how": PAIRED if paired else WELCH, "seeds": seeds,
        "before": float(earlier.mean()), "after": float(later.mean()), "change": change.value, "low": change.low,
        "high": change.high, "p": change.p, "same": change.same,
    }  # fmt: skip


def _is_one_training(one: SeedScore, other: SeedScore) -> bool:
    """Return whether two runs have a seed from one and the same training: one took it over from the other, or both from a third."""
    return bool(one.training) and (one.training, one.value) == (other.training, other.value)


def _state(row: Mapping[str, Any], sign: int) -> str:
    """Return in words what a change is."""
    if row["how"] == Several.ONE_TRAINING:
        return Several.ONE_TRAINING
    if row["how"] not in (PAIRED, WELCH) or not math.isfinite(row["p"]):
        return "not comparable"
    if row["same"]:
        return "identical"
    if not row["adjusted"] < ALPHA:
        return "not shown"
    if not abs(row["change"]) > row["margin"]:
        return "within the margin"
    return "improvement" if sign * row["change"] > 0 else "regression"
