"""How many workers, or runs in a crew, raise the throughput: each number is timed for a moment, on steps of a run that waits.

The steps of a rehearsal are thrown away. The number that is chosen decides how fast the work is done, and never its results.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Workbench
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import Run

if TYPE_CHECKING:
    from harness.training.parts import Parts

SECONDS = 0.25  # of steps, for each number
AT_MOST = 3.0  # seconds of one rehearsal, after which no larger number is tried
ENOUGH = 0.95  # of the best rate
PAYS = 20.0  # seconds of work for one worker, below which nothing is timed any further
EPOCHS = 100  # that a run is rehearsed for at the most, so that its steps do not run out
SETTLED = 2  # turns, after which a run's steps are as they stay: recorded as a graph, for example


def numbers_up_to(most: int) -> list[int]:
    """Return 1, 2, 4, ... and the largest number itself.

    >>> numbers_up_to(6)
    [1, 2, 4, 6]
    """
    doubled = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*doubled, most]


@dataclass
class Choice:
    """A number that is chosen by its rate: the smallest one that is nearly as good as the best.

    Larger numbers are timed as long as they raise the rate by more than that. ``work`` is how much there is to do, in the
    unit of the rates; where it is known and little, the largest number is taken and no more is timed.

    >>> choice = Choice(most=8)
    >>> while (number := choice.next) is not None:
    ...     choice.take(number, {1: 100.0, 2: 190.0, 4: 195.0}[number])
    >>> choice.chosen
    2
    """

    most: int
    work: float = 0.0  # 0: unknown
    rates: dict[int, float] = field(default_factory=dict)

    def take(self, number: int, rate: float) -> None:
        """Take note of a number's rate, in steps a second."""
        self.rates[number] = rate

    @property
    def next(self) -> int | None:
        """The next number to time; None once the choice is made."""
        timed = sorted(self.rates)
        if not timed:
            return 1 if self.most > 1 else None
        if self._is_little or self.rates[timed[-1]] <= 0:
            return None
        if len(timed) > 1 and self.rates[timed[-1]] * ENOUGH < self.rates[timed[-2]]:
            return None
        return next((number for number in numbers_up_to(self.most) if number > timed[-1]), None)

    @property
    def chosen(self) -> int:
        """The number that is taken."""
        best = max(self.rates.values(), default=0.0)
        if best <= 0 or self._is_little:
            return self.most
        return min(number for number, rate in self.rates.items() if rate >= ENOUGH * best)

    @property
    def times(self) -> float | None:
        """How many times the rate of one the chosen number has; None where that was not timed."""
        one, rate = self.rates.get(1, 0.0), self.rates.get(self.chosen)
        return rate / one if one > 0 and rate is not None and len(self.rates) > 1 else None

    @property
    def _is_little(self) -> bool:
        return bool(self.work) and self.rates.get(1, 0.0) * PAYS > self.work


def gain_line(choice: Choice) -> str:
    """Return what the chosen number brings, for a line; "" where that was not timed.

    >>> gain_line(Choice(8, rates={1: 100.0, 2: 190.0}))
    '2 give 1.9 times the steps of 1'
    >>> gain_line(Choice(2, rates={1: 100.0, 2: 90.0}))
    '2 give 0.9 times the steps of 1'
    """
    if choice.times is None:
        return ""
    if choice.chosen == 1:
        other = min(number for number in choice.rates if number > 1)
        return f"{other} give {choice.rates[other] / choice.rates[1]:.1f} times the steps of 1"
    return f"{choice.chosen} give {choice.times:.1f} times the steps of 1"


# --- in a worker --------------------------------------------------------------------------------------------------


def rehearse(run: Run, workbench: Workbench, numbers: Sequence[int], seconds: float = SECONDS) -> dict[int, float]:
    """Take steps of a run in so many copies of it, side by side in this process; return the steps a second by number.

    A number that fails, for lack of memory for example, and those after it are left out. So are those after one that
    brings no more than the one before.
    """
    run, members, rates = replace(run, epochs=max(run.epochs, EPOCHS)), [], {}
    choice, began = Choice(max(numbers)), time.monotonic()
    try:
        for number in numbers:
            if rates and (time.monotonic() - began > AT_MOST or choice.next is None):
                break
            with Boundary():
                while len(members) < number:
                    members.append(_settled(run, workbench))
                rates[number] = _rate(members, seconds)
            choice.take(number, rates[number])
    except HarnessError:
        pass  # the run itself says what is wrong
    finally:
        for member in members:
            member.close()
        members.clear()
        _free_memory()
    return rates


class _Rehearsal:
    """A run that takes steps and records nothing."""

    def __init__(self, run: Run, workbench: Workbench) -> None:
        self.parts: Any = workbench.parts(run)
        who = f"arm {run.arm.name} (or its task, {run.task})"
        self._turns = kept_apart(self.parts.turn.of(_turns(run, self.parts)), who)

    def take_turn(self) -> int:
        """Take the steps of a turn; return how many, 0 where the run has no more."""
        return next(self._turns, (0, []))[0]

    def close(self) -> None:
        """Leave the run."""
        self._turns.close()  # type: ignore[attr-defined]


def _turns(run: Run, parts: Parts) -> Iterator[int]:
    """Take the steps of a run without evaluating it; yield where others have their turn: the number of steps since then."""
    for epoch in parts.resume(None, run.epochs):
        if parts.recorder is None:
            for inputs, targets in parts.batches.of(epoch):
                parts.step(inputs, targets)
                yield 1
            continue
        turns = list_of_turns(len(parts.batches))
        for steps, _ in zip(turns, parts.steps(epoch), strict=False):
            yield steps


def list_of_turns(steps: int) -> list[int]:
    """Return how many steps of an epoch each of its turns has."""
    from harness.training.stepping import ISSUED

    return [*[ISSUED] * (steps // ISSUED), steps % ISSUED]


def _settled(run: Run, workbench: Workbench) -> _Rehearsal:
    """Return a run whose steps are as they stay."""
    rehearsal = _Rehearsal(run, workbench)
    for _ in range(SETTLED):
        rehearsal.take_turn()
    return rehearsal


def _rate(members: Sequence[_Rehearsal], seconds: float) -> float:
    """Return the steps a second of all members, each having its turn."""
    wait = _waiting(members[0].parts.device)
    wait()
    steps, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        taken = sum(member.take_turn() for member in members)
        if not taken:
            break
        steps += taken
    wait()
    return steps / (time.monotonic() - began)


def _waiting(device: Any) -> Any:
    """Return what waits until the device has done all its work."""
    if device.type != "cuda":
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device.name)


def _free_memory() -> None:
    """Give the memory of the GPU back to those who come next."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
