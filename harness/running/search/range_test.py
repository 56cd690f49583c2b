"""The learning-rate range test: one short training whose rate rises step by step until the loss runs away.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186. It starts at the initial weights of
the search and leaves no trace: the parts it trains are its own, and every random generator is put back.

What differs from the paper, and from the usual tools: the smoothed curve is centred, so it does not lag behind the rate,
and the rate that is suggested is not where one slope is steepest but the middle of the valley, which noise moves least.
``docs/lr-find.md`` has the measurements this rests on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DiskError, HarnessError
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Schedule, Scheduler
from harness.plugin.process_settings import kept
from harness.training.lr_curve import CHOSEN, PART, WORDS, Curve, RangeTest, runaway, smooth, suggestions

if TYPE_CHECKING:
    import torch

    from harness.benchmark.arms import Competitor
    from harness.benchmark.plan import Setting
    from harness.plugin.runs import Run
    from harness.training.augmentation import Targets
    from harness.training.parts import Parts

DENSITY = 80  # steps per decade; the curve moves to lower rates as they grow, so a total would tie it to the range
BEYOND = 10.0  # the sweep begins so many times below the space's lowest rate, and ends so many times above its highest
WIDTH = 10.0  # a search that is centred goes so many times below and above the suggestion


class Still:
    """A schedule that leaves the learning rate alone."""

    def step(self, *_: Any) -> None:
        """Do nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""


def _still(optimizer: torch.optim.Optimizer, total_steps: int) -> Schedule:
    return Still()


STILL = Scheduler(name="still", build=_still)


# --- the sweep


def sweep(parts: Parts, low: float, high: float, steps: int, check: Callable[[], None] = lambda: None) -> Curve:
    """Return the curve of a training in which the rate rises from ``low`` to ``high`` by one factor a step.

    It stops when the loss runs away. ``parts`` must be freshly assembled with ``STILL``, and are spent afterwards;
    ``check`` is called at every step and may raise. Raises ValueError for parts with another schedule.
    """
    if parts.ingredients.scheduler is not STILL:
        raise ValueError(f"must be parts with the schedule '{STILL.name}', got '{parts.ingredients.scheduler.name}'")
    rates = np.geomspace(low, high, steps)
    losses: list[float] = []
    diverged = False
    for lr, inputs_and_targets in zip(rates, _batches(parts), strict=False):
        check()
        _set_rate(parts.optimizer, float(lr))
        loss = float(parts.step(*inputs_and_targets))
        diverged = not math.isfinite(loss) or _ran_away([*losses, loss])
        if math.isfinite(loss):
            losses.append(loss)
        if diverged:
            break
    lrs, raw = rates[: len(losses)], np.array(losses)
    return Curve(lrs, raw, smooth(lrs, raw) if losses else raw, diverged)


def _batches(parts: Parts) -> Iterator[tuple[torch.Tensor, Targets]]:
    """Yield batches without end, epoch after epoch."""
    for epoch in parts.resume(None, 10**9):
        yield from parts.batches.of(epoch)


def _ran_away(losses: list[float], window: int = 5) -> bool:
    """Return whether the mean of the last losses is above the level of divergence; one unlucky batch is not enough."""
    if len(losses) < window:
        return False
    return float(np.mean(losses[-window:])) > runaway(np.array(losses))


def _set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the first group's learning rate, and those of the others in the ratio they have to it."""
    import torch

    first = float(optimizer.param_groups[0]["lr"])
    for group in optimizer.param_groups:
        rate = lr * float(group["lr"]) / first if first else lr
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def _generators_kept(device: str) -> Iterator[None]:
    """Put every global random generator back to where it was."""
    import torch

    plain, numpys = random.getstate(), np.random.get_state()
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(plain)
            np.random.set_state(numpys)


# --- one arm


def cannot(competitor: Competitor) -> str:
    """Return why an arm cannot have a range test; empty where it can."""
    space = competitor.space.get("lr")
    if "lr" in competitor.fixed:
        return f"its learning rate is fixed at {competitor.fixed['lr']:g}"
    if space is None:
        return "it has no learning rate to search"
    if not (hasattr(space, "low") and isinstance(space.low, float) and space.low > 0):
        return "its learning rate is not searched in a range above 0"
    return ""


