"""Is an arm at a minimum? A plateau at the end of a schedule proves nothing, so every arm is tested.

A convex network is at its minimum where the gradient of the whole objective is zero, to a tolerance. With classes, a small
gradient alone is no proof: if the classes can be separated and the objective has no penalty, the loss falls for ever, ever
more slowly, and there is no minimum. So with classes the objective must also be known to lie close to its minimum. The
penalty's strong convexity gives the bound f - min f <= |gradient|^2 / (2 l2) (Boyd & Vandenberghe 2004, eq. 9.9). A sum of
squares has a minimum without a penalty.

Any other network must fit its training examples. It must also not find a much lower train loss when its training goes on
from the peak of the learning rate schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from harness.plugin.meta import Meta
from harness.verdict.design import Network, Row
from harness.verdict.protocol import Protocol

GRADIENT, EXCESS = "gradient_norm.relative", "gradient_norm.excess"  # columns of records.comparison
PASSED, FAILED, UNJUDGED = "at a minimum", "not at a minimum", "not judged"


@dataclass(frozen=True)
class Gate:
    """An arm's state, and the numbers that it follows from; NaN for a number that has no part in it."""

    state: str
    reason: str = ""  # why the arm did not pass
    gradient: float = math.nan  # the largest over the seeds, as a part of the gradient at the start
    error: float = math.nan  # un-augmented train error, mean over the seeds
    loss: float = math.nan  # train loss before the run went on
    restarted: float = math.nan  # and after
    gain_limit: float = math.nan  # the train loss may fall by less than this

    @property
    def passed(self) -> bool:
        """Whether the arm is at a minimum; one that could not be judged is not."""
        return self.state == PASSED

    @property
    def gain(self) -> float:
        """By how much going on lowered the train loss."""
        return self.loss - self.restarted


def judge_gate(network: Network, arm: str, meta: Meta) -> Gate:
    """Return whether an arm is at a minimum; "not judged" where the records do not tell, which counts as failed."""
    runs, metrics = network.done_runs(arm), meta.metrics
    if not runs:
        return Gate(UNJUDGED, "no run ended well")
    if network.convex:
        has_classes = bool(meta.data.get("classes")) or "accuracy" in metrics
        return _judge_convex(list(runs.values()), network.protocol, has_classes)
    return _judge_restart(network, arm, "error" in metrics or "accuracy" in metrics)


def _judge_convex(runs: list[Row], protocol: Protocol, has_classes: bool) -> Gate:
    norms = [float(run.get(GRADIENT, math.nan)) for run in runs]
    if any(math.isnan(norm) for norm in norms):
        return Gate(UNJUDGED, "its gradient was not measured; add 'gradient_norm' to compare.probes")
    largest, limit = max(norms), protocol.gate["gradient"]
    if largest > limit:
        return Gate(FAILED, f"the gradient is {largest:.2g} of its start, above {limit:g}", gradient=largest)
    if not has_classes:
        return Gate(PASSED, gradient=largest)
    excesses, nats = [float(run.get(EXCESS, math.nan)) for run in runs], protocol.gate["nats"]
    if any(math.isnan(excess) for excess in excesses):
        return Gate(FAILED, "the objective has no penalty (l2), and so perhaps no minimum", gradient=largest)
    if max(excesses) > nats:
        reason = f"the objective may still be {max(excesses):.2g} above its minimum, more than {nats:g}"
        return Gate(FAILED, reason, gradient=largest)
    return Gate(PASSED, gradient=largest)


def _judge_restart(network: Network, arm: str, has_error: bool) -> Gate:
    runs, fit = network.done_runs(arm), network.protocol.fit
    error = sum(map(_train_error, runs.values())) / len(runs) if has_error else math.nan
    before, after = _largest_gain(network, arm)
    measured = math.isfinite(before)
    limit = max(network.protocol.gate["gain"] * before, network.protocol.gate["nats"]) if measured else math.nan
    gradient = max(float(run.get(GRADIENT, math.nan)) for run in runs.values())  # shown, and not judged
    gate = partial(Gate, gradient=gradient, error=error, loss=before, restarted=after, gain_limit=limit)
    if has_error and math.isnan(error):
        return gate(UNJUDGED, "its train error was not measured")
    if has_error and error > fit:
        return gate(FAILED, f"its train error is {error:.2%}, above {fit:.2%}")
    if not measured:
        return gate(UNJUDGED, _why_no_gain(network, arm))
    if before - after >= limit:
        reason = f"going on lowered its train loss from {before:.3g} to {after:.3g}, by {limit:.2g} or more"
        return gate(FAILED, reason)
    return gate(PASSED)


def _train_error(run: Row) -> float:
    """Return a run's train error, which a task may record as its accuracy alone; NaN where it has neither."""
    return float(run.get("train_error", 1 - float(run.get("train_accuracy", math.nan))))


def _largest_gain(network: Network, arm: str) -> tuple[float, float]:
    """Return the train loss before and after the restart that lowered it most; NaN where none was measured."""
    runs, losses = network.done_runs(arm), []
    for seed, restart in network.restarts.get(arm, {}).items():
        if restart["state"] == "done" and seed in runs:
            before, after = (float(run.get("train_loss", math.nan)) for run in (runs[seed], restart))
            if math.isfinite(before) and math.isfinite(after):
                losses.append((before, after))
    return max(losses, key=lambda pair: pair[0] - pair[1], default=(math.nan, math.nan))


def _why_no_gain(network: Network, arm: str) -> str:
    """Return why nothing is known of an arm's restarts."""
    restarts = network.restarts.get(arm, {})
    lost = sorted({str(run["state"]) for run in restarts.values()} - {"done"})
    if lost:
        return f"its run that went on has no result ({', '.join(lost)})"
    if any(seed in network.done_runs(arm) for seed in restarts):
        return "its train loss was not measured"
    return "no run of it went on; set compare.gate = true"
