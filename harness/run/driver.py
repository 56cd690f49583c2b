"""The driver feeds an executor and writes every event down.

It never waits for one trial before it asks for the next: whenever a run ends it fills the executor's room, first with
what a kill left waiting, then with trials of the search that has asked least, and when all searches have ended with
the comparison, seed by seed, so that an early stop still leaves every arm with equal seeds. When the arms' own runs
have ended, one of each goes on for a little, which shows whether it had arrived at a minimum.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Any

from harness.benchmark.comparison import ComparisonRun, comparison_runs, count_comparison_runs, restart_runs
from harness.benchmark.plan import Setting
from harness.benchmark.sections import as_plain
from harness.console import interruption
from harness.console.progress import Reporter, Watch
from harness.errors import PluginError, traceback_of
from harness.plugin.boundary import PluginFailed
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import Epoch, Failed, Run
from harness.records import Store, schema
from harness.records.attempts import of_run
from harness.run.executing import Executing
from harness.run.fairness import rehearsal
from harness.run.search import Search, study_name
from harness.run.workbench import Bench
from harness.training.device import environment
from harness.verdict import protocol as protocols


class Driver:
    """One benchmark under way."""

    def __init__(self, setting: Setting, store: Store, reporter: Reporter, only_search: bool = False) -> None:
        self.setting = setting
        self.store = store
        self.reporter = reporter
        self.only_search = only_search
        plan = setting.plan
        self.executor = Executing(plan.executor, Bench(setting, store.state, store.solution))
        wanted = [
            *((competitor, 0) for competitor in (*plan.competitors, *plan.controls_of("aa"))),
            *((c, replicate) for replicate in range(1, plan.benchmark.search.replicates) for c in plan.competitors),
        ]
        studies = {study_name(competitor.arm.name, replicate): competitor.arm for competitor, replicate in wanted}
        store.add_studies(studies, generation_size=max(1, -(-self.executor.room // len(plan.competitors))))
        self.searches = [Search(setting, competitor, store, replicate) for competitor, replicate in wanted]
        self._flying: dict[str, Run] = {}
        self._trained: dict[str, int] = {}  # epochs of the flying runs
        self._asked_by: dict[str, Search] = {}  # by the id of a search run
        self._waiting: deque[Run] = deque()
        self._cells: list[ComparisonRun] | None = None  # the comparison, entered when all searches have ended
        self._restarted = False  # whether its restarts are among them
        self._changes: set[str] = set()  # lines on changed settings that were said
        self._noted: set[str] = set()  # searches of which it stands in the records what they chose
        for search in self.searches:
            self._choose(search)
        self._there = self._compared_before()
        self._enter_comparison()
        self._epochs_done = 0  # in this session

    def drive(self) -> None:
        """Carry out everything that is left."""
        with Watch(self.reporter) as watch:
            self._drive(watch)
        if left := self.left():
            raise PluginError(
                f"executor '{self.setting.plan.executor.name}': must carry out every run it is given, got {left} left over"
            )

    def _drive(self, watch: Watch) -> None:
        self._fill()
        watch.happened(self._under_way())
        executor = f"executor '{self.setting.plan.executor.name}'"
        for (run_id, event), changed in kept_apart(self.executor.events(), executor):
            interruption.check()
            self.store.note_changes(changed)
            self._say_changes([*changed, *event.changed])
            run = self._flying.get(run_id)
            if run is None:
                continue  # it has failed while it was saved, and ends now
            end = self._go_on(run, event) if isinstance(event, Epoch) else event
            if end is not None:
                self.store.append(run_id, end)
                self._land(run)
                self._end(run)
                self._fill()
            watch.happened(self._under_way())

    def _under_way(self) -> str:
        """Return in words which runs are trained now, and how far they are."""
        flying = [f"{self._called(run)}, {self._trained[run.id]} epochs" for run in self._flying.values()]
        return "; ".join(flying) or "the search"

    def _called(self, run: Run) -> str:
        return f"{run.arm.name}, {run.phase} run {run.id}, seed {run.init_seed}"

    def left(self) -> int:
        """Return how many trainings are still to do, at the most: those of trials not yet asked included."""
        if self._cells is not None:
            return len(self._waiting) + (0 if self._restarted else len(self._next_restarts()))
        trials = sum(search.left for search in self.searches)
        return trials if self.only_search else trials + count_comparison_runs(self.setting) - self._there

    @property
    def compared(self) -> bool:
        """Whether the comparison is over."""
        return self._cells is not None and not self.left()

    @property
    def cells(self) -> list[ComparisonRun]:
        """The comparison: every run of it, and what it is for; none before all searches have ended."""
        return self._cells or []

    def chosen(self, search: Search) -> dict[str, Any] | None:
        """Return the parameters that a search which has ended has chosen; None where no trial ended well."""
        best = search.best() if search.finished else None
        return best["params"] if best is not None else None

    def failures(self) -> list[str]:
        """Return a line for every trial that failed, arm that could not be tuned, and seed without a result."""
        lines = []
        for search in self.searches:
            failed = [trial for trial in search.trials if trial["state"] == schema.FAILED]
            lines += [f"{search.study}: trial {trial['number']} failed: {trial['reason']}" for trial in failed[:1]]
            if len(failed) > 1:
                lines.append(f"{search.study}: {len(failed)} of {len(search.trials)} trials failed")
            if search.finished and search.best() is None:
                lines.append(f"{search.study}: no trial ended well, so it cannot be compared")
        for cell in self.cells:
            row = self.store.run(cell.run.id)
            if row and row["reason"] and cell.role != "untuned":  # that an optimizer's defaults fail is a finding
                lines.append(f"{cell.run.arm.name}: {self._label(cell.run)} {row['state']}: {row['reason']}")
        return lines

    def undefined(self) -> list[str]:
        """Return a line for every metric, the deciding one apart, that was no finite number in runs of the comparison."""
        ended = [self.store.run(cell.run.id) or {} for cell in self.cells]
        done = [row["metrics"] for row in ended if row.get("state") == schema.DONE]
        undefined = Counter(name for metrics in done for name, value in metrics.items() if value is None)
        undefined.pop(f"test_{self.setting.plan.metric}", None)
        lines = []
        for name in self.setting.plan.task.metrics:
            splits = [split for split in ("train", "tune", "test") if undefined[f"{split}_{name}"]]
            if splits:
                most = max(undefined[f"{split}_{name}"] for split in splits)
                lines.append(
                    f"metric '{name}' was not a finite number in {most} of {len(done)} runs of the comparison "
                    f"({', '.join(splits)}); its means leave them out"
                )
        return lines

    # --- inside

    def _take_off(self, run: Run) -> bool:
        """Hand a run to the executor; return False for one that the process has died in again and again: it has failed."""
        works = (of_run(run.id), rehearsal(run.arm))
        if why := next(filter(None, map(self.store.attempts.given_up, works)), ""):
            self.store.append(run.id, Failed("error", why))
            return False
        self._flying[run.id] = run
        self._trained[run.id] = 0
        self.store.attempts.begin(of_run(run.id), self._called(run))
        self.executor.submit([run])
        return True

    def _land(self, run: Run) -> None:
        self.store.attempts.end(of_run(run.id))
        del self._flying[run.id], self._trained[run.id]

    def _say_changes(self, lines: list[str]) -> None:
        """Say which settings of the process a plugin has changed, each once; the records have them too."""
        for line in lines:
            if line not in self._changes:
                self._changes.add(line)
                self.reporter.say(f"warning: {line}", style="yellow")

    def _go_on(self, run: Run, epoch: Epoch) -> Failed | None:
        """Write an epoch down, with the pruner's verdict on it; a run that is given up is stopped after that.

        Returns Failed where the state that is due cannot be had: the run has ended then.
        """
        verdict, stop = None, False
        if run.phase == "search" and epoch.number < run.epochs:
            search = self._asked_by[run.id]
            verdict = search.judge(run.id, epoch)
            stop = search.stops(run.id, epoch, verdict)
        try:
            self.store.append(run.id, epoch, verdict)
        except PluginFailed as error:
            self.executor.stop(run.id)
            return Failed("error", str(error), traceback_of(error))
        if stop:
            self.executor.stop(run.id)
        self.store.attempts.come_to(of_run(run.id), epoch.number)
        self._epochs_done += 1
        self._trained[run.id] = epoch.number
        self.reporter.move(run.arm.name, self._epochs_done, self._epochs_done + self._epochs_left())
        return None

    def _fill(self) -> None:
        """Submit runs until the executor's room is full or there is nothing to submit yet."""
        while len(self._flying) < self.executor.room and (run := self._next()) is not None:
            if run.id in self._flying or self._ended(run):  # two trials of equal parameters are one run
                continue
            if not self._take_off(run):
                self._end(run)

    def _next(self) -> Run | None:
        if self._waiting:
            return self._waiting.popleft()
        for search in sorted(self.searches, key=lambda search: len(search.trials)):
            if runs := search.ask(1):
                self._asked_by[runs[0].id] = search
                return runs[0]
            self._choose(search)  # it may have ended with trials that need no run, tried before under equal parameters
        self._enter_comparison()
        if not self._waiting and not self._flying:
            self._enter_restarts()
        return self._waiting.popleft() if self._waiting else None

    def _compared_before(self) -> int:
        """Return how many runs of the comparison are done, as far as is known which they will be: which search chose what."""
        chosen: dict[str, list[Any]] = {}
        for search in self.searches:
            chosen.setdefault(search.arm, []).append(self.chosen(search))
        found = [
            (cell, (self.store.run(cell.run.id) or {}).get("state")) for cell in comparison_runs(self.setting, chosen)
        ]
        done = [cell for cell, state in found if state == schema.DONE]
        again = [cell for cell in restart_runs(self.setting, done) if self._ended(cell.run)]
        return len(done) + len(again) + [state for _, state in found].count(schema.DIVERGED)

    def _choose(self, search: Search) -> None:
        """Note what a search that has ended has chosen, and of which trials."""
        if search.finished and search.study not in self._noted:
            self._noted.add(search.study)
            self.store.choose(search.study, search.best())
            counted = self.store.noted("counted") or {}
            self.store.note("counted", {**counted, search.study: len(search.trials)})
            if search.exhaustion:
                self.reporter.say(f"{search.study}: {search.exhaustion}", style="yellow")

    def _enter_comparison(self) -> None:
        """Once all searches have ended, enter the runs of the comparison; those that failed before are tried again."""
        if self.only_search or self._cells is not None or not all(search.finished for search in self.searches):
            return
        chosen: dict[str, list[Any]] = {}
        for search in self.searches:
            chosen.setdefault(search.arm, []).append(self.chosen(search))
        self._register()
        self._cells = []
        self._enter(comparison_runs(self.setting, chosen))
        if not self._waiting:
            self._enter_restarts()

    def _register(self) -> None:
        """Write down the rules of the verdict before anybody can have seen a result, and what the design can show."""
        plan, known = self.setting.plan, self.store.noted(protocols.KEY) or []
        imported = self.store.noted("baseline") or {}  # what was trained elsewhere is compared too
        arms = [str(arm) for arm in (*(self.store.noted("arms") or ()), *imported.get("arms", ()))]
        protocol = protocols.resolve(
            as_plain(plan.benchmark),
            arms,
            tuple(plan.task.metrics),
            plan.late_versions,
            self.store.noted("extensions") or (),
        )
        protocols.register(self.store, protocol, self.store.compared(imported.get("names", ())))
        if protocol.hash in {entry["hash"] for entry in known}:
            return
        of_network = Counter(arm.rsplit("/", 2)[0] for arm in arms)
        convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
        powers = [
            protocol.power(count, convex[network])
            for network, count in of_network.items()
            if count > 1 and network in convex
        ]
        if powers:
            low = min(powers)
            so = "; exploratory: more seeds would show more" if low < protocols.EXPLORATORY else ""
            self.reporter.say(
                f"protocol {protocol.hash[:12]} registered: identical arms would come out similar with probability {low:.2f}{so}"
            )

    def _enter_restarts(self) -> None:
        """Once the comparison's own runs have ended, enter those that show whether they had arrived."""
        if self._cells is None or self._restarted:
            return
        new = self._next_restarts()
        if again := self.store.restore({str(cell.run.follows) for cell in new}):  # damaged since they ended
            self._waiting.extend({cell.run.id: cell.run for cell in self._cells if cell.run.id in again}.values())
            return
        self._restarted = True
        self._enter(new)

    def _next_restarts(self) -> list[ComparisonRun]:
        ended = [cell for cell in self.cells if (self.store.run(cell.run.id) or {}).get("state") == schema.DONE]
        return restart_runs(self.setting, ended)

    def _enter(self, new: list[ComparisonRun]) -> None:
        """Enter cells, in the records and among what waits."""
        assert self._cells is not None
        self._cells += new
        self.store.add_runs([cell.run for cell in new], str(environment(self.setting.device)["hash"]))
        self.store.note("comparison", [cell.plain() for cell in self._cells])
        self.store.note("compare_runs", [cell.run.id for cell in self._cells if cell.role == "fresh"])
        waiting = {run.id for run in self._waiting}
        for cell in new:
            row = self.store.run(cell.run.id)
            if row and row["state"] == schema.FAILED and not self.store.attempts.given_up(of_run(cell.run.id)):
                self.store.reopen(cell.run.id)
            if not self._ended(cell.run) and cell.run.id not in waiting:
                waiting.add(cell.run.id)
                self._waiting.append(cell.run)

    def _ended(self, run: Run) -> bool:
        row = self.store.run(run.id)
        return row is not None and row["state"] in schema.ENDED

    def _end(self, run: Run) -> None:
        """Take the end of a run over and say it in a line."""
        row = self.store.run(run.id)
        assert row is not None
        if run.phase == "search":
            search = self._asked_by[run.id]
            for trial in search.tell(run.id):
                shown = {**trial, "metrics": {f"tune_{self.setting.plan.metric}": trial["value"]}}
                self._say(run, shown, search.label(trial["number"]))
            self._choose(search)
            return
        self._say(run, row, self._label(run))

    def _say(self, run: Run, ended: dict[str, Any], label: str) -> None:
        """Say how a run ended, or a trial, which is as good as its runs are in the mean."""
        self.reporter.say(self._line(run, ended, label), style="" if ended["state"] == schema.DONE else "yellow")

    def _label(self, run: Run) -> str:
        """Return in two words which run of an arm it is."""
        cell = next((cell for cell in self.cells if cell.run.id == run.id), None)
        kind = cell.role if cell and cell.role in ("restart", "twin") else "seed"
        search = f"search {cell.replicate + 1}, " if cell and cell.replicate else ""
        return f"{search}{kind} {run.init_seed}"

    def _line(self, run: Run, row: dict[str, Any], label: str) -> str:
        """Return one line on how a run ended."""
        chosen = {**run.optimizer, **run.scheduler, "epochs": run.epochs}
        words = " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in chosen.items())
        name = f"{'tune' if run.phase == 'search' else 'test'}_{self.setting.plan.metric}"
        if row["state"] == schema.DONE:
            unit = self.setting.plan.goal.unit
            value = row["metrics"][name]
            value = math.nan if value is None else value
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
        unasked = sum(search.left for search in self.searches if not search.finished) * (low + high) // 2
        if self.only_search or self._cells is not None:
            return known + unasked
        return known + unasked + (count_comparison_runs(self.setting) - self._there) * plan.compare.epochs
