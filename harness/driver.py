"""The driver feeds an executor and writes every event down.

It never waits for one trial before it asks for the next: whenever a run ends it fills the executor's room, first with
what a kill left waiting, then with trials of the search that has asked least, and when all searches have ended with
the comparison, seed by seed, so that an early stop still leaves every arm with equal seeds.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from harness import interruption
from harness.device import environment
from harness.errors import PluginError, one_line
from harness.plan import Setting
from harness.progress import Reporter
from harness.records import Store, schema
from harness.runs import Epoch, Run
from harness.search import Search
from harness.workbench import Bench


class Driver:
    """One benchmark under way."""

    def __init__(self, setting: Setting, store: Store, reporter: Reporter, only_search: bool = False) -> None:
        self.setting = setting
        self.store = store
        self.reporter = reporter
        self.only_search = only_search
        plan = setting.plan
        try:
            self.executor = plan.executor.build(Bench(setting, store.state))
        except Exception as error:
            raise PluginError(f"executor '{plan.executor.name}': must build, got {one_line(error)}") from error
        arms = [competitor.arm for competitor in plan.competitors]
        store.add_arms(arms, generation_size=max(1, -(-self.executor.room // len(arms))))
        self.searches = [Search(setting, competitor, store) for competitor in plan.competitors]
        self._of_arm = {search.arm: search for search in self.searches}
        self._flying: dict[str, Run] = {}
        self._trained: dict[str, int] = {}  # epochs of the flying runs
        self._waiting = deque(run for search in self.searches for run in search.waiting())
        self._comparison: list[Run] | None = None  # entered when all searches have ended
        for search in self.searches:
            self._choose(search)
        self._enter_comparison()
        self._epochs_done = 0  # in this session

    def drive(self) -> None:
        """Carry out everything that is left."""
        self._fill()
        for run_id, event in self.executor.events():
            interruption.check()
            run = self._flying[run_id]
            if isinstance(event, Epoch):
                self._go_on(run, event)
            else:
                self.store.append(run_id, event)
                del self._flying[run_id], self._trained[run_id]
                self._end(run)
                self._fill()
        if left := self.left():
            raise PluginError(
                f"executor '{self.setting.plan.executor.name}': must carry out every run it is given, got {left} left over"
            )

    def left(self) -> int:
        """Return how many trainings are still to do, those of trials not yet asked included."""
        plan = self.setting.plan.benchmark
        if self._comparison is not None:
            return len(self._waiting)
        trials = sum(plan.search.trials - len(s.trials) + len(s.waiting()) for s in self.searches)
        return trials if self.only_search else trials + plan.compare.seeds * len(self.searches)

    @property
    def compared(self) -> bool:
        """Whether the comparison is over."""
        return self._comparison is not None and not self.left()

    def failures(self) -> list[str]:
        """Return a line for every trial that failed, arm that could not be tuned, and seed without a result."""
        lines = []
        for search in self.searches:
            failed = [trial for trial in search.trials if trial["state"] == schema.FAILED]
            lines += [f"{search.arm}: trial {trial['number']} failed: {trial['reason']}" for trial in failed[:1]]
            if len(failed) > 1:
                lines.append(f"{search.arm}: {len(failed)} of {len(search.trials)} trials failed")
            if search.finished and search.best() is None:
                lines.append(f"{search.arm}: no trial ended well, so it cannot be compared")
        for run in self._comparison or []:
            row = self.store.run(run.id)
            if row and row["reason"]:
                lines.append(f"{run.arm.name}: seed {run.init_seed} {row['state']}: {row['reason']}")
        return lines

    # --- inside

    def _go_on(self, run: Run, epoch: Epoch) -> None:
        """Write an epoch down, with the pruner's verdict on it; a run that is given up is stopped after that."""
        search, verdict, stop = self._of_arm[run.arm.name], None, False
        if run.phase == "search" and epoch.number < run.epochs:
            verdict = search.judge(run.id, epoch)
            stop = search.stops(run.id, epoch, verdict)
        self.store.append(run.id, epoch, verdict)
        if stop:
            self.executor.stop(run.id)
        self._epochs_done += 1
        self._trained[run.id] = epoch.number
        self.reporter.move(run.arm.name, self._epochs_done, self._epochs_done + self._epochs_left())

    def _fill(self) -> None:
        """Submit runs until the executor's room is full or there is nothing to submit yet."""
        while len(self._flying) < self.executor.room and (run := self._next()) is not None:
            if run.id not in self._flying:  # two trials of equal parameters are one run
                self._flying[run.id] = run
                self._trained[run.id] = 0
                self.executor.submit([run])

    def _next(self) -> Run | None:
        if self._waiting:
            return self._waiting.popleft()
        for search in sorted(self.searches, key=lambda search: len(search.trials)):
            if runs := search.ask(1):
                return runs[0]
        self._enter_comparison()
        return self._waiting.popleft() if self._waiting else None

    def _choose(self, search: Search) -> None:
        """Note what a search that has ended has chosen."""
        if search.finished:
            self.store.choose(search.arm, search.best())

    def _enter_comparison(self) -> None:
        """Once all searches have ended, enter the runs of the comparison; those that failed before are tried again."""
        if self.only_search or self._comparison is not None or not all(s.finished for s in self.searches):
            return
        plan = self.setting.plan
        bests = {search.arm: search.best() for search in self.searches}
        self._comparison = [
            self.setting.compare_run(competitor, best["params"], seed)
            for seed in range(plan.benchmark.compare.seeds)
            for competitor in plan.competitors
            if (best := bests[competitor.arm.name]) is not None
        ]
        self.store.add_runs(self._comparison, str(environment(self.setting.device)["hash"]))
        self.store.note("compare_runs", [run.id for run in self._comparison])
        for run in self._comparison:
            row = self.store.run(run.id)
            if row and row["state"] == schema.FAILED:
                self.store.reopen(run.id)
        self._waiting.extend(run for run in self._comparison if not self._ended(run))

    def _ended(self, run: Run) -> bool:
        row = self.store.run(run.id)
        return row is not None and row["state"] in schema.ENDED

    def _end(self, run: Run) -> None:
        """Take the end of a run over and say it in a line."""
        row = self.store.run(run.id)
        assert row is not None
        search = self._of_arm[run.arm.name]
        told = search.tell(run.id) if run.phase == "search" else []
        self._choose(search)
        total = self.setting.plan.benchmark.search.trials
        labels = [f"trial {trial['number'] + 1}/{total}" for trial in told] or [f"seed {run.init_seed}"]
        for label in labels:
            self.reporter.say(self._line(run, row, label), style="" if row["state"] == schema.DONE else "yellow")

    def _line(self, run: Run, row: dict[str, Any], label: str) -> str:
        """Return one line on how a run ended."""
        chosen = {**run.optimizer, **run.scheduler, "epochs": run.epochs}
        words = " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in chosen.items())
        name = f"{'tune' if run.phase == 'search' else 'test'}_{self.setting.plan.metric}"
        if row["state"] == schema.DONE:
            unit = self.setting.plan.goal.unit
            value = row["metrics"][name]
            shown = f"{100 * value:.2f} %" if unit == "%" else f"{value:.4g}{f' {unit}' if unit else ''}"
            result = f"{name.replace('_', ' ')} {shown}"
        else:
            result = f"{row['state']}{': ' if row['reason'] else ''}{row['reason']}"
        return f"{label:>12}  {run.arm.name}  {result}  ({words}, {row['seconds']:.1f} s)"

    def _epochs_left(self) -> int:
        """Return how many epochs are still to train; for a trial not yet asked, the middle of its range."""
        plan = self.setting.plan.benchmark
        low, high = plan.search.epochs[0], plan.search.epochs[-1]
        known = sum(run.epochs for run in (*self._flying.values(), *self._waiting)) - sum(self._trained.values())
        unasked = sum(plan.search.trials - len(search.trials) for search in self.searches) * (low + high) // 2
        if self.only_search or self._comparison is not None:
            return known + unasked
        return known + unasked + plan.compare.seeds * plan.compare.epochs * len(self.searches)