def range_test_steps(competitor: Competitor) -> int:
    """Return how many steps the range test of an arm has; 0 where it can have none."""
    if cannot(competitor):
        return 0
    space: Any = competitor.space["lr"]
    return math.ceil(DENSITY * math.log10(space.high * BEYOND / (space.low / BEYOND)))


def range_test(
    setting: Setting, competitor: Competitor, steps: int | None = None, check: Callable[[], None] = lambda: None
) -> RangeTest:
    """Return the range test of one arm, from the initial weights and on the batches of its search.

    It has ``DENSITY`` steps a decade unless ``steps`` says how many in all. All hyperparameters but the rate are the
    optimizer's defaults. What a plugin raises becomes the note.
    """
    arm = competitor.name
    if reason := cannot(competitor):
        return RangeTest(arm, note=reason)
    space: Any = competitor.space["lr"]
    low, high = space.low / BEYOND, space.high * BEYOND
    steps = steps or range_test_steps(competitor)
    try:
        with Boundary(), _generators_kept(setting.device.name), kept(f"arm {arm}, in its range test,"):
            curve = sweep(_parts(setting, competitor, low), low, high, steps, check)
    except DiskError:
        raise
    except HarnessError as error:  # the other arms are tested all the same
        return RangeTest(arm, note=f"the sweep failed: {error}", failed=True)
    rates = suggestions(curve.lr, curve.loss)
    if not rates:
        return RangeTest(arm, curve, note=f"the loss never clearly fell between {low:g} and {high:g}")
    note = "" if curve.diverged or _rises(curve) else f"the loss did not rise again up to {high:g}: it may be too low"
    return RangeTest(arm, curve, rates, note)


def _rises(curve: Curve) -> bool:
    """Return whether the far side of the valley is on the curve."""
    lowest = int(np.argmin(curve.smoothed))
    top = curve.smoothed[: lowest + 1].max()
    return bool(curve.smoothed[-1] > top - PART * (top - curve.smoothed[lowest]))


def _parts(setting: Setting, competitor: Competitor, lr: float) -> Parts:
    """Return fresh parts as a search run has them, with a schedule that does nothing."""
    from harness.benchmark.arms import middle
    from harness.running.workbench import Bench

    still = replace(competitor, scheduler=STILL, fixed=_without_schedule(competitor.fixed))
    needed = {name: value for name, value in middle(competitor).items() if _needed(name, competitor)}
    epochs = setting.plan.benchmark.search.epochs[-1]
    run: Run = setting.search_run(still, {**needed, "lr": lr, "epochs": epochs})
    run = replace(run, head_epochs=0)  # a sweep has one stage: it moves all that the arm trains
    plan = replace(setting.plan, competitors=(still,))
    return Bench(replace(setting, plan=plan), lambda _: None).parts(run)


def _without_schedule(fixed: Mapping[str, Any]) -> dict[str, Any]:
    from harness.benchmark.spaces import SCHEDULE

    return {name: value for name, value in fixed.items() if not name.startswith(SCHEDULE)}


def _needed(name: str, competitor: Competitor) -> bool:
    """Return whether a searched hyperparameter of the optimizer has no default."""
    from harness.benchmark.spaces import SCHEDULE

    ours = ("lr", "epochs", "batch_size", "layer_factor")
    return name not in ours and not name.startswith(SCHEDULE) and name not in competitor.optimizer.defaults


def centred(competitor: Competitor, lr: float) -> Competitor:
    """Return the arm with its learning rate searched from ``lr / WIDTH`` to ``lr * WIDTH``, evenly in decades."""
    from optuna.distributions import FloatDistribution

    return replace(competitor, space={**competitor.space, "lr": FloatDistribution(lr / WIDTH, lr * WIDTH, log=True)})


def line(test: RangeTest) -> str:
    """Return what came out for an arm in a line: the suggestion first."""
    if not test.suggestions:
        return f"{test.arm}: no suggestion: {test.note}"
    rates = [f"{WORDS[rule]} {rate:.2g}" for rule, rate in test.suggestions.items() if rule != CHOSEN]
    note = f"; {test.note}" if test.note else ""
    return f"{test.arm}: lr {test.lr:.2g} ({WORDS[CHOSEN]}; {', '.join(rates)}){note}"
