"""The phases that follow the searches of a replicate: retrain what was chosen, and restart one run of each arm at the end.

Each is made without a side effect and then opened. The retraining of a replicate begins when its own searches have ended,
and goes on seed by seed. The phases of a replicate come before those of the next one. So workers are busy with later
replicates only where an earlier one has nothing for them, and an early stop leaves every arm with equal replicates. When
all replicates have ended, one run of each arm goes on for a little, which shows whether it had arrived at a minimum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence

from harness.benchmark.comparison import (
    ComparisonRun,
    arms_to_restart,
    count_replicate_runs,
    epochs_longer,
    replicate_runs,
    restart_runs,
)
from harness.benchmark.plan import Setting
from harness.plugin.runs import Run
from harness.records import Store, schema
from harness.records.attempts import of_run
from harness.running.event_loop import Unpruned, has_ended
from harness.running.throughput import Work
from harness.running.tuning import Tune
from harness.running.what_fits import Fitting
from harness.training.device import environment


class Comparison:
    """The runs of the comparison, as they are entered in the records."""

    def __init__(self, setting: Setting, store: Store, tries_again: bool = True) -> None:
        self._setting = setting
        self._store = store
        self._tries_again = tries_again  # what failed in an earlier call
        self._replicates: dict[int, Sequence[ComparisonRun]] = {}
        self._restarts: Sequence[ComparisonRun] = ()
        self._tried: set[str] = set()  # runs that were entered in this call

    @property
    def runs(self) -> list[ComparisonRun]:
        """All runs that are entered, replicate by replicate, whichever was entered first; the restarts stand last."""
        runs = [run for replicate in sorted(self._replicates) for run in self._replicates[replicate]]
        return [*runs, *self._restarts]

    def enter(self, new: Sequence[ComparisonRun], replicate: int) -> deque[Run]:
        """Enter the runs of a replicate, and return those that are to be carried out."""
        self._replicates[replicate] = new
        return self._entered(new)

    def enter_restarts(self, new: Sequence[ComparisonRun]) -> deque[Run]:
        """Enter the restarts, and return those that are to be carried out."""
        self._restarts = new
        return self._entered(new)

    def note(self) -> None:
        """Note which runs the comparison consists of now."""
        self._store.note("comparison", [entry.plain() for entry in self.runs])
        self._store.note("compare_runs", [entry.run.id for entry in self.runs if entry.role == "fresh"])

    def _entered(self, new: Sequence[ComparisonRun]) -> deque[Run]:
        """Write runs down; return those to be carried out, each once. One that failed in an earlier call is tried again."""
        self._store.add_runs([entry.run for entry in new], str(environment(self._setting.device)["hash"]))
        self.note()
        waiting: dict[str, Run] = {}
        for run in (entry.run for entry in new):
            row = self._store.run(run.id)
            failed = row and row["state"] == schema.FAILED and run.id not in self._tried
            if failed and self._tries_again and not self._store.attempts.given_up(of_run(run.id)):
                self._store.reopen(run.id)
            self._tried.add(run.id)
            if not has_ended(self._store, run):
                waiting[run.id] = run
        return deque(waiting.values())

    def done(self) -> list[ComparisonRun]:
        """Return the runs that ended well."""
        return [entry for entry in self.runs if (self._store.run(entry.run.id) or {}).get("state") == schema.DONE]


class Entered(Unpruned, ABC):
    """What the phases have in common whose runs are entered when those before them have ended."""

    def __init__(self, store: Store, say_end: Callable[[Run], object]) -> None:
        self.entered = False
        self.left_out = 0  # runs for which a time limit has no room
        self.waiting: deque[Run] = deque()
        self._store = store
        self._say_end = say_end
        self._under_way: dict[str, Run] = {}  # by id

    @property
    def all_ended(self) -> bool:
        """Whether every run that was handed out or waits has ended."""
        return not self.waiting and all(has_ended(self._store, run) for run in self._under_way.values())

    def next(self) -> Run | None:
        """Return the next run; None where there is none yet, or no more."""
        self.enter()
        if not self.waiting:
            return None
        run = self.waiting.popleft()
        self._under_way[run.id] = run
        return run

    def ended(self, run: Run) -> None:
        """Say how the run ended."""
        self._under_way.pop(run.id, None)
        self._say_end(run)

    @abstractmethod
    def enter(self) -> None:
        """Enter the runs, if it is time for them."""


class Retrain(Entered):
    """The comparison's runs of one replicate: what its searches have chosen under every seed, and the controls."""

    def __init__(
        self, setting: Setting, store: Store, tune: Tune, comparison: Comparison,
        register: Callable[[Sequence[ComparisonRun]], object],
        say_end: Callable[[Run], object], fitting: Fitting | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, say_end)
        self._setting = setting
        self._tune = tune
        self._fitting = fitting
        self._comparison = comparison
        self._register = register  # writes the protocol down, before the runs of the comparison
        self._ended_before = 0
        self._rounds: dict[str, int] = {}  # by the id of a run: the round that it belongs to
        self._begun: set[int] = set()  # rounds

    def open(self) -> None:
        """Enter the runs, if the replicate's searches have ended."""
        self._ended_before = self._count_ended()
        self.enter()

    @property
    def finished(self) -> bool:
        """Whether all runs are entered and have ended, or the replicate does not begin any more."""
        return (self.entered and self.all_ended) or self._tune.put_off

    @property
    def left(self) -> int:
        """How many runs are still to do."""
        if self.entered:
            return len(self.waiting)
        return 0 if self._tune.put_off else self._expected - self._ended_before

    @property
    def epochs_left(self) -> int:
        """How many epochs are still to train; of runs that are not entered yet, those to be expected."""
        if self.entered:
            return sum(run.epochs for run in (*self.waiting, *self._still_training()))
        return self.left * _mean_epochs(self._setting)

    @property
    def _expected(self) -> int:
        return count_replicate_runs(self._setting, self._tune.replicate)

    def enter(self) -> None:
        """Enter the runs, if the replicate's searches have ended, and a time limit has room for what is left of them."""
        if not self.entered and self._tune.finished and not self._tune.put_off:
            entries = replicate_runs(self._setting, self._tune.chosen, self._tune.replicate)
            self._rounds = rounds_of(entries)
            open_runs = [entry.run for entry in entries if not has_ended(self._store, entry.run)]
            if self._fitting and open_runs and not self._fitting.may_compare(self._tune, self._first_round(open_runs)):
                return
            self._register(entries)
            self.entered = True
            self.waiting = self._comparison.enter(entries, self._tune.replicate)

    def next(self) -> Run | None:
        """Return the next run; None where there is none yet, or no more, or a time limit has no room for the next seed."""
        self.enter()
        if self._fitting and self._fitting.is_limited and self._tune.replicate == 0 and self._begins_round:
            first, under_way = self._first_round(self.waiting), self._still_training()
            if self._begun and len(under_way) > len(first) // 2:
                return None  # how long they take is known better when some have ended
            epochs = sum(run.epochs - self._store.trained(run.id) for run in under_way)
            if self._begun and not self._fitting.may_train(first, Work(epochs, len(under_way))):
                self.left_out = len(self.waiting)
                self.waiting.clear()
                return None
            self._begun.add(self._rounds[first[0].id])
        return super().next()

    @property
    def _begins_round(self) -> bool:
        """Whether the next run is the first one of its round."""
        return bool(self.waiting) and self._rounds[self.waiting[0].id] not in self._begun

    def _still_training(self) -> list[Run]:
        return [run for run in self._under_way.values() if not has_ended(self._store, run)]

    def _first_round(self, runs: Sequence[Run]) -> list[Run]:
        """Return those of some runs that belong to the round of the first one."""
        return [run for run in runs if self._rounds[run.id] == self._rounds[runs[0].id]]

    def _count_ended(self) -> int:
        """Return how many runs of the replicate have ended, as far as it is known which they will be."""
        entries = replicate_runs(self._setting, self._tune.chosen, self._tune.replicate)
        states = [(self._store.run(entry.run.id) or {}).get("state") for entry in entries]
        return states.count(schema.DONE) + states.count(schema.DIVERGED)


