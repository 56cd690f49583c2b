"""The three phases of a benchmark: tune every arm, retrain what was chosen, restart one run of each arm.

Each is made without a side effect and then opened. Retraining begins when all searches have ended, and goes on seed by
seed, so that an early stop still leaves every arm with equal seeds. When all of it has ended, one run of each arm goes
on for a little, which shows whether it had arrived at a minimum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.comparison import ComparisonRun, comparison_runs, count_comparison_runs, restart_runs
from harness.benchmark.plan import Setting
from harness.plugin.runs import Epoch, Event, PrunerDecision, Run
from harness.records import Store, schema
from harness.records.attempts import of_run
from harness.records.earlier import EarlierRun
from harness.run.event_loop import Unpruned, has_ended
from harness.run.search import GO_ON, Search, study_name
from harness.training.device import environment

Say = Callable[[str, str], object]  # a line, and its style


class Tune:
    """The searches of all arms; the one that has asked least comes next."""

    def __init__(self, setting: Setting, store: Store, say: Say, say_trial: Callable[..., object]) -> None:
        self.searches: list[Search] = []  # once it is open
        self._setting = setting
        self._store = store
        self._say = say
        self._say_trial = say_trial  # takes the search, the run and the trial that ended with it
        self._asked_by: dict[str, Search] = {}  # by the id of a run
        self._chosen: set[str] = set()  # studies whose choice stands in the records

    def open(self) -> None:
        """Open every search where it was left."""
        searched = list(_searched(self._setting))
        searches = {}
        for competitor, replicate in searched:
            searches[study_name(competitor.name, replicate)] = (competitor.arm, replicate)
        self._store.add_searches(searches)
        self.searches = [Search(self._setting, arm, self._store, replicate) for arm, replicate in searched]
        for search in self.searches:
            self._note_choice(search)

    @property
    def finished(self) -> bool:
        """Whether all searches have ended."""
        return all(search.finished for search in self.searches)

    @property
    def left(self) -> int:
        """How many trainings are still to do, at the most: those of trials not yet asked included."""
        return sum(search.left for search in self.searches)

    @property
    def chosen(self) -> list[dict[str, dict[str, Any] | None]]:
        """By replicate and arm the parameters that the search has chosen; None of one that has not ended, or has no result."""
        chosen: dict[int, dict[str, dict[str, Any] | None]] = {}
        for search in self.searches:
            chosen.setdefault(search.replicate, {})[search.arm] = search.chosen
        return [chosen[replicate] for replicate in sorted(chosen)]

    def next(self) -> Run | None:
        """Return the next run of the search that has asked least."""
        for search in sorted(self.searches, key=lambda search: search.asked):
            if runs := search.ask(1):
                self._asked_by[runs[0].id] = search
                return runs[0]
            self._note_choice(
                search
            )  # it may have ended with trials that need no run, tried before under equal parameters
        return None

    def ask_pruner(self, run: Run, event: Event) -> PrunerDecision:
        """Return what the search's pruner decides on an epoch; the last one is too late for it."""
        if not isinstance(event, Epoch) or event.number >= run.epochs:
            return GO_ON
        return self._asked_by[run.id].ask_pruner(run.id, event)

    def accept(self, earlier: EarlierRun) -> EarlierRun | None:
        """Return the run as it would have ended in its search, whose pruner is asked; None where it must be trained."""
        return self._asked_by[earlier.run_id].replay(earlier)

    def ended(self, run: Run) -> None:
        """Tell the search, and say which trials have ended with the run."""
        search = self._asked_by[run.id]
        for trial in search.tell(run.id):
            self._say_trial(search, run, trial)
        self._note_choice(search)

    def _note_choice(self, search: Search) -> None:
        """Write down what a search that has ended has chosen, and from how many trials."""
        if not search.finished or search.study in self._chosen:
            return
        self._chosen.add(search.study)
        self._store.note_choice(search.study, search.best())
        counted = {**(self._store.noted("counted") or {}), search.study: len(search.trials)}
        self._store.note("counted", dict(sorted(counted.items())))
        search.write_for_optuna()
        if search.exhaustion:
            self._say(f"{search.study}: {search.exhaustion}", "yellow")


def _searched(setting: Setting) -> Iterable[tuple[Competitor, int]]:
    """Yield what is searched: every arm and every A/A control, once in each replicate."""
    plan = setting.plan
    for replicate in range(plan.benchmark.compare.looks[0]):
        for competitor in (*plan.competitors, *plan.controls_of("aa")):
            yield competitor, replicate


