"""The first phase of a replicate: every arm is tuned by a search of its own. It is made without a side effect and then opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.benchmark.plan import Setting
from harness.plugin.runs import Epoch, Event, PrunerDecision, Run
from harness.records import Store
from harness.records.earlier import EarlierRun
from harness.running.search import GO_ON, Search, study_name
from harness.running.throughput import Work
from harness.running.what_fits import Fitting

Say = Callable[[str, str], object]  # a line, and its style


class Tune:
    """The searches of all arms in one replicate; the one that has asked least comes next."""

    def __init__(
        self, setting: Setting, store: Store, replicate: int, say: Say, say_trial: Callable[..., object],
        fitting: Fitting | None = None,
    ) -> None:  # fmt: skip
        self.searches: list[Search] = []  # once it is open
        self.put_off = False  # a time limit has no room for it
        self.granted = False  # a time limit has room for it
        self.replicate = replicate
        self._setting = setting
        self._store = store
        self._say = say
        self._say_trial = say_trial  # takes the search, the run and the trial that ended with it
        self._fitting = fitting
        self._asked_by: dict[str, Search] = {}  # by the id of a run
        self._chosen: set[str] = set()  # studies whose choice stands in the records

    def open(self) -> None:
        """Open every search where it was left."""
        plan = self._setting.plan
        searched = (*plan.competitors, *plan.controls_of("aa"))
        names = {study_name(arm.name, self.replicate): (arm.arm, self.replicate) for arm in searched}
        self._store.add_searches(names)
        self.searches = [Search(self._setting, arm, self._store, self.replicate) for arm in searched]
        for search in self.searches:
            self._note_choice(search)

    @property
    def begun(self) -> bool:
        """Whether a trial has been asked."""
        return any(search.asked for search in self.searches)

    @property
    def finished(self) -> bool:
        """Whether all searches have ended."""
        return all(search.finished for search in self.searches)

    @property
    def left(self) -> int:
        """How many trainings are still to do, at the most: those of trials not yet asked included."""
        return 0 if self.put_off else sum(search.left + search.confirmations_left for search in self.searches)

    @property
    def epochs_left(self) -> int:
        """About how many epochs are still to train."""
        return 0 if self.put_off else sum(search.epochs_left(()) for search in self.searches)

    @property
    def work_left(self) -> Work:
        """What is still to train."""
        return Work(self.epochs_left, self.left)

    @property
    def chosen(self) -> Mapping[str, Mapping[str, Any] | None]:
        """The parameters that the search of each arm has chosen; None of one that has not ended, or has no result."""
        return {search.arm: search.chosen for search in self.searches}

    def next(self) -> Run | None:
        """Return the next run of the search that has asked least."""
        if self.put_off or (self._fitting and not self._fitting.may_ask(self)):
            return None
        for search in sorted(self.searches, key=lambda search: search.asked):
            if runs := search.ask(1):
                self._asked_by[runs[0].id] = search
                return runs[0]
            self._note_choice(search)  # trials tried before under equal parameters need no run, and may have ended it
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
