"""The driver of one benchmark: its replicates and their phases, its executor, and the event loop that joins them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from harness.benchmark.comparison import ComparisonRun, count_comparison_runs, epochs_longer
from harness.benchmark.plan import Setting
from harness.console.progress import Watch
from harness.errors import PluginError
from harness.plugin.runs import Epoch, Event, Job, Run, short_arm_names
from harness.records import schema
from harness.running import outcome_lines
from harness.running.comparing import Comparison, Restart, Retrain
from harness.running.event_loop import EventLoop, Phase
from harness.running.executor import GuardedExecutor
from harness.running.registration import register_protocol
from harness.running.reuse import foreseen_recipes
from harness.running.search import Search
from harness.running.search.budget import expected
from harness.running.search.showing import Showing
from harness.running.session import Session
from harness.running.throughput import Work
from harness.running.tuning import Tune
from harness.running.what_fits import Before, Fitting, Searches, Standing

FEW = 8  # epochs; with fewer nobody can say how long the rest will take
STYLES = {schema.FAILED: "red", schema.DIVERGED: "yellow", schema.STOPPED: "dim"}  # of the line on how a run ended


class Driver:
    """One benchmark under way. It is made without a side effect; ``go_on_to`` goes on where the run folder was left."""

    def __init__(
        self, setting: Setting, session: Session, only_search: bool = False,
        measuring: Callable[[int], float] = lambda replicates: 0.0, trains: bool = True,
    ) -> None:  # fmt: skip
        self.setting = setting
        self.session = session
        self.only_search = only_search
        self.tunes: list[Tune] = []  # by replicate
        self.retrains: list[Retrain] = []
        self.restart: Restart | None = None
        self.epochs_after = 0  # of runs beside the comparison, which follow it
        self.protocol = ""  # the hash of the protocol, once it is registered
        self._store = session.store
        self._reporter = session.reporter
        self._limit = session.limit
        self._showing = Showing()
        fitting = Fitting if trains else Standing
        self._fitting = fitting(setting, self._limit, self.work_left, measuring, self._before, self._say_too_short)
        self._comparison = Comparison(setting, session.store, tries_again=trains)
        self._epochs_done = 0  # in this session
        self._epochs_in_all = 0  # those done, and those left when a run ended last
        self._first_ended = 0.0  # when the first of them had ended
        self._said: set[str] = set()  # lines that the event loops of earlier looks have said
        competitors = (*setting.plan.competitors, *setting.plan.controls)
        self._names = short_arm_names(competitor.name for competitor in competitors)  # of arms, on the console

    @cached_property
    def executor(self) -> GuardedExecutor:
        """What carries out the runs and the measurements; whoever has made the driver closes it."""
        return self.session.executor()

    @property
    def workers(self) -> int:
        """How many processes measure at a time; 1 before the executor is open."""
        return self.executor.workers if "executor" in self.__dict__ else 1

    @property
    def phases(self) -> list[Phase]:
        """The phases that are carried out, in their order: those of a replicate before those of the next one."""
        if self.only_search:
            return [*self.tunes]
        phases: list[Phase] = []
        for tune, retrain in zip(self.tunes, self.retrains, strict=True):
            phases += [tune, retrain]
        return [*phases, self.restart] if self.restart else phases

    def go_on_to(self, replicates: int) -> Driver:
        """Go on to so many replicates; enter in the records whatever can be entered already."""
        for replicate in range(len(self.tunes), replicates):
            say = self._reporter.say
            tune = Tune(self.setting, self._store, replicate, say, self._say_trial, self._fitting)
            tune.open()
            self.tunes.append(tune)
            register, say_end = self._register, self._say_end
            retrain = Retrain(self.setting, self._store, tune, self._comparison, register, say_end, self._fitting)
            self.retrains.append(retrain)
        for tune in self.tunes:
            self._fitting.may_ask(tune)
        if not self.only_search:
            for retrain in self.retrains:
                if not retrain.entered:
                    retrain.open()
            parts = self.setting, self._store, self.retrains, self._comparison
            self.restart = Restart(*parts, self._say_end, self._fitting)
            self.restart.open()
        return self

    def drive(self) -> None:
        """Carry out everything that is left."""
        self._limit.work_begins()
        with self._reporter.during("training the networks"), Watch(self._reporter) as watch:
            loop = EventLoop(
                self.executor,
                self.phases,
                self._store,
                self._reporter,
                self.session.earlier,
                after_event=lambda run, event: self._show_progress(loop, watch, run, event),
                said=self._said,
            )
            loop.carry_out()
            self._reporter.training_ended()
        if loop.taken:
            for line in outcome_lines.taken_over_lines(self._store.taken_over()):
                self._reporter.say(line)
        if left := self.left():
            raise PluginError(
                f"executor '{self.executor.name}': must carry out every run it is given, got {left} left over"
            )

    def left(self) -> int:
        """Return how many trainings are still to do, at the most: those of trials not yet asked included."""
        searching = sum(tune.left for tune in self.tunes)
        if self.only_search:
            return searching
        return searching + sum(retrain.left for retrain in self.retrains) + (self.restart.left if self.restart else 0)

    @property
    def compared(self) -> bool:
        """Whether the comparison is over, as far as it was to go on."""
        return self.restart is not None and self.restart.entered and not self.left()

    @property
    def put_off(self) -> int:
        """How many of the replicates are put off, because the time limit has no room for them."""
        return sum(tune.put_off for tune in self.tunes)

    @property
    def left_out(self) -> int:
        """How many runs of replicates that are compared are left out, because the time limit has no room for them."""
        return sum(phase.left_out for phase in (*self.retrains, *([self.restart] if self.restart else [])))

    def _before(self, tune: Searches) -> Before:
        """Return what comes before a replicate."""
        before: Sequence[Tune | Retrain] = self.tunes if self.only_search else self.retrains
        return Before(self.tunes[0], not all(phase.finished for phase in before[: tune.replicate]))

    def work_wanted(self, replicates: int) -> Work:
        """Return about what is left to train up to so many replicates, if every search gets its whole budget."""
        arms, aa = self.setting.plan.competitors, self.setting.plan.controls_of("aa")
        expected_of = [expected(arm, replicates) for arm in (*arms, *aa)]
        runs = count_comparison_runs(self.setting, replicates)
        epochs = sum(arm.benchmark.compare.epochs for arm in arms) / len(arms)
        all_epochs = sum(epochs for _, epochs in expected_of) + runs * epochs
        left = max(0.0, all_epochs - self._store.epochs_trained())
        return Work(left, round((runs + sum(trials for trials, _ in expected_of)) * left / all_epochs))

    def work_left(self, replicates: int) -> Work:
        """Return about what is still to train up to so many replicates, with all that follows them."""
        phases: list[Tune | Retrain | Restart] = [*self.tunes[:replicates]]
        if not self.only_search:
            phases += [*self.retrains[:replicates], *([self.restart] if self.restart else [])]
        after = 0 if self.only_search else self.epochs_after
        return Work(sum(phase.epochs_left for phase in phases) + after, sum(phase.left for phase in phases))

    @property
    def smallest(self) -> float:
        """The seconds that the smallest complete run still needs, as far as that is known."""
        return self._fitting.seconds_of_smallest(self.tunes[0])

    @property
    def searches(self) -> list[Search]:
        """The searches of the arms and of their controls, replicate by replicate."""
        return [search for tune in self.tunes for search in tune.searches]

    @property
    def comparison(self) -> list[ComparisonRun]:
        """Every run of the comparison that is entered, and what it is for."""
        return self._comparison.runs

    def failures(self) -> list[str]:
        """Return a line for every trial that failed, arm that could not be tuned, and seed without a result."""
        return [
            *outcome_lines.search_failures(self.searches, self._names),
            *outcome_lines.comparison_failures(self.comparison, self._store, self._names),
        ]

    def undefined(self) -> list[str]:
        """Return a line for every metric that was no finite number in runs of the comparison."""
        return outcome_lines.undefined_metrics(self.setting.plan, self.comparison, self._store)

    # --- inside

    def _register(self, entries: Sequence[ComparisonRun]) -> None:
        """Register the protocol. Runs that ended in another run folder may have been seen by whoever wrote it."""

        def ended_elsewhere() -> int:
            """Return how many runs of all replicates ended there: those of later ones are told by their recipes alone."""
            replicates = self.setting.plan.benchmark.compare.looks[-1]
            recipes = foreseen_recipes(self.setting, self.session.earlier, replicates)
            ended_elsewhere = {run_id for run_id, recipe in recipes.items() if recipe["phase"] == "compare"}
            ended_elsewhere |= {entry.run.id for entry in entries if entry.run.id in self.session.earlier.folders}
            return sum((self._store.run(run_id) or {}).get("state") not in schema.ENDED for run_id in ended_elsewhere)

        self.protocol = register_protocol(self.setting, self._store, self._reporter, ended_elsewhere)

    def _say_too_short(self, seconds: float) -> None:
        """Say that the time limit has no room for the smallest complete run, and which one has."""
        command = self._limit.remedy(seconds, self._store.noted("command") or ())
        self._reporter.say(
            f"warning: {self._limit.words} is too short for the smallest complete run, which has one trial of every "
            f"search and one seed of every arm; what is trained now is kept; to go on: {command}",
            style="yellow",
        )

    def _show_progress(self, loop: EventLoop, watch: Watch, run: Job | None, event: Event | None) -> None:
        """Move the bar after an epoch, and tell the watch what is under way.

        An epoch takes one off those that are left. So they are counted anew only where a run has ended.
        """
        if run is not None and event is not None and event.ends_run:
            self._limit.throughput.run_ended(run.id)
            if self._limit.is_set:
                self._limit.write()
        if event is not None and self._showing.is_due:
            self._showing.write(self.searches)
        if event is None or event.ends_run:
            self._epochs_in_all = self._epochs_done + self._epochs_left(loop)
        if event is None:
            self._reporter.move("waiting for the first epoch", self._epochs_done, self._epochs_in_all)
        if isinstance(run, Run) and isinstance(event, Epoch):
            at_once = min(self.executor.at_once, len(loop.under_way))
            self._limit.throughput.epoch_ended(run.id, event.number, at_once)
            self._epochs_done += 1
            left = self._epochs_in_all - self._epochs_done
            self._reporter.ahead.expect("epoch", left, self._seconds_per_epoch())
            self._reporter.move(self._name(run).rstrip(), self._epochs_done, self._epochs_in_all, at_once)
        watch.happened(loop.describe_under_way)

    def _seconds_per_epoch(self) -> float | None:
        """Return the seconds from one epoch to the next since the first one, None for the first few: workers began before it."""
        now = time.monotonic()
        self._first_ended = self._first_ended or now
        return (now - self._first_ended) / (self._epochs_done - 1) if self._epochs_done >= FEW else None

    def _say_trial(self, search: Search, run: Run, trial: dict[str, Any]) -> None:
        """Say how a trial, or its confirmation, ended; the score of a trial is the mean of its runs."""
        row = {**trial, "metrics": {self.setting.plan.searched.tune_column: trial["value"]}}
        self._say_outcome(run, row, search.label(trial))

    def _say_end(self, run: Run) -> None:
        row = self._store.run(run.id)
        assert row is not None
        self._say_outcome(run, row, outcome_lines.run_label(self.comparison, run))

    def _say_outcome(self, run: Run, row: dict[str, Any], label: str) -> None:
        taken_from = (self._store.run(run.id) or {}).get("taken_from", "")
        line = outcome_lines.outcome_line(self.setting.plan, run, row, label, self._name(run), taken_from)
        self._reporter.say(line, style=STYLES.get(row["state"], ""), brief=row["state"] == schema.DONE)

    def _name(self, run: Run) -> str:
        """Return what an arm is called on the console, as wide as the longest of these names."""
        width = max(map(len, self._names.values()), default=0)
        return f"{self._names.get(run.arm.name, run.arm.name):{width}}"

    def _epochs_left(self, loop: EventLoop) -> int:
        """Return how many epochs are still to train; for a trial not yet asked, those that are to be expected of it."""
        left = sum(work.run.epochs - work.epochs for work in loop.under_way.values())
        for tune in self.tunes:
            left += sum(search.epochs_left(loop.under_way) for search in tune.searches if not tune.put_off)
        return left if self.only_search else left + self._epochs_compared()

    def _epochs_compared(self) -> int:
        """Return how many epochs of the comparison are still to begin; of runs not yet entered, those to be expected."""
        arms = self.setting.plan.competitors
        mean = sum(arm.benchmark.compare.epochs for arm in arms) // len(arms)
        phases: list[tuple[Retrain | Restart, int]] = [(retrain, mean) for retrain in self.retrains]
        phases += [(self.restart, epochs_longer(mean))] if self.restart else []
        left = 0
        for phase, epochs in phases:
            left += sum(run.epochs for run in phase.waiting) if phase.entered else phase.left * epochs
        return left