class Restart(Entered):
    """One run of each arm that goes on for a fifth of its steps, which shows whether it had arrived at a minimum."""

    def __init__(
        self, setting: Setting, store: Store, retrains: Sequence[Retrain], comparison: Comparison,
        say_end: Callable[[Run], object], fitting: Fitting | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, say_end)
        self._setting = setting
        self._retrains = retrains
        self._comparison = comparison
        self._fitting = fitting

    def open(self) -> None:
        """Enter the runs, if the comparison's own have ended."""
        self.enter()

    @property
    def left(self) -> int:
        """How many runs are still to do, at the most."""
        if self.entered:
            return len(self.waiting)
        if all(retrain.finished and not retrain.entered for retrain in self._retrains):
            return 0  # no replicate is compared
        ended = sum(has_ended(self._store, entry.run) for entry in self._restarts())
        return len(self.waiting) + len(arms_to_restart(self._setting)) - ended

    def enter(self) -> None:
        """Enter the restarts; where weights that they start from were damaged meanwhile, their runs come first."""
        if self.entered or not self.all_ended or not all(retrain.finished for retrain in self._retrains):
            return
        if not any(retrain.entered for retrain in self._retrains):
            return
        new = self._restarts()
        if damaged := self._store.restore({str(entry.run.follows) for entry in new}):
            runs = {entry.run.id: entry.run for entry in self._comparison.runs if entry.run.id in damaged}
            self.waiting.extend(runs.values())
            return
        self.entered = True
        to_train = [entry.run for entry in new if not has_ended(self._store, entry.run)]
        if self._fitting and to_train and not self._fitting.may_train(to_train):
            self.left_out = len(to_train)
            return
        self.waiting = self._comparison.enter_restarts(new)

    @property
    def epochs_left(self) -> int:
        """How many epochs are still to train, at the most."""
        if self.entered:
            return sum(run.epochs for run in self.waiting)
        return self.left * epochs_longer(_mean_epochs(self._setting))

    def _restarts(self) -> list[ComparisonRun]:
        return restart_runs(self._setting, self._comparison.done())


def rounds_of(entries: Sequence[ComparisonRun]) -> dict[str, int]:
    """Return by run which round it belongs to: a seed of all arms, or a seed of their untuned defaults."""
    keys = [(entry.role == "untuned", entry.run.init_seed) for entry in entries]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return {entry.run.id: numbers[key] for entry, key in zip(entries, keys, strict=True)}


def _mean_epochs(setting: Setting) -> int:
    """Return the epochs of a comparison run, in the mean over the arms."""
    arms = setting.plan.competitors
    return sum(arm.benchmark.compare.epochs for arm in arms) // len(arms)
