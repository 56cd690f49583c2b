"""Is an arm at a minimum? A plateau at the end of a schedule proves nothing, so every arm is tested.

A convex network is at its minimum where the gradient of the whole objective is zero, to a tolerance. With classes, a small
gradient alone is no proof: if the classes can be separated and the objective has no penalty, the loss falls for ever, ever
more slowly, and there is no minimum. So with classes the objective must also be known to lie close to its minimum. The
penalty's strong convexity gives the bound f - min f <= |gradient|^2 / (2 l2) (Boyd & Vandenberghe 2004, eq. 9.9). A sum of
squares has a minimum without a penalty.

Any other network has no such bound. It must pass three tests:

- It fits its training examples.
- The gradient of its objective is a small part of what it was at the start, in the mean over its runs. (The largest of
  them grows with their number, so that a later look would fail arms that an earlier one let pass.) Scale-free tensors are
  measured at length 1, and the gradient along them, which changes no output, is left out (the probe ``gradient_norm``).
- Its objective falls by little when training goes on from the peak of the learning rate schedule for a fifth of the steps.
  The limit is a part of the objective. A fall that is a small part of the whole way that the arms have come is allowed in any
  case, because a part of next to nothing would be less than chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.console.numbers import measure, number
from harness.plugin.meta import Meta
from harness.verdict.design import Network, Row
from harness.verdict.protocol import Protocol

GRADIENT, EXCESS = "gradient_norm.relative", "gradient_norm.excess"  # columns of records.comparison
OBJECTIVE, START = "train_objective", "start_objective"  # the same: at the end of a run and where it began
NO_GRADIENT = "its gradient was not measured; add 'gradient_norm' to compare.probes"
PASSED, FAILED, UNJUDGED = "at a minimum", "not at a minimum", "not judged"

NO_RUN = "no run of a replicate that is over ended well"  # others decide nothing yet


@dataclass(frozen=True)
class Gate:
    """An arm's state, and the numbers that it follows from; NaN for a number that has no part in it."""

    state: str
    reason: str = ""  # why the arm did not pass
    gradient: float = math.nan  # in parts of its start: of a convex network the largest, of any other the mean
    error: float = math.nan  # un-augmented train error, mean over the seeds
    objective: float = math.nan  # before the run went on
    restarted: float = math.nan  # and after
    gain_limit: float = math.nan  # the objective may fall by less than this

    @property
    def passed(self) -> bool:
        """Whether the arm is at a minimum; one that could not be judged is not."""
        return self.state == PASSED

    @property
    def gain(self) -> float:
        """By how much going on lowered the objective."""
        return self.objective - self.restarted


def judge_gate(network: Network, arm: str, meta: Meta) -> Gate:
    """Return whether an arm is at a minimum; "not judged" where the records do not tell, which counts as failed."""
    runs, metrics = network.done_runs(arm), meta.metrics
    if not runs:
        return Gate(UNJUDGED, NO_RUN)
    if meta.benchmark["search"].get("objective", "common") != "common":
        return Gate(UNJUDGED, "each arm may have an objective of its own")
    if network.convex:
        has_classes = bool(meta.data.get("classes")) or "accuracy" in metrics
        return _judge_convex(list(runs.values()), network.protocol, has_classes)
    return _judge_restart(network, arm, "error" in metrics or "accuracy" in metrics)


def _judge_convex(runs: list[Row], protocol: Protocol, has_classes: bool) -> Gate:
    norms = [float(run.get(GRADIENT, math.nan)) for run in runs]
    if any(math.isnan(norm) for norm in norms):
        return Gate(UNJUDGED, NO_GRADIENT)
    largest, limit = max(norms), protocol.gate["gradient"]
    if largest > limit:
        return Gate(
            FAILED, f"the gradient is {_percent(largest)} of its start, above {_percent(limit)}", gradient=largest
        )
    if not has_classes:
        return Gate(PASSED, gradient=largest)
    excesses, nats = [float(run.get(EXCESS, math.nan)) for run in runs], protocol.gate["nats"]
    if any(math.isnan(excess) for excess in excesses):
        return Gate(FAILED, "the objective has no penalty (l2), and so perhaps no minimum", gradient=largest)
    if max(excesses) > nats:
        most, allowed = measure(max(excesses), "nats"), measure(nats, "nats")
        reason = f"the objective may still be {most} above its minimum, more than {allowed}"
        return Gate(FAILED, reason, gradient=largest)
    return Gate(PASSED, gradient=largest)


