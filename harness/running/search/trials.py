"""The trials of a search, by Optuna's ask and tell, so that a resumed search asks what an undisturbed one would have.

``search.together`` trials are a generation: numbers 0 to 3, 4 to 7, and so on. Our table ``asks`` is the truth. The sampler
of trial k is made anew, seeded from (arm, k), and knows how the trials of earlier generations ended and what the others of
its own were asked. The pruner of a trial knows earlier generations and the trial's own steps. So what is asked and what
is stopped depends on records alone, and neither on how many runs are carried out at once nor on which of them ends first.

Trial 0 has the defaults of the arm's optimizer and schedule, as far as its space contains them
(``harness.benchmark.first_trial``). The sampler knows of it as of any other trial.

A trial is one training, or with ``search.seeds`` one after the other under as many seeds; its value is their mean.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.benchmark.toml import refusal
from harness.errors import HarnessError, one_line, shortened
from harness.plugin.runs import Epoch, PrunerDecision, Run
from harness.records import Store, schema
from harness.records.earlier import EarlierRun
from harness.running.search.budget import Budgeted, Spending
from harness.running.search.dashboard import shown_of
from harness.running.search.rebuilding import OPTUNA_STATE, study_in_memory, write_study
from harness.running.search.samplers import Tried, combinations, fixed_params, make_pruner, make_sampler, study_name
from harness.running.search.trial_runs import TrialRuns
from harness.training.device import environment

GO_ON = PrunerDecision(stop=False, notes={})


class Trials(Budgeted):
    """The trials of a search of one arm, in one replicate."""

    def __init__(self, setting: Setting, competitor: Competitor, store: Store, replicate: int = 0) -> None:
        self.setting = setting
        self.competitor = competitor
        self.arm = competitor.name
        self.replicate = replicate
        self.study = study_name(self.arm, replicate)
        self._store = store
        self._options = competitor.benchmark.search
        self._by_epochs = self._options.pruner != "none" and self._options.seeds == 1  # else the pruner goes by seeds
        self._asks = store.asks(self.study)
        self._spending = Spending(self._options, self._asks)
        self._tried = Tried(self._options.sampler, competitor.space, competitor.rules)
        self._runs = TrialRuns(setting, competitor, replicate)
        self._waiting: dict[int, int] = {}  # by the number of a trial under way: how many of its runs have not ended
        self._numbers_by_run: dict[str, list[int]] = {}
        for ask in self._asks:
            self._note_asked(ask)
        self._told = self._whole_generations()
        self._study = study_in_memory(
            self.study, setting.plan, competitor.space, self._asks, self._told, self._reported
        )
        untold = self._asks[self._told :]
        under_way = [ask for ask in untold if not ask["ended"]]
        self._notes = {ask["number"]: dict(ask["pruner_notes"]) for ask in untold}  # that the pruner has taken
        self._steps = {ask["number"]: dict(self._reported(ask)) for ask in under_way}  # that it has seen
        self._decided = {
            ask["run_id"]: (
                max(self._steps[ask["number"]], default=0),
                (store.run(ask["run_id"]) or {}).get("stop_after"),
            )
            for ask in under_way
        }  # by run: the last epoch that has a decision of the pruner, and the epoch after which the run is to stop
        self._ready: deque[Run] = deque()  # of trials under way
        for ask in self.trials:  # one that a smaller budget no longer covers is left as it is
            self._go_on(ask)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials asked so far, in order; never more than the budget covers."""
        return self._asks[: self.asked]

    @property
    def asked(self) -> int:
        """How many trials were asked so far, of those that the budget covers."""
        return self._spending.covered(self.limit)

    @property
    def combinations(self) -> int:
        """How many different trials the space has; 0 where they are infinitely many."""
        return combinations(self.competitor.space, self.competitor.rules)

    @property
    def exhausted(self) -> bool:
        """Whether the sampler has asked every combination of the space."""
        return self._tried.everything

    @property
    def exhaustion(self) -> str:
        """Say that the sampler has nothing left to ask though the budget is not spent; "" where that is not so."""
        used, unit = self._spending.spent(), self._options.unit
        if used >= self.whole or not self.exhausted:
            return ""
        return f"the grid of {self.combinations} combinations is exhausted after {used:.4g} of {self.whole:g} {unit}"

    @property
    def spent(self) -> bool:
        """Whether nothing may be asked any more: the budget is spent, or the sampler has asked everything."""
        return self._spending.spent() >= self.limit or self.exhausted

    @property
    def over(self) -> bool:
        """Whether nothing may be asked any more and all trials have ended."""
        return not self.growing and self.asked <= self._spending.leading() and self.spent

    @property
    def left(self) -> int:
        """How many trainings of trials are still to do, about so many where the budget is not in trials."""
        covered = self._waiting.keys() & range(self.asked)
        begun = sum(self._waiting[number] for number in covered)
        unasked = 0 if self.spent else self._spending.trials_left(self.limit)
        return begun + self._options.seeds * unasked

    @property
    def search_label(self) -> str:
        """Which search of its arm it is, as the console says it; "" where the arm has no other one."""
        return f"search {self.replicate + 1}, " if self.competitor.benchmark.compare.looks[-1] > 1 else ""

    def label(self, trial: Mapping[str, Any]) -> str:
        """Return what a trial is called on the console."""
        number, unit = trial["number"], self._options.unit
        if unit == "trials":
            return f"{self.search_label}trial {number + 1}/{self.whole:.0f}"
        used = Spending(self._options, self._asks[: number + 1]).spent()
        return f"{self.search_label}trial {number + 1}, {used:.0f}/{self.whole:.0f} {unit}"

    def ask(self, room: int) -> list[Run]:
        """Return up to ``room`` runs of trials under way. A new generation is asked as a whole when the last one has ended.

        A trial whose parameters have been tried before ends at once and needs no run.
        """
        while self._may_ask():
            self._ask(len(self._asks))
        return [self._ready.popleft() for _ in range(min(room, len(self._ready)))]

    def _may_ask(self) -> bool:
        """Return whether one more trial may be asked now.

        Trials of a generation that has begun count with what they were to cost, until all of them have ended. So how many
        are asked does not depend on which of them ends first.
        """
        number = len(self._asks)
        if self._told < number - number % self._options.together:
            return False
        all_ended = self._spending.leading() == number
        return self._spending.spent(None if all_ended else self._told) < self.limit and not self.exhausted

    def _ask(self, number: int) -> None:
        """Ask the sampler for a trial, and note it; what it needs trained is ready then."""
        plan, arm = self.setting.plan, self.competitor

        def sampler(attempt: int = 0) -> Any:
            return make_sampler(plan, arm, number, self.replicate, attempt=attempt)

        with self._translated("sampler"):
            self._study.prepare(sampler(), make_pruner(plan))
            fixed = fixed_params(plan, arm, number, self.replicate)
            trial = self._study.ask_with(fixed, arm.space, arm.rules, sampler)
        assert trial.number == number
        runs = self._runs.begun(number, trial.params)
        attrs = self._study.trial_attrs(number), self._study.study_attrs
        generation = number // self._options.together
        self._store.add_runs(runs[:1], str(environment(self.setting.device)["hash"]))
        self._asks.append(self._store.add_ask(self.study, number, generation, trial.params, runs[0], *attrs))
        self._note_asked(self._asks[number])
        self._go_on(self._asks[number])

    def ask_pruner(self, run_id: str, epoch: Epoch) -> PrunerDecision:
        """Return the pruner's decision on an epoch.

        The decision goes into the records with the epoch, in one transaction. So the pruner is never asked about an epoch
        again, and a search that goes on elsewhere knows all that its pruner knew. For an epoch that was decided on before a
        kill, the decision of then is returned. Of trials with equal parameters, which are one run, the first one decides.
        """
        decided, stop_after = self._decided.get(run_id, (0, None))
        if epoch.number <= decided:
            number = self._first_under_way(run_id)
            return PrunerDecision(stop_after == epoch.number, {number: self._notes.get(number, {})})
        if not self._by_epochs:
            return GO_ON
        return self._decide(self._first_under_way(run_id), epoch.number, epoch.metrics[self._metric])

    def _first_under_way(self, run_id: str) -> int:
        return next(number for number in self._numbers_by_run[run_id] if not self._asks[number]["ended"])

    def _decide(self, number: int, step: int, value: float) -> PrunerDecision:
        """Ask a new pruner about a trial after one more step; it knows earlier generations and this trial alone."""
        steps = self._steps.setdefault(number, {})
        steps[step] = value
        with self._translated("pruner"):
            pruner = make_pruner(self.setting.plan)
            stop, self._notes[number] = self._study.decide(pruner, number, steps, self._notes.get(number, {}))
        return PrunerDecision(stop, {number: self._notes[number]})

    def replay(self, earlier: EarlierRun) -> EarlierRun | None:
        """Return a run of another run folder as it would have ended in this search; None where that is not known.

        The pruner is asked about each of its epochs, for it may have seen other trials than the pruner there. Where it
        would have let a run go on that was stopped there, the run must be trained; its epochs are not asked about again.
        """
        if not self._by_epochs:
            return None if earlier.state == schema.STOPPED else earlier
        total = json.loads(earlier.row["recipe"])["epochs"]
        if any(row["metrics"].get(self._metric) is None for row in earlier.epochs):
            return None  # it was no finite number, and which one is not recorded
        decision = None
        for row in earlier.epochs:
            if row["epoch"] < total:
                epoch = Epoch(row["epoch"], row["steps"], row["seconds"], row["lr"], row["metrics"])
                decision = self.ask_pruner(earlier.run_id, epoch)
                if decision.stop:
                    return earlier.stopped_after(row["epoch"], decision)
                self._decided[earlier.run_id] = (row["epoch"], None)
        if earlier.state == schema.STOPPED:
            return None
        return replace(earlier, decision=decision)

    def tell(self, run_id: str) -> list[dict[str, Any]]:
        """Take the end of a run over from the records; return the trials that ended with it."""
        trials = [self._asks[number] for number in self._numbers_by_run.get(run_id, [])]
        waiting = [ask for ask in trials if not ask["ended"]]
        for ask in waiting:
            self._go_on(ask)
        return [ask for ask in waiting if ask["ended"]]

    def ranked(self) -> list[dict[str, Any]]:
        """Return the trials that ended well, the best first, and of equal ones the earliest first."""
        sign = self.setting.plan.searched.sign
        good = [ask for ask in self.trials if ask["state"] == schema.DONE]
        return sorted(good, key=lambda ask: (-sign * ask["value"], ask["number"]))

    # --- inside

    @contextmanager
    def _translated(self, part: str) -> Iterator[None]:
        """Turn what a sampler or pruner raises into a line; errors of the harness and of the disk stay what they are."""
        try:
            yield
        except (HarnessError, OSError, sqlite3.Error, SQLAlchemyError, StorageInternalError):
            raise
        except Exception as error:  # Optuna's classes raise many types
            trouble = f"{shortened(one_line(error), 160)} at trial {len(self._asks) + 1}"
            hint = f"what is trained stays in {self._store.folder}; choose other options in search.{part}_options"
            raise refusal(f"search.{part}", f"go on for {self.arm}", trouble, hint) from error

    @property
    def _metric(self) -> str:
        return self.setting.plan.searched.tune_column

    def _note_asked(self, ask: Mapping[str, Any]) -> None:
        """Note which runs a trial has, and what it tries."""
        self._tried.note(ask["params"])
        for run in self._runs.of(ask):
            self._numbers_by_run.setdefault(run.id, []).append(ask["number"])

    def _go_on(self, ask: dict[str, Any]) -> None:
        """Bring a trial on: what it needs trained next is made ready; if it needs no more, it ends."""
        if ask["ended"]:
            return
        runs = self._runs.of(ask)
        for place, run in enumerate(runs):
            row = self._store.run(run.id)
            if row is None:
                self._store.add_runs([run], str(environment(self.setting.device)["hash"]))
            if row is None or row["state"] == schema.WAITING:
                self._ready.append(run)
                self._waiting[ask["number"]] = len(runs) - place
                return
            if row["state"] != schema.DONE:
                self._end(ask, row["state"], row["reason"], place + 1)
                return
            if self._given_up(ask, place, row["metrics"][self._metric], runs):
                self._end(ask, schema.STOPPED, "", place + 1)
                return
        self._end(ask, schema.DONE, "", len(runs))

    def _given_up(self, ask: Mapping[str, Any], place: int, value: float, runs: list[Run]) -> bool:
        """Report a seed's score to the pruner, and return whether it gives the trial up.

        A trial is not given up after its last seed, or if its next seed has begun: the pruner was asked before that.
        """
        if self._options.seeds == 1 or self._options.pruner == "none":
            return False
        self._steps.setdefault(ask["number"], {})[place] = value
        if place == len(runs) - 1 or self._store.run(runs[place + 1].id) is not None:
            return False
        return self._decide(ask["number"], place, value).stop

    def _end(self, ask: dict[str, Any], state: str, reason: str, trained: int) -> None:
        """End a trial in our table and in Optuna's, by the first so many of its runs."""
        runs = self._runs.of(ask)[:trained]
        self._runs.forget(ask["number"])
        self._waiting.pop(ask["number"], None)
        rows = [self._store.run(run.id) or {} for run in runs]
        values = [row["metrics"][self._metric] for row in rows] if state == schema.DONE else []
        value = sum(values) / len(values) if values else None
        cost = {
            "seconds": sum(float(row["seconds"]) for row in rows),
            "trained": sum(self._store.trained(run.id) for run in runs),
        }
        ask |= {"state": state, "value": value, "reason": reason, "ended": True, **cost}
        over = self.exhausted and self._spending.leading() == len(self._asks)
        self._store.end_ask(self.study, ask["number"], ask, {self.study: self.combinations} if over else {})
        self._tell()

    def _whole_generations(self) -> int:
        """Return how many trials are in generations whose trials are all asked and have ended."""
        ended = self._spending.leading()
        return ended - ended % self._options.together

    def _tell(self) -> None:
        """Tell Optuna how the trials of every generation that is over have ended, in the order of their numbers."""
        for number in range(self._told, self._whole_generations()):
            ask = self._asks[number]
            values = {"score": ask["value"], "seconds": ask["seconds"]}
            scores = [values[name] for name in self._options.objectives] if ask["value"] is not None else None
            notes = self._notes.pop(number, {})
            self._steps.pop(number, None)
            with self._translated("sampler"):
                self._study.end(number, self._reported(ask), notes, scores, OPTUNA_STATE[ask["state"]])
            self._told = number + 1

    def write_for_optuna(self) -> None:
        """Write the search as far as it is into Optuna's tables, for its dashboard and its plots."""
        space, shown = self.competitor.space, partial(shown_of, self._runs.of, self._store, self._metric)
        write_study(self.study, self.setting.plan, space, self._store, self.trials, self._reported, shown)

    def _reported(self, ask: Mapping[str, Any]) -> dict[int, float]:
        """Return what the pruner has seen of a trial: its seeds, or every epoch but the last, when it is too late."""
        if self._options.pruner == "none":
            return {}
        if not self._by_epochs:
            rows = [self._store.run(run.id) or {} for run in self._runs.of(ask)]
            ended = [row["metrics"][self._metric] for row in rows if row.get("state") == schema.DONE]
            return dict(enumerate(ended))
        epochs = [e for e in self._store.epochs(ask["run_id"]) if e["epoch"] < ask["params"]["epochs"]]
        return {e["epoch"]: e["metrics"][self._metric] for e in epochs}
