"""Is it a minimum? A plateau at the end of a schedule proves nothing, so every arm is put to a test of its own.

A convex network is at its minimum where the gradient of the whole objective is zero, to a tolerance. A small gradient
alone is no proof: of classes that can be told apart and without a penalty the loss falls for ever, ever more slowly, and
there is no minimum at all. So with classes the objective must also be known to lie within a little of its minimum, which
the penalty's strong convexity tells: f - min f <= |gradient|^2 / (2 l2) (Boyd & Vandenberghe 2004, eq. 9.9). A sum of
squares has its minimum without one. Any other network must fit
its training examples, and must not find anything better by far when it begins once more at the peak of its schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from harness.plugin.meta import Meta
from harness.verdict.design import Cell, Row
from harness.verdict.protocol import Protocol

GRADIENT, EXCESS = "gradient_norm.relative", "gradient_norm.excess"  # columns of records.comparison
PASSED, FAILED, UNJUDGED = "at a minimum", "not at a minimum", "not judged"


@dataclass(frozen=True)
class Gate:
    """What the gate says of an arm, and the numbers it says it from; NaN where they have no part in it."""

    state: str
    reason: str = ""  # why it is not passed
    gradient: float = math.nan  # the largest over the seeds
    error: float = math.nan  # un-augmented train error, mean over the seeds
    loss: float = math.nan  # train loss of the run that went on, before
    restarted: float = math.nan  # and after
    gain_limit: float = math.nan  # so much it may fall

    @property
    def gain(self) -> float:
        """How much the restart lowered the train loss."""
        return self.loss - self.restarted


def gate(cell: Cell, arm: str, meta: Meta) -> Gate:
    """Return whether an arm is at a minimum; "not judged" where the records do not tell, which counts as failed."""
    done, metrics = cell.done(arm), meta.metrics
    if not done:
        return Gate(UNJUDGED, "no run ended well")
    if cell.convex:
        return _convex(list(done.values()), cell.protocol, bool(meta.data.get("classes")) or "accuracy" in metrics)
    return _restarted(cell, arm, "error" in metrics or "accuracy" in metrics)


def _train_error(run: Row) -> float:
    """Return a run's train error, which a task may record as its accuracy alone; NaN where it has neither."""
    return float(run.get("train_error", 1 - float(run.get("train_accuracy", math.nan))))


def _convex(runs: list[Row], protocol: Protocol, classes: bool) -> Gate:
    norms = [float(run.get(GRADIENT, math.nan)) for run in runs]
    if any(math.isnan(norm) for norm in norms):
        return Gate(UNJUDGED, "its gradient was not measured; add 'gradient_norm' to compare.probes")
    worst, limit = max(norms), protocol.gate["gradient"]
    if worst > limit:
        return Gate(FAILED, f"the gradient is {worst:.2g} of its start, above {limit:g}", gradient=worst)
    if not classes:
        return Gate(PASSED, gradient=worst)
    above, nats = [float(run.get(EXCESS, math.nan)) for run in runs], protocol.gate["nats"]
    if any(math.isnan(each) for each in above):
        return Gate(FAILED, "the objective has no penalty (l2), and so perhaps no minimum", gradient=worst)
    if max(above) > nats:
        why = f"the objective may still be {max(above):.2g} above its minimum, more than {nats:g}"
        return Gate(FAILED, why, gradient=worst)
    return Gate(PASSED, gradient=worst)


def _restarted(cell: Cell, arm: str, has_error: bool) -> Gate:
    done, fit = cell.done(arm), cell.protocol.fit
    errors = [_train_error(run) for run in done.values()]
    error = sum(errors) / len(errors) if has_error else math.nan
    again = {seed: run for seed, run in cell.restarts.get(arm, {}).items() if run["state"] == "done" and seed in done}
    losses = {
        seed: (done[seed].get("train_loss", math.nan), run.get("train_loss", math.nan)) for seed, run in again.items()
    }
    gains = [(float(before), float(after)) for before, after in losses.values()]
    gains = [(before, after) for before, after in gains if math.isfinite(before) and math.isfinite(after)]
    before, after = max(gains, key=lambda pair: pair[0] - pair[1], default=(math.nan, math.nan))
    limit = max(cell.protocol.gate["gain"] * before, cell.protocol.gate["nats"]) if gains else math.nan
    gradient = max(float(run.get(GRADIENT, math.nan)) for run in done.values())  # shown, and not judged
    said = partial(Gate, gradient=gradient, error=error, loss=before, restarted=after, gain_limit=limit)
    if has_error and math.isnan(error):
        return said(UNJUDGED, "its train error was not measured")
    if has_error and error > fit:
        return said(FAILED, f"its train error is {error:.2%}, above {fit:.2%}")
    if not gains:
        ended = sorted({str(run["state"]) for run in cell.restarts.get(arm, {}).values()} - {"done"})
        if ended:
            return said(UNJUDGED, f"the run of it that went on has no result ({', '.join(ended)})")
        if again:
            return said(UNJUDGED, "its train loss was not measured")
        return said(UNJUDGED, "no run of it went on; set compare.gate = true")
    if before - after >= limit:
        reason = f"going on lowered its train loss from {before:.3g} to {after:.3g}, by {limit:.2g} or more"
        return said(FAILED, reason)
    return said(PASSED)