def _judge_restart(network: Network, arm: str, has_error: bool) -> Gate:
    runs, protocol = list(network.done_runs(arm).values()), network.protocol
    before, after = _largest_gain(network, arm)
    gate = Gate(
        UNJUDGED,
        gradient=sum(_number(run, GRADIENT) for run in runs) / len(runs),
        error=sum(map(_train_error, runs)) / len(runs) if has_error else math.nan,
        objective=before,
        restarted=after,
        gain_limit=max(protocol.gate["gain"] * before, protocol.gate["spread"] * _spread(network)),
    )
    failed = _reasons_against(gate, protocol)
    if failed:
        return replace(gate, state=FAILED, reason="; ".join(failed))
    unknown = ["its train error was not measured"] if has_error and math.isnan(gate.error) else []
    unknown += [NO_GRADIENT] if math.isnan(gate.gradient) else []
    unknown += [_why_no_gain(network, arm)] if math.isnan(gate.gain) else []
    return replace(gate, state=UNJUDGED if unknown else PASSED, reason="; ".join(unknown))


def _reasons_against(gate: Gate, protocol: Protocol) -> list[str]:
    """Return why an arm with these numbers is not at a minimum; a number that is not known says nothing."""
    stationary, reasons = protocol.gate["stationary"], []
    if gate.error > protocol.fit:
        reasons.append(f"its train error is {measure(gate.error, '%')}, above {measure(protocol.fit, '%')}")
    if gate.gradient > stationary:
        share, limit = _percent(gate.gradient), _percent(stationary)
        reasons.append(f"the gradient is {share} of its start in the mean, above {limit}")
    if gate.gain >= gate.gain_limit:
        limit = _percent(gate.gain_limit / gate.objective) if gate.objective > 0 else number(gate.gain_limit)
        reasons.append(
            f"going on lowered its objective from {number(gate.objective)} to {number(gate.restarted)}, by {limit} or more"
        )
    return reasons


def _percent(part: float) -> str:
    return f"{number(100 * part)} %"


def _spread(network: Network) -> float:
    """Return how far the arms' objectives have come, from the highest start to the lowest end; 0 where it is not known."""
    runs = [run for arm in network.arms for run in network.done_runs(arm).values()]
    starts, ends = ([_number(run, column) for run in runs] for column in (START, OBJECTIVE))
    spread = max(starts, default=math.nan) - min(ends, default=math.nan)
    return spread if math.isfinite(spread) else 0.0


def _number(run: Row, column: str) -> float:
    return float(run.get(column, math.nan))


def _train_error(run: Row) -> float:
    """Return a run's train error, which a task may record as its accuracy alone; NaN where it has neither."""
    return float(run.get("train_error", 1 - float(run.get("train_accuracy", math.nan))))


def _restarts(network: Network, arm: str) -> list[tuple[Row, Row]]:
    """Return the arm's runs that went on, each after the run that it goes on from."""
    ended = {int(run["init_seed"]): run for run in network.done_runs(arm).values()}
    restarts = network.restarts.get(arm, {}).values()
    return [(ended[seed], restart) for restart in restarts if (seed := int(restart["init_seed"])) in ended]


def _largest_gain(network: Network, arm: str) -> tuple[float, float]:
    """Return the objective before and after the restart that lowered it most; NaN where none was measured."""
    pairs = [(_number(run, OBJECTIVE), _number(restart, OBJECTIVE)) for run, restart in _restarts(network, arm)]
    measured = [pair for pair in pairs if all(map(math.isfinite, pair))]
    return max(measured, key=lambda pair: pair[0] - pair[1], default=(math.nan, math.nan))


def _why_no_gain(network: Network, arm: str) -> str:
    """Return why nothing is known of an arm's restarts."""
    restarts = network.restarts.get(arm, {})
    lost = sorted({str(run["state"]) for run in restarts.values()} - {"done"})
    if lost:
        return f"its run that went on has no result ({', '.join(lost)})"
    if _restarts(network, arm):
        return "its objective was not measured"
    return "no run of it went on; set compare.gate = true"
