"""How many workers, or runs in a crew, raise the throughput: each number is timed for a moment, on steps of a run that waits.

The steps of a rehearsal are thrown away. The number that is chosen decides how fast the work is done, and never its results.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.console.numbers import counted
from harness.errors import HarnessError
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Staffing, Workbench
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import Run
from harness.running.workers.messages import Rehearse

if TYPE_CHECKING:
    from harness.training.pauses import Pause

SECONDS = 0.25  # of steps, for each number
AT_MOST = 3.0  # seconds of one rehearsal since its first number, after which no larger number is tried
ENOUGH = 0.95  # of the best rate
PAYS = 20.0  # seconds of work for one worker, below which nothing is timed any further
EPOCHS = 10_000  # of a rehearsed run: so many that no copy comes to its end while others are timed
SETTLED = 2  # turns, after which a run's steps are as they stay: recorded as a graph, for example
WARM = 0.1  # seconds of turns at the least, after which caches are as they stay


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
    def _is_little(self) -> bool:
        return bool(self.work) and self.rates.get(1, 0.0) * PAYS > self.work


class Rehearsal:
    """What a pool does to choose: it has workers rehearse a run, number after number, until the choice is made.

    Where workers have several places, the size of a crew is chosen: one worker tries all sizes. Else the number of workers
    is: so many of them rehearse at the same time, one copy each.
    """

    def __init__(self, workers: int, places: int, work: float = 0.0) -> None:
        self._most_workers, self._most_places = workers, places
        self._of_crew = places > 1
        self._choice = Choice(places if self._of_crew else workers, work)
        self._asked: dict[int, float | None] = {}  # the rate of each worker that rehearses now; None: it is under way
        self._since = 0.0  # when they were asked
        self.has_begun = False
        self.is_over = False

    def go_on(self, run: Run, workers: Sequence[int]) -> list[tuple[int, Rehearse]]:
        """Return what must be sent to which worker; nothing while some are at it, or when the choice is made."""
        self.has_begun = True
        if None in self._asked.values() or self.is_over:
            return []
        if self._asked:
            self._choice.take(len(self._asked), sum(rate or 0.0 for rate in self._asked.values()))
        number = None if self._of_crew and self._choice.rates else self._choice.next
        if number is None or number > len(workers):
            self.is_over = True
            return []
        numbers = numbers_up_to(self._most_places) if self._of_crew else [1]
        self._asked, self._since = dict.fromkeys(workers[: 1 if self._of_crew else number]), time.monotonic()
        return [(worker, Rehearse(run, numbers, SECONDS, self._choice.work)) for worker in self._asked]

    def take(self, worker: int, rates: Mapping[int, float]) -> None:
        """Take what a worker has measured; nothing from one that has failed."""
        if worker not in self._asked:
            return
        self._asked[worker] = rates.get(1, 0.0)
        if self._of_crew:
            for number, rate in rates.items():
                self._choice.take(number, rate)
            self.is_over = True

    def late(self, seconds: float) -> list[int]:
        """Return the workers that have been at it for longer than this."""
        is_late = bool(seconds) and time.monotonic() - self._since > seconds
        return [worker for worker, rate in self._asked.items() if rate is None and is_late]

    @property
    def workers(self) -> int:
        """How many workers there should be."""
        return self._most_workers if self._of_crew else self._choice.chosen

    @property
    def places(self) -> int:
        """How many places each of them should have."""
        if self._of_crew and not self._choice.rates:
            return 1  # it failed even alone, so nothing is known
        return self._choice.chosen if self._of_crew else 1

    @property
    def line(self) -> str:
        """What the chosen number brings; "" where that was not timed.

        >>> rehearsal = Rehearsal(workers=1, places=8)
        >>> messages = rehearsal.go_on(run=None, workers=[0])
        >>> rehearsal.take(0, {1: 100.0, 2: 190.0, 4: 192.0})
        >>> rehearsal.places, rehearsal.line
        (2, '2 give 1.9 times the steps of 1')
        """
        rates, chosen = self._choice.rates, self._choice.chosen
        larger = chosen if chosen > 1 else min((number for number in rates if number > 1), default=1)
        if larger == 1 or larger not in rates or rates.get(1, 0.0) <= 0:
            return ""
        return f"{larger} give {rates[larger] / rates[1]:.1f} times the steps of 1"


def staff_line(workers: int, places: int, staffing: Staffing, why: str) -> str:
    """Return how many workers there are, in a line.

    >>> from harness import Staffing
    >>> staff_line(2, 1, Staffing(), "2 give 1.9 times the steps of 1")
    '2 workers of 1 thread each: 2 give 1.9 times the steps of 1'
    >>> staff_line(1, 8, Staffing(device="cuda:0"), "")
    '1 worker with a crew of 8 runs'
    """
    crew = f"with a crew of {counted(places, 'run')}" if places > 1 else ""
    per_worker = " each" if workers > 1 else ""
    line = f"{counted(workers, 'worker')} {crew or 'of ' + counted(staffing.threads, 'thread')}{per_worker}"
    return f"{line}: {why}" if why else line


# --- in a worker


def rehearse(
    run: Run, workbench: Workbench, numbers: Sequence[int], seconds: float = SECONDS, work: float = 0.0
) -> dict[int, float]:
    """Take steps of a run in so many copies of it, side by side in this process; return the steps a second by number.

    A number that fails, for lack of memory for example, and those after it are left out. So are those after one that
    brings no more than the one before, and all but the first where there is little ``work``, in steps.
    """
    from harness.training.turns import free_memory  # it needs torch, which the driver does without

    run = replace(run, epochs=max(run.epochs, EPOCHS))
    members: list[_Rehearsal] = []
    rates: dict[int, float] = {}
    choice, began = Choice(max(numbers), work), 0.0
    try:
        for number in numbers:
            if rates and (time.monotonic() - began > AT_MOST or choice.next is None):
                break
            with Boundary():
                while len(members) < number:
                    members.append(_settled(run, workbench))
                rates[number] = _rate(members, seconds)
            choice.take(number, rates[number])
            began = began or time.monotonic()  # to build the first copy takes long, and it serves the run itself too
    except HarnessError:
        pass  # the run itself says what is wrong
    finally:
        for member in members:
            member.close()
        members.clear()
        free_memory()
    return rates


class _Rehearsal:
    """A run that takes steps and records nothing."""

    def __init__(self, run: Run, workbench: Workbench) -> None:
        self.parts: Any = workbench.parts(run)
        self.steps = 0
        who = f"arm {run.arm.name} (or its task, {run.task})"
        self._turns = kept_apart(self.parts.turn.of(self._go(run)), who)

    def take_turn(self) -> bool:
        """Take the steps of a turn; return whether there were any."""
        return next(self._turns, None) is not None

    def close(self) -> None:
        """Leave the run."""
        self._turns.close()  # type: ignore[attr-defined]
        self.parts.release()

    def _go(self, run: Run) -> Iterator[Pause]:
        """Take the steps of a run without evaluating it; yield where others have their turn.

        As a run does, it waits for the device at the end of every epoch. Else its steps would only be put in line there, faster
        than the device takes them.
        """
        from harness.training.evaluating import until_done
        from harness.training.pauses import QUIET

        parts = self.parts
        for epoch in parts.resume(None, run.epochs):
            if parts.recorder is None:
                for inputs, targets in parts.batches.of(epoch):
                    parts.step(inputs, targets)
                    self.steps += 1
                    yield QUIET
                continue
            for steps, pause in zip(list_of_turns(len(parts.batches)), parts.steps(epoch), strict=False):
                self.steps += steps
                yield pause
            yield from until_done(parts.device)
        yield None


def list_of_turns(steps: int) -> list[int]:
    """Return how many steps of an epoch each of its turns has."""
    from harness.training.stepping import ISSUED

    return [*[ISSUED] * (steps // ISSUED), steps % ISSUED]


def _settled(run: Run, workbench: Workbench) -> _Rehearsal:
    """Return a run whose steps are as they stay."""
    rehearsal, began, turns = _Rehearsal(run, workbench), time.monotonic(), 0
    while turns < SETTLED or time.monotonic() - began < WARM:
        rehearsal.take_turn()
        turns += 1
    return rehearsal


def _rate(members: Sequence[_Rehearsal], seconds: float) -> float:
    """Return the steps a second of all members, each having its turn."""
    wait = _waiting(members[0].parts.device)
    wait()
    before, began = sum(member.steps for member in members), time.monotonic()
    goes_on = True
    while goes_on and time.monotonic() - began < seconds:
        for member in members:
            goes_on &= member.take_turn()
    wait()
    return (sum(member.steps for member in members) - before) / (time.monotonic() - began)


def _waiting(device: Any) -> Any:
    """Return what waits until the device has done all its work."""
    if device.type != "cuda":
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device.name)