class Comparison:
    """The runs of the comparison, as they are entered in the records."""

    def __init__(self, setting: Setting, store: Store) -> None:
        self.runs: list[ComparisonRun] = []
        self._setting = setting
        self._store = store

    def enter(self, new: Sequence[ComparisonRun]) -> deque[Run]:
        """Enter more runs; return those that are to be carried out, each once. One that failed before is tried again."""
        self.runs += new
        self._store.add_runs([entry.run for entry in new], str(environment(self._setting.device)["hash"]))
        self._store.note("comparison", [entry.plain() for entry in self.runs])
        self._store.note("compare_runs", [entry.run.id for entry in self.runs if entry.role == "fresh"])
        waiting: dict[str, Run] = {}
        for run in (entry.run for entry in new):
            row = self._store.run(run.id)
            if row and row["state"] == schema.FAILED and not self._store.attempts.given_up(of_run(run.id)):
                self._store.reopen(run.id)
            if not has_ended(self._store, run):
                waiting[run.id] = run
        return deque(waiting.values())

    def done(self) -> list[ComparisonRun]:
        """Return the runs that ended well."""
        return [entry for entry in self.runs if (self._store.run(entry.run.id) or {}).get("state") == schema.DONE]


class Retrain(Unpruned):
    """The comparison's runs: what each search has chosen, trained under every seed, and the controls."""

    def __init__(
        self, setting: Setting, store: Store, tune: Tune, comparison: Comparison,
        register: Callable[[Sequence[ComparisonRun]], object],
        say_end: Callable[[Run], object],
    ) -> None:  # fmt: skip
        self.entered = False
        self.waiting: deque[Run] = deque()
        self._setting = setting
        self._store = store
        self._tune = tune
        self._comparison = comparison
        self._register = register  # writes the protocol down, before the runs of the comparison
        self._say_end = say_end
        self._ended_before = 0

    def open(self) -> None:
        """Enter the runs, if all searches have ended."""
        self._ended_before = self._count_ended()
        self._enter()

    @property
    def finished(self) -> bool:
        """Whether all runs are entered and have ended."""
        return self.entered and all(has_ended(self._store, entry.run) for entry in self._comparison.runs)

    @property
    def left(self) -> int:
        """How many runs are still to do; before they are entered, those of the restarts are among them."""
        return (
            len(self.waiting)
            if self.entered
            else count_comparison_runs(self._setting, self._setting.plan.benchmark.compare.looks[0])
            - self._ended_before
        )

    def next(self) -> Run | None:
        """Return the next run, once all searches have ended."""
        self._enter()
        return self.waiting.popleft() if self.waiting else None

    def ended(self, run: Run) -> None:
        """Say how the run ended."""
        self._say_end(run)

    def _enter(self) -> None:
        if not self.entered and self._tune.finished:
            entries = comparison_runs(self._setting, self._tune.chosen)
            self._register(entries)
            self.entered = True
            self.waiting = self._comparison.enter(entries)

    def _count_ended(self) -> int:
        """Return how many runs of the comparison have ended, as far as it is known which they will be."""
        entries = comparison_runs(self._setting, self._tune.chosen)
        states = [(self._store.run(entry.run.id) or {}).get("state") for entry in entries]
        done = [entry for entry, state in zip(entries, states, strict=True) if state == schema.DONE]
        restarted = [entry for entry in restart_runs(self._setting, done) if has_ended(self._store, entry.run)]
        return len(done) + len(restarted) + states.count(schema.DIVERGED)


class Restart(Unpruned):
    """One run of each arm that goes on for a fifth of its steps, which shows whether it had arrived at a minimum."""

    def __init__(
        self, setting: Setting, store: Store, retrain: Retrain, comparison: Comparison, say_end: Callable[[Run], object]
    ) -> None:
        self.entered = False
        self.waiting: deque[Run] = deque()
        self._setting = setting
        self._store = store
        self._retrain = retrain
        self._comparison = comparison
        self._say_end = say_end

    def open(self) -> None:
        """Enter the runs, if the comparison's own have ended."""
        self._enter()

    @property
    def left(self) -> int:
        """How many runs are still to do."""
        return len(self.waiting) + (0 if self.entered else len(self._restarts()))

    @property
    def ahead(self) -> list[Run]:
        """The runs that are still to begin, those to be expected of a comparison under way included."""
        expected = [] if self.entered else restart_runs(self._setting, self._comparison.runs)
        return [*self.waiting, *(entry.run for entry in expected)]

    def next(self) -> Run | None:
        """Return the next run, once the comparison's own have ended."""
        self._enter()
        return self.waiting.popleft() if self.waiting else None

    def ended(self, run: Run) -> None:
        """Say how the run ended."""
        self._say_end(run)

    def _enter(self) -> None:
        """Enter the restarts; where weights that they start from were damaged meanwhile, their runs come first."""
        if self.entered or self.waiting or not self._retrain.finished:
            return
        new = self._restarts()
        damaged = self._store.restore({str(entry.run.follows) for entry in new})
        if damaged:
            runs = {entry.run.id: entry.run for entry in self._comparison.runs if entry.run.id in damaged}
            self.waiting.extend(runs.values())
            return
        self.entered = True
        self.waiting = self._comparison.enter(new)

    def _restarts(self) -> list[ComparisonRun]:
        return restart_runs(self._setting, self._comparison.done())
